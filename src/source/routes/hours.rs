//! Office hours: on which days, from when to when, in which time zone, and not on which holidays.
//!
//! The moment is an argument. It becomes the wall clock of the zone first, so that a change to or
//! from daylight saving time moves nothing: nine o'clock is nine o'clock.

use std::fmt::Write as _;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use crate::base::{WallTime, nearest};

/// When a rule holds.
#[derive(Clone, Debug)]
pub(super) struct Hours {
    pub zone: TimeZone,
    /// Monday first.
    pub days: [bool; 7],
    /// Minutes of the day, begin and end; an end at or before the begin is on the next day.
    pub spans: Vec<(u16, u16)>,
    /// Only on these; empty: on all.
    pub dates: Vec<Dates>,
    /// Never on these.
    pub holidays: Vec<Dates>,
    /// It holds when all that does not.
    pub outside: bool,
}

/// A day or a stretch of days, ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dates {
    Of(Date, Date),
    /// Month and day, of every year; may go over the new year.
    EveryYear((i8, i8), (i8, i8)),
}

const DAY: u16 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Hours {
    /// Whether the rule holds at a moment.
    pub(super) fn hold(&self, now: WallTime) -> bool {
        self.within(local(&self.zone, now).datetime()) != self.outside
    }

    fn within(&self, clock: DateTime) -> bool {
        let minute = clock.hour() as u16 * 60 + clock.minute() as u16;
        let yesterday = clock.date().yesterday().ok();
        // What began yesterday may go on past midnight.
        let begun = [(Some(clock.date()), minute), (yesterday, minute + DAY)];
        begun.into_iter().any(|(day, minute)| {
            day.is_some_and(|day| self.is_open(day))
                && self.spans.iter().any(|&(begin, end)| {
                    let end = if end <= begin { end + DAY } else { end };
                    (begin..end).contains(&minute)
                })
        })
    }

    fn is_open(&self, day: Date) -> bool {
        let weekday = day.weekday().to_monday_zero_offset() as usize;
        self.days.get(weekday).is_some_and(|open| *open)
            && (self.dates.is_empty() || self.dates.iter().any(|dates| dates.hold(day)))
            && !self.holidays.iter().any(|dates| dates.hold(day))
    }

    /// The moment as clocks of the zone show it, for people.
    pub(super) fn clock(&self, now: WallTime) -> String {
        local(&self.zone, now).strftime("%a %Y-%m-%d %H:%M %Z").to_string()
    }

    /// The rule in a few words.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if self.outside {
            text.push_str("outside ");
        }
        let days: Vec<&str> =
            DAYS.iter().zip(self.days).filter_map(|(day, open)| open.then_some(*day)).collect();
        text.push_str(&if days.len() == 7 { "every day".to_owned() } else { days.join(" ") });
        for (begin, end) in &self.spans {
            let [from, to] = [begin, end].map(|minute| (minute / 60, minute % 60));
            let _ = write!(text, " {:02}:{:02}-{:02}:{:02}", from.0, from.1, to.0, to.1);
        }
        let zone = self.zone.iana_name().unwrap_or("UTC");
        let _ = write!(text, " {zone}");
        text
    }
}

impl Dates {
    fn hold(&self, day: Date) -> bool {
        match *self {
            Dates::Of(first, last) => (first..=last).contains(&day),
            Dates::EveryYear(first, last) => {
                let day = (day.month(), day.day());
                match first <= last {
                    true => first <= day && day <= last,
                    false => first <= day || day <= last,
                }
            }
        }
    }

    /// `2026-12-25`, `12-25` of every year, or two of a kind with `..` between.
    pub(super) fn parse(text: &str) -> Result<Dates, String> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let (first, last) = (first.trim(), last.trim());
        let wrong = || {
            format!("\"{text}\" is no date; write \"2026-12-25\", \"12-25\" or \"12-24..12-26\"")
        };
        if let (Some(first), Some(last)) = (month_and_day(first), month_and_day(last)) {
            return Ok(Dates::EveryYear(first, last));
        }
        let date = |text: &str| text.parse::<Date>().map_err(|_| wrong());
        let (first, last) = (date(first)?, date(last)?);
        if last < first {
            return Err(format!("\"{text}\" ends before it begins"));
        }
        Ok(Dates::Of(first, last))
    }
}

