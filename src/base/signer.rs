//! A private key that only signs: what holds it stays outside the machines, and so does the
//! randomness that a signature takes.

use std::fmt;
use std::sync::Arc;

/// Signs.
pub trait Sign: Send + Sync {
    /// The ES256 signature of a text: two numbers of 32 bytes (RFC 7518 section 3.4). `None` when
    /// the key fails.
    fn sign(&self, text: &[u8]) -> Option<[u8; 64]>;
}

/// A key, known by a name of its own: two of one name are the same.
#[derive(Clone)]
pub struct SigningKey {
    name: Arc<str>,
    key: Arc<dyn Sign>,
}

impl SigningKey {
    /// A key; the name must differ between keys, such as a digest of the public one.
    pub fn new(name: &str, key: Arc<dyn Sign>) -> Self {
        SigningKey { name: name.into(), key }
    }

    /// The signature of a text.
    pub fn sign(&self, text: &[u8]) -> Option<[u8; 64]> {
        self.key.sign(text)
    }
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for SigningKey {}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.name)
    }
}
