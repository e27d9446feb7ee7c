//! REFER: a party asks that whom it talks with be put through to somebody else, and is told how
//! that goes (RFC 3515, RFC 5589). Whether it may is the call's to say.

use super::super::Replaces;
use super::*;
use crate::sip::HeaderName;
use crate::sip::dialog::reliable::has_option;
use crate::sip::header::NameAddr;
use crate::sip::uri::{SipUri, percent_decode};
use crate::sip::write::{name_addr, reason_phrase};

/// How long a report of progress may stay away before the referrer may take the transfer for
/// lost: longer than a phone rings.
const EXPIRES: u32 = 180;

/// A REFER of the party's.
#[derive(Debug)]
pub(super) enum Referral {
    /// There is none.
    None,
    /// It waits for the call's word; whether its sender wants reports.
    Asked { dialog: DialogId, transaction: sip::TransactionId, id: u32, reports: bool },
    /// It was accepted; its progress is reported.
    Reported { dialog: DialogId, id: u32 },
}

/// A REFER of ours.
#[derive(Debug, Default)]
pub(super) enum Referring {
    /// There is none.
    #[default]
    None,
    /// It waits for the ACK of our answer, before which nothing may be sent (RFC 3261 section
    /// 13.3.1.4).
    Wanted(String),
    /// It was sent; reports may come.
    Asked,
}

impl SipLeg {
    pub(super) fn handle_refer(
        &mut self,
        dialog: DialogId,
        transaction: sip::TransactionId,
        request: &Message,
    ) {
        if !matches!(self.referral, Referral::None) {
            return self.respond(transaction, 491, None);
        }
        let mut targets = request.values(HeaderName::ReferTo);
        let target = targets.next().and_then(refer_to);
        // RFC 3515 section 2.4.2: exactly one.
        let Some((to, replaces)) = target.filter(|_| targets.next().is_none()) else {
            return self.respond(transaction, 400, None);
        };
        // What is no telephone cannot be called (RFC 3261 section 21.4.14).
        if !["sip:", "sips:", "tel:"].iter().any(|scheme| starts_with(&to, scheme)) {
            return self.respond(transaction, 416, None);
        }
        let id = request.cseq().map_or(0, |cseq| cseq.number);
        let reports = !wants_no_reports(request);
        self.referral = Referral::Asked { dialog, transaction, id, reports };
        self.emit(Event::Transfer { to, replaces });
    }

    /// The call's word on the transfer: the first accepts or refuses it, later ones tell how it
    /// goes, a final one ends the reports.
    pub(super) fn report_transfer(&mut self, status: u16) {
        match std::mem::replace(&mut self.referral, Referral::None) {
            Referral::None => {}
            Referral::Asked { transaction, .. } if status >= 300 => {
                self.respond(transaction, status, None);
            }
            // RFC 4488 section 4: the answer says that no reports follow.
            Referral::Asked { transaction, reports: false, .. } => {
                let headers = vec![("Refer-Sub".to_owned(), "false".to_owned())];
                self.sip(sip::Command::Respond { transaction, status: 202, headers, body: None });
            }
            Referral::Asked { dialog, transaction, id, .. } => {
                self.respond(transaction, 202, None);
                self.notify_transfer(dialog, id, status);
            }
            Referral::Reported { dialog, id } => self.notify_transfer(dialog, id, status),
        }
    }

    /// The party is hung up while it waits for reports: the last one goes before the BYE, since
    /// its subscription ends with the dialog (RFC 6665 section 4.2.2).
    pub(super) fn end_report(&mut self) {
        if !matches!(self.referral, Referral::None) {
            self.report_transfer(487);
        }
    }

    /// The call is over. What the party asked for goes on, and is reported, when it was its own
    /// BYE that ended the call (RFC 5057 section 4.1); else there is no dialog to report in.
    pub(super) fn outlive_call(&mut self, ending: Ending) {
        let reported = matches!(self.referral, Referral::Reported { .. });
        if !reported || ending != Ending::Bye {
            self.referral = Referral::None;
        }
    }

