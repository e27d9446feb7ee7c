//! Background tasks: callbacks from the outbox, and edits of `offhook.toml` taken as they come.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, mpsc, watch};

use super::clock::Clock;
use super::project::Opened;
use super::tell_problems;
use crate::callback::Outbox;
use crate::config::{Config, FILE};
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

/// Takes edits of the configuration; a bad one is told and changes nothing.
pub(super) async fn watch(
    mut opened: Opened,
    results: mpsc::Sender<Input>,
    mut stopping: watch::Receiver<bool>,
) {
    let path = opened.config.project.join(FILE);
    let mut watched = Watched::new(stamp(&path));
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        if !watched.settled(stamp(&path)) {
            continue;
        }
        let env = |name: &str| std::env::var(name).ok();
        match Config::read(&opened.config.project, &env) {
            Ok(config) => {
                opened.reconfigure(config);
                for missing in opened.missing_handlers() {
                    tracing::warn!("{missing}");
                }
                let directory = opened.directory();
                tracing::info!(
                    "{FILE} was edited: numbers, domains, credentials, trunks and lines are in force; \
                     all else wants a restart"
                );
                if results.send(Input::Directory(Arc::new(directory))).await.is_err() {
                    return;
                }
            }
            Err(problems) => {
                tell_problems(&problems);
                tracing::warn!("{FILE} has errors; the last good version stays in force");
            }
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
}
