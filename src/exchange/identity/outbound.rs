//! Calls to trunks: who is shown as the caller, who forwarded them, and our signature for that.

use super::*;
use crate::directory::{Attestation, CallerHeader, Callers, DiversionHeader, Signing, Trunk};
use crate::exchange::route::Way;
use crate::leg::sip::Target;
use crate::leg::{Destination, Dial};
use crate::sip::HeaderField;
use crate::sip::identity::{Attest, Draft, canonical};
use crate::sip::registration::bracketed;
use crate::sip::uri::{SipUri, escape_user};
use crate::sip::write::name_addr;
use crate::verb::normalise;

/// Who is shown when nobody is (RFC 3323 section 4.1.1.3).
const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";

/// Caller IDs that are no number but say that there is one (the TwiML reference, section 9).
const WITHHELD: [&str; 5] = ["anonymous", "restricted", "unavailable", "unknown", "private"];

/// Who calls, as far as one trunk is concerned.
struct Shown {
    /// The number, E.164, as far as there is one and the trunk may know it.
    number: Option<String>,
    /// Whether the called must not see it.
    withheld: bool,
}

impl Exchange {
    /// Writes into what is sent to a trunk who calls, and signs it where that is wanted.
    pub(in crate::exchange) fn identify_to(
        &mut self,
        now: Instant,
        call: CallNumber,
        dial: &Dial,
        (directory, way): (&Directory, &Way),
        mut target: Target,
    ) -> Target {
        let (Way::Trunk(key), Destination::Number(called)) = (way, &dial.destination) else {
            return target;
        };
        let (Some(trunk), Some(entry)) = (key.find(directory), self.calls.table.get(&call)) else {
            return target;
        };
        let (callers, origin) = (&trunk.callers, entry.origin.clone());
        let host = SipUri::parse(&target.from).map(|from| bracketed(from.host()));
        let host = host.unwrap_or_else(|| "anonymous.invalid".to_owned());
        let shown = shown(dial, &origin, callers);
        let name = target.display_name.take().filter(|_| !shown.withheld);
        // An account shows itself, and by it alone its provider knows who calls.
        let account = trunk.registration.as_ref().filter(|_| key.is_line());
        let user = account.map(|account| account.user.clone()).or_else(|| {
            let number = shown.number.as_deref()?;
            Some(escape_user(&trunk.numbers.write(number)).into_owned())
        });
        let mut add = |name: &str, value: String| set(&mut target.headers, name, value);
        if let Some(user) = user.filter(|_| !shown.withheld || callers.trust_domain) {
            let uri = format!("sip:{user}@{host}");
            if let Some((header, value)) =
                identity(callers.header, name.as_deref(), &uri, shown.withheld)
            {
                add(header, value);
            }
        }
        if shown.withheld {
            // RFC 3325 section 7: the number stays with those who are trusted.
            add("Privacy", "id".to_owned());
        }
        for (name, value) in diversion(dial, &origin, trunk, &host, &target.uri) {
            target.headers.push((name, value));
        }
        if shown.withheld && account.is_none() {
            target.from = ANONYMOUS.to_owned();
            target.display_name = Some("Anonymous".to_owned());
        } else {
            target.display_name = name;
        }
        if let (Some(signing), Some(number)) = (&callers.sign, &shown.number) {
            self.sign(now, call, (signing, number, called), dial, &mut target);
        }
        target
    }

    /// Adds our signature (RFC 8224 section 6.1, RFC 8588).
    fn sign(
        &mut self,
        now: Instant,
        call: CallNumber,
        (signing, number, called): (&Signing, &str, &str),
        dial: &Dial,
        target: &mut Target,
    ) {
        let (Some(orig), Some(dest)) = (canonical(number), canonical(called)) else { return };
        let Some(entry) = self.calls.table.get(&call) else { return };
        let known = entry.origin.known || dial.user.is_some();
        let attest =
            attest(self.policy.owned.contains(number), known, number, &entry.origin.caller);
        let attest = attest.max(most(signing.most));
        let origid = signing.origid.clone().unwrap_or_else(|| {
            let user = dial.user.as_ref().or(entry.user.as_ref());
            self.origid(user.map_or("", String::as_str))
        });
        let (sid, wall) = (entry.sid, self.config.epoch.wall(now));
        let draft = Draft {
            attest,
            dest: &dest,
            iat: wall.unix_seconds(),
            orig: &orig,
            origid: &origid,
            x5u: &signing.url,
        };
        let text = draft.text();
        let Some(signature) = signing.key.sign(text.as_bytes()) else {
            return self.note(sid, UNPROVEN, "the call is not signed: the key fails".to_owned());
        };
        set(&mut target.headers, "Identity", draft.header(&text, &signature));
        set(&mut target.headers, "Date", wall.rfc2822().replace("+0000", "GMT"));
        self.note(sid, 0, format!("signed as a call from {number} with attestation {attest}"));
    }

