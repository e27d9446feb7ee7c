//! Background tasks: callbacks from the outbox, and edits of `offhook.toml` taken as they come.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, mpsc, watch};

use super::clock::Clock;
use super::project::{Opened, names};
use super::start::resolved;
use super::tell_problems;
use crate::callback::Outbox;
use crate::config::{Config, FILE, Problem, Severity};
use crate::exchange::Input;

/// How often the configuration file is looked at: an edit takes effect before one can dial.
const LOOK: Duration = Duration::from_millis(200);

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

/// What tells one version of a file from the next: when it was written, and its length.
type Stamp = (SystemTime, u64);

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// A file that is looked at again and again.
#[derive(Debug)]
struct Watched {
    /// The version in force.
    taken: Option<Stamp>,
    /// What was there at the last look.
    last: Option<Stamp>,
}

impl Watched {
    fn new(now: Option<Stamp>) -> Watched {
        Watched { taken: now, last: now }
    }

    /// Whether there is a new version that nobody has touched since the last look. Editors empty
    /// a file before they write it, and an empty configuration is a sound one that has nobody in.
    fn settled(&mut self, now: Option<Stamp>) -> bool {
        let resting = now.is_some() && now == self.last;
        self.last = now;
        if !resting || now == self.taken {
            return false;
        }
        self.taken = now;
        true
    }
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
        Edits { watched: Watched::new(stamp(&path)), path, waiting: None }
    }

    /// Looks at the file: the new version when there is one to take, or what is wrong with it. Of
    /// a broken one nothing is taken.
    fn look(&mut self) -> Option<Result<Config, Vec<Problem>>> {
        if self.watched.settled(stamp(&self.path)) {
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

/// Takes edits of the configuration; a bad one is told and changes nothing.
pub(super) async fn watch(
    mut opened: Opened,
    results: mpsc::Sender<Input>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut edits = Edits::new(&opened.config.project);
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        match edits.look() {
            None => continue,
            Some(Ok(config)) => opened.reconfigure(config),
            Some(Err(problems)) => {
                tell_problems(&problems);
                tracing::warn!("{FILE} has errors; the last good version stays in force");
                continue;
            }
        }
        tell_problems(&opened.config.warnings);
        let directory = resolved(opened.directory()).await;
        tracing::info!(
            "{FILE} was edited: numbers, domains, credentials and trunks are in force; \
             all else wants a restart"
        );
        if results.send(Input::Directory(Arc::new(directory))).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_once_it_rests() {
        let at =
            |second, length| Some((SystemTime::UNIX_EPOCH + Duration::from_secs(second), length));
        let mut watched = Watched::new(at(1, 500));
        assert!(!watched.settled(at(1, 500)), "nothing new");
        assert!(!watched.settled(at(2, 0)), "emptied by an editor");
        assert!(!watched.settled(at(2, 510)), "just written");
        assert!(!watched.settled(None), "replaced by another file");
        assert!(!watched.settled(at(3, 520)));
        assert!(watched.settled(at(3, 520)), "rests");
        assert!(!watched.settled(at(3, 520)), "once");
    }

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
}
