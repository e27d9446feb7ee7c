//! `offhook serve`: runs a project until SIGTERM, then drains.

use std::process::ExitCode;

use tokio::runtime::LocalOptions;
use tokio::signal::unix::{SignalKind, signal};

use super::{Outcome, Project};
use crate::base::plural;
use crate::config::Config;
use crate::node::{Node, Options};

/// Arguments of `offhook serve`.
#[derive(clap::Args, Debug)]
pub(super) struct Serve {
    #[command(flatten)]
    project: Project,
}

impl Serve {
    pub(super) fn run(self) -> Outcome {
        start_logging();
        let config = read_config(&self.project)?;
        serve(config, Options::default())
    }
}

/// Runs a server until it is told to stop.
pub(super) fn serve(config: Config, options: Options) -> Outcome {
    block_on(async move {
        let node = Node::start(config, options).await.map_err(|e| e.to_string())?;
        print_addresses(&node);
        println!("ready");
        // As a task: what `block_on` is given is woken by a system call, even by itself.
        let run = tokio::task::spawn_local(node.run(stop_signal)).await;
        run.map_err(|crash| crash.to_string())?.map_err(|error| error.to_string())?;
        Ok(ExitCode::SUCCESS)
    })
}

/// One line for each listening address.
pub(super) fn print_addresses(node: &Node) {
    let addresses = node.addresses();
    for (transport, address) in addresses.sip {
        println!("sip  {}:{address}", transport.name());
    }
    for address in addresses.http {
        println!("http http://{address}");
    }
}

/// Reads a project's configuration; problems go to standard error, one line each.
pub(super) fn read_config(project: &Project) -> Result<Config, String> {
    let env = |name: &str| std::env::var(name).ok();
    Config::read(&project.folder, &env).map_err(|problems| {
        for problem in &problems {
            eprintln!("{problem}");
        }
        let them = if problems.len() == 1 { "it" } else { "them" };
        let count = plural(problems.len(), "problem");
        format!("{count} in the configuration; mend {them} and try again")
    })
}

/// Runs a command's work where tasks may be spawned locally.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(16)
        .build_local(LocalOptions::default())
        .map_err(|error| format!("cannot start: {error}"))?;
    let done = runtime.block_on(work);
    // What still blocks (a sentence being spoken) must not hold up the end.
    runtime.shutdown_background();
    done
}

/// Log lines go to standard error, without colours, and without times where a journal adds them.
pub(super) fn start_logging() {
    let _ = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .with_max_level(tracing::Level::INFO)
        .try_init();
}

/// Resolves at SIGTERM or SIGINT.
pub(super) async fn stop_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