    /// One name for all calls of a user, and one for those that come from outside: whoever traces
    /// a call can ask us by it, and learns nothing from it (RFC 8588 section 5).
    fn origid(&self, user: &str) -> String {
        use sha2::Digest as _;
        let secret = self.directory.auth_token.expose();
        let digest = sha2::Sha256::digest(format!("origid\n{secret}\n{user}").as_bytes());
        let mut bytes = [0_u8; 16];
        bytes.copy_from_slice(&digest[..16]);
        // A UUID of version 8 (RFC 9562 section 5.8).
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        parts.join("-")
    }
}

/// Who is shown, and who may know.
fn shown(dial: &Dial, origin: &Origin, callers: &Callers) -> Shown {
    let number = normalise(&dial.caller_id);
    let anonymous = dial.caller_id.is_empty()
        || WITHHELD.iter().any(|word| word.eq_ignore_ascii_case(&dial.caller_id));
    let withheld = anonymous || origin.private;
    let number = if anonymous { origin.asserted.clone() } else { number };
    Shown { number: number.filter(|_| !withheld || callers.trust_domain), withheld }
}

/// How sure we are that a number is the caller's (ATIS-1000074 section 5.2.3). Ours shown in place
/// of a stranger's is shown by our own document; ours that a stranger brought may be made up.
fn attest(owned: bool, known: bool, number: &str, caller: &str) -> Attest {
    let brought = normalise(caller).as_deref() == Some(number);
    match (owned, known) {
        (true, true) => Attest::A,
        (true, false) if !brought => Attest::A,
        (false, true) => Attest::B,
        _ => Attest::C,
    }
}

const fn most(most: Attestation) -> Attest {
    match most {
        Attestation::Full => Attest::A,
        Attestation::Partial => Attest::B,
        Attestation::Gateway => Attest::C,
    }
}

/// The header that names the caller to those who are trusted.
fn identity(
    header: CallerHeader,
    name: Option<&str>,
    uri: &str,
    withheld: bool,
) -> Option<(&'static str, String)> {
    let address = name_addr(name, uri);
    let value = match header {
        CallerHeader::From => return None,
        CallerHeader::Asserted | CallerHeader::Preferred => address,
        CallerHeader::RemoteParty => {
            let privacy = if withheld { "full" } else { "off" };
            format!("{address};party=calling;screen=yes;privacy={privacy}")
        }
    };
    Some((header.name()?, value))
}

/// Who forwarded a call that shows its own caller still: our number, and those before it.
fn diversion(
    dial: &Dial,
    origin: &Origin,
    trunk: &Trunk,
    host: &str,
    uri: &str,
) -> Vec<HeaderField> {
    let (Some(called), true) = (&origin.called, dial.caller_id == origin.caller) else {
        return vec![];
    };
    let address =
        |number: &str| format!("sip:{}@{host}", escape_user(&trunk.numbers.write(number)));
    let places = std::iter::once(called).chain(&origin.diverted);
    match trunk.callers.diversion {
        DiversionHeader::Nothing => vec![],
        DiversionHeader::Diversion => places
            .map(|number| {
                let value = format!("<{}>;reason=unconditional", address(number));
                ("Diversion".to_owned(), value)
            })
            .collect(),
        DiversionHeader::History => history(places.map(|number| address(number)).collect(), uri),
    }
}

