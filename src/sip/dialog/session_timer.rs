//! Session timers: both sides know that the other still holds the call (RFC 4028).
//!
//! Values and their negotiation. The user agent runs the clock, sends the refreshes and ends what
//! was not refreshed in time.

use crate::base::{Duration, Instant};
use crate::sip::header::Params;
use crate::sip::{HeaderField, HeaderName, Message};

use super::reliable::has_option;

/// The option tag.
pub const TAG: &str = "timer";

/// The shortest interval that anybody may ask for (RFC 4028 section 4).
pub const LOWEST: Duration = Duration::from_secs(90);

/// How soon a refresh that could not be sent, or was refused for now, is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// How often a 422 is obeyed at once: a proxy and the far end, and one that raised its own in
/// between.
pub const MAX_RAISES: u8 = 3;

/// What we want of session timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The interval that we ask for.
    pub interval: Duration,
    /// The shortest that we accept (Min-SE).
    pub min: Duration,
    /// Whether we ask for timers, and agree to them for who only offers; else a session has one
    /// only where its other side insists (`Require: timer`).
    pub asks: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { interval: Duration::from_secs(1800), min: LOWEST, asks: true }
    }
}

/// Who refreshes, as a message names the sides of its own transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who sent the request.
    Client,
    /// Who answers it.
    Server,
}

/// A Session-Expires header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// The interval.
    pub interval: Duration,
    /// The refresher, where it is named.
    pub refresher: Option<Side>,
}

impl SessionExpires {
    /// Of a message; `None` without one that can be read.
    pub fn of(message: &Message) -> Option<SessionExpires> {
        let (seconds, params) = seconds(message.header(HeaderName::SessionExpires)?)?;
        let refresher = params.get("refresher").and_then(|side| match side {
            _ if side.eq_ignore_ascii_case("uac") => Some(Side::Client),
            _ if side.eq_ignore_ascii_case("uas") => Some(Side::Server),
            _ => None,
        });
        Some(SessionExpires { interval: seconds, refresher })
    }
}

/// The Min-SE of a message, at least [`LOWEST`].
pub fn min_se(message: &Message) -> Duration {
    let asked = message.header(HeaderName::MinSe).and_then(|value| Some(seconds(value)?.0));
    asked.unwrap_or(LOWEST).max(LOWEST)
}

/// Delta-seconds and the parameters behind them.
fn seconds(value: &str) -> Option<(Duration, Params<'_>)> {
    let at = value.find(';').unwrap_or(value.len());
    let (digits, params) = value.split_at(at);
    // A day and a year mean the same to a call, and sums of instants stay in range.
    let seconds = digits.trim().parse::<u32>().ok()?.min(365 * 86_400);
    Some((Duration::from_secs(seconds.into()), Params::new(params)))
}

/// Whether a request asks for an interval that is too short, and its sender can be told so
/// (RFC 4028 section 9).
pub fn too_short(request: &Message, settings: &Settings) -> bool {
    let asked = SessionExpires::of(request);
    let timer = has_option(request, HeaderName::Supported, TAG);
    timer && asked.is_some_and(|asked| asked.interval < settings.min.max(LOWEST))
}

/// The timer of a confirmed dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    /// The interval agreed.
    pub interval: Duration,
    /// Whether we refresh.
    pub ours: bool,
    since: Instant,
    next: Instant,
    /// How often a 422 has raised the interval since it was agreed.
    raised: u8,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Wait,
    /// Our refresh.
    Refresh,
    /// The session was not refreshed in time.
    Expired,
}

impl SessionTimer {
    fn new(now: Instant, interval: Duration, ours: bool) -> SessionTimer {
        let mut timer = SessionTimer { interval, ours, since: now, next: now, raised: 0 };
        timer.next = if ours { now + interval / 2 } else { timer.expiry() };
        timer
    }

