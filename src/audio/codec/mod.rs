//! The table of codecs.