/// Each place came of the one before it (RFC 7044 section 10.3); the first stands first.
fn history(mut places: Vec<String>, last: &str) -> Vec<HeaderField> {
    places.reverse();
    places.push(last.to_owned());
    let mut index = "1".to_owned();
    let mut entries = Vec::with_capacity(places.len());
    for (at, place) in places.iter().enumerate() {
        let before = index.clone();
        let value = match at {
            0 => format!("<{place}>;index=1"),
            _ => {
                index = format!("{before}.1");
                // The cause stands in the URI, of which a `;` would be a parameter (RFC 4458).
                format!("<{place};cause=302>;index={index};mp={before}")
            }
        };
        entries.push(("History-Info".to_owned(), value));
    }
    entries
}

/// Sets a header that stands once, whatever the trunk's own headers said.
fn set(headers: &mut Vec<HeaderField>, name: &str, value: String) {
    headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    headers.push((name.to_owned(), value));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::who;
    use crate::sip::{Message, Parsed};

    const OWN: &str = "+16505551111";

    fn dial(caller_id: &str) -> Dial {
        Dial {
            destination: Destination::Number("+14155551212".to_owned()),
            caller_id: caller_id.to_owned(),
            caller_name: None,
            user: None,
            headers: vec![],
        }
    }

    #[test]
    fn full_attestation_is_for_numbers_of_ours_that_we_show_ourselves() {
        assert_eq!(attest(true, true, OWN, "sip:alice@office.example"), Attest::A);
        assert_eq!(attest(true, false, OWN, "+14155550100"), Attest::A, "the document's own");
        assert_eq!(attest(true, false, OWN, OWN), Attest::C, "a stranger said that it is ours");
        assert_eq!(attest(false, true, "+1999", "sip:alice@office.example"), Attest::B);
        assert_eq!(attest(false, false, "+14155550100", "+14155550100"), Attest::C);
    }

    #[test]
    fn who_is_withheld_is_known_only_where_that_is_trusted() {
        let trusted = Callers { trust_domain: true, ..Callers::default() };
        let phone = Origin { private: true, ..Origin::default() };
        let stranger = Origin { asserted: Some("+14155550177".to_owned()), ..Origin::default() };
        let both = |dial: &Dial, origin: &Origin| {
            [&Callers::default(), &trusted].map(|callers| {
                let shown = shown(dial, origin, callers);
                (shown.withheld, shown.number)
            })
        };
        let open = both(&dial(OWN), &stranger);
        assert_eq!(open, [(false, Some(OWN.to_owned())), (false, Some(OWN.to_owned()))]);
        let asked = both(&dial(OWN), &phone);
        assert_eq!(asked, [(true, None), (true, Some(OWN.to_owned()))]);
        for word in ["", "anonymous", "Restricted", "unknown"] {
            let passed = both(&dial(word), &stranger);
            assert_eq!(passed, [(true, None), (true, Some("+14155550177".to_owned()))], "{word}");
        }
    }

    #[test]
    fn a_history_that_we_write_is_one_that_we_read() {
        let origin = Origin {
            caller: "+14155550100".to_owned(),
            called: Some(OWN.to_owned()),
            diverted: vec!["+14155550188".to_owned(), "+14155550199".to_owned()],
            ..Origin::default()
        };
        let read = |header| {
            let mut trunk = Trunk::new("t", "sip:h");
            trunk.callers.diversion = header;
            let written = diversion(&dial("+14155550100"), &origin, &trunk, "h", "sip:+1415@h");
            let lines: String =
                written.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let text = format!(
                "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
                 From: <sip:a@b>;tag=f\r\nTo: <sip:b@c>\r\nCall-ID: i\r\nCSeq: 1 INVITE\r\n\
                 {lines}Contact: <sip:a@h>\r\nContent-Length: 0\r\n\r\n"
            );
            let Parsed::Valid(message) = Message::parse(text.into()) else { panic!("{lines}") };
            (who::diverted_from(&message), who::forwarded(&message))
        };
        for header in [DiversionHeader::Diversion, DiversionHeader::History] {
            assert_eq!(read(header), (Some(OWN.to_owned()), 3), "{header:?}");
        }
        assert_eq!(read(DiversionHeader::Nothing), (None, 0));
        let trunk = Trunk::new("t", "sip:h");
        assert!(diversion(&dial(OWN), &origin, &trunk, "h", "sip:x@h").is_empty(), "a new call");
    }
}
