//! One binary for all targets: libFuzzer's loop around the one that the environment names.

#![no_main]

use std::sync::OnceLock;

mod fuzz_targets;
#[cfg(feature = "guests")]
mod guest_targets;
#[cfg(not(feature = "guests"))]
mod guest_targets {
    /// None: the sandbox is not in this build.
    pub const TARGETS: &[super::fuzz_targets::Target] = &[];
}

/// Names the target.
const VARIABLE: &str = "OFFHOOK_FUZZ_TARGET";

fn chosen() -> fn(&[u8]) {
    let name = std::env::var(VARIABLE).unwrap_or_default();
    let mut all = fuzz_targets::TARGETS.iter().chain(guest_targets::TARGETS);
    let found = all.find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("{VARIABLE}={name} is none of the targets")).1
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    static RUN: OnceLock<fn(&[u8])> = OnceLock::new();
    RUN.get_or_init(chosen)(bytes);
});
