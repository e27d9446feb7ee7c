//! `[tls] ca` as it vouches for servers of certificates of those who sign calls: taken as the
//! files change, like those that SIP connections believe.

use std::sync::Arc;

use super::watched::Watched;
use crate::http::Error;
use crate::http::client::Authorities;
use crate::source::Stamp;

/// The files, looked at again and again.
pub(super) struct Watching {
    authorities: Arc<Authorities>,
    watched: Watched<Vec<Stamp>>,
}

impl Watching {
    /// Of authorities whose files are in force as they are now.
    pub(super) fn new(authorities: Arc<Authorities>) -> Watching {
        let watched = Watched::new(stamps(&authorities));
        Watching { authorities, watched }
    }

    /// Takes a new version that rests; what is wrong with it, where the last good one stays.
    pub(super) fn look(&mut self) -> Option<Result<(), Error>> {
        let settled = self.watched.settled(stamps(&self.authorities));
        settled.then(|| self.authorities.reload())
    }

    /// Tells what came of a look.
    pub(super) fn take(&mut self) {
        match self.look() {
            Some(Ok(())) => {
                tracing::info!("[tls] ca: new authorities in force for certificates of signers");
            }
            Some(Err(error)) => {
                tracing::error!("{error}; the last good authorities stay in force");
            }
            None => {}
        }
    }
}

/// `None` while a file is missing.
fn stamps(authorities: &Authorities) -> Option<Vec<Stamp>> {
    authorities.paths().iter().map(|path| Stamp::of(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_version_is_taken_once_it_rests_and_a_broken_one_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        let certificate = || {
            let key = rcgen::KeyPair::generate().expect("a key");
            let names = rcgen::CertificateParams::new(vec!["ca".to_owned()]).expect("names");
            names.self_signed(&key).expect("signed").pem()
        };
        std::fs::write(&file, certificate()).expect("written");
        let mut watching = Watching::new(Arc::new(Authorities::new(vec![file.clone()])));
        assert!(watching.look().is_none(), "nothing new");
        std::fs::write(&file, certificate() + &certificate()).expect("written");
        assert!(watching.look().is_none(), "just written");
        assert!(matches!(watching.look(), Some(Ok(()))));
        assert!(watching.look().is_none(), "once");
        std::fs::write(&file, "nothing").expect("written");
        watching.look();
        let said = watching.look().and_then(Result::err).expect("told").to_string();
        assert!(said.contains("ca.pem"), "{said}");
        std::fs::remove_file(&file).expect("removed");
        assert!(watching.look().is_none() && watching.look().is_none(), "waited for");
    }
}
