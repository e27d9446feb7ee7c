//! The media session of a SIP leg: opened when needed, connected when agreed, closed at the end.

use super::*;

/// The codecs that we offer, best first.
pub(super) const CODECS_OFFERED: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

impl SipLeg {
    pub(super) fn open_media(&mut self) {
        if matches!(self.media, Media::None) {
            self.media = Media::Opening(vec![]);
            let open = media::Command::Open { session: self.session(), ip: self.address.bind };
            self.outputs.push_back(Output::Media(open));
        }
    }

    pub(super) fn close_media(&mut self) {
        match std::mem::replace(&mut self.media, Media::Closing) {
            Media::None | Media::Closed => self.media = Media::Closed,
            Media::Closing => {}
            Media::Opening(waiting) | Media::Open { waiting, .. } => {
                let close = media::Command::Close { session: self.session() };
                self.outputs.push_back(Output::Media(close));
                self.drop_waiting(waiting);
            }
            Media::Connected { .. } => {
                let close = media::Command::Close { session: self.session() };
                self.outputs.push_back(Output::Media(close));
            }
        }
    }

    /// Media orders that never reached the plane: whoever waits for a recording hears its end.
    fn drop_waiting(&mut self, waiting: Vec<media::Command>) {
        for command in waiting {
            if let media::Command::Record { plan, .. } = command {
                let end = media::RecordingEnd::Failed;
                let (recording, length) = (plan.recording, Duration::ZERO);
                self.emit(Event::Recorded { recording, end, length, heard: false });
            }
        }
    }

    /// Starts, or changes, the flow of sound as offer and answer agreed it.
    pub(super) fn connect_media(&mut self, agreed: sdp::Agreed<Codec>) {
        let (signalled_from, leeway) = self.address.believed(agreed.address.ip());
        let remote = Remote {
            address: agreed.address,
            signalled_from,
            leeway,
            codec: agreed.codec,
            payload_type: agreed.payload_type,
            telephone_event: agreed.telephone_event,
            direction: agreed.direction,
        };
        let (local, waiting) = match &mut self.media {
            Media::Open { local, waiting } => (*local, std::mem::take(waiting)),
            Media::Connected { remote: before, .. } if *before == remote => return,
            Media::Connected { local, .. } => (*local, vec![]),
            Media::None | Media::Opening(_) | Media::Closing | Media::Closed => return,
        };
        let session = self.session();
        // Who talked and wants to hear nothing any more holds; how the session began is no hold.
        if let Media::Connected { remote: before, .. } = &self.media {
            match (before.direction.sends(), remote.direction.sends()) {
                (true, false) => self.emit(Event::Held),
                (false, true) => self.emit(Event::Resumed),
                _ => {}
            }
        }
        self.media = Media::Connected { local, remote: remote.clone() };
        self.outputs.push_back(Output::Media(media::Command::Connect { session, remote }));
        for command in waiting {
            self.give(command);
        }
    }

    /// The answer to a call that was heard before it: who was silent until now speaks from where
    /// its translator has it, and that may be learnt anew.
    pub(super) fn learn_again(&mut self) {
        if let Media::Connected { remote, .. } = &self.media {
            let (session, remote) = (self.session(), remote.clone());
            self.outputs.push_back(Output::Media(media::Command::Connect { session, remote }));
        }
    }

    /// An order that the plane will carry out, so that the end of each recording is awaited.
    fn give(&mut self, command: media::Command) {
        self.recordings += usize::from(matches!(command, media::Command::Record { .. }));
        self.outputs.push_back(Output::Media(command));
    }

    /// Takes the answer to our offer; false when there is none that we can use.
    pub(super) fn settle_answer(&mut self, answer: Option<Bytes>) -> bool {
        let Some(answer) = answer else { return false };
        match sdp::accept_answer(&answer, &self.codecs, &self.description) {
            Ok(agreed) => {
                self.connect_media(agreed);
                true
            }
            Err(_) => false,
        }
    }

