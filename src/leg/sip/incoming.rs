//! The side of a SIP leg that somebody else started.

use super::*;
use crate::sip::dialog::reliable::Policy;

/// An incoming dialog and what its INVITE offered.
#[derive(Debug)]
pub(super) struct Incoming {
    dialog: DialogId,
    offer: Option<Bytes>,
    call_id: String,
    /// As what we were called.
    to: String,
    /// Whether its side takes provisional responses that are acknowledged (RFC 3262).
    reliable: bool,
    said: Said,
    state: State,
}

/// What of offer and answer was said before the 200.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// Nothing.
    Nothing,
    /// Our answer; the 200 says the same once more (RFC 3261 section 13.2.1).
    Answer(Body),
    /// All of it, reliably: the 200 says nothing more.
    All,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Nothing final said.
    Ringing,
    /// To be heard before the answer as soon as the media socket is bound.
    Opening,
    /// Sound flows, or waits for the PRACK with the answer to our offer.
    Early,
    /// To be answered as soon as the media socket is bound.
    Answering,
    /// The same, and to be hung up at once: the call took it for answered.
    AnsweringBriefly,
    /// 200 sent, ACK awaited.
    Accepted,
    /// ACK came.
    Confirmed,
    /// The dialog is over.
    Over,
}

impl Incoming {
    pub(super) fn new(dialog: DialogId, invite: &Message) -> Self {
        let call_id = invite.call_id().to_owned();
        let reliable = Policy::of(invite) != Policy::Never;
        let (said, state) = (Said::Nothing, State::Ringing);
        let to = invite.to().map(|to| to.uri().to_owned()).unwrap_or_default();
        Incoming { dialog, offer: sdp_of(invite), call_id, to, reliable, said, state }
    }

    /// An UPDATE agreed anew before the 200, which must not go back to what was before it.
    pub(super) fn agreed_anew(&mut self) {
        if self.state == State::Early {
            self.said = Said::All;
        }
    }

    /// Lets go of the bytes of the INVITE: whoever talks needs them no more. That there was an
    /// offer stays known.
    fn forget_descriptions(&mut self) {
        self.offer = self.offer.take().map(|_| Bytes::new());
        self.said = Said::All;
    }

    pub(super) fn dialog(&self) -> DialogId {
        self.dialog
    }

    /// The dialog, once its ACK came.
    pub(super) fn talking(&self) -> Option<DialogId> {
        (self.state == State::Confirmed).then_some(self.dialog)
    }

    /// Our own URI in its dialog.
    pub(super) fn called_as(&self) -> Option<&str> {
        Some(self.to.as_str()).filter(|uri| !uri.is_empty())
    }

    pub(super) fn over(&mut self) {
        self.state = State::Over;
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }
}

impl SipLeg {
    pub(super) fn ring(&mut self) {
        if let Role::Incoming(Incoming { dialog, state: State::Ringing, .. }) = self.role {
            self.sip(sip::Command::Progress { dialog, status: 180, headers: vec![], body: None });
        }
    }

    /// Opens the way for sound before the answer. Without an offer that we could answer, and
    /// without a PRACK that could answer ours, there is none.
    pub(super) fn sound_early(&mut self) {
        let passes = self.early_media == EarlyMedia::Pass;
        let Role::Incoming(incoming) = &mut self.role else { return };
        if incoming.state != State::Ringing {
            return;
        }
        if passes && (incoming.offer.is_some() || incoming.reliable) {
            incoming.state = State::Opening;
        } else {
            self.ring();
        }
        // What is to be heard waits for the answer, where it cannot be heard before.
        self.open_media();
    }

    pub(super) fn answer(&mut self) {
        let Role::Incoming(incoming) = &mut self.role else { return };
        match incoming.state {
            State::Ringing | State::Opening => {
                incoming.state = State::Answering;
                match self.media {
                    Media::Open { local, .. } => self.accept_incoming(local),
                    _ => self.open_media(),
                }
            }
            State::Early => self.accept_early(),
            _ => {}
        }
    }

    /// Says 200 after 183: offer and answer are through, or on their way.
    fn accept_early(&mut self) {
        let Role::Incoming(incoming) = &mut self.role else { return };
        incoming.state = State::Accepted;
        let (dialog, body) = (
            incoming.dialog,
            match &incoming.said {
                Said::Answer(body) => Some(body.clone()),
                Said::All | Said::Nothing => None,
            },
        );
        self.sip(sip::Command::Accept { dialog, headers: vec![], body });
        self.learn_again();
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        let Role::Incoming(incoming) = &self.role else { return self.hang_up() };
        if !matches!(
            incoming.state,
            State::Ringing | State::Opening | State::Early | State::Answering
        ) {
            return self.hang_up();
        }
        let status = match refusal {
            Refusal::Busy => 486,
            Refusal::Rejected => 404,
            Refusal::Unavailable => 480,
            Refusal::Declined => 603,
            Refusal::Failed => 500,
        };
        self.reject_incoming(status, Cause::Local);
    }

