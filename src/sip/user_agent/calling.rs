//! Dialogs that we start: INVITE, its responses, its forks, its CANCEL (RFC 3261 sections 9.1
//! and 13.2).

use super::write::{Draft, Side, extend};
use super::{Due, Purpose, SentAck, UserAgent};
use crate::base::Instant;
use crate::sip::dialog::{
    Attempt, Calling, Confirmed, Credentials, MAX_FORKS, Order, Phase, Remote, Usage, request_uri,
};
use crate::sip::header::NameAddr;
use crate::sip::transaction::{ClientId, GIVE_UP, cancel};
use crate::sip::write::name_addr;
use crate::sip::{
    DialogId, Ending, Event, HeaderField, HeaderName, Invite, Message, Method, Parsed,
};

/// More requests than one INVITE's early dialogs see, so that a CSeq beyond it is a new one.
const MAX_PRACKS: u32 = 1000;

impl UserAgent {
    pub(super) fn start_invite(&mut self, now: Instant, mut invite: Box<Invite>) {
        invite.uri = request_uri(&invite.uri).to_owned();
        let dialog = invite.dialog;
        if self.usages.contains_key(&dialog) {
            return;
        }
        if self.usages.len() >= self.config.limits.dialogs || self.is_full(true) {
            let (ending, message) = (Ending::Rejected(503), None);
            return self.event(Event::Ended { dialog, ending, message });
        }
        let tag = self.new_tag();
        let from = name_addr(invite.display_name.as_deref(), &invite.from);
        let wish = invite.session.unwrap_or(self.config.session);
        let usage = Usage {
            id: dialog,
            wish,
            call_id: self.rng.hex(32).into(),
            local: format!("{from};tag={tag}"),
            local_tag: tag.into(),
            flow: invite.flow,
            cseq: 0,
            remote_cseq: None,
            login: invite.login.clone(),
            serving: Vec::new(),
            phase: Phase::Calling(Box::new(Calling {
                invite,
                client: ClientId(0),
                credentials: Credentials::default(),
                forks: Vec::new(),
                session: wish,
                raised: 0,
                attempt: Attempt::Unheard,
            })),
        };
        self.insert(usage);
        self.send_invite(now, dialog);
    }

    /// Sends the INVITE, again with a new CSeq and branch when it was challenged.
    fn send_invite(&mut self, now: Instant, dialog: DialogId) {
        let Some(mut usage) = self.usages.remove(&dialog) else { return };
        if let Phase::Calling(calling) = &mut usage.phase {
            usage.cseq += 1;
            let invite = &calling.invite;
            let to = if invite.to.is_empty() { &invite.uri } else { &invite.to };
            let (branch, builder) = self.draft(&Draft {
                method: "INVITE",
                uri: &invite.uri,
                routes: &invite.route,
                from: &usage.local,
                to: &name_addr(None, to),
                call_id: &usage.call_id,
                cseq: usage.cseq,
                max_forwards: invite.max_forwards,
                flow: invite.flow,
            });
            let builder = extend(builder, calling.credentials.fields());
            let builder = extend(builder, &UserAgent::asked_session(calling));
            let builder = extend(builder, &invite.headers);
            let bytes = match &invite.body {
                Some(body) => builder.body(&body.content_type, body.bytes.clone()).build(),
                None => builder.build(),
            };
            let flow = invite.flow;
            let route = invite.route.first().and_then(|top| NameAddr::parse(top));
            let hop = route.map_or(&*invite.uri, |top| top.uri());
            calling.client = self.launch(now, Method::Invite, (&branch, hop), flow, bytes);
            calling.forks.clear();
            calling.attempt = Attempt::Unheard;
            self.purposes.insert(calling.client, Purpose::Invite(dialog));
        }
        self.usages.insert(dialog, usage);
    }

    /// A response to an INVITE that started a dialog.
    pub(super) fn invite_response(
        &mut self,
        now: Instant,
        client: ClientId,
        dialog: DialogId,
        response: Message,
    ) {
        match response.status().unwrap_or_default() {
            ..200 => self.invite_progress(now, client, dialog, response),
            200..300 => self.invite_accepted(now, client, dialog, response),
            status => self.invite_refused(now, client, dialog, status, response),
        }
    }

