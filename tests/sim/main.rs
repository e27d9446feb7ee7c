//! Whole calls in virtual time: one exchange, its media, and a world around it by script.
//!
//! A scenario is a document, the phones' behaviour, what each party hears, and which rows and
//! reports were written. The same seed gives the same bytes twice; a failing scenario prints its
//! seed and the ladder of its messages.

mod answers;
mod world;
