//! A SIP message: shared bytes and a table of where its parts stand.

use bytes::Bytes;

/// A parsed message.
#[derive(Clone, Debug)]
pub struct Message {
    bytes: Bytes,
}

impl Message {
    /// The bytes as they came.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }
}
