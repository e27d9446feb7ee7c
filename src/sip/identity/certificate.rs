//! The certificate behind a token: read, led back to those who are trusted, and asked for its key.
//!
//! webpki follows the chain; the algorithms are handed in, so that no cryptography is linked here.

use std::fmt;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime, alg_id};
use webpki::{
    EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, anchor_from_trusted_cert,
};

use super::der::ecdsa;
use super::{Authority, Flaw};
use crate::base::Duration;

/// Algorithms of signatures, as a cryptographic library gives them.
pub type Algorithms = &'static [&'static dyn SignatureVerificationAlgorithm];

/// Certificates of one chain: a signer's, and two levels above it.
pub const MAX_CHAIN: usize = 6;

/// The longest certificate of a chain that is read.
const MAX_CERTIFICATE: usize = 16 * 1024;

/// What an address of certificates gave: the signer's first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain(Vec<CertificateDer<'static>>);

impl Chain {
    /// Reads PEM (RFC 8555 section 9.1), or one certificate in DER.
    pub fn parse(bytes: &[u8]) -> Result<Chain, Flaw> {
        let unread =
            |why: &str| Flaw::Unreachable(format!("what is there is no certificate: {why}"));
        if bytes.first() == Some(&super::der::SEQUENCE) {
            let one = CertificateDer::from(bytes.to_vec());
            return Chain::of(vec![one]).ok_or_else(|| unread("it is too long"));
        }
        let certificates = CertificateDer::pem_slice_iter(bytes)
            .take(MAX_CHAIN + 1)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| unread(&error.to_string()))?;
        Chain::of(certificates).ok_or_else(|| unread("none, too many or too long"))
    }

    fn of(certificates: Vec<CertificateDer<'static>>) -> Option<Chain> {
        let sound = (1..=MAX_CHAIN).contains(&certificates.len())
            && certificates.iter().all(|one| one.len() <= MAX_CERTIFICATE);
        sound.then_some(Chain(certificates))
    }

    /// Whose key it is, if it leads to one of the anchors (certificates in DER) at that time, in
    /// seconds since 1970.
    pub fn trusted(
        &self,
        anchors: &[Vec<u8>],
        algorithms: Algorithms,
        now: u64,
    ) -> Result<Signer, Flaw> {
        let untrusted = |why: &dyn fmt::Display| Flaw::Untrusted(why.to_string());
        let (leaf, above) = self.0.split_first().ok_or_else(|| untrusted(&"it is empty"))?;
        let entity = EndEntityCert::try_from(leaf).map_err(|error| untrusted(&error))?;
        let roots: Vec<CertificateDer<'_>> =
            anchors.iter().map(|anchor| CertificateDer::from(anchor.as_slice())).collect();
        let anchors: Vec<_> =
            roots.iter().filter_map(|root| anchor_from_trusted_cert(root).ok()).collect();
        let time = UnixTime::since_unix_epoch(Duration::from_secs(now));
        entity
            .verify_for_usage(algorithms, &anchors, above, time, AnyUsage, None, None)
            .map_err(|error| untrusted(&error))?;
        let authority = Authority::of(leaf)
            .ok_or_else(|| untrusted(&"it has no TN authorization list (RFC 8226)"))?;
        Ok(Signer { leaf: leaf.clone(), authority })
    }
}

/// SHAKEN's certificates name no extended usage, and none is theirs.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

/// A key that is trusted, and for whom it speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    leaf: CertificateDer<'static>,
    /// For which numbers.
    pub authority: Authority,
}

impl Signer {
    /// Whether the signature of that text is by this key (ES256, RFC 7518 section 3.4).
    pub fn signed(&self, algorithms: Algorithms, text: &[u8], signature: &[u8; 64]) -> bool {
        let Ok(entity) = EndEntityCert::try_from(&self.leaf) else { return false };
        let es256 = algorithms.iter().find(|algorithm| {
            algorithm.signature_alg_id() == alg_id::ECDSA_SHA256
                && algorithm.public_key_alg_id() == alg_id::ECDSA_P256
        });
        es256.is_some_and(|es256| entity.verify_signature(*es256, text, &ecdsa(signature)).is_ok())
    }
}
