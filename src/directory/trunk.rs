//! Settings of trunks and of users' lines, and how each of them writes numbers.

use std::collections::BTreeMap;

use crate::base::{Duration, Secret};

use super::{Callers, Caps, Trunk, Voice};

/// A registration that we keep with somebody else's SIP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The user part of the address-of-record.
    pub user: String,
    /// How long is asked for, in seconds.
    pub expires: u32,
    /// How often a NAT on the way is kept open; `None`: not at all.
    pub keep_alive: Option<Duration>,
}

/// What a trunk wants of session timers (RFC 4028), where that is not what `[sip]` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionTimers {
    /// Whether they are asked for.
    pub asks: Option<bool>,
    /// The interval that is asked for.
    pub expires: Option<Duration>,
    /// The shortest that is accepted.
    pub min_se: Option<Duration>,
}

/// What a caller hears of a trunk's far end before it answers, and the trunk of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EarlyMedia {
    /// What the far end sends: its own ringing, or an announcement.
    #[default]
    Pass,
    /// Ringing, whatever it sends; and it is told only that it rings.
    Ring,
}

impl EarlyMedia {
    /// As a configuration writes it.
    pub fn of_name(name: &str) -> Option<EarlyMedia> {
        match name {
            "pass" => Some(EarlyMedia::Pass),
            "ring" => Some(EarlyMedia::Ring),
            _ => None,
        }
    }
}

/// Health by OPTIONS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// How often.
    pub interval: Duration,
    /// It is down after so many pings without an answer.
    pub down_after: u32,
    /// It is up again after so many answers.
    pub up_after: u32,
}

/// Somebody else's SIP server, where a user of ours has an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whose it is: `user@domain` of ours.
    pub user: String,
    /// The number or name that its callers dial, as handlers are told; empty: the account's.
    pub number: String,
    /// What is done with calls to it; without a handler the user's phones ring.
    pub voice: Voice,
    /// The account; always with a registration.
    pub account: Trunk,
}

/// The lines of all users, found by name and by user: a provider's server has thousands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    all: Vec<Line>,
    by_name: BTreeMap<String, usize>,
    by_user: BTreeMap<String, Vec<usize>>,
}

impl From<Vec<Line>> for Lines {
    fn from(all: Vec<Line>) -> Lines {
        let names = all.iter().enumerate().map(|(at, line)| (line.account.name.clone(), at));
        let by_name = names.collect();
        let mut by_user = BTreeMap::<String, Vec<usize>>::new();
        for (at, line) in all.iter().enumerate() {
            by_user.entry(line.user.clone()).or_default().push(at);
        }
        Lines { all, by_name, by_user }
    }
}

impl Lines {
    /// All, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Line> {
        self.all.iter()
    }

    /// The line of that name.
    pub fn named(&self, name: &str) -> Option<&Line> {
        self.all.get(*self.by_name.get(name)?)
    }

    /// The lines of a user of ours, `user@domain`, in the order of the file.
    pub fn of(&self, user: &str) -> impl Iterator<Item = &Line> {
        let places = self.by_user.get(user).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|at| self.all.get(*at))
    }
}

/// How numbers are written towards a trunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberStyle {
    /// `+4930123456`.
    #[default]
    E164,
    /// `4930123456`.
    Digits,
    /// `030123456` at home, `0044…` abroad.
    National,
}

/// How numbers are written towards a trunk, and read from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberFormat {
    /// The general form.
    pub style: NumberStyle,
    /// The country of the national form, such as `49`.
    pub country_code: String,
    /// What stands in place of the country code, such as `0`.
    pub national_prefix: String,
    /// What stands in place of `+`, such as `00`.
    pub international_prefix: String,
    /// Put before every called number: a carrier's technical prefix.
    pub dial_prefix: String,
}

impl Default for NumberFormat {
    /// E.164 with its plus.
    fn default() -> Self {
        NumberFormat {
            style: NumberStyle::E164,
            country_code: String::new(),
            national_prefix: "0".to_owned(),
            international_prefix: "00".to_owned(),
            dial_prefix: String::new(),
        }
    }
}

impl NumberFormat {
    /// An E.164 number as this trunk wants to see it, without the dial prefix; what is no such
    /// number stays as it is.
    pub fn write(&self, number: &str) -> String {
        let Some(digits) = number.strip_prefix('+').filter(|digits| is_digits(digits)) else {
            return number.to_owned();
        };
        match self.style {
            NumberStyle::E164 => number.to_owned(),
            NumberStyle::Digits => digits.to_owned(),
            NumberStyle::National => match digits.strip_prefix(&self.country_code) {
                Some(rest) if !self.country_code.is_empty() => {
                    format!("{}{rest}", self.national_prefix)
                }
                _ => format!("{}{digits}", self.international_prefix),
            },
        }
    }