    fn invite_progress(
        &mut self,
        now: Instant,
        client: ClientId,
        dialog: DialogId,
        response: Message,
    ) {
        let Some(usage) = self.usages.get_mut(&dialog) else { return };
        let flow = usage.flow;
        let Phase::Calling(calling) = &mut usage.phase else { return };
        if calling.client != client {
            return;
        }
        match std::mem::replace(&mut calling.attempt, Attempt::Heard) {
            Attempt::Unheard | Attempt::Heard => {}
            Attempt::CancelSent => calling.attempt = Attempt::CancelSent,
            Attempt::CancelWanted(headers) => {
                return self.send_cancel(now, dialog, client, &headers);
            }
        }
        let told = match Remote::of_response(&response, &calling.invite.uri, flow) {
            _ if response.status() == Some(100) => false,
            Some(remote) if !remote.tag.is_empty() => calling.learn(remote),
            _ => true,
        };
        let told = told && self.hear(now, dialog, &response);
        let Some(Phase::Calling(calling)) = self.phase(dialog) else { return };
        if told && matches!(calling.attempt, Attempt::Heard) {
            self.event(Event::Progress { dialog, message: response });
        }
    }

    fn invite_accepted(
        &mut self,
        now: Instant,
        client: ClientId,
        dialog: DialogId,
        response: Message,
    ) {
        let tag = response.to().and_then(|to| to.tag()).unwrap_or_default().to_owned();
        if self.repeat_ack(client, &tag) {
            return;
        }
        let calling = self.usages.get(&dialog).and_then(|usage| match &usage.phase {
            Phase::Calling(calling) if calling.client == client => Some(calling),
            _ => None,
        });
        let Some(calling) = calling else {
            return self.end_fork(now, client, dialog, &response);
        };
        let cancelled = matches!(calling.attempt, Attempt::CancelWanted(_) | Attempt::CancelSent);
        let credentials = calling.credentials.fields().to_vec();
        let Some(mut usage) = self.usages.remove(&dialog) else { return };
        let Phase::Calling(calling) = &usage.phase else { return };
        let Some(remote) = Remote::of_response(&response, &calling.invite.uri, usage.flow) else {
            self.usages.insert(dialog, usage);
            return;
        };
        // PRACKs may have counted the CSeq up since the INVITE.
        let cseq = response.cseq().map_or(usage.cseq, |cseq| cseq.number);
        let side = Side { cseq, ..Side::from(&*usage) };
        let (flow, bytes) = self.write_ack(side, &remote, &credentials);
        self.keep_ack(client, SentAck { tag: tag.into(), flow, bytes });
        usage.login = usage.login.take().and_then(|login| calling.credentials.pinned(login));
        let least = calling.session.min;
        usage.phase = Phase::Confirmed(Box::new(Confirmed { least, ..Confirmed::new(remote) }));
        self.usages.insert(dialog, usage);
        self.timers.clear(&(dialog, Due::Cancelled));
        self.session_agreed(now, dialog, &response);
        match cancelled {
            // The 200 crossed our CANCEL: acknowledged, then hung up (RFC 3261 section 9.1).
            true => self.bye(now, dialog, Vec::new()),
            false => self.event(Event::Accepted { dialog, message: response }),
        }
    }

    fn invite_refused(
        &mut self,
        now: Instant,
        client: ClientId,
        dialog: DialogId,
        status: u16,
        response: Message,
    ) {
        let cnonce = self.rng.hex(16);
        let Some(usage) = self.usages.get_mut(&dialog) else { return };
        let Phase::Calling(calling) = &mut usage.phase else { return };
        if calling.client != client {
            return;
        }
        let ending = match calling.attempt {
            Attempt::CancelWanted(_) | Attempt::CancelSent => Ending::Local,
            Attempt::Unheard | Attempt::Heard => Ending::Rejected(status),
        };
        let challenged = matches!(status, 401 | 407) && ending != Ending::Local;
        if let Some(login) = usage.login.as_ref().filter(|_| challenged)
            && calling.credentials.meet(&response, "INVITE", &calling.invite.uri, login, &cnonce)
        {
            return self.send_invite(now, dialog);
        }
        if status == 422 && ending != Ending::Local && UserAgent::raise_session(calling, &response)
        {
            return self.send_invite(now, dialog);
        }
        self.finish(now, dialog, ending, Some(response));
    }

    /// The INVITE got no final response.
    pub(super) fn invite_unanswered(
        &mut self,
        now: Instant,
        dialog: DialogId,
        client: ClientId,
        ending: Ending,
    ) {
        let Some(usage) = self.usages.get(&dialog) else { return };
        let Phase::Calling(calling) = &usage.phase else { return };
        if calling.client != client {
            return;
        }
        let ending = match calling.attempt {
            Attempt::CancelWanted(_) | Attempt::CancelSent => Ending::Local,
            Attempt::Unheard | Attempt::Heard => ending,
        };
        self.finish(now, dialog, ending, None);
    }

