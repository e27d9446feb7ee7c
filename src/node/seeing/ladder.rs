//! Draws a story: a column for each party and one for this server, a row for each message, and
//! between them what the engine decided. Times count from the first message.

use std::net::SocketAddr;

use super::history::Story;
use super::record::{Captured, Record, What};

/// The width of a column.
const COLUMN: usize = 34;

/// The width of the times.
const TIME: usize = 10;

/// More parties than anybody reads side by side share the last column.
const MOST_COLUMNS: usize = 6;

/// What stands in our column's head.
const OWN: &str = "offhook";

/// Lines for a terminal; with `full`, every message whole.
pub fn draw(story: &Story, full: bool) -> Vec<String> {
    rows(story, full).iter().map(|line| printable(line)).collect()
}

/// Peers write much of what is shown.
pub use crate::base::plain::printable;

fn rows(story: &Story, full: bool) -> Vec<String> {
    let columns = Columns::of(story);
    let mut lines = head(story);
    let Some(start) = story.records.first().map(|record| record.at) else { return lines };
    if !columns.parties.is_empty() {
        lines.push(String::new());
        lines.push(columns.heads());
    }
    for record in &story.records {
        let time = offset(start, record.at);
        match &record.what {
            What::Message(message) => {
                lines.push(format!("{time}  {}", columns.row(message)));
                if full {
                    let text = String::from_utf8_lossy(&message.bytes()).into_owned();
                    lines.extend(text.lines().map(|line| format!("{:TIME$}  | {line}", "")));
                }
            }
            what => {
                if let Some(text) = decision(what) {
                    lines.push(format!("{time}  * {text}"));
                }
            }
        }
    }
    lines
}

/// Who, how it went, and why.
fn head(story: &Story) -> Vec<String> {
    let mut lines = vec![];
    for party in &story.parties {
        let what = if party.parent.is_some() { "leg " } else { "call" };
        let mut line = format!(
            "{what} {}  {} {} to {}: {}",
            party.sid, party.direction, party.from, party.to, party.status
        );
        if !party.reason.is_empty() {
            line.push_str(&format!(", {}", party.reason));
        }
        if let Some(status) = party.sip_status {
            line.push_str(&format!(" (SIP {status})"));
        }
        lines.push(line);
    }
    for record in &story.records {
        if let What::Refused(refused) = &record.what {
            lines.push(format!(
                "{} of {} refused with {}: {}",
                refused.method, refused.uri, refused.status, refused.reason
            ));
        }
    }
    lines
}

/// A decision of the engine in one line; rows that only say "ringing" show in the messages.
fn decision(what: &What) -> Option<String> {
    Some(match what {
        What::Message(_) | What::Dialog { .. } => return None,
        What::Party(party) => {
            let whose = if party.parent.is_some() { "leg to" } else { "call from" };
            let who = if party.parent.is_some() { &party.to } else { &party.from };
            match party.reason.as_str() {
                "" => format!("{whose} {who} is {}", party.status),
                reason => format!("{whose} {who} is {}: {reason}", party.status),
            }
        }
        What::Note { code: 0, text, .. } => text.clone(),
        What::Note { code, text, .. } => format!("{code}: {text}"),
        What::Verb { name, place, .. } => format!("<{name}>  {place}"),
        What::Asked { url, method, .. } => format!("asks {method} {url}"),
        What::Fetched { url, took, error, .. } => match error {
            None => format!("document {url} came in {}", millis(*took)),
            Some((code, text)) => {
                format!("no document after {}: {code}: {text}", millis(*took))
            }
        },
        What::Refused(refused) => {
            format!("refused with {}: {}", refused.status, refused.reason)
        }
    })
}

/// The parties: peers' addresses, the first on our left and the others on our right.
struct Columns {
    parties: Vec<SocketAddr>,
}

impl Columns {
    fn of(story: &Story) -> Columns {
        let mut parties: Vec<SocketAddr> = vec![];
        for (_, message) in story.messages() {
            if !parties.contains(&message.remote) && parties.len() + 1 < MOST_COLUMNS {
                parties.push(message.remote);
            }
        }
        Columns { parties }
    }

