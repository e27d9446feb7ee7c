//! Headers: their names, and lazy typed views of their values.
//!
//! A view borrows the message and reads only what is asked for. It never allocates unless text
//! must be unescaped, and gives `None` instead of a guess where the grammar of RFC 3261
//! section 25.1 does not hold. Values come without line folds: parsing undid them.

mod address;
mod cseq;
mod name;
mod params;
pub(crate) mod scan;
mod via;

pub use address::NameAddr;
pub use cseq::CSeq;
pub use name::HeaderName;
pub(crate) use params::unescape;
pub use params::{Params, ParamsIter};
pub use via::Via;
