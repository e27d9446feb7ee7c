//! Requests outside dialogs, before anything is kept of them: who may send what.
//!
//! Everything but an admitted INVITE is answered here and forgotten; a flood costs time, never
//! memory (RFC 3261 section 8.2.7).

use super::calls::Admitted;
use super::events;
use super::refusal::Refused;
use super::*;
use crate::sip::{HeaderField, Message, Method};

/// What a request outside dialogs wants before it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Nothing: the answer says what anybody may know.
    Nothing,
    /// To register: a user's password, for its own name.
    Registration,
    /// To watch, tell or write: a user's password.
    User,
    /// To call: a trunk's address, or a domain's rules for calls.
    Admission,
    /// It has no business outside a dialog.
    Dialog,
}

/// The table of methods. What is not in it is refused.
const fn need(method: Method) -> Option<Need> {
    match method {
        Method::Options => Some(Need::Nothing),
        Method::Register => Some(Need::Registration),
        Method::Subscribe | Method::Publish | Method::Message => Some(Need::User),
        Method::Invite | Method::Refer => Some(Need::Admission),
        Method::Bye
        | Method::Info
        | Method::Update
        | Method::Prack
        | Method::Notify
        | Method::Cancel
        | Method::Ack => Some(Need::Dialog),
        Method::Other => None,
    }
}

/// What is done with a request.
pub(super) enum Welcome {
    /// It becomes a call.
    Call(Box<Admitted>),
    /// It is a user's, and is answered when it is carried out.
    Request(events::User),
    /// It is answered, and that is all.
    Answer(u16, Vec<HeaderField>),
}

impl Exchange {
    /// Answers a request that knocked, or lets it in.
    pub(super) fn handle_knock(&mut self, now: Instant, flow: Flow, message: Message) {
        let command = match self.welcome(now, flow, &message) {
            Ok(Welcome::Call(admitted)) => {
                self.admitted = Some(admitted);
                sip::Command::Admit { flow, message }
            }
            Ok(Welcome::Request(user)) => {
                self.let_in(user);
                sip::Command::Admit { flow, message }
            }
            Ok(Welcome::Answer(status, headers)) => {
                sip::Command::Answer { flow, message, status, headers }
            }
            Err(refused) => {
                self.note_refusal(now, message.method_name(), flow, &refused);
                self.tell_refusal(message.method().name(), flow, &message, &refused);
                let Refused { status, headers, .. } = refused;
                sip::Command::Answer { flow, message, status, headers }
            }
        };
        self.agent.handle(now, sip::Input::Command(command));
    }

    fn welcome(&mut self, now: Instant, flow: Flow, message: &Message) -> Result<Welcome, Refused> {
        if flow.is_inner() {
            return self.admit_inner(message).map(|call| Welcome::Call(Box::new(call)));
        }
        let method = message.method();
        if self.late && need(method) != Some(Need::Dialog) {
            return Err(self.too_late());
        }
        if self.guard.is_busy(now, method) {
            return Err(self.above_total());
        }
        match need(method) {
            // What an INVITE would get (RFC 3261 section 11.2): proxies that ask pass us over.
            Some(Need::Nothing) if self.draining => Err(Refused::busy(10, "draining")),
            Some(Need::Nothing) => {
                let accept = ("Accept".to_owned(), "application/sdp".to_owned());
                Ok(Welcome::Answer(200, vec![accept, events::allow_events()]))
            }
            Some(Need::Registration) => {
                let (status, headers) = self.register(now, flow, message)?;
                Ok(Welcome::Answer(status, headers))
            }
            Some(Need::User) => self.admit_user(now, flow, message),
            Some(Need::Admission) if method == Method::Invite => {
                self.admit_invite(now, flow, message).map(|call| Welcome::Call(Box::new(call)))
            }
            Some(Need::Admission) => {
                self.admit(now, flow, message)?;
                // Known to be allowed, and nothing is done with it yet (RFC 3261 section 8.2.1).
                Ok(Welcome::Answer(405, vec![]))
            }
            Some(Need::Dialog) => Ok(Welcome::Answer(481, vec![])),
            None => Ok(Welcome::Answer(501, vec![])),
        }
    }

    /// 503 for one of too many.
    pub(super) fn above_total(&mut self) -> Refused {
        Refused::busy(self.later(), "more than the limit of all peers together")
    }

    /// 503 for what came faster than this machine can follow. No line and no story tells of it:
    /// they would cost what is to be saved. It is counted, and the node says when it begins and ends.
    fn too_late(&mut self) -> Refused {
        self.guard.counters.too_late += 1;
        Refused::busy(self.later(), "")
    }

    /// After how many seconds to come again: peers that are all turned away now must not all come
    /// at once then.
    fn later(&mut self) -> u64 {
        5 + self.rng.below(11)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_anything_wants_a_password_an_address_or_a_dialog() {
        for method in [Method::Register, Method::Invite, Method::Message, Method::Subscribe] {
            assert!(!matches!(need(method), None | Some(Need::Nothing)), "{method}");
        }
        assert_eq!(need(Method::Refer), Some(Need::Admission));
        assert_eq!(need(Method::Other), None);
    }
}
