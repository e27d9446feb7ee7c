//! The side of a SIP leg that we start: branches that ring together.

use super::*;

/// The branches of an outgoing leg.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    targets: Vec<Target>,
    branches: Vec<Branch>,
    /// The branch that answered.
    winner: Option<DialogId>,
    told: Told,
    /// The early dialog that is heard before the answer.
    heard: Option<(DialogId, String)>,
    /// The refusal to report when nobody answers.
    best: Option<Failure>,
}

#[derive(Debug)]
struct Branch {
    dialog: DialogId,
    /// The host that its requests go to.
    host: IpAddr,
    /// Whether a translator is known to stand before it.
    leeway: media::Leeway,
    over: bool,
    /// Our own URI in it.
    from: String,
    /// The descriptions of its 1xx by To tag: the 200 of that very fork may leave its own out.
    early: Vec<(String, Bytes)>,
}

/// Forks of one branch whose early descriptions are kept: as many as the user agent follows.
const MAX_EARLY: usize = 8;

/// What the call was told of progress; each is told once.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    #[default]
    Nothing,
    Ringing,
    EarlyMedia,
}

#[derive(Debug, Clone)]
struct Failure {
    ending: Ending,
    message: Option<Message>,
}

impl Outgoing {
    /// The address for media of a branch.
    fn address_of(&self, dialog: DialogId, own: MediaAddress) -> MediaAddress {
        match self.branches.iter().find(|branch| branch.dialog == dialog) {
            Some(&Branch { host, leeway, .. }) => MediaAddress { peer: Some(host), leeway, ..own },
            None => MediaAddress { peer: None, ..own },
        }
    }

    /// The only branch goes to another server than before.
    pub(super) fn aim_again(&mut self, target: &Target) {
        if let [branch] = &mut self.branches[..] {
            branch.host = target.flow.remote.ip();
            branch.leeway = target.leeway;
            branch.from.clone_from(&target.from);
        }
    }

    pub(super) fn winner(&self) -> Option<DialogId> {
        self.winner
    }

    /// Our own URI in the dialog that was answered.
    pub(super) fn calls_as(&self) -> Option<&str> {
        let winner = self.branches.iter().find(|branch| self.winner == Some(branch.dialog))?;
        Some(&winner.from)
    }

    pub(super) fn is_over(&self) -> bool {
        self.branches.iter().all(|branch| branch.over)
    }

    /// Keeps the description of a 1xx for the 200 of the same fork.
    fn note_early(&mut self, dialog: DialogId, response: &Message) {
        let Some(sdp) = sdp_of(response) else { return };
        let tag = tag_of(response);
        let Some(branch) = self.branches.iter_mut().find(|b| b.dialog == dialog) else { return };
        if let Some((_, known)) = branch.early.iter_mut().find(|(fork, _)| *fork == tag) {
            *known = sdp;
        } else if branch.early.len() < MAX_EARLY {
            branch.early.push((tag, sdp));
        }
    }

    /// The answer of a 200: its own, or the one that its fork gave before. Never another's, whose
    /// media would go to a telephone that nobody picked up.
    fn answer_of(&self, dialog: DialogId, response: &Message) -> Option<Bytes> {
        let early = || {
            let branch = self.branches.iter().find(|branch| branch.dialog == dialog)?;
            let tag = tag_of(response);
            branch.early.iter().find(|(fork, _)| *fork == tag).map(|(_, sdp)| sdp.clone())
        };
        sdp_of(response).or_else(early)
    }

    fn open_branches(&self) -> Vec<DialogId> {
        self.branches.iter().filter(|branch| !branch.over).map(|branch| branch.dialog).collect()
    }
}

impl Failure {
    /// Lowest is reported: a 6xx decides (RFC 3261 section 16.7 step 6); "busy" says more than
    /// other refusals; a peer that never answered says least.
    fn rank(&self) -> u32 {
        match self.ending {
            Ending::Rejected(status @ 600..) => u32::from(status) - 600,
            Ending::Rejected(486) => 100,
            Ending::Rejected(status) => 1000 + u32::from(status),
            _ => 9000,
        }
    }

