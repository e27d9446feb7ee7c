//! Background tasks: callbacks from the outbox, and edits of `offhook.toml` taken as they come.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use super::authorities;
use super::clock::Clock;
use super::project::{Opened, names};
use super::watched::{Watched, look_often};
use super::{tell_problems, tell_secrets};
use crate::callback::Outbox;
use crate::config::{self, Config, FILE, Problem, Severity};
use crate::directory::{Directory, Limits};
use crate::exchange::Input;
use crate::source::Stamp;

/// A store that fails is asked again after this.
const STORE_TROUBLE: Duration = Duration::from_secs(5);

/// Delivers callbacks as they fall due, until told to stop.
pub(super) async fn deliver(
    outbox: Outbox,
    woken: Arc<Notify>,
    clock: Clock,
    mut stopping: watch::Receiver<bool>,
) {
    loop {
        let wait = match deliver_round(&outbox, &clock).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::error!("callbacks wait: {error}");
                Some(STORE_TROUBLE)
            }
        };
        let due = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = woken.notified() => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Delivers what is due; gives how long to wait for the next.
async fn deliver_round(
    outbox: &Outbox,
    clock: &Clock,
) -> Result<Option<Duration>, crate::store::StoreError> {
    let round = outbox.deliver_due(clock.wall()).await?;
    for note in round.notes {
        tracing::warn!("{}: {}: {}", note.call, note.code, note.text);
    }
    let next = outbox.next_due().await?;
    Ok(next.map(|at| {
        Duration::from_millis(at.unix_millis().saturating_sub(clock.wall().unix_millis()))
    }))
}

/// The edits of `offhook.toml`.
struct Edits {
    path: PathBuf,
    watched: Watched,
    /// Refused because it names what is not there; taken once that is.
    waiting: Option<Config>,
}

impl Edits {
    fn new(project: &Path) -> Edits {
        let path = project.join(FILE);
        Edits { watched: Watched::new(Stamp::of(&path)), path, waiting: None }
    }

    /// Looks at the file: the new version when there is one to take, or what is wrong with it. Of
    /// a broken one nothing is taken.
    fn look(&mut self) -> Option<Result<Config, Vec<Problem>>> {
        if self.watched.settled(Stamp::of(&self.path)) {
            self.waiting = None;
            let project = self.path.parent().unwrap_or(Path::new("."));
            let env = |name: &str| std::env::var(name).ok();
            let read =
                Config::read(project, &env).and_then(|config| match dead_handlers(&config) {
                    problems if problems.is_empty() => Ok(config),
                    problems => {
                        self.waiting = Some(config);
                        Err(problems)
                    }
                });
            return Some(read);
        }
        // The bin that a handler names may be saved after the file that names it.
        let config = self.waiting.take_if(|config| dead_handlers(config).is_empty())?;
        Some(Ok(config))
    }
}

/// The handlers that would find nothing.
fn dead_handlers(config: &Config) -> Vec<Problem> {
    let mut problems = config.handler_problems(&names(config));
    problems.retain(|problem| problem.severity == Severity::Error);
    problems
}

/// Looks between two at the bins and functions that the configuration in force names.
const EVERY: u32 = 5;

/// What the configuration in force names, and is there no more: calls would find out first.
#[derive(Default)]
struct Vanished {
    looks: u32,
    /// What was missing at the last look; an editor that replaces a file takes no two.
    last: BTreeSet<String>,
    told: BTreeSet<String>,
}

impl Vanished {
    /// What has gone since it was last told of.
    fn look(&mut self, config: &Config) -> Vec<Problem> {
        self.looks = self.looks.wrapping_add(1);
        if !self.looks.is_multiple_of(EVERY) {
            return vec![];
        }
        let mut problems = dead_handlers(config);
        let missing: BTreeSet<String> = problems.iter().map(|p| p.message.clone()).collect();
        problems.retain(|p| self.last.contains(&p.message) && !self.told.contains(&p.message));
        self.told.retain(|message| missing.contains(message));
        self.told.extend(problems.iter().map(|problem| problem.message.clone()));
        self.last = missing;
        problems
    }
}

