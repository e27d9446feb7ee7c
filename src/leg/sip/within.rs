//! Requests inside a leg's dialogs: hold and resume, digits by INFO, and what we decline.

use super::*;

impl SipLeg {
    pub(super) fn handle_within(
        &mut self,
        dialog: DialogId,
        transaction: sip::TransactionId,
        request: &Message,
    ) {
        match request.method() {
            // An early dialog of a phone that is not heard must not move the media of the one
            // that is.
            Method::Update if sdp_of(request).is_some() && !self.is_heard(dialog, request) => {
                self.put_off(transaction);
            }
            Method::Invite => self.handle_reinvite(transaction, request),
            // An UPDATE without a description only refreshes (RFC 3311 section 5.2).
            Method::Update if sdp_of(request).is_none() => self.respond(transaction, 200, None),
            // The PRACK of our 183 may bring a new offer (RFC 3262 section 5).
            Method::Update | Method::Prack => self.handle_reinvite(transaction, request),
            Method::Info => self.handle_info(transaction, request),
            Method::Options => self.respond(transaction, 200, None),
            Method::Notify => self.handle_notify(transaction, request),
            Method::Subscribe => self.respond(transaction, 489, None),
            Method::Refer => self.handle_refer(dialog, transaction, request),
            _ => self.respond(transaction, 405, None),
        }
    }

    pub(super) fn respond(
        &mut self,
        transaction: sip::TransactionId,
        status: u16,
        body: Option<Body>,
    ) {
        self.sip(sip::Command::Respond { transaction, status, headers: vec![], body });
    }

    /// Later, with luck: RFC 3311 section 5.2.
    fn put_off(&mut self, transaction: sip::TransactionId) {
        let headers = vec![("Retry-After".to_owned(), "2".to_owned())];
        self.sip(sip::Command::Respond { transaction, status: 500, headers, body: None });
    }

    /// A new offer in the dialog (hold, resume, another address), or a request for ours.
    fn handle_reinvite(&mut self, transaction: sip::TransactionId, request: &Message) {
        let Media::Connected { local, remote } = &self.media else {
            // The first offer is still open, theirs or ours (RFC 3311 section 5.2).
            return match self.role {
                Role::Incoming(_) if !self.offered => self.put_off(transaction),
                _ => self.respond(transaction, 491, None),
            };
        };
        let advertised = SocketAddr::new(self.address.advertise, local.port());
        let current = remote.codec;
        // Judged first: what cannot be taken leaves the session as it was (RFC 3261 section 14.2).
        if let Some((status, headers, _)) = objection(request) {
            return self.sip(sip::Command::Respond { transaction, status, headers, body: None });
        }
        self.address.follow(request);
        let Some(offer) = sdp_of(request) else {
            // As for a new call, so that whoever is connected anew may choose (RFC 3261 section
            // 14.2); what is in use comes first.
            let mut codecs = self.codecs.clone();
            codecs.sort_by_key(|codec| *codec != current);
            let direction = Direction::SendRecv;
            let offer = sdp::offer(advertised, &codecs, direction, &mut self.description);
            self.offered = true;
            return self.respond(transaction, 200, sdp_body(offer));
        };
        match sdp::answer(&offer, advertised, &self.codecs, &mut self.description) {
            Ok((answer, agreed)) => {
                self.connect_media(agreed);
                if let Role::Incoming(incoming) = &mut self.role {
                    incoming.agreed_anew();
                }
                self.respond(transaction, 200, sdp_body(answer));
            }
            Err(refusal) => self.respond(transaction, refusal.status(), None),
        }
    }