    /// The leg's cause and the SIP status that a report shows.
    fn cause(&self) -> (Cause, u16) {
        match self.ending {
            Ending::Rejected(status) => (cause_of_status(status), status),
            Ending::Timeout => (Cause::NoAnswer, 408),
            Ending::Unreachable => (Cause::Failed, 503),
            Ending::Cancelled | Ending::Local => (Cause::Local, 487),
            Ending::Bye | Ending::NoAck => (Cause::Hangup, 200),
        }
    }
}

/// Whether the network says that what comes before the answer is worth hearing (RFC 5009): not
/// when the far end sends nothing. Without the header it is as the description says.
fn sounds(response: &Message) -> bool {
    let Some(value) = response.header_by_name("P-Early-Media") else { return true };
    let says =
        |word: &str| value.split([',', ';']).any(|found| found.trim().eq_ignore_ascii_case(word));
    !says("inactive") && !says("recvonly")
}

fn tag_of(response: &Message) -> String {
    response.to().and_then(|to| to.tag()).unwrap_or_default().to_owned()
}

fn cause_of_status(status: u16) -> Cause {
    match status {
        486 | 600 => Cause::Busy,
        408 | 480 | 487 | 603 => Cause::NoAnswer,
        _ => Cause::Failed,
    }
}

impl SipLeg {
    pub(super) fn handle_targets(&mut self, targets: Result<Vec<Target>, u16>) {
        let alive = self.is_alive();
        let Role::Outgoing(outgoing) = &mut self.role else { return };
        if !alive || !outgoing.branches.is_empty() {
            return self.gone_if_done();
        }
        match targets {
            Ok(mut targets) if !targets.is_empty() => {
                targets.truncate(MAX_BRANCHES);
                outgoing.targets = targets;
                self.open_media();
            }
            Ok(_) => self.fail(480),
            Err(status) => self.fail(status),
        }
    }

    /// Ends a leg that never got as far as an INVITE.
    fn fail(&mut self, status: u16) {
        self.end(cause_of_status(status), None, Some(status));
        self.gone_if_done();
    }

    /// The socket is bound: all branches get the same offer.
    pub(super) fn invite_targets(&mut self, local: SocketAddr) {
        let body = self.offer(local);
        let Role::Outgoing(outgoing) = &mut self.role else { return };
        let targets = std::mem::take(&mut outgoing.targets);
        outgoing.branches.reserve_exact(targets.len());
        for (index, target) in targets.into_iter().enumerate() {
            let dialog = SipLeg::dialog_of(self.id, index);
            let host = target.flow.remote.ip();
            outgoing.branches.push(Branch {
                dialog,
                host,
                leeway: target.leeway,
                over: false,
                from: target.from.clone(),
                early: vec![],
            });
            let invite = target.invite(dialog, body.clone());
            self.outputs.push_back(Output::Sip(sip::Command::Invite(Box::new(invite))));
        }
    }

    pub(super) fn fail_outgoing(&mut self) {
        self.hang_up_branches();
        self.fail(503);
    }

    pub(super) fn hang_up_branches(&mut self) {
        let Role::Outgoing(outgoing) = &self.role else { return };
        for dialog in outgoing.open_branches() {
            self.sip(sip::Command::Hangup { dialog, headers: vec![] });
        }
    }

    pub(super) fn handle_progress(&mut self, dialog: DialogId, response: &Message) {
        let alive = self.is_alive();
        let Role::Outgoing(outgoing) = &mut self.role else { return };
        if outgoing.winner.is_some() || !alive {
            return;
        }
        outgoing.note_early(dialog, response);
        // Early media of several forks would overwrite one another: the first to send it is heard.
        let fork = (dialog, tag_of(response));
        let address = outgoing.address_of(dialog, self.address);
        let passes = self.early_media == EarlyMedia::Pass;
        let may_sound = passes
            && outgoing.heard.as_ref().is_none_or(|heard| *heard == fork)
            && sounds(response);
        if may_sound {
            self.address = address;
        }
        let early =
            may_sound && sdp_of(response).is_some_and(|answer| self.settle_answer(Some(answer)));
        let Role::Outgoing(outgoing) = &mut self.role else { return };
        if early {
            outgoing.heard = Some(fork);
            if outgoing.told < Told::EarlyMedia {
                outgoing.told = Told::EarlyMedia;
                self.emit(Event::EarlyMedia);
            }
        } else if outgoing.told == Told::Nothing
            && (response.status() == Some(180) || !passes && sdp_of(response).is_some())
        {
            outgoing.told = Told::Ringing;
            self.emit(Event::Ringing);
        }
    }