    /// Of our answer to a request that starts or refreshes a session: what is agreed, and the
    /// headers that say so. Of a session that has a timer already the roles stay, as far as the
    /// request leaves the choice to us.
    pub fn answer(
        now: Instant,
        request: &Message,
        settings: &Settings,
        before: Option<&SessionTimer>,
    ) -> Option<(SessionTimer, Vec<HeaderField>)> {
        let timer = has_option(request, HeaderName::Supported, TAG);
        let asked = SessionExpires::of(request);
        let insists = has_option(request, HeaderName::Require, TAG);
        if asked.is_none() && !timer || !settings.asks && !insists && before.is_none() {
            return None;
        }
        let floor = min_se(request).max(settings.min);
        let interval = match asked {
            Some(asked) => asked.interval.min(settings.interval).max(floor),
            None => settings.interval.max(floor),
        };
        let named = asked.and_then(|asked| asked.refresher);
        let kept = before.map(|timer| if timer.ours { Side::Server } else { Side::Client });
        // Who asks for a timer is ready to run it; whoever only supports it is spared.
        let own = if asked.is_some() { Side::Client } else { Side::Server };
        let refresher = match named.or(kept).unwrap_or(own) {
            Side::Client if timer => Side::Client,
            // RFC 4028 table 2: a proxy asked, and its client knows nothing of timers.
            _ => Side::Server,
        };
        let ours = refresher == Side::Server;
        let name = if ours { "uas" } else { "uac" };
        let seconds = interval.as_secs();
        let mut headers =
            vec![("Session-Expires".to_owned(), format!("{seconds};refresher={name}"))];
        if !ours {
            headers.push(("Require".to_owned(), TAG.to_owned()));
        }
        Some((SessionTimer::new(now, interval, ours), headers))
    }

    /// Of a peer's 2xx to our request; `None` when it wants no timer (RFC 4028 section 7.2).
    pub fn agreed(now: Instant, response: &Message) -> Option<SessionTimer> {
        let agreed = SessionExpires::of(response)?;
        let ours = agreed.refresher != Some(Side::Server);
        Some(SessionTimer::new(now, agreed.interval.max(LOWEST), ours))
    }

    /// The headers of our next request that refreshes: the refresher keeps its role. `min` is our
    /// own Min-SE or the largest that a 422 asked for (RFC 4028 section 7.4).
    pub fn headers(&self, min: Duration) -> Vec<HeaderField> {
        let side = if self.ours { "uac" } else { "uas" };
        let seconds = self.interval.as_secs();
        vec![
            ("Session-Expires".to_owned(), format!("{seconds};refresher={side}")),
            ("Min-SE".to_owned(), min.as_secs().to_string()),
        ]
    }

    /// When the session is given up: so much before its end that the BYE still comes in time
    /// (RFC 4028 section 10).
    pub fn expiry(&self) -> Instant {
        self.since + (self.interval - Duration::from_secs(32).min(self.interval / 3))
    }

    /// When something is due.
    pub fn timeout(&self) -> Instant {
        self.next.min(self.expiry())
    }

    /// What is due at `now`. After a refresh there is another try, should that come to nothing.
    pub fn due(&mut self, now: Instant) -> Due {
        if now >= self.expiry() {
            return Due::Expired;
        }
        if now < self.next {
            return Due::Wait;
        }
        self.next = now + RETRY;
        if self.ours { Due::Refresh } else { Due::Wait }
    }

