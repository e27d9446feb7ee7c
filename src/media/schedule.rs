//! Which sessions are ticked when: 20 phases of 1 ms, so that sends are spread over a frame.
//!
//! Deadlines are absolute milliseconds, so nothing drifts; with no session there is no deadline.

use crate::base::Instant;

/// The sessions to tick, by phase.
#[derive(Debug)]
pub struct Schedule {
    phases: [Vec<usize>; Schedule::PHASES],
    /// The millisecond that is looked at next.
    step: u64,
    members: usize,
}

impl Schedule {
    /// Milliseconds of a frame.
    pub const PHASES: usize = 20;
    /// A driver that stalled for longer than this skips the rest: phones have given up on it.
    const MAX_CATCH_UP: u64 = 2_000;

    /// Ticks a slot in its phase from now on.
    pub fn add(&mut self, now: Instant, phase: usize, slot: usize) {
        if self.members == 0 {
            self.step = now.as_millis() + 1;
        }
        self.join(phase, slot);
    }

    /// The same for a slot that was just in another phase: time stays where it is.
    pub fn join(&mut self, phase: usize, slot: usize) {
        if let Some(slots) = self.phases.get_mut(phase)
            && !slots.contains(&slot)
        {
            slots.push(slot);
            self.members += 1;
        }
    }

    /// Ticks it no longer.
    pub fn remove(&mut self, phase: usize, slot: usize) -> bool {
        let Some(slots) = self.phases.get_mut(phase) else { return false };
        let Some(at) = slots.iter().position(|&member| member == slot) else { return false };
        slots.remove(at);
        self.members -= 1;
        true
    }

    /// The slots of a phase.
    pub fn slots(&self, phase: usize) -> &[usize] {
        self.phases.get(phase).map_or(&[], Vec::as_slice)
    }

    /// When the next phase with members is due.
    pub fn due(&self) -> Option<Instant> {
        if self.members == 0 {
            return None;
        }
        (self.step..self.step + Self::PHASES as u64)
            .find(|step| !self.slots(phase(*step)).is_empty())
            .map(Instant::from_millis)
    }

    /// The next phase that is due at `now`, in order of time.
    pub fn next_step(&mut self, now: Instant) -> Option<(Instant, usize)> {
        let last = now.as_millis();
        self.step = self.step.max(last.saturating_sub(Self::MAX_CATCH_UP));
        let due = self.due().filter(|due| due.as_millis() <= last)?;
        self.step = due.as_millis() + 1;
        Some((due, phase(due.as_millis())))
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule { phases: std::array::from_fn(|_| Vec::new()), step: 0, members: 0 }
    }
}

fn phase(step: u64) -> usize {
    (step % Schedule::PHASES as u64) as usize
}