fn month_and_day(text: &str) -> Option<(i8, i8)> {
    let (month, day) = text.split_once('-')?;
    let (month, day) = (month.parse().ok()?, day.parse().ok()?);
    // A leap year, so that 29 February can be named.
    Date::new(2000, month, day).ok().map(|_| (month, day))
}

/// `mon`, `monday`, or `mon-fri`, into the days that it names.
pub(super) fn parse_days(text: &str, days: &mut [bool; 7]) -> Result<(), String> {
    let known = |day: &str| {
        let day = day.trim().to_ascii_lowercase();
        let short = day.get(..3).unwrap_or(&day);
        let at = DAYS.iter().position(|known| *known == short)?;
        let full = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        (day.len() == 3 || full.get(at) == Some(&day.as_str())).then_some(at)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (Some(first), Some(last)) = (known(first), known(last)) else {
        return Err(format!("\"{text}\" is no day; write \"mon\" or \"mon-fri\""));
    };
    let mut at = first;
    loop {
        if let Some(day) = days.get_mut(at) {
            *day = true;
        }
        if at == last {
            return Ok(());
        }
        at = (at + 1) % 7;
    }
}

/// `09:00` as minutes of the day; `24:00` is its end.
pub(super) fn parse_time(text: &str) -> Result<u16, String> {
    let text = text.trim();
    if matches!(text, "24:00" | "24:00:00") {
        return Ok(DAY);
    }
    let time: Option<Time> = text.parse().ok().filter(|_| text.contains(':'));
    match time {
        Some(time) => Ok(time.hour() as u16 * 60 + time.minute() as u16),
        None => Err(format!("\"{text}\" is no time; write \"09:00\"")),
    }
}

/// `09:00-17:30`.
pub(super) fn parse_span(text: &str) -> Result<(u16, u16), String> {
    let Some((from, to)) = text.split_once('-') else {
        return Err(format!("\"{text}\" is no stretch of time; write \"09:00-17:30\""));
    };
    Ok((parse_time(from)?, parse_time(to)?))
}

/// A zone by its name in the IANA time zone database.
pub(super) fn parse_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        let known: Vec<String> = jiff::tz::db().available().map(|n| n.to_string()).collect();
        match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("there is no time zone \"{name}\"; did you mean \"{near}\"?"),
            None => {
                format!("there is no time zone \"{name}\"; write one such as \"Europe/Berlin\"")
            }
        }
    })
}

/// A moment: with an offset or `Z`, or else by the clock of a zone.
pub(super) fn parse_moment(text: &str, zone: &TimeZone) -> Result<WallTime, String> {
    let text = text.trim();
    let moment = match text.parse::<Timestamp>() {
        Ok(moment) => moment,
        Err(_) => {
            let clock = text.parse::<DateTime>();
            let clock = clock.ok().filter(|_| text.contains(':'));
            let moment = clock.and_then(|clock| zone.to_timestamp(clock).ok());
            moment.ok_or_else(|| {
                format!("\"{text}\" is no time; write \"2026-11-21 17:45\" or with an offset")
            })?
        }
    };
    let millis = u64::try_from(moment.as_millisecond());
    millis.map(WallTime::from_unix_millis).map_err(|_| format!("\"{text}\" is before 1970"))
}

/// The clock of a zone; what is beyond the calendar stays at its end.
fn local(zone: &TimeZone, now: WallTime) -> Zoned {
    let millis = i64::try_from(now.unix_millis()).unwrap_or(i64::MAX);
    // A day before the end: zones are up to a day ahead.
    let last = Timestamp::MAX - 48.hours();
    Timestamp::from_millisecond(millis).unwrap_or(last).min(last).to_zoned(zone.clone())
}
