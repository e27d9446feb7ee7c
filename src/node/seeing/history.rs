//! Finds the story of a call in the files, of a running server or of one that is long gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use memchr::memmem;

use super::record::{Captured, Party, Record, Refused, What};
use super::spool;
use super::wire;

/// Everything that was kept of one call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Story {
    /// The caller's SID; none for a request that never became a call.
    pub call: Option<String>,
    /// The legs as they were last written, the caller first.
    pub parties: Vec<Party>,
    /// What happened, in the order of time.
    pub records: Vec<Record>,
}

impl Story {
    /// Whether it is a call and every leg of it has ended.
    pub fn is_over(&self) -> bool {
        !self.parties.is_empty() && self.parties.iter().all(|party| !party.reason.is_empty())
    }

    /// The messages with their times.
    pub fn messages(&self) -> impl Iterator<Item = (u64, &Captured)> {
        self.records.iter().filter_map(|record| match &record.what {
            What::Message(message) => Some((record.at, message)),
            _ => None,
        })
    }
}

/// Looks for a call by the SID of its caller or of a leg that it dialled, or by a Call-ID.
pub fn find(data: &Path, key: &str) -> io::Result<Option<Story>> {
    let asked = Call::read(data, key)?;
    // A leg's story is its caller's; so is a Call-ID's.
    let root = match asked.root(key) {
        Some(root) if root != key => Some(root),
        _ => None,
    };
    let found = match &root {
        Some(root) => Call::read(data, root)?,
        None => asked,
    };
    let Call { mut records, mut call_ids } = found;
    if root.is_none() && records.is_empty() {
        return Ok(None);
    }
    if records.iter().any(|record| matches!(&record.what, What::Refused(_))) {
        call_ids.insert(key.to_owned());
    }
    records.extend(messages(data, &call_ids)?);
    records.sort_by_key(|record| (record.at, record.order));
    let call = root.unwrap_or_else(|| key.to_owned());
    let parties = parties(&records, &call);
    let is_call = records.iter().any(|record| matches!(record.what, What::Dialog { .. }));
    Ok(Some(Story { call: (is_call || !parties.is_empty()).then_some(call), parties, records }))
}

/// The refusals that were kept, newest first.
pub fn refusals(data: &Path, most: usize) -> io::Result<Vec<(u64, Refused)>> {
    let mut found = vec![];
    let finder = memmem::Finder::new(b"\"kind\":\"refused\"");
    each_line(data, &[finder], |line| {
        if let Some(Record { at, what: What::Refused(refused), .. }) = Record::read(line) {
            found.push((at, refused));
        }
    })?;
    found.reverse();
    found.truncate(most);
    Ok(found)
}

/// The records that name something, but for messages.
#[derive(Default)]
struct Call {
    records: Vec<Record>,
    call_ids: BTreeSet<String>,
}

impl Call {
    fn read(data: &Path, key: &str) -> io::Result<Call> {
        let mut call = Call::default();
        let quoted = quoted(key);
        each_line(data, &[memmem::Finder::new(quoted.as_bytes())], |line| {
            let Some(record) = Record::read(line) else { return };
            let concerned = match &record.what {
                What::Message(_) => false,
                What::Dialog { call, call_id, .. } => call == key || call_id == key,
                What::Party(party) => {
                    party.sid == key
                        || party.parent.as_deref() == Some(key)
                        || party.call_id.as_deref() == Some(key)
                }
                What::Note { call, .. }
                | What::Verb { call, .. }
                | What::Asked { call, .. }
                | What::Fetched { call, .. } => call == key,
                What::Refused(refused) => refused.call_id == key,
            };
            if concerned {
                if let What::Dialog { call_id, .. } = &record.what {
                    call.call_ids.insert(call_id.clone());
                }
                call.records.push(record);
            }
        })?;
        Ok(call)
    }

    /// The caller's SID.
    fn root(&self, key: &str) -> Option<String> {
        self.records.iter().find_map(|record| match &record.what {
            What::Dialog { call, .. } => Some(call.clone()),
            What::Party(Party { sid, parent: Some(parent), .. }) if sid == key => {
                Some(parent.clone())
            }
            _ => None,
        })
    }
}

/// The messages of some Call-IDs.
fn messages(data: &Path, call_ids: &BTreeSet<String>) -> io::Result<Vec<Record>> {
    let needles: Vec<String> = call_ids.iter().map(|call_id| quoted(call_id)).collect();
    let finders: Vec<_> =
        needles.iter().map(|needle| memmem::Finder::new(needle.as_bytes())).collect();
    let mut found = vec![];
    each_line(data, &finders, |line| {
        if let Some(record) = Record::read(line)
            && matches!(&record.what, What::Message(m) if call_ids.contains(&m.call_id))
        {
            found.push(record);
        }
    })?;
    Ok(found)
}

/// Gives every whole line in which any of the needles stands.
fn each_line(
    data: &Path,
    needles: &[memmem::Finder<'_>],
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    for path in spool::all_files(data)? {
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            // Swept away since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if needles.iter().any(|needle| needle.find(&bytes).is_some()) {
            let lines = wire::lines(&bytes);
            lines
                .filter(|line| needles.iter().any(|needle| needle.find(line).is_some()))
                .for_each(&mut take);
        }
    }
    Ok(())
}

