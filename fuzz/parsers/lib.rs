//! Floors 0 to 6 of Offhook and the readers above them, as a library of their own: with coverage
//! counters in every block, the whole program with its compiler and its voice would build for an
//! hour.

#![allow(missing_docs, dead_code, unused_imports, reason = "checked as a part of the program")]

#[path = "../../src/audio/mod.rs"]
pub mod audio;
#[path = "../../src/base/mod.rs"]
pub mod base;
#[path = "../../src/call/mod.rs"]
pub mod call;
#[path = "../../src/config/mod.rs"]
pub mod config;
#[path = "../../src/directory/mod.rs"]
pub mod directory;
#[path = "../../src/exchange/mod.rs"]
pub mod exchange;
#[path = "../../src/leg/mod.rs"]
pub mod leg;
#[path = "../../src/markup/mod.rs"]
pub mod markup;
#[path = "../../src/media/mod.rs"]
pub mod media;
#[path = "../../src/rtp/mod.rs"]
pub mod rtp;
#[path = "../../src/sdp/mod.rs"]
pub mod sdp;
#[path = "../../src/sip/mod.rs"]
pub mod sip;
#[path = "../../src/verb/mod.rs"]
pub mod verb;

#[path = "../../src/source"]
pub mod source {
    pub mod e164;
    pub mod routes;
    pub mod stamp;
    pub mod template;
    pub use stamp::{AsRead, Stamp};

    #[cfg(feature = "guests")]
    pub mod function;
    /// What functions say, without the sandbox that they say it in.
    #[cfg(not(feature = "guests"))]
    pub mod function {
        mod admit;
        pub mod ask;
        mod bulk;
        mod error;
        mod event;
        mod features;
        mod reply;
        mod weight;
        pub use crate::directory::paths::Access;
        pub use admit::admit;
        pub use error::{Failure, LoadError};
        pub use event::Response;
    }

    /// What came of loading a file: as the program has it beside what it loads.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Loaded<E> {
        pub broken: Option<E>,
        pub kept: bool,
    }
}

#[path = "../../src/http"]
pub mod http {
    pub mod form;
    pub mod signature;
}

#[path = "../../src/cli/flow"]
pub mod cli {
    #[path = "."]
    pub mod flow {
        pub mod parse;
        mod step;
        mod words;
        pub use parse::parse;
        pub use step::*;
    }
}

#[path = "../../src/node"]
pub mod node {
    pub mod trace;
    pub mod seeing {
        pub mod hep;
        pub mod pcap;
        pub mod record;
        pub mod redact;
        mod wire;
    }
}
