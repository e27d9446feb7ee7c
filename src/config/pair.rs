//! Certificates and keys that `offhook.toml` names, read before anything is served with them.

use std::fmt;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::reader::{Reader, Source};

/// Why a certificate and its key cannot be used.
#[derive(Debug)]
pub(super) enum PairError {
    /// The file of the certificate, and what is wrong.
    Certificate(PathBuf, String),
    /// The file of the key, and what is wrong.
    Key(PathBuf, String),
}

impl fmt::Display for PairError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PairError::Certificate(path, error) | PairError::Key(path, error) => {
                write!(f, "{}: {error}", path.display())
            }
        }
    }
}

/// The certificates of a file: at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| error.to_string())?;
    if found.is_empty() { Err("no certificate in it".to_owned()) } else { Ok(found) }
}

/// A chain and its key, which must be each other's.
pub(super) fn certified(certificate: &Path, key: &Path) -> Result<CertifiedKey, PairError> {
    let chain = certificates(certificate)
        .map_err(|error| PairError::Certificate(certificate.to_owned(), error))?;
    let of_key = |error: String| PairError::Key(key.to_owned(), error);
    let der = PrivateKeyDer::from_pem_file(key).map_err(|error| of_key(error.to_string()))?;
    CertifiedKey::from_der(chain, der, &aws_lc_rs::default_provider()).map_err(|error| {
        of_key(match error {
            rustls::Error::InconsistentKeys(_) => {
                format!("this key is not that of the certificate {}", certificate.display())
            }
            error => format!("with {}: {error}", certificate.display()),
        })
    })
}

/// Blames what is wrong with a pair where its file is named. Files that are not there were told of.
pub(super) fn check_pair(
    source: &mut Source<'_>,
    table: &Reader<'_>,
    (certificate_key, certificate): (&str, &Path),
    (key_key, key): (&str, &Path),
) {
    if !certificate.exists() || !key.exists() {
        return;
    }
    match certified(certificate, key) {
        Ok(_) => {}
        Err(error @ PairError::Certificate(..)) => {
            source.error(table.at(certificate_key), format!("{certificate_key}: {error}"));
        }
        Err(error @ PairError::Key(..)) => {
            source.error(table.at(key_key), format!("{key_key}: {error}"));
        }
    }
}

/// Blames files of authorities that hold none.
pub(super) fn check_authorities(
    source: &mut Source<'_>,
    table: &Reader<'_>,
    key: &str,
    paths: &[PathBuf],
) {
    for path in paths.iter().filter(|path| path.exists()) {
        let read = certificates(path).and_then(|found| {
            let mut roots = RootCertStore::empty();
            found.into_iter().try_for_each(|one| roots.add(one)).map_err(|error| error.to_string())
        });
        if let Err(error) = read {
            source.error(table.at(key), format!("{key}: {}: {error}", path.display()));
        }
    }
}
