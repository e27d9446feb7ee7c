//! Recordings of a call: begun, ended, reported.

use crate::base::Duration;
use crate::base::id::{LegId, RecordingSid};
use crate::leg::{self, RecordingEnd};
use crate::verb::{self, Recorded, Report, Track};

use super::address;
use super::core::Call;
use super::effect::{Callback, RecordingRecord, RecordingStatus};
use super::parameters;

/// A recording that runs.
#[derive(Debug)]
pub(super) struct Recording {
    /// The leg that makes it.
    pub leg: LegId,
    record: RecordingRecord,
    /// Its callback, the URL absolute.
    report: Option<Report>,
    /// Whether the verb that began it is there to be told of its end.
    awaited: bool,
}

impl Call {
    /// Begins a recording for a verb.
    pub(super) fn record(&mut self, leg: LegId, plan: verb::Recording) {
        let sid = RecordingSid::random(&mut self.seed.rng());
        let other = |target: usize| self.targets.get(&target).copied();
        let (tracks, channels) = match plan.track {
            Track::Own => (Some(leg::Tracks::Own), 1),
            Track::Mixed(target) => (other(target).map(leg::Tracks::Mixed), 1),
            Track::Dual(target) => (other(target).map(leg::Tracks::Dual), 2),
        };
        let record = RecordingRecord {
            sid,
            call: self.setup.sid,
            status: RecordingStatus::InProgress,
            started: self.setup.epoch.wall(self.now),
            duration: None,
            channels,
            source: plan.source,
            owed: None,
        };
        let report = plan.report.and_then(|report| self.absolute(leg, report));
        self.recordings.insert(sid, Box::new(Recording { leg, record, report, awaited: true }));
        let talking = self.parties.get(&leg).is_some_and(|party| party.is_talking());
        let Some(tracks) = tracks.filter(|_| talking) else {
            return self.recorded(sid, RecordingEnd::Failed, Duration::ZERO, false);
        };
        let command = leg::Record {
            recording: sid,
            tracks,
            max: plan.max,
            silence: plan.silence,
            trim: plan.trim,
        };
        self.leg(leg, leg::Command::Record(command));
        self.recording_event(sid, "in-progress");
    }

    /// A report with its URL made absolute; an address that is none is noted.
    pub(super) fn absolute(&mut self, leg: LegId, mut report: Report) -> Option<Report> {
        let base = self.base_of(leg);
        let url = address::resolve_callback(&self.setup.public_url, &base, &report.request.url);
        match url {
            Some(url) => {
                report.request.url = url;
                Some(report)
            }
            None => {
                self.note(11100, format!("{:?} is not a callback's URL", report.request.url));
                None
            }
        }
    }

    /// Ends what that leg records.
    pub(super) fn stop_recordings(&mut self, leg: LegId) {
        let running = self.recordings.iter().filter(|(_, recording)| recording.leg == leg);
        for sid in running.map(|(sid, _)| *sid).collect::<Vec<_>>() {
            self.leg(leg, leg::Command::StopRecording(sid));
        }
    }

    /// Ends what that leg records for a verb that is no more.
    pub(super) fn abandon_recordings(&mut self, leg: LegId) {
        let running = self.recordings.iter_mut().filter(|(_, recording)| recording.leg == leg);
        running.for_each(|(_, recording)| recording.awaited = false);
        self.stop_recordings(leg);
    }

    /// A leg that is over can end nothing more: what it still recorded has failed.
    pub(super) fn lose_recordings(&mut self, leg: LegId) {
        let running = self.recordings.iter().filter(|(_, recording)| recording.leg == leg);
        for sid in running.map(|(sid, _)| *sid).collect::<Vec<_>>() {
            self.recorded(sid, RecordingEnd::Failed, Duration::ZERO, false);
        }
    }

    /// A recording ended.
    pub(super) fn recorded(
        &mut self,
        sid: RecordingSid,
        end: RecordingEnd,
        length: Duration,
        heard: bool,
    ) {
        let Some(recording) = self.recordings.get_mut(&sid) else { return };
        let (status, event) = match (end, heard) {
            (RecordingEnd::Failed, _) => (RecordingStatus::Failed, "completed"),
            (_, true) => (RecordingStatus::Completed, "completed"),
            (_, false) => (RecordingStatus::Absent, "absent"),
        };
        recording.record.status = status;
        recording.record.duration = Some(length);
        let (leg, awaited) = (recording.leg, recording.awaited);
        self.recording_event(sid, event);
        self.recordings.remove(&sid);
        if status == RecordingStatus::Completed
            && let Some(party) = self.parties.get_mut(&leg)
        {
            party.recorded = Some((sid.to_string(), verb::seconds(length)));
        }
        let url = self.recording_url(sid);
        let recorded = Recorded { sid, url, end, length, heard };
        if awaited {
            self.agenda.push_back((leg, verb::Event::Recorded(recorded)));
        }
    }

    /// The last report of a recording that runs, made out in advance for the case that the process
    /// dies.
    fn recording_owed(&self, sid: RecordingSid) -> Option<Callback> {
        let Recording { record, report, .. } = &**self.recordings.get(&sid)?;
        let report = report.as_ref().filter(|report| report.events.contains(&"completed"))?;
        if record.status != RecordingStatus::InProgress {
            return None;
        }
        let whole = RecordingRecord { status: RecordingStatus::Completed, ..record.clone() };
        let (account, call, url) = (self.setup.account, self.setup.sid, self.recording_url(sid));
        Some(Callback {
            call,
            url: report.request.url.clone(),
            method: report.request.method,
            parameters: parameters::of_recording(account, call, &whole, &url),
        })
    }

    fn recording_url(&self, sid: RecordingSid) -> String {
        let Self { setup, .. } = self;
        parameters::recording_url(&setup.public_url, setup.account, &sid.to_string())
    }

    fn recording_event(&mut self, sid: RecordingSid, event: &str) {
        let url = self.recording_url(sid);
        let Some(recording) = self.recordings.get(&sid) else { return };
        let Recording { record, report, .. } = &**recording;
        let (account, call) = (self.setup.account, self.setup.sid);
        let callback = report.as_ref().filter(|r| r.events.contains(&event)).map(|r| Callback {
            call,
            url: r.request.url.clone(),
            method: r.request.method,
            parameters: parameters::of_recording(account, call, record, &url),
        });
        let mut record = record.clone();
        record.owed = self.recording_owed(sid);
        self.changes.recordings.retain(|row| row.sid != sid);
        self.changes.recordings.push(record);
        self.changes.callbacks.extend(callback);
    }
}
