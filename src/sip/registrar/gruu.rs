//! URIs that lead to one device and no other (GRUU, RFC 5627).
//!
//! The public one is the address-of-record with the device's name. The temporary ones hide both:
//! each holds its user and a mark of the registration, sealed with a key of this server, so that
//! none can be guessed, none is kept, and all of a device die when it starts anew under another
//! Call-ID or is registered no more (sections 3.1.2 and 5.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::binding::Binding;
use crate::sip::auth::{Sealer, same};
use crate::sip::uri::{SipUri, escape_user, percent_decode};

/// What the user part of temporary ones begins with.
const TEMPORARY: &str = "tgruu.";

/// The bytes of a seal, of a mark, and of the number that makes each one another.
const SEAL: usize = 16;
const MARK: usize = 8;
const NUMBER: usize = 4;

/// Whom a GRUU is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gruu {
    /// The user of the address-of-record.
    pub user: String,
    device: Device,
}

impl Gruu {
    /// Whether it is one that ends with its registration.
    pub const fn is_temporary(&self) -> bool {
        matches!(self.device, Device::Marked(_))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Device {
    Named(String),
    Marked([u8; MARK]),
}

/// Makes and reads them.
#[derive(Clone, Debug)]
pub(super) struct Gruus {
    sealer: Sealer,
}

impl Gruus {
    pub(super) fn new(key: &[u8; 32]) -> Gruus {
        Gruus { sealer: Sealer::new(key) }
    }

    /// The parameters of a Contact that is told to its phone.
    pub(super) fn parameters(&self, aor: &str, binding: &Binding) -> Option<String> {
        let (user, domain) = aor.rsplit_once('@')?;
        let instance = binding.instance.as_deref()?;
        let public = format!("sip:{}@{domain};gr={}", escape_user(user), escape(bare(instance)));
        let token = self.token(aor, user, instance, binding);
        Some(format!(";pub-gruu=\"{public}\";temp-gruu=\"sip:{TEMPORARY}{token}@{domain};gr\""))
    }

    /// What a URI of a domain of ours says of a device; `None` for one without `gr`, or with one
    /// that is not of our making.
    pub(super) fn read(&self, uri: &SipUri<'_>) -> Option<Gruu> {
        let name = uri.params().get("gr")?;
        let user = uri.user()?.into_owned();
        if !name.is_empty() {
            return Some(Gruu { user, device: Device::Named(percent_decode(name).into_owned()) });
        }
        self.unseal(&user)
    }

    /// Whose a temporary one is, by its user part alone.
    pub(super) fn unseal(&self, named: &str) -> Option<Gruu> {
        let bytes = URL_SAFE_NO_PAD.decode(named.strip_prefix(TEMPORARY)?).ok()?;
        let (seal, sealed) = bytes.split_at_checked(SEAL)?;
        let plain = self.veiled(seal, sealed);
        if !same(&self.sealer.seal(&[b"gruu", &plain]), seal) {
            return None;
        }
        let (mark, rest) = plain.split_at_checked(MARK)?;
        let user = String::from_utf8(rest.get(NUMBER..)?.to_vec()).ok()?;
        Some(Gruu { user, device: Device::Marked(mark.try_into().ok()?) })
    }

    /// Whether a binding is of that device.
    pub(super) fn leads_to(&self, gruu: &Gruu, aor: &str, binding: &Binding) -> bool {
        let Some(instance) = binding.instance.as_deref() else { return false };
        match &gruu.device {
            Device::Named(name) => bare(instance).eq_ignore_ascii_case(name),
            Device::Marked(mark) => self.mark(aor, instance, &binding.call_id) == *mark,
        }
    }

    /// The seal is the nonce of the veil too, and covers what is below it: nobody can alter a
    /// token, and two are alike only when they say the same.
    fn token(&self, aor: &str, user: &str, instance: &str, binding: &Binding) -> String {
        let mut plain = self.mark(aor, instance, &binding.call_id).to_vec();
        plain.extend_from_slice(&binding.cseq.to_be_bytes());
        plain.extend_from_slice(user.as_bytes());
        let seal = self.sealer.seal(&[b"gruu", &plain]);
        let mut bytes = seal.to_vec();
        bytes.extend(self.veiled(&seal, &plain));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// One run of a device: another Call-ID is another (section 5.1).
    fn mark(&self, aor: &str, instance: &str, call_id: &str) -> [u8; MARK] {
        let seal =
            self.sealer.seal(&[b"run", aor.as_bytes(), instance.as_bytes(), call_id.as_bytes()]);
        let mut mark = [0; MARK];
        mark.iter_mut().zip(seal).for_each(|(to, from)| *to = from);
        mark
    }

    /// The bytes with a stream laid over them that follows from the seal; the same again undoes it.
    fn veiled(&self, seal: &[u8], bytes: &[u8]) -> Vec<u8> {
        let mut veiled = Vec::with_capacity(bytes.len());
        for (number, block) in bytes.chunks(SEAL).enumerate() {
            let stream = self.sealer.seal(&[b"veil", seal, &(number as u64).to_be_bytes()]);
            veiled.extend(block.iter().zip(stream).map(|(byte, over)| byte ^ over));
        }
        veiled
    }
}

/// An instance without its angle brackets.
fn bare(instance: &str) -> &str {
    instance.trim_start_matches('<').trim_end_matches('>')
}

/// As the value of a URI parameter (RFC 3261 section 25.1, paramchar).
fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()[]/:&+$".contains(&byte);
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match plain(byte) {
            true => escaped.push(char::from(byte)),
            false => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}