    pub(super) fn handle_media_command(&mut self, command: Command) {
        let session = self.session();
        let command = match command {
            Command::Play { play, clip, loops } => {
                media::Command::Play { session, play, clip, loops }
            }
            Command::StopPlaying => media::Command::StopPlaying { session },
            Command::SendDigits { play, digits } => {
                media::Command::SendDigits { session, play, digits }
            }
            Command::Bridge(other) => {
                media::Command::Bridge { a: session, b: SipLeg::session_of(other) }
            }
            Command::Unbridge => media::Command::Unbridge { session },
            Command::Record(record) => {
                let plan = recording_plan(record);
                media::Command::Record { session, plan }
            }
            Command::StopRecording(recording) => media::Command::StopRecording { recording },
            Command::Ring
            | Command::EarlyMedia
            | Command::Answer
            | Command::Refuse(_)
            | Command::TransferStatus(_)
            | Command::Refer { .. }
            | Command::Hangup => return,
        };
        self.order(command);
    }

    /// Gives a media order now, or when sound can flow.
    fn order(&mut self, command: media::Command) {
        match &mut self.media {
            Media::Connected { .. } => self.give(command),
            Media::Opening(waiting) | Media::Open { waiting, .. }
                if waiting.len() < MAX_WAITING =>
            {
                waiting.push(command);
            }
            _ => self.drop_waiting(vec![command]),
        }
    }

    pub(super) fn handle_media(&mut self, event: media::Event) {
        match event {
            media::Event::Opened { local, .. } => self.handle_opened(local),
            media::Event::Failed { .. } => self.handle_no_media(),
            media::Event::Elsewhere { from, .. } => self.emit(Event::Elsewhere(from)),
            media::Event::Digit { digit, .. } => self.emit(Event::Digit(digit)),
            media::Event::Played { play, .. } => self.emit(Event::Played(play)),
            media::Event::Recorded { recording, end, length, heard, .. } => {
                self.recordings = self.recordings.saturating_sub(1);
                if !matches!(self.progress, Progress::Ended) {
                    let recorded = Event::Recorded { recording, end, length, heard };
                    self.outputs.push_back(Output::Event(recorded));
                }
                if self.recordings == 0 {
                    self.tell_postponed_end();
                }
            }
            media::Event::Silent { .. } => {
                self.hang_up_dialogs();
                self.end(Cause::Lost, None, None);
            }
            // The writer may tell of a recording's end later than the plane tells of the close.
            media::Event::Closed { .. } => self.media = Media::Closed,
        }
        self.gone_if_done();
    }

    fn handle_opened(&mut self, local: SocketAddr) {
        let Media::Opening(waiting) = &mut self.media else { return };
        let waiting = std::mem::take(waiting);
        self.media = Media::Open { local, waiting };
        match self.role {
            Role::Incoming(_) => self.accept_incoming(local),
            Role::Outgoing(_) => self.invite_targets(local),
        }
    }

    fn handle_no_media(&mut self) {
        if let Media::Opening(waiting) = std::mem::replace(&mut self.media, Media::Closed) {
            self.drop_waiting(waiting);
        }
        match self.role {
            Role::Incoming(_) => self.fail_incoming(),
            Role::Outgoing(_) => self.fail_outgoing(),
        }
        self.end(Cause::Failed, None, Some(503));
    }

    fn tell_postponed_end(&mut self) {
        if let Progress::Ending(event) = &self.progress {
            self.outputs.push_back(Output::Event(Event::clone(event)));
            self.progress = Progress::Ended;
        }
    }
}

fn recording_plan(record: super::super::Record) -> media::RecordingPlan {
    let tracks = match record.tracks {
        Tracks::Own => media::Tracks::Own,
        Tracks::Mixed(leg) => media::Tracks::Mixed(SipLeg::session_of(leg)),
        Tracks::Dual(leg) => media::Tracks::Dual(SipLeg::session_of(leg)),
    };
    media::RecordingPlan {
        recording: record.recording,
        tracks,
        max: record.max,
        silence: record.silence,
        trim: record.trim,
    }
}
