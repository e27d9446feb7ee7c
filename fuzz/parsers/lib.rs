//! The folders of Offhook that read bytes of strangers, as a library of their own: instrumented
//! with sanitizers, the whole program with its compiler and its voice would build for an hour.

#![allow(missing_docs, dead_code, reason = "a part of the program, which is checked as a whole")]

#[path = "../../src/base/mod.rs"]
pub mod base;
#[path = "../../src/markup/mod.rs"]
pub mod markup;
#[path = "../../src/rtp/mod.rs"]
pub mod rtp;
#[path = "../../src/sdp/mod.rs"]
pub mod sdp;
#[path = "../../src/sip/mod.rs"]
pub mod sip;

#[path = "../../src/source"]
pub mod source {
    pub mod e164;
    pub mod template;
}