/// The last row of each leg, the caller first, the others in the order in which they came.
fn parties(records: &[Record], root: &str) -> Vec<Party> {
    let mut order: Vec<&str> = vec![];
    let mut last: BTreeMap<&str, &Party> = BTreeMap::new();
    for record in records {
        if let What::Party(party) = &record.what
            && last.insert(&party.sid, party).is_none()
        {
            order.push(&party.sid);
        }
    }
    order.sort_by_key(|sid| *sid != root);
    order.iter().filter_map(|sid| last.get(sid).map(|party| (*party).clone())).collect()
}

/// A text as it stands in JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Duration, WallTime};
    use crate::node::seeing::spool::{Limits, Spool};

    fn message(call_id: &str, text: &str) -> What {
        What::Message(Captured {
            call_id: call_id.to_owned(),
            sent: false,
            transport: "udp".to_owned(),
            local: ([127, 0, 0, 1], 5060).into(),
            remote: ([127, 0, 0, 1], 5062).into(),
            text: text.to_owned(),
            base64: String::new(),
        })
    }

    fn dialog(call: &str, leg: u64, call_id: &str) -> What {
        What::Dialog { call: call.to_owned(), leg, call_id: call_id.to_owned() }
    }

    fn party(sid: &str, parent: Option<&str>, status: &str) -> What {
        What::Party(Party {
            sid: sid.to_owned(),
            parent: parent.map(str::to_owned),
            from: "+1".to_owned(),
            to: "+2".to_owned(),
            direction: "inbound".to_owned(),
            status: status.to_owned(),
            reason: String::new(),
            sip_status: None,
            call_id: None,
        })
    }

    fn kept(whats: Vec<What>) -> tempfile::TempDir {
        let data = tempfile::tempdir().expect("a folder");
        let limits = Limits { bytes: 4_000, age: Duration::from_secs(60) };
        let (mut spool, mut refusals) = Spool::open_both(data.path(), limits).expect("opened");
        for (at, what) in whats.into_iter().enumerate() {
            let mut line = vec![];
            Record { at: at as u64, order: 0, what: what.clone() }.write(&mut line);
            let now = WallTime::from_unix_millis(at as u64);
            let refused = matches!(what, What::Refused(_));
            let spool = if refused { &mut refusals } else { &mut spool };
            spool.append(now, &line).expect("written");
        }
        spool.append(WallTime::from_unix_millis(99), b"{\"at\":5,\"kind\":\"mess").expect("cut");
        data
    }

    #[test]
    fn a_call_is_found_by_its_sid_a_legs_sid_and_a_call_id() {
        let data = kept(vec![
            dialog("CA1", 1, "in\"@x"),
            message("in\"@x", "INVITE"),
            message("nobody", "OPTIONS"),
            party("CA1", None, "ringing"),
            party("CA2", Some("CA1"), "initiated"),
            dialog("CA1", 2, "out@x"),
            message("out@x", "INVITE"),
            dialog("CA9", 7, "other"),
            message("other", "INVITE"),
            party("CA1", None, "completed"),
        ]);
        let wanted = find(data.path(), "CA1").expect("read").expect("found");
        assert_eq!(wanted.call.as_deref(), Some("CA1"));
        assert_eq!(wanted.messages().count(), 2);
        let legs: Vec<(&str, &str)> =
            wanted.parties.iter().map(|p| (p.sid.as_str(), p.status.as_str())).collect();
        assert_eq!(legs, [("CA1", "completed"), ("CA2", "initiated")]);
        let times: Vec<u64> = wanted.records.iter().map(|record| record.at).collect();
        assert!(times.is_sorted(), "{times:?}");
        assert!(!wanted.is_over(), "no leg says how it ended");
        for key in ["CA2", "in\"@x", "out@x"] {
            let story = find(data.path(), key).expect("read");
            assert_eq!(story.as_ref(), Some(&wanted), "{key}");
        }
        assert_eq!(find(data.path(), "CA3").expect("read"), None);
        assert_eq!(find(Path::new("/nowhere"), "CA1").expect("no folder is no story"), None);
    }

    #[test]
    fn a_refusal_is_found_by_its_call_id_with_its_messages() {
        let refused = |call_id: &str, times| {
            What::Refused(Refused {
                method: "REGISTER".to_owned(),
                call_id: call_id.to_owned(),
                user: "home".to_owned(),
                uri: "sip:office".to_owned(),
                source: ([192, 0, 2, 7], 5060).into(),
                status: 401,
                code: 32202,
                reason: "password wrong".to_owned(),
                times,
            })
        };
        let data = kept(vec![
            message("r1", "REGISTER"),
            refused("r1", 1),
            message("r1", "SIP/2.0 401"),
            refused("r2", 2),
        ]);
        let story = find(data.path(), "r1").expect("read").expect("found");
        assert_eq!((story.call.as_deref(), story.messages().count()), (None, 2));
        let newest: Vec<u32> =
            refusals(data.path(), 9).expect("read").iter().map(|(_, r)| r.times).collect();
        assert_eq!(newest, [2, 1]);
        assert_eq!(refusals(data.path(), 1).expect("read").len(), 1);
    }
}