    /// A 422 came with that Min-SE. One that is higher than what we asked for is obeyed at once,
    /// a few times; a peer that refuses what it asked for itself is asked again later.
    pub fn raise(&mut self, now: Instant, min: Duration) {
        let rose = min > self.interval;
        self.interval = self.interval.max(min);
        let at_once = rose && self.raised < MAX_RAISES;
        self.raised = self.raised.saturating_add(u8::from(rose));
        self.next = if at_once { now } else { now + RETRY };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Parsed;

    fn invite(headers: &str) -> Message {
        let text = format!(
            "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             From: <sip:a@b>;tag=f\r\nTo: <sip:b@c>\r\nCall-ID: i\r\nCSeq: 1 INVITE\r\n{headers}\
             Contact: <sip:a@h>\r\nContent-Length: 0\r\n\r\n"
        );
        match Message::parse(text.into()) {
            Parsed::Valid(message) => message,
            other => panic!("{other:?}"),
        }
    }

    fn answer(headers: &str) -> Option<(u64, bool)> {
        let settings = Settings::default();
        let answered = SessionTimer::answer(Instant::ZERO, &invite(headers), &settings, None);
        answered.map(|(timer, _)| (timer.interval.as_secs(), timer.ours))
    }

    #[test]
    fn who_refreshes_and_how_often_is_agreed() {
        assert_eq!(answer(""), None);
        assert_eq!(answer("Supported: timer\r\n"), Some((1800, true)));
        assert_eq!(answer("Supported: timer\r\nSession-Expires: 600\r\n"), Some((600, false)));
        assert_eq!(answer("k: timer\r\nx: 600;refresher=uas\r\n"), Some((600, true)));
        assert_eq!(answer("k: timer\r\nx: 7200;refresher=uac\r\n"), Some((1800, false)));
        assert_eq!(answer("k: timer\r\nx: 7200\r\nMin-SE: 3600\r\n"), Some((3600, false)));
        assert_eq!(answer("x: 600;refresher=uac\r\n"), Some((600, true)), "a proxy asked");
    }

    #[test]
    fn a_refresher_keeps_its_role() {
        let settings = Settings::default();
        let refresh = invite("Supported: timer\r\nSession-Expires: 600\r\n");
        for ours in [true, false] {
            let before = SessionTimer::new(Instant::ZERO, LOWEST, ours);
            let (timer, _) =
                SessionTimer::answer(Instant::ZERO, &refresh, &settings, Some(&before)).unwrap();
            assert_eq!(timer.ours, ours);
        }
    }

    #[test]
    fn a_422_is_obeyed_at_once_only_while_it_asks_for_more() {
        let at = |seconds: u64| Instant::from_millis(seconds * 1000);
        let mut timer = SessionTimer::new(at(0), Duration::from_secs(600), true);
        let mut raise = |min| {
            timer.raise(at(300), Duration::from_secs(min));
            (timer.interval.as_secs(), timer.timeout())
        };
        assert_eq!(raise(600), (600, at(310)), "that was asked for");
        assert_eq!(raise(700), (700, at(300)));
        assert_eq!(raise(90), (700, at(310)));
        assert_eq!(raise(800), (800, at(300)));
        assert_eq!(raise(900), (900, at(300)));
        assert_eq!(raise(1000), (1000, at(310)), "one raise too many");
    }

    #[test]
    fn too_short_is_refused_only_to_those_who_understand() {
        let settings = Settings::default();
        assert!(too_short(&invite("Supported: timer\r\nSession-Expires: 60\r\n"), &settings));
        assert!(!too_short(&invite("Session-Expires: 60\r\n"), &settings));
        assert!(!too_short(&invite("Supported: timer\r\nSession-Expires: 90\r\n"), &settings));
    }

    #[test]
    fn the_refresh_comes_at_half_time_and_the_end_before_the_end() {
        let mut timer = SessionTimer::new(Instant::ZERO, Duration::from_secs(90), true);
        assert_eq!(timer.timeout(), Instant::from_millis(45_000));
        assert_eq!(timer.due(Instant::from_millis(45_000)), Due::Refresh);
        assert_eq!(timer.timeout(), Instant::from_millis(55_000), "tried again");
        assert_eq!(timer.due(Instant::from_millis(60_000)), Due::Expired, "90 - 90 / 3");
        let timer = SessionTimer::new(Instant::ZERO, Duration::from_secs(1800), false);
        assert_eq!(timer.timeout(), Instant::from_millis(1_768_000), "1800 - 32");
    }
}
