//! Sounds that verbs play: asked for ahead of their turn, kept while the document runs.

use crate::audio::Clip;
use crate::base::id::RequestId;
use crate::verb::Sound;

/// Sounds kept: those of a verb and of the next one. Longer ones are minutes of audio, so the
/// bound is small; a forgotten sound is only fetched again.
const MAX_SOUNDS: usize = 12;

/// The sounds of a call, oldest first.
#[derive(Debug, Default)]
pub(super) struct Sounds {
    kept: Vec<(Sound, State)>,
}

/// How far a sound is.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// It was asked for.
    Wanted(RequestId),
    /// It is here.
    Ready(Clip),
    /// It cannot be had.
    Failed,
}

impl Sounds {
    /// How far that sound is.
    pub fn state(&self, sound: &Sound) -> Option<&State> {
        self.kept.iter().find(|(kept, _)| kept == sound).map(|(_, state)| state)
    }

    /// Remembers a request; the oldest sound that is not awaited makes room. Gives the request
    /// that had to be forgotten, if one had.
    pub fn want(&mut self, sound: Sound, request: RequestId) -> Option<RequestId> {
        let mut forgotten = None;
        if self.kept.len() >= MAX_SOUNDS {
            let awaited = |state: &State| matches!(state, State::Wanted(_));
            let old = self.kept.iter().position(|(_, state)| !awaited(state)).unwrap_or(0);
            if let (_, State::Wanted(request)) = self.kept.remove(old) {
                forgotten = Some(request);
            }
        }
        self.kept.push((sound, State::Wanted(request)));
        forgotten
    }

    /// Takes an answer; gives the sound that it is for, if anybody still wants it.
    pub fn arrived(&mut self, request: RequestId, clip: Option<Clip>) -> Option<Sound> {
        let awaited = |state: &State| matches!(state, State::Wanted(id) if *id == request);
        let (sound, state) = self.kept.iter_mut().find(|(_, state)| awaited(state))?;
        *state = clip.map_or(State::Failed, State::Ready);
        Some(sound.clone())
    }

    /// The sound that a request is for.
    pub fn wanted(&self, request: RequestId) -> Option<&Sound> {
        let awaited = |state: &State| matches!(state, State::Wanted(id) if *id == request);
        self.kept.iter().find(|(_, state)| awaited(state)).map(|(sound, _)| sound)
    }

    /// Forgets what is here or failed: another document may mean another file by the same name.
    pub fn forget(&mut self) {
        self.kept.retain(|(_, state)| matches!(state, State::Wanted(_)));
    }
}