    /// The place of a party in the row; ours is 1.
    fn place(&self, remote: SocketAddr) -> usize {
        match self.parties.iter().position(|party| *party == remote) {
            Some(0) => 0,
            Some(place) => place + 1,
            None => self.parties.len(),
        }
    }

    fn count(&self) -> usize {
        self.parties.len() + 1
    }

    fn heads(&self) -> String {
        let mut names = vec![];
        for (index, party) in self.parties.iter().enumerate() {
            names.push(party.to_string());
            if index == 0 {
                names.push(OWN.to_owned());
            }
        }
        let mut line = format!("{:TIME$}  ", "");
        for (place, name) in names.iter().enumerate() {
            let middle = place * COLUMN + MARGIN;
            let start = (TIME + 2 + middle).saturating_sub(name.len() / 2);
            while line.chars().count() < start {
                line.push(' ');
            }
            line.push_str(name);
        }
        line
    }

    /// One message: an arrow between two lifelines, with its label on it.
    fn row(&self, message: &Captured) -> String {
        let width = (self.count() - 1) * COLUMN + 2 * MARGIN;
        let mut cells: Vec<char> = vec![' '; width];
        for place in 0..self.count() {
            cells[place * COLUMN + MARGIN] = '|';
        }
        let party = self.place(message.remote);
        let (left, right) = (party.min(1), party.max(1));
        let (from, to) = (left * COLUMN + MARGIN + 1, right * COLUMN + MARGIN);
        if from >= to {
            return cells.into_iter().collect();
        }
        cells[from..to].fill('-');
        // To the right when it goes from the party on our left to us, or from us to the right.
        let rightwards = message.sent != (party == 0);
        match rightwards {
            true => cells[to - 1] = '>',
            false => cells[from] = '<',
        }
        // The label stands on the piece of the arrow that touches the party.
        let near = if party == 0 { from } else { to - COLUMN + 1 };
        let room = COLUMN - 5;
        let label: String = format!(" {} ", label(message)).chars().take(room).collect();
        let start = near + (COLUMN - 1 - label.chars().count()) / 2;
        for (cell, letter) in cells[start..].iter_mut().zip(label.chars()) {
            *cell = letter;
        }
        let line: String = cells.into_iter().collect();
        line.trim_end().to_owned()
    }
}

/// Where the first lifeline stands.
const MARGIN: usize = 10;

/// The message in a few words: `INVITE (SDP)`, `200 OK to INVITE (SDP)`.
fn label(message: &Captured) -> String {
    let bytes = message.bytes();
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let header = |wanted: &str| {
        lines.clone().take_while(|line| !line.is_empty()).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim_end().eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
        })
    };
    let kind = header("Content-Type").or_else(|| header("c")).unwrap_or_default();
    let body = if kind.to_ascii_lowercase().starts_with("application/sdp") { " (SDP)" } else { "" };
    match first.strip_prefix("SIP/2.0 ") {
        Some(status) => {
            let method = header("CSeq").unwrap_or_default();
            let method = method.split_whitespace().last().unwrap_or_default();
            let status: String = status.chars().take(20).collect();
            // What is not an INVITE's says so; a ladder of calls is read by its INVITEs.
            match method {
                "INVITE" | "" => format!("{}{body}", status.trim_end()),
                method => {
                    let code = status.split(' ').next().unwrap_or_default();
                    format!("{code} to {method}{body}")
                }
            }
        }
        None => {
            let method = first.split(' ').next().unwrap_or_default();
            format!("{method}{body}")
        }
    }
}

fn offset(start: u64, at: u64) -> String {
    let micros = at.saturating_sub(start);
    format!("{:>TIME$}", format!("+{}.{:03}", micros / 1_000_000, micros / 1_000 % 1_000))
}

fn millis(micros: u64) -> String {
    format!("{:.1} ms", micros as f64 / 1_000.0)
}

