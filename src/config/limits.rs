//! `[sip.limits]`, and the caps of domains and trunks.

use super::parts::networks;
use super::reader::{Reader, Source};
use crate::base::Duration;
use crate::directory::{Caps, Limits, Rate};

/// More a second than any machine takes; a larger number is a slip.
const MOST: i64 = 10_000_000;

/// A day of silence is a ban, and bans are a firewall's business.
const LONGEST_SILENCE: i64 = 86_400;

pub(super) fn limits(source: &mut Source<'_>, mut table: Reader<'_>) -> Limits {
    let usual = Limits::default();
    let limits = Limits {
        source: Rate {
            per_second: number(source, &mut table, "source_rate", usual.source.per_second),
            burst: number(source, &mut table, "source_burst", usual.source.burst),
        },
        known: rate(source, &mut table, "known_rate", usual.known),
        exempt: match table.item("exempt") {
            Some(_) => networks(source, &mut table, "exempt"),
            None => usual.exempt,
        },
        invites: rate(source, &mut table, "invite_rate", usual.invites),
        registers: rate(source, &mut table, "register_rate", usual.registers),
        failures: number(source, &mut table, "login_failures", usual.failures),
        silence: match table.number(source, "silence_seconds") {
            Some(seconds) if (1..=LONGEST_SILENCE).contains(&seconds) => {
                Duration::from_secs(seconds.unsigned_abs())
            }
            Some(_) => {
                source.error(table.at("silence_seconds"), "silence_seconds: expected 1 to 86400");
                usual.silence
            }
            None => usual.silence,
        },
    };
    if limits.source.per_second > 0 && limits.source.burst == 0 {
        source.error(table.at("source_burst"), "source_burst: expected at least 1");
    }
    table.finish(source);
    limits
}

/// `max_calls` and `calls_per_second`. A few numbers may ring together before the rate counts.
pub(super) fn caps(source: &mut Source<'_>, table: &mut Reader<'_>, usual: Caps) -> Caps {
    let per_second = number(source, table, "calls_per_second", usual.new_calls.per_second);
    Caps {
        calls: number(source, table, "max_calls", usual.calls),
        new_calls: Rate { per_second, burst: per_second.max(Caps::USER.new_calls.burst) },
    }
}

/// A rate whose burst is a second's worth, or the usual one where nothing is said.
fn rate(source: &mut Source<'_>, table: &mut Reader<'_>, key: &'static str, usual: Rate) -> Rate {
    match table.item(key) {
        Some(_) => {
            let per_second = number(source, table, key, usual.per_second);
            Rate { per_second, burst: per_second }
        }
        None => usual,
    }
}

fn number(source: &mut Source<'_>, table: &mut Reader<'_>, key: &'static str, usual: u32) -> u32 {
    match table.number(source, key) {
        None => usual,
        Some(number) => {
            let fits = u32::try_from(number).ok().filter(|_| number <= MOST);
            if fits.is_none() {
                source.error(table.at(key), format!("{key}: expected 0 to {MOST}; 0 is no limit"));
            }
            fits.unwrap_or(usual)
        }
    }
}
