//! Calls from trunks: whether their caller's number is proven.

use super::certificates::{Certificate, Found};
use super::*;
use crate::directory::{Refuse, Trunk, Verify};
use crate::exchange::calls::Admitted;
use crate::exchange::refusal::Refused;
use crate::exchange::who;
use crate::leg::Stir;
use crate::sip::identity::{
    Call as About, Claim, Flaw, Mark, Signer, Verstat, canonical, carried, read_date,
};
use crate::sip::{HeaderName, Message};

/// An admitted call that waits for a certificate.
pub(super) struct Waiting {
    flow: Flow,
    invite: Message,
    admitted: Box<Admitted>,
    claim: Box<Claim>,
    verify: Arc<Verify>,
    refuse: Refuse,
}

/// What came of a call's signature.
#[derive(Debug)]
struct Verdict {
    verstat: Option<Verstat>,
    token: Option<String>,
    /// For the call's story; empty for nothing to say.
    words: String,
    /// What it would be refused for.
    flaw: Option<Flaw>,
}

impl Verdict {
    /// Nobody looked.
    fn none() -> Verdict {
        Verdict { verstat: None, token: None, words: String::new(), flaw: None }
    }

    /// A claim that its signer's key bears out.
    fn proven(claim: Claim, signer: &Signer) -> Verdict {
        let by = signer.authority.name();
        let level = claim.attest.map_or_else(String::new, |a| format!(" with attestation {a}"));
        let (verstat, words) = match claim.retargeted {
            false => {
                let words = format!("the caller's number is proven: signed by {by}{level}");
                (Verstat::Passed(claim.attest), words)
            }
            // Without the word of whoever turned it (RFC 8946) anybody could have.
            true => (
                Verstat::Unvalidated,
                format!(
                    "the caller's number is not proven: {by} signed{level} a call to another \
                     number, which was turned here on its way"
                ),
            ),
        };
        let verstat = Some(verstat);
        Verdict { verstat, token: Some(claim.token), words, flaw: None }
    }

    fn flawed(
        flaw: Flaw,
        attest: Option<crate::sip::identity::Attest>,
        token: Option<String>,
    ) -> Verdict {
        // Trouble on the way to a certificate says nothing of the caller.
        let verstat = match flaw {
            Flaw::Missing => None,
            Flaw::Unreachable(_) => Some(Verstat::Unvalidated),
            _ => Some(Verstat::Failed(attest)),
        };
        let words = format!("the caller's number is not proven: {flaw}");
        Verdict { verstat, token, words, flaw: Some(flaw) }
    }
}

impl Exchange {
    /// Looks at who calls, and makes the call: at once, or when a certificate came.
    pub(in crate::exchange) fn identify(
        &mut self,
        now: Instant,
        dialog: DialogId,
        flow: Flow,
        invite: &Message,
        admitted: Admitted,
    ) {
        let directory = Arc::clone(&self.directory);
        let trunk = admitted.channel.as_ref().and_then(|key| key.find(&directory));
        let Some(trunk) = trunk else {
            return self.start_call(now, dialog, flow, invite, admitted);
        };
        let refuse = trunk.callers.refuse;
        let claim = match &trunk.callers.verify {
            Some(verify) => self.claim_of(now, invite, &admitted, trunk, verify),
            None => Ok(None),
        };
        let verdict = match (claim, &trunk.callers.verify) {
            (Ok(Some(claim)), Some(verify)) => {
                let wall = self.config.epoch.wall(now).unix_seconds();
                match self.identities.certificates.find(now, wall, &claim.x5u, verify) {
                    Found::Signer(signer) => self.judge(now, invite, claim, signer),
                    Found::Wait { begin } => {
                        if begin {
                            self.outputs.push_back(Output::Certificate(claim.x5u.clone()));
                        }
                        let (claim, verify) = (Box::new(claim), Arc::clone(verify));
                        let (invite, admitted) = (invite.clone(), Box::new(admitted));
                        let call = Waiting { flow, invite, admitted, claim, verify, refuse };
                        return self.wait(now, dialog, call);
                    }
                }
            }
            (Ok(_), verify) => trusted_word(invite, trunk, verify.is_some()),
            (Err(verdict), _) => *verdict,
        };
        self.let_call_in(now, dialog, flow, invite, admitted, (verdict, refuse));
    }

