//! Certificates of signers: asked for once, kept for a while, judged now and then.

use bytes::Bytes;

use super::*;
use crate::directory::Verify;
use crate::sip::identity::{Chain, Flaw, Signer};

/// Addresses whose certificates are kept: there are some hundred signers in a country.
const MAX_KEPT: usize = 1_024;

/// Certificates that are being fetched at one time: strangers choose the addresses.
const MAX_FETCHING: usize = 64;

/// How long one is kept whose server says nothing of that.
const USUAL: Duration = Duration::from_secs(3_600);

/// And at most: one that was revoked must not be believed for days.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// How long an address is left alone that gave nothing.
const SULK: Duration = Duration::from_secs(30);

/// How long a judgement holds: following a chain costs some hundred microseconds.
const JUDGED: Duration = Duration::from_secs(300);

/// A certificate that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// PEM or DER.
    pub body: Bytes,
    /// How long it may be kept, if its server said (RFC 9111 section 5.2.2.1).
    pub max_age: Option<Duration>,
}

/// What is known of an address.
enum Entry {
    Fetching,
    Kept { chain: Chain, until: Instant, judged: Option<Box<Judged>> },
    Nothing { why: String, until: Instant },
}

struct Judged {
    by: Arc<Verify>,
    until: Instant,
    result: Result<Signer, Flaw>,
}

/// What is known, by address.
#[derive(Default)]
pub(super) struct Certificates {
    entries: BTreeMap<String, Entry>,
    fetching: usize,
}

/// What can be said of an address now.
pub(super) enum Found {
    /// Its signer, or why nobody trusts it.
    Signer(Result<Signer, Flaw>),
    /// It is being fetched; `true`: begin now.
    Wait { begin: bool },
}

impl Certificates {
    /// What is known of an address. Wall time is in seconds since 1970.
    pub(super) fn find(
        &mut self,
        now: Instant,
        wall: u64,
        url: &str,
        verify: &Arc<Verify>,
    ) -> Found {
        match self.entries.get_mut(url) {
            Some(Entry::Fetching) => return Found::Wait { begin: false },
            Some(Entry::Kept { chain, until, judged }) if *until > now => {
                if let Some(known) = judged
                    && known.until > now
                    && (Arc::ptr_eq(&known.by, verify) || known.by == *verify)
                {
                    return Found::Signer(known.result.clone());
                }
                let result = chain.trusted(&verify.anchors, algorithms(), wall);
                let (by, until) = (Arc::clone(verify), now + JUDGED);
                *judged = Some(Box::new(Judged { by, until, result: result.clone() }));
                return Found::Signer(result);
            }
            Some(Entry::Nothing { why, until }) if *until > now => {
                return Found::Signer(Err(Flaw::Unreachable(why.clone())));
            }
            _ => {}
        }
        if self.fetching >= MAX_FETCHING {
            let why = "too many others are being fetched".to_owned();
            return Found::Signer(Err(Flaw::Unreachable(why)));
        }
        self.make_room(now);
        self.fetching += 1;
        self.entries.insert(url.to_owned(), Entry::Fetching);
        Found::Wait { begin: true }
    }

    /// What came from an address that was asked.
    pub(super) fn came(&mut self, now: Instant, url: &str, result: Result<Certificate, String>) {
        let Some(entry @ Entry::Fetching) = self.entries.get_mut(url) else { return };
        self.fetching -= 1;
        *entry = match result.map(|came| (Chain::parse(&came.body), came.max_age)) {
            Ok((Ok(chain), age)) => {
                let until = now + age.unwrap_or(USUAL).clamp(SULK, LONGEST);
                Entry::Kept { chain, until, judged: None }
            }
            Ok((Err(Flaw::Unreachable(why)), _)) | Err(why) => {
                Entry::Nothing { why, until: now + SULK }
            }
            Ok((Err(flaw), _)) => Entry::Nothing { why: flaw.to_string(), until: now + SULK },
        };
    }

    /// Forgets what is old, and, where that is not enough, one that is kept: any can come again.
    fn make_room(&mut self, now: Instant) {
        if self.entries.len() < MAX_KEPT {
            return;
        }
        self.entries.retain(|_, entry| match entry {
            Entry::Fetching => true,
            Entry::Kept { until, .. } | Entry::Nothing { until, .. } => *until > now,
        });
        if self.entries.len() >= MAX_KEPT {
            let idle = |(_, entry): &(&String, &Entry)| !matches!(entry, Entry::Fetching);
            let soonest = self.entries.iter().filter(idle).min_by_key(|(_, entry)| match entry {
                Entry::Fetching => Instant::ZERO,
                Entry::Kept { until, .. } | Entry::Nothing { until, .. } => *until,
            });
            if let Some(url) = soonest.map(|(url, _)| url.clone()) {
                self.entries.remove(&url);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify() -> Arc<Verify> {
        let wait = Duration::from_secs(2);
        Arc::new(Verify { anchors: vec![], ports: vec![], wait })
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1000)
    }

    fn fetches(known: &mut Certificates, now: u64, url: &str) -> bool {
        matches!(known.find(at(now), 0, url, &verify()), Found::Wait { begin: true })
    }

    #[test]
    fn an_address_is_asked_once_and_left_alone_when_it_gave_nothing() {
        let mut known = Certificates::default();
        assert!(fetches(&mut known, 1, "a"));
        assert!(matches!(known.find(at(1), 0, "a", &verify()), Found::Wait { begin: false }));
        known.came(at(2), "a", Err("404".to_owned()));
        known.came(at(2), "a", Err("again".to_owned()));
        match known.find(at(3), 0, "a", &verify()) {
            Found::Signer(Err(Flaw::Unreachable(why))) => assert_eq!(why, "404"),
            _ => panic!("it is not asked again yet"),
        }
        assert!(fetches(&mut known, 40, "a"));
        let page = Certificate { body: Bytes::from_static(b"<html>"), max_age: None };
        known.came(at(41), "a", Ok(page));
        assert!(!fetches(&mut known, 42, "a"), "what is no certificate is no answer");
    }

    #[test]
    fn strangers_cannot_make_it_grow_or_ask_without_end() {
        let mut known = Certificates::default();
        let asked = (0..200).filter(|number| fetches(&mut known, 1, &number.to_string())).count();
        assert_eq!(asked, MAX_FETCHING);
        for number in 0..3_000 {
            let url = format!("u{number}");
            known.came(at(2), &url, Err(String::new()));
            if number < MAX_FETCHING {
                known.came(at(2), &number.to_string(), Err(String::new()));
            }
            fetches(&mut known, 2, &url);
            known.came(at(2), &url, Err(String::new()));
        }
        assert!(known.entries.len() <= MAX_KEPT, "{}", known.entries.len());
        assert_eq!(known.fetching, 0);
    }
}