    /// Hangs up before the answer: CANCEL may only follow a 1xx, so that it cannot overtake its
    /// INVITE.
    pub(super) fn cancel(&mut self, now: Instant, dialog: DialogId, headers: Vec<HeaderField>) {
        let Some(usage) = self.usages.get_mut(&dialog) else { return };
        let Phase::Calling(calling) = &mut usage.phase else { return };
        let client = calling.client;
        match calling.attempt {
            Attempt::Unheard => calling.attempt = Attempt::CancelWanted(headers),
            Attempt::Heard => self.send_cancel(now, dialog, client, &headers),
            Attempt::CancelWanted(_) | Attempt::CancelSent => {}
        }
    }

    fn send_cancel(
        &mut self,
        now: Instant,
        dialog: DialogId,
        client: ClientId,
        headers: &[HeaderField],
    ) {
        if let Some(usage) = self.usages.get_mut(&dialog)
            && let Phase::Calling(calling) = &mut usage.phase
        {
            calling.attempt = Attempt::CancelSent;
        }
        self.timers.set((dialog, Due::Cancelled), now + GIVE_UP);
        let Some((invite, flow)) = self.transactions.request(client) else { return };
        let Parsed::Valid(sent) = Message::parse(invite.clone()) else { return };
        let Some(bytes) = cancel(invite, headers) else { return };
        let branch = sent.via().and_then(|via| via.branch()).unwrap_or_default().to_owned();
        let id = self.transactions.send(now, Method::Cancel, &branch, flow, bytes);
        self.purposes.insert(id, Purpose::Nobody);
    }

    /// 64·T1 after CANCEL the INVITE counts as cancelled, answered or not.
    pub(super) fn cancel_given_up(&mut self, now: Instant, dialog: DialogId) {
        let Some(usage) = self.usages.get(&dialog) else { return };
        if let Phase::Calling(calling) = &usage.phase {
            self.transactions.abandon(calling.client);
            self.finish(now, dialog, Ending::Local, None);
        }
    }

    /// Sends the ACK of a 2xx again, if that was acknowledged before: also after its dialog is
    /// over, and while a later re-INVITE runs.
    pub(super) fn repeat_ack(&mut self, client: ClientId, tag: &str) -> bool {
        let sent = self.acks.get(&client).and_then(|acks| acks.iter().find(|a| *a.tag == *tag));
        let Some((flow, bytes)) = sent.map(|ack| (ack.flow, ack.bytes.clone())) else {
            return false;
        };
        self.transmit(flow, bytes);
        true
    }

    /// Sends an ACK and keeps it for repeats of its 2xx.
    pub(super) fn keep_ack(&mut self, client: ClientId, ack: SentAck) {
        self.transmit(ack.flow, ack.bytes.clone());
        // Forks are rare: mostly there is one for each call.
        let acks = self.acks.entry(client).or_default();
        acks.reserve_exact(1);
        acks.push(ack);
    }

    /// Acknowledges and ends the dialog of a 2xx that nobody wants: that of a further fork, or
    /// one that came after all was over (RFC 3261 section 13.2.2.4).
    fn end_fork(&mut self, now: Instant, client: ClientId, dialog: DialogId, response: &Message) {
        // Beyond this many forks a proxy is broken or hostile; it gets no amplifier.
        if self.acks.get(&client).is_some_and(|acks| acks.len() > MAX_FORKS) {
            return;
        }
        let Some((bytes, flow)) = self.transactions.request(client) else { return };
        let Parsed::Valid(invite) = Message::parse(bytes.clone()) else { return };
        let Some(remote) = Remote::of_response(response, invite.request_uri(), flow) else {
            return;
        };
        let (Some(from), Some(cseq)) = (invite.header(HeaderName::From), invite.cseq()) else {
            return;
        };
        let side = Side { from, call_id: invite.call_id(), cseq: cseq.number, flow };
        let (way, bytes) = self.write_ack(side, &remote, &[]);
        self.keep_ack(client, SentAck { tag: remote.tag.clone(), flow: way, bytes });
        // Beyond what PRACKs may have counted in that fork.
        let used = match self.usages.get_mut(&dialog) {
            Some(usage) => {
                usage.cseq = usage.cseq.saturating_add(1);
                usage.cseq
            }
            None => cseq.number.saturating_add(MAX_PRACKS),
        };
        let side = Side { cseq: used, ..side };
        self.send_stray_bye(now, side, &remote);
    }

    /// A BYE whose outcome is nobody's concern.
    pub(super) fn send_stray_bye(&mut self, now: Instant, side: Side<'_>, remote: &Remote) {
        let order = Order::new("BYE", Vec::new(), None);
        let (branch, flow, bytes) = self.write_order(side, remote, &order, &[]);
        let hop = remote.routes.next_hop(&remote.target);
        let id = self.launch(now, Method::Bye, (&branch, hop), flow, bytes);
        self.purposes.insert(id, Purpose::Nobody);
    }
}
