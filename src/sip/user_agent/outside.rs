//! Requests of ours outside dialogs: REGISTER, OPTIONS and the like (RFC 3261 section 8.1).

use std::collections::btree_map::Entry;

use super::write::{Draft, extend, hash};
use super::{Purpose, UserAgent};
use crate::base::Instant;
use crate::sip::dialog::Credentials;
use crate::sip::header::NameAddr;
use crate::sip::uri::SipUri;
use crate::sip::write::name_addr;
use crate::sip::{Event, HeaderName, Message, Method, Send};

/// Registrations whose REGISTERs are counted one by one: more than one process has lines. Those of
/// more have numbers with gaps, which registrars take.
const MOST_COUNTED: usize = 65_536;

impl UserAgent {
    /// Sends it, or says at once that nothing will come.
    pub(super) fn send_outside(&mut self, now: Instant, send: Box<Send>) {
        let reserved = matches!(send.method, "INVITE" | "ACK" | "CANCEL");
        if reserved || self.is_full(true) {
            return self.event(Event::Reply { id: send.id, message: None });
        }
        self.transmit_outside(now, send, Credentials::default());
    }

    /// The CSeq of a request: those of one Call-ID must only grow, those of REGISTER by one each
    /// (RFC 3261 section 10.2), and one count for all grows for each.
    fn number_outside(&mut self, send: &Send) -> u32 {
        self.sent_outside += 1;
        let room = self.registers.len() < MOST_COUNTED;
        match (send.method, self.registers.entry(send.id)) {
            ("REGISTER", Entry::Occupied(mut sent)) => {
                *sent.get_mut() += 1;
                *sent.get()
            }
            ("REGISTER", Entry::Vacant(sent)) if room => *sent.insert(1),
            _ => self.sent_outside,
        }
    }

    /// Call-ID and tag follow from the sender's number, so that nothing but the count of REGISTERs
    /// is kept between two requests with the same number.
    fn transmit_outside(&mut self, now: Instant, send: Box<Send>, credentials: Credentials) {
        let cseq = self.number_outside(&send);
        // Others of our shards may count alike.
        let number = format!("{}.{}", send.id, self.config.shards.own().0);
        let call_id = format!("{:016x}{}", hash(&[&self.cookie, "call", &number]), self.cookie);
        let tag = format!("{:016x}", hash(&[&self.cookie, "tag", &number]));
        let tag = self.config.shards.sign(tag);
        let of_kind = |kind: HeaderName| {
            let headers = send.headers.iter();
            headers.filter(move |(name, _)| HeaderName::from_bytes(name.as_bytes()) == kind)
        };
        let routes: Vec<String> =
            of_kind(HeaderName::Route).map(|(_, value)| value.clone()).collect();
        let (branch, mut builder) = self.draft(&Draft {
            method: send.method,
            uri: &send.uri,
            routes: &routes,
            from: &format!("{};tag={tag}", name_addr(None, &send.from)),
            to: &name_addr(None, &send.to),
            call_id: &call_id,
            cseq,
            max_forwards: 70,
            flow: send.flow,
        });
        let mut given = false;
        for (name, value) in of_kind(HeaderName::Contact) {
            given = true;
            builder = builder.header(name, value);
        }
        if send.method == "REGISTER" && !given {
            let user = SipUri::parse(&send.to).and_then(|uri| uri.user_raw()).unwrap_or_default();
            let contact = self.config.listener(send.flow).contact_of(user, &send.uri);
            builder = builder.header("Contact", &contact);
        }
        builder = extend(extend(builder, credentials.fields()), &send.headers);
        let bytes = match &send.body {
            Some(body) => builder.body(&body.content_type, body.bytes.clone()).build(),
            None => builder.build(),
        };
        let method = Method::from_name(send.method);
        let hop = routes.first().and_then(|route| NameAddr::parse(route)).map(|route| route.uri());
        let hop = hop.unwrap_or(&send.uri);
        let client = self.launch(now, method, (&branch, hop), send.flow, bytes);
        self.purposes.insert(client, Purpose::Outside(send, credentials));
    }

    /// The response, unless it is a challenge that can be met.
    pub(super) fn outside_response(
        &mut self,
        now: Instant,
        send: Box<Send>,
        mut credentials: Credentials,
        response: Message,
    ) {
        let status = response.status().unwrap_or_default();
        if status < 200 {
            return;
        }
        let cnonce = self.rng.hex(16);
        if let Some(login) = send.login.as_ref().filter(|_| matches!(status, 401 | 407))
            && credentials.meet(&response, send.method, &send.uri, login, &cnonce)
        {
            return self.transmit_outside(now, send, credentials);
        }
        self.event(Event::Reply { id: send.id, message: Some(response) });
    }
}