/// The whole story as JSON, for `--json`.
pub fn json(story: &Story) -> serde_json::Value {
    let value = |record: &Record| serde_json::to_value(record).unwrap_or_default();
    serde_json::json!({
        "call": story.call,
        "parties": story.parties,
        "records": story.records.iter().map(value).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::seeing::record::Party;

    fn message(at: u64, sent: bool, port: u16, text: &str) -> Record {
        let what = What::Message(Captured {
            call_id: "x".to_owned(),
            sent,
            transport: "udp".to_owned(),
            local: ([127, 0, 0, 1], 5060).into(),
            remote: ([192, 0, 2, 7], port).into(),
            text: text.to_owned(),
            base64: String::new(),
        });
        Record { at, order: 0, what }
    }

    fn story() -> Story {
        let party = |sid: &str, parent: Option<&str>, status: &str, reason: &str| Party {
            sid: sid.to_owned(),
            parent: parent.map(str::to_owned),
            from: "+15550001111".to_owned(),
            to: "+15552223333".to_owned(),
            direction: "inbound".to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            sip_status: (!reason.is_empty()).then_some(486),
            call_id: None,
        };
        let invite = "INVITE sip:x SIP/2.0\r\nc: application/sdp\r\n\r\nv=0\r\n";
        let call = || "CA1".to_owned();
        let place = "bin:dial:2:3".to_owned();
        let fetched =
            What::Fetched { call: call(), url: "bin:dial".to_owned(), took: 1_500, error: None };
        Story {
            call: Some(call()),
            parties: vec![
                party("CA1", None, "completed", ""),
                party("CA2", Some("CA1"), "busy", "busy"),
            ],
            records: vec![
                message(1_000_000, false, 5062, invite),
                message(1_001_000, true, 5062, "SIP/2.0 100 Trying\r\nCSeq: 1 INVITE\r\n\r\n"),
                Record { at: 1_002_000, order: 0, what: fetched },
                Record {
                    at: 1_002_100,
                    order: 0,
                    what: What::Verb { call: call(), leg: 1, name: "Dial".to_owned(), place },
                },
                message(1_003_000, true, 5070, invite),
                message(1_250_000, false, 5070, "SIP/2.0 486 Busy Here\r\nCSeq: 1 INVITE\r\n\r\n"),
                message(2_500_000, true, 5062, "SIP/2.0 200 OK\r\nCSeq: 2 BYE\r\n\r\n"),
            ],
        }
    }

    #[test]
    fn a_call_is_drawn_as_people_draw_it() {
        let drawn = draw(&story(), false);
        let wanted = [
            "call CA1  inbound +15550001111 to +15552223333: completed",
            "leg  CA2  inbound +15550001111 to +15552223333: busy, busy (SIP 486)",
            "",
            "               192.0.2.7:5062                        offhook                       192.0.2.7:5070",
            "    +0.000            |--------- INVITE (SDP) --------->|                                 |",
            "    +0.001            |<--------- 100 Trying -----------|                                 |",
            "    +0.002  * document bin:dial came in 1.5 ms",
            "    +0.002  * <Dial>  bin:dial:2:3",
            "    +0.003            |                                 |--------- INVITE (SDP) --------->|",
            "    +0.250            |                                 |<-------- 486 Busy Here ---------|",
            "    +1.500            |<--------- 200 to BYE -----------|                                 |",
        ];
        assert_eq!(drawn, wanted, "\n{}", drawn.join("\n"));
        let full = draw(&story(), true);
        assert!(full.iter().any(|line| line.ends_with("| c: application/sdp")), "{full:?}");
    }

    #[test]
    fn any_number_of_parties_and_any_text_can_be_drawn() {
        let mut story = Story::default();
        assert_eq!(draw(&story, true), Vec::<String>::new());
        let long = format!("INVITE{} sip:x SIP/2.0\r\n\r\n", "É".repeat(100));
        for port in 1..40 {
            story.records.push(message(u64::from(port), port % 2 == 0, port, &long));
        }
        story.records.push(message(0, false, 1, ""));
        story.records.push(message(0, false, 1, "INVITE\x1b[2J sip:x\r\n\r\n\x07\u{9b}31m"));
        let drawn = draw(&story, true);
        assert!(drawn.iter().all(|line| line.chars().count() < 400));
        assert!(!drawn.concat().contains(char::is_control), "terminals are not obeyed");
        assert!(json(&story)["records"].as_array().is_some_and(|records| records.len() == 41));
    }
}
