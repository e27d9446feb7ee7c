//! The verbs, one file each: attributes, parsing, behaviour, tests.

/// A checked document: what a call reads.
#[derive(Clone, Debug)]
pub struct Document {}