    /// Whether a request comes from the dialog whose media flow.
    pub(super) fn is_heard(&self, dialog: DialogId, request: &Message) -> bool {
        let Role::Outgoing(outgoing) = &self.role else { return true };
        let tag = request.from().and_then(|from| from.tag()).unwrap_or_default();
        outgoing.winner == Some(dialog)
            || outgoing.heard.as_ref().is_some_and(|(of, fork)| *of == dialog && *fork == *tag)
    }

    pub(super) fn handle_accepted(&mut self, dialog: DialogId, response: &Message) {
        let alive = self.is_alive();
        let Role::Outgoing(outgoing) = &mut self.role else { return };
        if !alive || outgoing.winner.is_some() {
            // A second phone was picked up at the same moment, or we had given up.
            return self.sip(sip::Command::Hangup { dialog, headers: vec![] });
        }
        outgoing.winner = Some(dialog);
        let answer = outgoing.answer_of(dialog, response);
        self.address = outgoing.address_of(dialog, self.address);
        for loser in outgoing.open_branches() {
            if loser != dialog {
                // So that it is no missed call over there (RFC 3326 section 2).
                let elsewhere = "SIP;cause=200;text=\"Call completed elsewhere\"";
                let headers = vec![("Reason".to_owned(), elsewhere.to_owned())];
                self.sip(sip::Command::Hangup { dialog: loser, headers });
            }
        }
        if !self.settle_answer(answer) {
            self.sip(sip::Command::Hangup { dialog, headers: vec![] });
            return self.end(Cause::Failed, Some(response), Some(488));
        }
        self.learn_again();
        let sip_call_id = response.call_id().to_owned();
        self.emit(Event::Answered { sip_call_id, headers: x_headers(response) });
    }

    pub(super) fn branch_ended(
        &mut self,
        dialog: DialogId,
        ending: Ending,
        message: Option<&Message>,
    ) {
        let Role::Outgoing(outgoing) = &mut self.role else { return };
        if let Some(branch) = outgoing.branches.iter_mut().find(|branch| branch.dialog == dialog) {
            branch.over = true;
        }
        if outgoing.winner == Some(dialog) {
            let cause = match ending {
                Ending::Bye => Cause::Hangup,
                Ending::Local => Cause::Local,
                _ => Cause::Lost,
            };
            return self.end(cause, message, None);
        }
        if outgoing.winner.is_some() {
            return;
        }
        let failure = Failure { ending, message: message.cloned() };
        if outgoing.best.as_ref().is_none_or(|best| failure.rank() < best.rank()) {
            outgoing.best = Some(failure);
        }
        let best = outgoing.best.clone().filter(|_| outgoing.is_over());
        if let Some(best) = best {
            let (cause, status) = best.cause();
            return self.end(cause, best.message.as_ref(), Some(status));
        }
        // A 6xx speaks for the whole user: the other phones stop (RFC 3261 section 16.7 step 5).
        if matches!(ending, Ending::Rejected(600..)) {
            self.hang_up_branches();
        }
    }
}

impl Target {
    fn invite(self, dialog: DialogId, body: Option<Body>) -> sip::Invite {
        sip::Invite {
            dialog,
            uri: self.uri,
            to: self.to,
            from: self.from,
            display_name: self.display_name,
            flow: self.flow,
            route: self.route,
            max_forwards: self.max_forwards,
            login: self.login,
            session: self.session,
            headers: self.headers,
            body,
        }
    }
}