/// Edits that wait to be put in force: each is older than the next, and one is taken at once.
const MOST_WAITING: usize = 1;

/// Takes edits of the configuration from now on; a bad one is told and changes nothing. Reading
/// is done on a thread of its own; what comes of it reaches all shards.
pub(super) fn watch(
    mut opened: Opened,
    shards: Vec<mpsc::Sender<Input>>,
    stopping: watch::Receiver<bool>,
) -> io::Result<()> {
    let (edited, directories) = mpsc::channel(MOST_WAITING);
    tokio::task::spawn_local(put_in_force(directories, shards));
    let mut edits = Edits::new(&opened.config.project);
    let mut vanished = Vanished::default();
    let mut authorities = authorities::Watching::new(Arc::clone(&opened.authorities));
    let started = opened.config.clone();
    let mut look = move || match edits.look() {
        None => {
            let gone = vanished.look(&opened.config);
            if !gone.is_empty() {
                tell_problems(&gone);
                tracing::warn!("calls to it fail until it is back or {FILE} names another");
            }
            !edited.is_closed()
        }
        Some(Ok(config)) => {
            let secrets = opened.config.secrets();
            opened.reconfigure(config);
            tell_problems(&opened.config.warnings);
            if secrets != opened.config.secrets() {
                tell_secrets(&opened.config);
            }
            let waiting = wants_restart(&started, &opened.config);
            if !waiting.is_empty() {
                let sections = waiting.join(", ");
                tracing::warn!("{FILE}: {sections}: these changes wait for a restart");
            }
            edited.blocking_send(opened.directory()).is_ok()
        }
        Some(Err(problems)) => {
            tell_problems(&problems);
            tracing::warn!("{FILE} has errors; the last good version stays in force");
            true
        }
    };
    look_often("configuration", stopping, move || {
        authorities.take();
        look()
    })
}

/// The tables that differ from what the server was started with and that only a start reads.
/// Files that `[tls]` names are taken as they change; their names are not.
fn wants_restart(started: &Config, edited: &Config) -> Vec<&'static str> {
    // What directories carry is in force already.
    let sip = |config: &Config| config::Sip { limits: Limits::default(), ..config.sip.clone() };
    let media = |config: &Config| (config.media.ports, config.media.tick_ms);
    let tables: [(&'static str, String, String); 12] = [
        ("[server]", text(&started.server), text(&edited.server)),
        ("[http]", text(&started.http), text(&edited.http)),
        ("[sip]", text(&sip(started)), text(&sip(edited))),
        ("[tls]", text(&started.tls), text(&edited.tls)),
        ("[dns]", text(&started.dns), text(&edited.dns)),
        ("[media]", text(&media(started)), text(&media(edited))),
        ("[webhook]", text(&started.webhook_allow), text(&edited.webhook_allow)),
        ("[metrics]", text(&started.metrics_allow), text(&edited.metrics_allow)),
        ("[speech]", text(&started.speech), text(&edited.speech)),
        ("[story]", text(&started.story), text(&edited.story)),
        ("[hep]", text(&started.hep), text(&edited.hep)),
        ("[otel]", text(&started.otel), text(&edited.otel)),
    ];
    let changed = tables.into_iter().filter(|(_, before, after)| before != after);
    changed.map(|(name, _, _)| name).collect()
}

/// A table's values, secrets left out.
fn text(table: &impl std::fmt::Debug) -> String {
    format!("{table:?}")
}

