//! What the fuzzer found worth keeping, and damage by a fixed seed, in every `cargo test`.

#[path = "../../fuzz/fuzz_targets/mod.rs"]
mod fuzz_targets;
#[path = "../../fuzz/guest_targets/mod.rs"]
mod guest_targets;

mod corpus;
mod grammar;
mod guests;
mod mutation;
