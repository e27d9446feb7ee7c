//! REGISTER: a user says where it is reachable.

use super::admission::{Proof, check_address};
use super::refusal::Refused;
use super::*;
use crate::sip::uri::SipUri;
use crate::sip::{HeaderField, Message, Method};

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
    /// Carries out a REGISTER. Nothing is kept of it but its bindings: a repeat is known by its
    /// credentials, and changes nothing.
    pub(super) fn register(
        &mut self,
        now: Instant,
        flow: Flow,
        message: &Message,
    ) -> Result<(u16, Vec<HeaderField>), Refused> {
        let directory = Arc::clone(&self.directory);
        let to = message.to().ok_or_else(|| Refused::new(400, 32100, "no To"))?;
        let uri = to.sip_uri().ok_or_else(|| Refused::new(400, 32100, "To is not a SIP URI"))?;
        let requested = SipUri::parse(message.request_uri());
        let domain =
            directory.domain(uri.host()).or_else(|| directory.domain(requested.as_ref()?.host()));
        let Some(domain) = domain else {
            let reason = format!("no domain {:?} is configured", uri.host());
            return Err(self.turn_away(now, flow, message, uri.host(), 32002, reason));
        };
        if domain.registration.is_empty() {
            let reason = format!("registration is off for domain {}", domain.name);
            return Err(self.turn_away(now, flow, message, &domain.name, 32212, reason));
        }
        let proof = self.check_password(now, flow, message, &domain.name, &domain.registration)?;
        check_address(flow, domain)?;
        // RFC 3261 section 10.3 step 4: a user may change only its own bindings.
        let user = uri.user().unwrap_or_default().into_owned();
        let (Proof::First(username) | Proof::Again(username)) = &proof;
        if user != *username {
            let reason = format!("user {username:?} may not register {user:?}");
            return Err(Refused::new(403, 32212, reason));
        }
        let address_of_record = format!("{user}@{}", domain.name);
        let outcome = match proof {
            Proof::First(_) => {
                self.guard.admitted(now, Method::Register);
                self.registrar.register(now, &address_of_record, message, flow)
            }
            Proof::Again(_) => self.registrar.repeat(now, &address_of_record, message, flow),
        };
        if outcome.status == 200 {
            self.tell_known(now, flow);
        }
        if outcome.changed {
            self.tell_registered(now, address_of_record, flow.remote);
        }
        Ok((outcome.status, outcome.headers))
    }

    /// A stream that is no more takes along whoever was reachable only over it (RFC 5626 section
    /// 5.3). Of datagrams that could not be sent nothing follows: the next may pass.
    pub(super) fn drop_registrations(&mut self, now: Instant, flow: Flow) {
        if flow.connection == 0 {
            return;
        }
        for user in self.registrar.close(flow) {
            self.tell_registered(now, user.to_string(), flow.remote);
        }
    }

    fn tell_registered(&mut self, now: Instant, user: String, source: SocketAddr) {
        let phones = self.registrar.bindings(now, &user).len();
        self.outputs.push_back(Output::Registered(Registered { user, phones, source }));
    }
}