async fn put_in_force(mut edited: mpsc::Receiver<Directory>, shards: Vec<mpsc::Sender<Input>>) {
    while let Some(directory) = edited.recv().await {
        tracing::info!(
            "{FILE} was edited, and is in force, but for what is said to wait for a restart"
        );
        let directory = Arc::new(directory);
        for shard in &shards {
            if shard.send(Input::Directory(Arc::clone(&directory))).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a look gave: the numbers of a version taken, or what is wrong with it.
    fn told(edits: &mut Edits) -> Option<Result<Vec<String>, Vec<String>>> {
        let looked = edits.look()?;
        Some(match looked {
            Ok(config) => Ok(config.numbers.into_iter().map(|number| number.number).collect()),
            Err(problems) => Err(problems
                .into_iter()
                .map(|problem| format!("{}:{}: {}", problem.line, problem.column, problem.message))
                .collect()),
        })
    }

    #[test]
    fn a_change_that_waits_for_a_restart_is_named() {
        let read = |text: &str| {
            let folder = Path::new("/nowhere");
            Config::parse(folder, &folder.join(FILE), text, &|_| None).expect("sound")
        };
        let started = read("[dns]\nservers = [\"127.0.0.1:53\"]\n[sip]\nsession_expires = 600\n");
        let changed = |text: &str| wants_restart(&started, &read(text));
        let same = "[sip]\nsession_expires = 600\n[dns]\nservers = [\"127.0.0.1:53\"]\n";
        assert!(changed(same).is_empty());
        let in_force = "[sip.limits]\nsource_rate = 7\n[[number]]\nnumber = \"+12223331234\"\n";
        assert!(changed(&format!("{same}{in_force}")).is_empty(), "taken at once");
        let tls = "[tls]\nsystem_roots = false\n[media]\ntick_ms = 2\n";
        assert_eq!(changed(&format!("{same}{tls}")), ["[tls]", "[media]"]);
        assert_eq!(changed("[sip]\nsession_expires = 900\n"), ["[sip]", "[dns]"]);
    }

    #[test]
    fn an_edit_that_names_what_is_missing_is_refused_until_it_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        let number = |handler: &str| {
            format!("[[number]]\nnumber = \"+12223331234\"\nvoice = \"{handler}\"\n")
        };
        std::fs::create_dir(folder.path().join("bins")).expect("made");
        write("bins/hello.xml", "<Response/>");
        write(FILE, &number("bin:hello"));
        let mut edits = Edits::new(folder.path());
        assert_eq!(told(&mut edits), None, "nothing new");

        write(FILE, &number("bin:helo1"));
        assert_eq!(told(&mut edits), None, "just written");
        let refused = "3:9: there is no bin \"helo1\"; did you mean \"hello\"?".to_owned();
        assert_eq!(told(&mut edits), Some(Err(vec![refused])));
        assert_eq!(told(&mut edits), None, "told once");
        write("bins/helo1.xml", "<Response/>");
        let taken = Some(Ok(vec!["+12223331234".to_owned()]));
        assert_eq!(told(&mut edits), taken, "the bin came after the file that names it");
        assert_eq!(told(&mut edits), None, "once");

        write(FILE, &number("app:desk-of-mine"));
        assert_eq!(told(&mut edits), None);
        assert!(
            matches!(told(&mut edits), Some(Err(told)) if told[0].contains("app:desk-of-mine"))
        );
        write(FILE, &number("bin:hello"));
        assert_eq!(told(&mut edits), None);
        assert_eq!(told(&mut edits), taken, "mended");
    }

    #[test]
    fn a_bin_that_goes_away_is_told_once_and_again_after_it_was_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let bin = folder.path().join("bins/hello.xml");
        std::fs::create_dir(folder.path().join("bins")).expect("made");
        std::fs::write(&bin, "<Response/>").expect("written");
        let text = "[[number]]\nnumber = \"+12223331234\"\nvoice = \"bin:hello\"\n";
        std::fs::write(folder.path().join(FILE), text).expect("written");
        let config = Config::read(folder.path(), &|_| None).expect("a sound configuration");
        let mut vanished = Vanished::default();
        let mut told = |looks: u32| {
            let found: Vec<Problem> = (0..looks).flat_map(|_| vanished.look(&config)).collect();
            found.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
        };
        assert!(told(4 * EVERY).is_empty(), "all is there");
        std::fs::remove_file(&bin).expect("removed");
        assert!(told(EVERY).is_empty(), "an editor may be at it");
        let found = told(10 * EVERY);
        assert!(matches!(&found[..], [one] if one.contains("hello")), "once: {found:?}");
        std::fs::write(&bin, "<Response/>").expect("written");
        assert!(told(2 * EVERY).is_empty());
        std::fs::remove_file(&bin).expect("removed");
        assert_eq!(told(3 * EVERY), found, "again");
    }
}
