//! `offhook call`: looks at calls that are, or were: list, ladder, capture file, refusals.
//!
//! It reads the project's data folder, so that it works beside a running server and without one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::serve::{block_on, read_config};
use super::{Outcome, Project, say};
use crate::base::WallTime;
use crate::call::CallRecord;
use crate::node::seeing::history::{self, Story};
use crate::node::seeing::{ladder, pcap};
use crate::store::{Sqlite, Store};

/// The most that are listed at once.
const MOST_LISTED: usize = 100_000;

/// What to see of calls.
#[derive(Subcommand, Debug)]
pub(super) enum Call {
    /// List recent calls, newest first
    List(List),
    /// Print a call's ladder: messages with times, documents, verbs, causes
    Show(Show),
    /// Write a call's SIP messages as a capture file for Wireshark
    Pcap(Pcap),
    /// List requests that were not admitted, with the reason that their sender is not told
    Refused(List),
}

/// Arguments of `offhook call list`.
#[derive(clap::Args, Debug)]
pub(super) struct List {
    #[command(flatten)]
    project: Project,
    /// How many
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `offhook call show`.
#[derive(clap::Args, Debug)]
pub(super) struct Show {
    /// The call: its SID, the SID of a leg that it dialled, or a Call-ID
    #[arg(value_name = "SID")]
    call: String,
    #[command(flatten)]
    project: Project,
    /// Print every message whole; credentials were taken off when it was kept
    #[arg(long)]
    full: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `offhook call pcap`.
#[derive(clap::Args, Debug)]
pub(super) struct Pcap {
    /// The call: its SID, the SID of a leg that it dialled, or a Call-ID
    #[arg(value_name = "SID")]
    call: String,
    #[command(flatten)]
    project: Project,
    /// Where to write it
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Call {
    pub(super) fn run(self) -> Outcome {
        match self {
            Call::List(list) => list.run(),
            Call::Show(show) => show.run(),
            Call::Pcap(pcap) => pcap.run(),
            Call::Refused(list) => list.refused(),
        }
    }
}

impl List {
    pub(super) fn run(self) -> Outcome {
        let data = read_config(&self.project)?.server.data;
        let limit = self.limit.min(MOST_LISTED);
        let calls = block_on(calls(data.join("offhook.db"), limit))?;
        match self.json {
            true => say(&Value::from(calls.iter().map(as_json).collect::<Vec<_>>()).to_string()),
            false => calls.iter().for_each(|call| say(&as_line(call))),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn refused(self) -> Outcome {
        let data = read_config(&self.project)?.server.data;
        let found = history::refusals(&data, self.limit.min(MOST_LISTED));
        for (at, refused) in found.map_err(|error| unreadable(&data, &error))? {
            let time = WallTime::from_unix_millis(at / 1_000).rfc3339();
            match self.json {
                true => say(&json!({ "time": time, "refused": refused }).to_string()),
                false => {
                    let (method, status, reason) = (refused.method, refused.status, refused.reason);
                    say(&format!("{time}  {method} {status}  {reason}  ({})", refused.call_id));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Show {
    fn run(self) -> Outcome {
        let story = story(&self.project, &self.call)?;
        match self.json {
            true => say(&ladder::json(&story).to_string()),
            false => ladder::draw(&story, self.full).iter().for_each(|line| say(line)),
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Pcap {
    fn run(self) -> Outcome {
        let story = story(&self.project, &self.call)?;
        let messages: Vec<_> = story.messages().collect();
        if messages.is_empty() {
            return Err(format!("{}: no messages were kept of it", self.call));
        }
        let count = messages.len();
        let path = self.output.display();
        std::fs::write(&self.output, pcap::file(messages))
            .map_err(|error| format!("{path}: {error}; name a file that can be written"))?;
        say(&format!("{count} messages in {path}"));
        Ok(ExitCode::SUCCESS)
    }
}

fn story(project: &Project, key: &str) -> Result<Story, String> {
    let config = read_config(project)?;
    let found = history::find(&config.server.data, key);
    let advice = match config.story.bytes {
        0 => "; [story] keep_megabytes = 0 keeps nothing".to_owned(),
        _ => "; `offhook call list` shows calls, and [story] in offhook.toml says how long they are kept".to_owned(),
    };
    found
        .map_err(|error| unreadable(&config.server.data, &error))?
        .ok_or_else(|| format!("nothing is kept of {key:?}{advice}"))
}

fn unreadable(data: &Path, error: &std::io::Error) -> String {
    let folder = data.join(crate::node::seeing::FOLDER);
    format!("{} cannot be read: {error}; run this as the server's user", folder.display())
}

/// The newest calls; none when no server ever ran here.
async fn calls(database: PathBuf, limit: usize) -> Result<Vec<CallRecord>, String> {
    if !database.exists() {
        return Ok(vec![]);
    }
    let failed = |error: crate::store::StoreError| format!("{}: {error}", database.display());
    let store = Sqlite::read(&database).await.map_err(failed)?;
    store.calls(limit).await.map_err(failed)
}

/// Whole seconds of talk.
fn seconds(call: &CallRecord) -> Option<u64> {
    let (answered, ended) = (call.answered?, call.ended?);
    Some(ended.unix_millis().saturating_sub(answered.unix_millis()) / 1_000)
}

fn as_line(call: &CallRecord) -> String {
    let time = call.started.rfc3339();
    let (way, status) = (call.direction.as_str(), call.status.as_str());
    let talk = seconds(call).map_or_else(String::new, |seconds| format!(" {seconds} s"));
    let reason = match call.reason.as_str() {
        "" => String::new(),
        reason => format!(", {reason}"),
    };
    let (sid, from, to) = (call.sid, &call.from, &call.to);
    format!("{time}  {sid}  {way:<13} {from} to {to}: {status}{talk}{reason}")
}

fn as_json(call: &CallRecord) -> Value {
    json!({
        "sid": call.sid.to_string(),
        "parent_call_sid": call.parent.map(|sid| sid.to_string()),
        "from": call.from,
        "to": call.to,
        "direction": call.direction.as_str(),
        "status": call.status.as_str(),
        "start_time": call.started.rfc3339(),
        "answer_time": call.answered.map(WallTime::rfc3339),
        "end_time": call.ended.map(WallTime::rfc3339),
        "duration": seconds(call),
        "reason": call.reason,
        "sip_status": call.sip_status,
        "sip_call_id": call.sip_call_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;
    use crate::base::id::CallSid;
    use crate::call::{Direction, Persist, Status};

    fn row(sid: CallSid) -> CallRecord {
        CallRecord {
            sid,
            parent: None,
            from: "+15550001111".to_owned(),
            to: "+15552223333".to_owned(),
            direction: Direction::Inbound,
            status: Status::Completed,
            started: WallTime::from_unix_millis(1_000),
            answered: Some(WallTime::from_unix_millis(2_000)),
            ended: Some(WallTime::from_unix_millis(5_500)),
            reason: "the party hung up".to_owned(),
            sip_status: None,
            sip_call_id: Some("a@b".to_owned()),
            owed: None,
        }
    }

    #[tokio::test]
    async fn calls_are_listed_beside_the_server_that_writes_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("offhook.db");
        assert_eq!(calls(database.clone(), 5).await, Ok(vec![]), "no server yet");
        let mut rng = Rng::from_number(1);
        let server = Sqlite::open(&database, &mut rng).await.expect("opened");
        let sid = CallSid::random(&mut rng);
        let persist = Persist { calls: vec![row(sid)], ..Persist::default() };
        server.persist(persist.clone()).await.expect("written");
        let found = calls(database.clone(), 5).await.expect("read");
        assert_eq!(found, [row(sid)]);
        let line = as_line(&found[0]);
        let wanted = "inbound       +15550001111 to +15552223333: completed 3 s, the party hung up";
        assert!(line.ends_with(wanted), "{line}");
        assert_eq!(as_json(&found[0])["duration"], 3);
        let reader = Sqlite::read(&database).await.expect("opened");
        assert!(reader.persist(persist).await.is_err(), "nothing can be written");
    }
}
