//! Authorities that the configuration names, for servers whose addresses strangers choose.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use reqwest::Certificate;

use super::Error;

/// Those of some files, read when first wanted and shared by all clients of this server.
#[derive(Debug, Default)]
pub struct Authorities {
    paths: Vec<PathBuf>,
    read: Mutex<Read>,
}

#[derive(Debug, Default)]
struct Read {
    /// Counts the versions of the files.
    version: u64,
    certificates: Option<Vec<Certificate>>,
}

impl Authorities {
    /// Of these files; nothing is read yet.
    pub fn new(paths: Vec<PathBuf>) -> Authorities {
        Authorities { paths, read: Mutex::default() }
    }

    /// The files.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Reads the files anew; where one is no use, those that were read before stay in force.
    pub fn reload(&self) -> Result<(), Error> {
        let certificates = read_all(&self.paths)?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.version += 1;
        read.certificates = Some(certificates);
        Ok(())
    }

    /// The version in force.
    pub(super) fn version(&self) -> u64 {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).version
    }

    /// The certificates in force, and their version.
    pub(super) fn get(&self) -> Result<(u64, Vec<Certificate>), Error> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let certificates = match read.certificates.take() {
            Some(known) => known,
            None => read_all(&self.paths)?,
        };
        read.certificates = Some(certificates.clone());
        Ok((read.version, certificates))
    }
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<Certificate>, Error> {
    let mut found = vec![];
    for path in paths {
        let failed = |error: &dyn std::fmt::Display| failure(path, error);
        let text = std::fs::read(path).map_err(|error| failed(&error))?;
        let some = Certificate::from_pem_bundle(&text).map_err(|error| failed(&error))?;
        if some.is_empty() {
            return Err(failure(path, &"no certificate in it"));
        }
        found.extend(some);
    }
    Ok(found)
}

fn failure(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Setup(format!("[tls] ca: {}: {error}", path.display()))
}
