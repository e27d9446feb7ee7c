//! Monotonic instants, wall time derived from one epoch, and the date formats of the field.
//!
//! No function here reads a clock: `now` is always an argument.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

pub use core::time::Duration;

/// A point in monotonic time, in nanoseconds since the node (or the simulation) started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The start.
    pub const ZERO: Instant = Instant(0);

    /// An instant so many nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Instant(nanos)
    }

    /// An instant so many milliseconds after the start.
    pub const fn from_millis(millis: u64) -> Self {
        Instant(millis * 1_000_000)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the start.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Time from `earlier` to here; zero if `earlier` is later.
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, by: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, by: Duration) {
        *self = *self + by;
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.since(earlier)
    }
}

/// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(u64);

impl WallTime {
    /// From milliseconds since 1970.
    pub const fn from_unix_millis(millis: u64) -> Self {
        WallTime(millis)
    }

    /// Milliseconds since 1970.
    pub const fn unix_millis(self) -> u64 {
        self.0
    }

    /// Seconds since 1970.
    pub const fn unix_seconds(self) -> u64 {
        self.0 / 1000
    }

    /// As in e-mail and in callbacks: `Sat, 21 Nov 2026 05:01:06 +0000` (RFC 2822 section 3.3).
    pub fn rfc2822(self) -> String {
        let c = Civil::from(self);
        let (weekday, month) = (WEEKDAYS[c.weekday], MONTHS[c.month - 1]);
        format!(
            "{weekday}, {:02} {month} {:04} {:02}:{:02}:{:02} +0000",
            c.day, c.year, c.hour, c.minute, c.second
        )
    }

    /// As in logs and in JSON: `2026-11-21T05:01:06.123Z` (RFC 3339).
    pub fn rfc3339(self) -> String {
        let c = Civil::from(self);
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            c.year,
            c.month,
            c.day,
            c.hour,
            c.minute,
            c.second,
            self.0 % 1000
        )
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// Ties monotonic time to wall time once, so that clock jumps never reach a timer or a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    wall_at_zero: WallTime,
}

impl Epoch {
    /// The wall time at [`Instant::ZERO`].
    pub const fn new(wall_at_zero: WallTime) -> Self {
        Epoch { wall_at_zero }
    }

    /// The wall time at `at`.
    pub const fn wall(self, at: Instant) -> WallTime {
        WallTime(self.wall_at_zero.0 + at.as_millis())
    }
}

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A broken-down UTC time of the proleptic Gregorian calendar.
struct Civil {
    year: u64,
    month: usize,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    weekday: usize,
}

impl From<WallTime> for Civil {
    /// Days are counted in 400-year eras that begin on 1 March, so that leap days come last.
    fn from(time: WallTime) -> Civil {
        let seconds = time.unix_seconds();
        let days = seconds / 86_400;
        let shifted = days + 719_468;
        let era = shifted / 146_097;
        let day_of_era = shifted % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Civil {
            year: year_of_era + era * 400 + u64::from(month <= 2),
            month: month as usize,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: seconds % 86_400 / 3_600,
            minute: seconds % 3_600 / 60,
            second: seconds % 60,
            weekday: (days % 7) as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_the_field_writes_them() {
        let time = WallTime::from_unix_millis(1_795_237_266_123);
        assert_eq!(time.rfc2822(), "Sat, 21 Nov 2026 05:01:06 +0000");
        assert_eq!(time.rfc3339(), "2026-11-21T05:01:06.123Z");
        assert_eq!(WallTime::default().rfc2822(), "Thu, 01 Jan 1970 00:00:00 +0000");
        let leap = WallTime::from_unix_millis(1_709_164_800_000);
        assert_eq!(leap.rfc3339(), "2024-02-29T00:00:00.000Z");
    }

    #[test]
    fn durations_never_go_below_zero() {
        let (early, late) = (Instant::from_millis(5), Instant::from_millis(7));
        assert_eq!(late - early, Duration::from_millis(2));
        assert_eq!(early - late, Duration::ZERO);
    }
}
