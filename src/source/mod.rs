//! Empty so far.
pub mod function;