    /// What the Identity headers claim, if it is about this call.
    fn claim_of(
        &self,
        now: Instant,
        invite: &Message,
        admitted: &Admitted,
        trunk: &Trunk,
        verify: &Verify,
    ) -> Result<Option<Claim>, Box<Verdict>> {
        if !invite.has(HeaderName::Identity) {
            return Ok(None);
        }
        let read = |number: &str| {
            canonical(&trunk.numbers.read(number).unwrap_or_else(|| number.to_owned()))
        };
        // Also of one who is withheld from handlers: the trunk is told, and so are we.
        let caller = who::asserted(invite).and_then(|(number, _)| read(&number));
        let to = invite.to().and_then(|to| who::number_of(to.uri())).and_then(|to| read(&to));
        let about = About {
            caller: caller.as_deref().unwrap_or_default(),
            called: &canonical(&admitted.incoming.to).unwrap_or_default(),
            to: to.as_deref().unwrap_or_default(),
            date: invite.header(HeaderName::Date).and_then(read_date),
            now: self.config.epoch.wall(now).unix_seconds(),
            ports: &verify.ports,
        };
        Claim::read(invite.values(HeaderName::Identity), &about)
            .map_err(|wrong| Box::new(Verdict::flawed(wrong.flaw, wrong.attest, wrong.token)))
    }

    /// What a signer's certificate makes of a claim. A token belongs to the first call that brings
    /// it, and only one that was good is remembered: others cannot use it up.
    fn judge(
        &mut self,
        now: Instant,
        invite: &Message,
        claim: Claim,
        signer: Result<Signer, Flaw>,
    ) -> Verdict {
        let proven = signer.and_then(|signer| {
            claim.check(&signer, algorithms())?;
            let call = mark(invite.call_id().as_bytes());
            let token = mark(claim.signing());
            match self.identities.replays.note(now, token, call) {
                true => {
                    self.say_all(|| peers::Say::Signed(token, call));
                    Ok(signer)
                }
                false => Err(Flaw::Replayed),
            }
        });
        match proven {
            Ok(signer) => Verdict::proven(claim, &signer),
            Err(flaw) => Verdict::flawed(flaw, claim.attest, Some(claim.token)),
        }
    }

    /// Another exchange of this server let a call in by that token.
    pub(in crate::exchange) fn token_used(&mut self, now: Instant, token: Mark, call: Mark) {
        self.identities.replays.note(now, token, call);
    }

    /// Keeps a call until its signer's certificate came, or it has waited long enough.
    fn wait(&mut self, now: Instant, dialog: DialogId, call: Waiting) {
        if self.identities.waiting.len() >= MAX_WAITING {
            return self.go_on(now, dialog, call, "too many calls wait for certificates");
        }
        // It has its channel while it waits.
        if let Some(key) = &call.admitted.channel {
            self.trunks.occupy(key);
        }
        self.identities.timers.set(dialog, now + call.verify.wait);
        self.identities.waiting.insert(dialog, call);
    }

    /// Takes a call out of those that wait.
    fn wait_no_more(&mut self, dialog: DialogId) -> Option<Waiting> {
        let call = self.identities.waiting.remove(&dialog)?;
        self.identities.timers.clear(&dialog);
        if let Some(key) = &call.admitted.channel {
            self.trunks.leave(key);
        }
        Some(call)
    }

    /// A call that waited goes on without a verdict.
    fn go_on(&mut self, now: Instant, dialog: DialogId, call: Waiting, why: &str) {
        let Waiting { flow, invite, admitted, claim, refuse, .. } = call;
        let flaw = Flaw::Unreachable(why.to_owned());
        let verdict = Verdict::flawed(flaw, claim.attest, Some(claim.token));
        self.let_call_in(now, dialog, flow, &invite, *admitted, (verdict, refuse));
    }

    /// A certificate came, or does not.
    pub(in crate::exchange) fn handle_certificate(
        &mut self,
        now: Instant,
        url: &str,
        result: Result<Certificate, String>,
    ) {
        self.identities.certificates.came(now, url, result);
        let wall = self.config.epoch.wall(now).unix_seconds();
        let served = |call: &Waiting| call.claim.x5u == url;
        let waiting = self.identities.waiting.iter();
        let dialogs: Vec<DialogId> =
            waiting.filter(|(_, call)| served(call)).map(|(dialog, _)| *dialog).collect();
        for dialog in dialogs {
            let Some(call) = self.wait_no_more(dialog) else { continue };
            let found = self.identities.certificates.find(now, wall, url, &call.verify);
            let Found::Signer(signer) = found else {
                self.go_on(now, dialog, call, "it was forgotten meanwhile");
                continue;
            };
            let Waiting { flow, invite, admitted, claim, refuse, .. } = call;
            let verdict = self.judge(now, &invite, *claim, signer);
            self.let_call_in(now, dialog, flow, &invite, *admitted, (verdict, refuse));
        }
    }

