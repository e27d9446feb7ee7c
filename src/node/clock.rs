//! The only clock: monotonic time since start, tied to wall time once.

use crate::base::{Duration, Epoch, Instant, Rng, WallTime};

/// Reads the system's clocks so that nobody else must.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
    epoch: Epoch,
}

impl Clock {
    /// A clock whose zero is now.
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the clocks")]
    pub fn start() -> Clock {
        Clock { start: std::time::Instant::now(), epoch: Epoch::new(Clock::on_the_wall()) }
    }

    /// Wall time as the system has it at this moment: for what people hold against their own
    /// clocks, such as office hours. A machine may learn the time long after our start, and one
    /// that was suspended has missed some.
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the clocks")]
    pub fn on_the_wall() -> WallTime {
        let since_1970 = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        WallTime::from_unix_millis(since_1970.as_millis() as u64)
    }

    /// Time since the start.
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the clocks")]
    pub fn now(&self) -> Instant {
        let since = std::time::Instant::now().duration_since(self.start);
        Instant::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    /// What the calling thread has worked since it began: the kernel's work for it counts, waiting
    /// for a core does not.
    pub fn worked() -> Instant {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: it fills the structure that it is given, which outlives the call.
        #[allow(unsafe_code, reason = "the standard library has no clock of a thread's work")]
        let read = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
        assert_eq!(read, 0, "every Linux that this runs on has this clock");
        let (seconds, nanos) = (time.tv_sec.cast_unsigned(), time.tv_nsec.cast_unsigned());
        Instant::from_nanos(seconds * 1_000_000_000 + nanos)
    }

    /// The system's instant of [`Instant::ZERO`], for threads that keep their own time by it.
    pub fn origin(&self) -> std::time::Instant {
        self.start
    }

    /// What ties this clock to wall time.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Wall time, which no system clock jump moves.
    pub fn wall(&self) -> WallTime {
        self.epoch.wall(self.now())
    }

    /// The runtime's instant of `at`, for timers.
    pub fn deadline(&self, at: Instant) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.start + Duration::from_nanos(at.as_nanos()))
    }
}

/// The root of all chance, seeded by the operating system.
pub fn seeded_rng() -> std::io::Result<Rng> {
    let mut seed = [0; 32];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut seed)?;
    Ok(Rng::from_seed(seed))
}