    /// Digits of phones without telephone-event: `application/dtmf-relay` and `application/dtmf`.
    fn handle_info(&mut self, transaction: sip::TransactionId, request: &Message) {
        if request.header_by_name("Info-Package").is_some() {
            // RFC 6086 section 4.2.2: there is no package that we take.
            let headers = vec![("Recv-Info".to_owned(), String::new())];
            let refuse = sip::Command::Respond { transaction, status: 469, headers, body: None };
            return self.sip(refuse);
        }
        let content_type = request.content_type().unwrap_or_default().to_ascii_lowercase();
        let body = request.body();
        let digit = if content_type.starts_with("application/dtmf-relay") {
            dtmf_relay(&body)
        } else if content_type.starts_with("application/dtmf") {
            std::str::from_utf8(&body).ok().and_then(|text| dtmf_key(text.trim()))
        } else if body.is_empty() {
            // An empty INFO asks whether the dialog lives (RFC 2976 section 2.2).
            return self.respond(transaction, 200, None);
        } else {
            let accept = "application/dtmf-relay, application/dtmf".to_owned();
            let headers = vec![("Accept".to_owned(), accept)];
            let refuse = sip::Command::Respond { transaction, status: 415, headers, body: None };
            return self.sip(refuse);
        };
        match digit {
            Some(digit) => {
                self.emit(Event::Digit(digit));
                self.respond(transaction, 200, None);
            }
            None => self.respond(transaction, 400, None),
        }
    }

    /// Offers the session as it is, for a peer that takes no UPDATE (RFC 4028 section 7.4).
    pub(super) fn renew_session(&mut self, dialog: DialogId) {
        let Media::Connected { local, remote } = &self.media else { return };
        let advertised = SocketAddr::new(self.address.advertise, local.port());
        let (codec, direction) = ([remote.codec], self.description.direction());
        self.before = Some(Box::new(self.description.clone()));
        let offer = sdp::offer(advertised, &codec, direction, &mut self.description);
        let body = sdp_body(offer);
        self.sip(sip::Command::Request { dialog, method: "INVITE", headers: vec![], body });
    }

    /// The answer to a request of ours: a dialog that is unknown over there is over here. A
    /// re-INVITE that failed leaves the session as it was (RFC 3261 section 14.1).
    pub(super) fn handle_response(&mut self, method: &str, response: Option<&Message>) {
        // What became of a report ends no call (RFC 5057 section 5).
        match method {
            "NOTIFY" => return self.report_answered(response.and_then(Message::status)),
            "REFER" => return self.refer_answered(response.and_then(Message::status)),
            _ => {}
        }
        let status = response.and_then(Message::status);
        if method == "INVITE" {
            match (status, self.before.take()) {
                (Some(200..300), _) => {
                    self.settle_answer(response.and_then(sdp_of));
                }
                (_, Some(before)) => self.description = *before,
                (_, None) => {}
            }
        }
        if matches!(status, None | Some(408 | 481)) {
            self.hang_up_dialogs();
            self.end(Cause::Lost, response, status);
        }
    }
}

/// `Signal=5` in the lines of an `application/dtmf-relay` body.
fn dtmf_relay(body: &[u8]) -> Option<char> {
    let text = std::str::from_utf8(body).ok()?;
    let signal = text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case("signal").then_some(value)
    })?;
    dtmf_key(signal.trim())
}

/// One key, also by its event number as some phones write it (10 is `*`, 11 is `#`).
fn dtmf_key(text: &str) -> Option<char> {
    match text {
        "10" => Some('*'),
        "11" => Some('#'),
        _ => {
            let mut letters = text.chars();
            let key = letters.next()?.to_ascii_uppercase();
            let known = matches!(key, '0'..='9' | 'A'..='D' | '*' | '#');
            (known && letters.next().is_none()).then_some(key)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_digits_are_read_in_the_ways_phones_write_them() {
        assert_eq!(dtmf_relay(b"Signal=5\r\nDuration=160\r\n"), Some('5'));
        assert_eq!(dtmf_relay(b"Signal= #\nDuration=100"), Some('#'));
        assert_eq!(dtmf_relay(b"signal=10\r\n"), Some('*'));
        assert_eq!(dtmf_relay(b"Duration=160\r\n"), None);
        assert_eq!(dtmf_relay(b"Signal=55\r\n"), None);
        assert_eq!(dtmf_relay(b"\xff\xfe"), None);
        assert_eq!(dtmf_key("a"), Some('A'));
        assert_eq!(dtmf_key("!"), None);
    }
}