    /// Whether the party is still owed a report.
    pub(super) fn owes_report(&self) -> bool {
        !matches!(self.referral, Referral::None)
    }

    /// A report of ours was answered: whoever knows nothing of it wants no more of them.
    pub(super) fn report_answered(&mut self, status: Option<u16>) {
        if status.is_none_or(|status| status == 481) && !self.is_alive() {
            self.referral = Referral::None;
        }
    }

    /// The dialog in which the party was answered.
    fn talking(&self) -> Option<DialogId> {
        match &self.role {
            Role::Incoming(incoming) => incoming.talking(),
            Role::Outgoing(outgoing) => outgoing.winner(),
        }
    }

    /// Asks the party to call somebody else, one at a time.
    pub(super) fn refer(&mut self, to: &str) {
        match (self.talking(), &self.referring) {
            (_, Referring::Wanted(_) | Referring::Asked) => self.emit(Event::ReferAnswered(491)),
            (Some(dialog), Referring::None) => self.send_refer(dialog, to),
            (None, Referring::None) => self.referring = Referring::Wanted(to.to_owned()),
        }
    }

    /// Our answer was confirmed: what waited for that may be sent.
    pub(super) fn refer_now(&mut self) {
        let Some(dialog) = self.talking() else { return };
        if let Referring::Wanted(to) = std::mem::take(&mut self.referring) {
            self.send_refer(dialog, &to);
        }
    }

    fn send_refer(&mut self, dialog: DialogId, to: &str) {
        self.referring = Referring::Asked;
        let mut headers = vec![("Refer-To".to_owned(), name_addr(None, to))];
        let own = match &self.role {
            Role::Incoming(incoming) => incoming.called_as(),
            Role::Outgoing(outgoing) => outgoing.calls_as(),
        };
        // Many exchanges take no REFER that does not say whose it is (RFC 3892 section 2.1).
        headers.extend(own.map(|uri| ("Referred-By".to_owned(), name_addr(None, uri))));
        self.sip(sip::Command::Request { dialog, method: "REFER", headers, body: None });
    }

    /// The party took the REFER, or would not.
    pub(super) fn refer_answered(&mut self, status: Option<u16>) {
        let status = status.unwrap_or(408);
        if status >= 300 {
            self.referring = Referring::None;
        }
        self.emit(Event::ReferAnswered(status));
    }

    /// A report of how the party gets on; others belong to no subscription of ours (RFC 6665
    /// section 4.1.3).
    pub(super) fn handle_notify(&mut self, transaction: sip::TransactionId, request: &Message) {
        let event = request.header(HeaderName::Event).unwrap_or_default();
        let refer = event.split(';').next().is_some_and(|e| e.trim().eq_ignore_ascii_case("refer"));
        if !refer || !matches!(self.referring, Referring::Asked) {
            return self.respond(transaction, 481, None);
        }
        self.respond(transaction, 200, None);
        let status = fragment_status(&request.body());
        let state = request.header(HeaderName::SubscriptionState).unwrap_or_default();
        let over =
            state.trim_start().get(..10).is_some_and(|s| s.eq_ignore_ascii_case("terminated"));
        // One that ends without an outcome leaves it unknown, which is no success.
        let status = match (status, over) {
            (Some(status), true) if status < 200 => Some(480),
            (None, true) => Some(480),
            (status, _) => status,
        };
        if over || status.is_some_and(|status| status >= 200) {
            self.referring = Referring::None;
        }
        if let Some(status) = status {
            self.emit(Event::Referred(status));
        }
    }