    /// Calls that waited long enough.
    pub(in crate::exchange) fn identity_timeout(&mut self, now: Instant) {
        while let Some(dialog) = self.identities.timers.pop(now) {
            let Some(call) = self.wait_no_more(dialog) else { continue };
            let why = format!("it did not come within {} ms", call.verify.wait.as_millis());
            self.go_on(now, dialog, call, &why);
        }
    }

    /// Whether an event ended a call that waited: its caller gave up.
    pub(in crate::exchange) fn stops_waiting(&mut self, event: &sip::Event) -> bool {
        match event {
            sip::Event::Ended { dialog, .. } => self.wait_no_more(*dialog).is_some(),
            _ => false,
        }
    }

    /// Ends all calls that wait: the server goes down.
    pub(in crate::exchange) fn refuse_waiting(&mut self, now: Instant) {
        while let Some((dialog, _)) = self.identities.waiting.first_key_value() {
            let dialog = *dialog;
            self.wait_no_more(dialog);
            let reject = sip::Command::Reject { dialog, status: 503, headers: vec![] };
            self.agent.handle(now, sip::Input::Command(reject));
        }
    }

    /// Makes a call of what was found out about its caller, or refuses it.
    fn let_call_in(
        &mut self,
        now: Instant,
        dialog: DialogId,
        flow: Flow,
        invite: &Message,
        mut admitted: Admitted,
        (verdict, refuse): (Verdict, Refuse),
    ) {
        if let Some(status) = refusal(&verdict, refuse) {
            let refused = Refused::new(status, UNPROVEN, verdict.words);
            self.note_refusal(now, "INVITE", flow, &refused);
            self.tell_refusal("INVITE", flow, invite, &refused);
            let reject = sip::Command::Reject { dialog, status, headers: vec![] };
            return self.agent.handle(now, sip::Input::Command(reject));
        }
        // The token names the caller, also to those from whom the number is withheld.
        let token = verdict.token.filter(|_| !who::is_private(invite));
        admitted.incoming.stir =
            verdict.verstat.map(|verstat| Stir { verstat: verstat.as_str().to_owned(), token });
        self.start_call(now, dialog, flow, invite, admitted);
        let made = self.calls.table.get(&CallNumber(self.calls.last)).map(|entry| entry.sid);
        if let Some(sid) = made.filter(|_| !verdict.words.is_empty()) {
            let failed = matches!(verdict.verstat, Some(Verstat::Failed(_)));
            self.note(sid, if failed { UNPROVEN } else { 0 }, verdict.words);
        }
    }
}

/// The status that refuses a call, if its trunk's calls are refused for that.
fn refusal(verdict: &Verdict, refuse: Refuse) -> Option<u16> {
    let status = || verdict.flaw.as_ref().map_or(438, Flaw::status);
    match (refuse, verdict.verstat) {
        (Refuse::Failed | Refuse::Unproven, Some(Verstat::Failed(_))) => Some(status()),
        (Refuse::Unproven, Some(Verstat::Unvalidated)) => Some(status()),
        (Refuse::Unproven, None) => Some(Flaw::Missing.status()),
        _ => None,
    }
}

/// What the trunk says of its own accord about a call that carries no signature.
fn trusted_word(invite: &Message, trunk: &Trunk, verified: bool) -> Verdict {
    let word = carried(invite).filter(|_| trunk.callers.trust_verstat);
    match word {
        Some(verstat) => Verdict {
            verstat: Some(verstat),
            words: format!("the trunk says of the caller's number: {}", verstat.as_str()),
            ..Verdict::none()
        },
        None if verified => Verdict::flawed(Flaw::Missing, None, None),
        None => Verdict::none(),
    }
}

/// A short name for bytes of a peer's.
fn mark(bytes: &[u8]) -> Mark {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(bytes);
    let mut mark = [0; 16];
    mark.copy_from_slice(&digest[..16]);
    mark
}
