//! Requests outside dialogs that are no INVITE: REGISTER, OPTIONS, and what we do not take.

use super::admission::check_address;
use super::refusal::Refused;
use super::*;
use crate::sip::Method;
use crate::sip::uri::SipUri;
use crate::sip::{HeaderField, Message, TransactionId};

/// A user whose registrations changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// `user@domain`.
    pub user: String,
    /// How many phones are registered now.
    pub phones: usize,
    /// Where the change came from.
    pub source: SocketAddr,
}

impl Exchange {
    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        flow: Flow,
        message: &Message,
    ) {
        let (status, headers) = match message.method() {
            Method::Register => self.register(now, flow, message),
            Method::Options => (200, vec![("Accept".to_owned(), "application/sdp".to_owned())]),
            // RFC 6665 section 4.2.1.1: an event package that we do not know.
            Method::Subscribe | Method::Notify => (489, vec![]),
            _ => (405, vec![]),
        };
        let command = sip::Command::Respond { transaction, status, headers, body: None };
        self.agent.handle(now, sip::Input::Command(command));
    }

    fn register(&mut self, now: Instant, flow: Flow, message: &Message) -> (u16, Vec<HeaderField>) {
        match self.try_register(now, flow, message) {
            Ok(answer) => answer,
            Err(refused) => {
                self.note_refusal(now, "REGISTER", flow, &refused);
                self.tell_refusal("REGISTER", flow, message, &refused);
                (refused.status, refused.headers)
            }
        }
    }

    fn try_register(
        &mut self,
        now: Instant,
        flow: Flow,
        message: &Message,
    ) -> Result<(u16, Vec<HeaderField>), Refused> {
        let directory = Arc::clone(&self.directory);
        let to = message.to().ok_or_else(|| Refused::new(400, 32100, "no To"))?;
        let uri = to.sip_uri().ok_or_else(|| Refused::new(400, 32100, "To is not a SIP URI"))?;
        let requested = SipUri::parse(message.request_uri());
        let domain = directory
            .domain(uri.host())
            .or_else(|| directory.domain(requested.as_ref()?.host()))
            .ok_or_else(|| {
                let reason = format!("no domain {:?} is configured", uri.host());
                Refused::new(404, 32002, reason)
            })?;
        check_address(flow, domain)?;
        if domain.registration.is_empty() {
            let reason = format!("registration is off for domain {}", domain.name);
            return Err(Refused::new(403, 32212, reason));
        }
        let lists = &domain.registration;
        let username = self.check_password(now, flow, message, &directory, domain, lists)?;
        // RFC 3261 section 10.3 step 4: a user may change only its own bindings.
        let user = uri.user().unwrap_or_default().into_owned();
        if user != username {
            let reason = format!("user {username:?} may not register {user:?}");
            return Err(Refused::new(403, 32212, reason));
        }
        let address_of_record = format!("{user}@{}", domain.name);
        let outcome = self.registrar.register(now, &address_of_record, message, flow);
        if outcome.changed {
            let phones = self.registrar.bindings(now, &address_of_record).len();
            let registered = Registered { user: address_of_record, phones, source: flow.remote };
            self.outputs.push_back(Output::Registered(registered));
        }
        Ok((outcome.status, outcome.headers))
    }
}