    /// A number to be called, with the dial prefix.
    pub fn write_called(&self, number: &str) -> String {
        format!("{}{}", self.dial_prefix, self.write(number))
    }

    /// What this trunk wrote, as E.164; `None` when it is no number in its form.
    pub fn read(&self, text: &str) -> Option<String> {
        if let Some(digits) = text.strip_prefix('+') {
            return is_digits(digits).then(|| text.to_owned());
        }
        if !is_digits(text) {
            return None;
        }
        match self.style {
            NumberStyle::E164 => None,
            NumberStyle::Digits => Some(format!("+{text}")),
            NumberStyle::National => {
                let (abroad, home) = (&self.international_prefix, &self.national_prefix);
                match (text.strip_prefix(abroad.as_str()), text.strip_prefix(home.as_str())) {
                    (Some(rest), _) if !abroad.is_empty() => Some(format!("+{rest}")),
                    (_, Some(rest)) => Some(format!("+{}{rest}", self.country_code)),
                    _ => None,
                }
            }
        }
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Trunk {
    /// A trunk to a URI with nothing but defaults: nothing may be dialled through it yet.
    pub fn new(name: &str, uri: &str) -> Trunk {
        Trunk {
            name: name.to_owned(),
            uri: uri.to_owned(),
            tls_name: None,
            identity: None,
            client_name: None,
            login: None,
            inbound_ips: vec![],
            prefixes: vec![],
            proxy: None,
            realm: None,
            registration: None,
            priority: 0,
            weight: 1,
            ping: None,
            answer_within: Duration::from_secs(4),
            codecs: vec![],
            headers: vec![],
            callers: Callers::default(),
            numbers: NumberFormat::default(),
            channels: None,
            caps: Caps::TRUNK,
            from_domain: None,
            session_timers: SessionTimers::default(),
            early_media: EarlyMedia::Pass,
            nat: false,
        }
    }

    /// The digest user name and password.
    pub fn with_login(self, username: &str, password: &str) -> Trunk {
        let login = Some((username.to_owned(), Secret::new(password)));
        Trunk { login, ..self }
    }

    /// The longest of its prefixes that the number has.
    pub(super) fn prefix_length(&self, number: &str) -> Option<usize> {
        let fits = |prefix: &&String| number.starts_with(prefix.as_str());
        self.prefixes.iter().filter(fits).map(String::len).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_carrier_wants_them_and_read_back() {
        let national = NumberFormat {
            style: NumberStyle::National,
            country_code: "49".to_owned(),
            ..NumberFormat::default()
        };
        let digits = NumberFormat {
            style: NumberStyle::Digits,
            dial_prefix: "9#".to_owned(),
            ..NumberFormat::default()
        };
        let (home, abroad) = ("+4930123456", "+442079460000");
        assert_eq!(national.write(home), "030123456");
        assert_eq!(national.write(abroad), "00442079460000");
        assert_eq!(digits.write(home), "4930123456");
        assert_eq!(digits.write_called(home), "9#4930123456");
        assert_eq!(NumberFormat::default().write_called(home), home);
        for format in [&national, &digits] {
            for number in [home, abroad] {
                assert_eq!(format.read(&format.write(number)).as_deref(), Some(number));
                assert_eq!(format.read(number).as_deref(), Some(number), "a plus is understood");
            }
            assert_eq!(format.write("anonymous"), "anonymous");
            assert_eq!(format.read("anonymous"), None);
        }
        assert_eq!(national.read("112"), None, "no prefix: a number of the place");
        assert_eq!(NumberFormat::default().read("4930123456"), None);
    }

    #[test]
    fn lines_are_found_by_name_and_by_user() {
        let line = |name: &str, user: &str| Line {
            user: user.to_owned(),
            number: String::new(),
            voice: Voice::default(),
            account: Trunk::new(name, "sip:provider.example"),
        };
        let lines = vec![line("one", "alice@a"), line("two", "bob@a"), line("three", "alice@a")];
        let lines = Lines::from(lines);
        let names =
            |user: &str| lines.of(user).map(|line| line.account.name.clone()).collect::<Vec<_>>();
        assert_eq!(names("alice@a"), ["one", "three"]);
        assert!(names("alice@b").is_empty());
        assert_eq!(lines.named("two").map(|line| line.user.as_str()), Some("bob@a"));
        assert_eq!((lines.named("four"), lines.iter().count()), (None, 3));
    }

    #[test]
    fn a_country_without_national_prefix() {
        let format = NumberFormat {
            style: NumberStyle::National,
            country_code: "1".to_owned(),
            national_prefix: String::new(),
            international_prefix: "011".to_owned(),
            ..NumberFormat::default()
        };
        assert_eq!(format.write("+14155550100"), "4155550100");
        assert_eq!(format.read("4155550100").as_deref(), Some("+14155550100"));
        assert_eq!(format.read("011442079460000").as_deref(), Some("+442079460000"));
    }
}
