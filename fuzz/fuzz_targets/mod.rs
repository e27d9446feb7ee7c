//! What is fuzzed. Each file reads bytes of strangers, or decodes them into a series of steps that
//! strangers and circumstances might take, and asserts what holds for all of them.
//!
//! `cargo xtask fuzz` runs them under libFuzzer; `tests/fuzz_corpus.rs` runs them over `corpus/`
//! in every `cargo test`. To add one is to write a file, a line here, and a seed or two.

mod agent_sequence;
mod answer;
mod config;
mod digest_client;
mod digest_server;
mod dns;
mod document;
mod dtmf;
mod exchange_sequence;
mod flow;
mod form;
mod guest_module;
mod identity;
mod jitter;
mod law;
mod media_sequence;
mod offer_answer;
#[allow(dead_code, reason = "the simulator uses all of it")]
#[path = "../../tests/sim/world/office.rs"]
mod office;
mod routes;
mod rtcp;
mod rtp;
mod sdp;
mod seeing;
mod sip_header;
pub mod sip_message;
pub mod sip_stream;
mod sip_uri;
mod steps;
mod stun;
mod talk;
mod template;
mod transaction_sequence;
mod wav;
mod websocket;
mod xml;

/// A target: its name, which is also that of its folder in `corpus/`, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All of them, by name.
pub const TARGETS: &[Target] = &[
    ("agent_sequence", agent_sequence::run),
    ("answer", answer::run),
    ("config", config::run),
    ("digest_client", digest_client::run),
    ("digest_server", digest_server::run),
    ("dns", dns::run),
    ("document", document::run),
    ("dtmf", dtmf::run),
    ("exchange_sequence", exchange_sequence::run),
    ("flow", flow::run),
    ("form", form::run),
    ("guest_module", guest_module::run),
    ("identity", identity::run),
    ("jitter", jitter::run),
    ("media_sequence", media_sequence::run),
    ("offer_answer", offer_answer::run),
    ("routes", routes::run),
    ("rtcp", rtcp::run),
    ("rtp", rtp::run),
    ("sdp", sdp::run),
    ("seeing", seeing::run),
    ("sip_header", sip_header::run),
    ("sip_message", sip_message::run),
    ("sip_stream", sip_stream::run),
    ("sip_uri", sip_uri::run),
    ("stun", stun::run),
    ("template", template::run),
    ("transaction_sequence", transaction_sequence::run),
    ("wav", wav::run),
    ("websocket", websocket::run),
    ("xml", xml::run),
];