    fn notify_transfer(&mut self, dialog: DialogId, id: u32, status: u16) {
        let state = match status {
            ..200 => {
                self.referral = Referral::Reported { dialog, id };
                format!("active;expires={EXPIRES}")
            }
            _ => "terminated;reason=noresource".to_owned(),
        };
        let headers = vec![
            ("Event".to_owned(), format!("refer;id={id}")),
            ("Subscription-State".to_owned(), state),
        ];
        let line = format!("SIP/2.0 {status} {}\r\n", reason_phrase(status));
        let content_type = "message/sipfrag;version=2.0".to_owned();
        let body = Some(Body { content_type, bytes: Bytes::from(line) });
        self.sip(sip::Command::Request { dialog, method: "NOTIFY", headers, body });
    }
}

/// Whether the sender of a REFER wants no subscription (RFC 4488 section 4, RFC 7614 section 5).
fn wants_no_reports(request: &Message) -> bool {
    let asked = request.header_by_name("Refer-Sub").unwrap_or_default();
    let asked = asked.split(';').next().unwrap_or_default().trim();
    let required = has_option(request, HeaderName::Require, "nosub");
    asked.eq_ignore_ascii_case("false") || required
}

fn starts_with(uri: &str, scheme: &str) -> bool {
    uri.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// The status in a `message/sipfrag` (RFC 3420).
fn fragment_status(body: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(body).ok()?.lines().next()?;
    let rest = line.trim_start().strip_prefix("SIP/2.0 ")?;
    rest.get(..3)?.parse().ok().filter(|status| (100..700).contains(status))
}

/// Whom a Refer-To names, and the dialog that the new one is to replace (RFC 3891).
/// `None` when either cannot be read: a transfer to somebody else than was meant is worse.
fn refer_to(value: &str) -> Option<(String, Option<Replaces>)> {
    let address = NameAddr::parse(value)?;
    let uri = address.uri();
    let view = SipUri::parse(uri);
    let mut named = view
        .iter()
        .flat_map(SipUri::headers)
        .filter(|(name, _)| name.eq_ignore_ascii_case("replaces"))
        .map(|(_, value)| Replaces::parse(&percent_decode(value)));
    let replaces = match (named.next(), named.next()) {
        (None, _) => None,
        (Some(read), None) => Some(read?),
        (Some(_), Some(_)) => return None,
    };
    let plain = sip::dialog::request_uri(uri);
    // An instruction to send something else than INVITE is no transfer (RFC 3515 section 2.1).
    let other = plain.split(';').skip(1).any(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        name.eq_ignore_ascii_case("method") && !value.eq_ignore_ascii_case("INVITE")
    });
    (!other).then(|| (plain.to_owned(), replaces))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_tells_its_status_or_nothing() {
        assert_eq!(fragment_status(b"SIP/2.0 200 OK\r\nTo: x\r\n"), Some(200));
        assert_eq!(fragment_status(b"SIP/2.0 180"), Some(180));
        for bad in [&b""[..], b"SIP/2.0 ", b"SIP/2.0 999 x", b"OK", b"\xff"] {
            assert_eq!(fragment_status(bad), None);
        }
    }

    #[test]
    fn a_refer_to_is_taken_apart() {
        assert_eq!(refer_to("<sip:bob@h>"), Some(("sip:bob@h".to_owned(), None)));
        assert_eq!(refer_to("sip:bob@h"), Some(("sip:bob@h".to_owned(), None)));
        let value = "\"B\" <sip:bob@h;user=phone?Replaces=c%40h%3Bto-tag%3Dt%3Bfrom-tag%3Df&X=y>";
        let (to, replaces) = refer_to(value).expect("it can be read");
        assert_eq!(to, "sip:bob@h;user=phone");
        let expected = Replaces {
            call_id: "c@h".into(),
            to_tag: "t".into(),
            from_tag: "f".into(),
            early_only: false,
        };
        assert_eq!(replaces, Some(expected));
        assert_eq!(refer_to("<sip:bob@h;method=BYE>"), None);
        assert_eq!(refer_to("<sip:bob"), None);
    }
}