    /// A final refusal; the user agent sees it through.
    fn reject_incoming(&mut self, status: u16, cause: Cause) {
        let Role::Incoming(incoming) = &self.role else { return };
        let dialog = incoming.dialog;
        self.sip(sip::Command::Reject { dialog, status, headers: vec![] });
        self.end(cause, None, Some(status));
    }

    /// Puts off a hang-up that overtook the answer, which waits for its socket: a call that was
    /// answered for its handler is answered on the wire, too.
    pub(super) fn puts_off_hang_up(&mut self) -> bool {
        match &mut self.role {
            Role::Incoming(incoming) if incoming.state == State::Answering => {
                incoming.state = State::AnsweringBriefly;
                true
            }
            Role::Incoming(incoming) => incoming.state == State::AnsweringBriefly,
            Role::Outgoing(_) => false,
        }
    }

    pub(super) fn hang_up_incoming(&mut self) {
        let Role::Incoming(incoming) = &self.role else { return };
        let dialog = incoming.dialog;
        match incoming.state {
            State::Over => {}
            // Nobody took the call (RFC 3261 section 21.4.18); 603 would stop a carrier from
            // trying elsewhere.
            State::Ringing
            | State::Opening
            | State::Early
            | State::Answering
            | State::AnsweringBriefly => {
                self.sip(sip::Command::Reject { dialog, status: 480, headers: vec![] });
            }
            State::Accepted | State::Confirmed => {
                self.sip(sip::Command::Hangup { dialog, headers: vec![] });
            }
        }
    }

    /// The socket is bound: says 200 with the answer, or with an offer when the INVITE had none.
    pub(super) fn accept_incoming(&mut self, local: SocketAddr) {
        let Role::Incoming(incoming) = &mut self.role else { return };
        let briefly = incoming.state == State::AnsweringBriefly;
        let early = incoming.state == State::Opening;
        if !briefly && !early && incoming.state != State::Answering {
            return;
        }
        let dialog = incoming.dialog;
        let advertised = SocketAddr::new(self.address.advertise, local.port());
        let described = match &incoming.offer {
            Some(offer) => sdp::answer(offer, advertised, &self.codecs, &mut self.description)
                .map(|(answer, agreed)| (answer, Some(agreed))),
            None => Ok((
                sdp::offer(advertised, &self.codecs, Direction::SendRecv, &mut self.description),
                None,
            )),
        };
        match described {
            Ok((body, agreed)) => {
                let body = sdp_body(body);
                if early {
                    incoming.state = State::Early;
                    incoming.said = match (&body, &agreed) {
                        (Some(answer), Some(_)) => Said::Answer(answer.clone()),
                        _ => Said::All,
                    };
                } else {
                    incoming.state = State::Accepted;
                }
                if let Some(agreed) = agreed {
                    self.connect_media(agreed);
                }
                let headers = vec![];
                self.sip(match early {
                    true => sip::Command::Progress { dialog, status: 183, headers, body },
                    false => sip::Command::Accept { dialog, headers, body },
                });
                if briefly {
                    self.hang_up();
                }
            }
            Err(refusal) => self.reject_incoming(refusal.status(), Cause::Failed),
        }
    }

    /// No socket was to be had: the caller may try elsewhere or later.
    pub(super) fn fail_incoming(&mut self) {
        match &self.role {
            Role::Incoming(Incoming {
                state: State::Opening | State::Answering | State::AnsweringBriefly,
                ..
            }) => {
                self.reject_incoming(503, Cause::Failed);
            }
            _ => self.hang_up_incoming(),
        }
    }

    pub(super) fn handle_confirmed(&mut self, ack: &Message) {
        let Role::Incoming(incoming) = &mut self.role else { return self.settle_offer(ack) };
        if incoming.state != State::Accepted {
            return self.settle_offer(ack);
        }
        incoming.state = State::Confirmed;
        let sip_call_id = incoming.call_id.clone();
        let owed = incoming.offer.is_none() && incoming.said == Said::Nothing;
        incoming.forget_descriptions();
        if owed && !self.settle_answer(sdp_of(ack)) {
            // Our offer got no answer, which had to be in the ACK (RFC 3261 section 13.2.2.4).
            return self.hang_up();
        }
        self.emit(Event::Answered { sip_call_id, headers: vec![] });
        self.refer_now();
    }

    /// The PRACK of our 183: it answers our offer, when the INVITE had none.
    pub(super) fn handle_acknowledged(&mut self, prack: &Message) {
        let Role::Incoming(incoming) = &self.role else { return };
        let owed = incoming.offer.is_none() && matches!(self.media, Media::Open { .. });
        if owed && !self.settle_answer(sdp_of(prack)) {
            self.hang_up();
        }
    }

    /// The ACK of a re-INVITE without a description carries the answer to our offer. What an ACK
    /// carries unasked is no answer to anything, and an answer that is no use leaves the session
    /// as it was (RFC 3261 section 14.1).
    fn settle_offer(&mut self, ack: &Message) {
        if std::mem::take(&mut self.offered) {
            self.settle_answer(sdp_of(ack));
        }
    }
}
