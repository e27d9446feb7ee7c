//! Certificates of those who sign calls, from wherever they say (RFC 8224 section 6.2).
//!
//! A stranger chose the address, so the request says nothing of us: no signature, no cookie, no
//! parameter. The guard judges where it goes, as it does for everything.

use std::time::Duration;

use super::Sources;
use crate::call::Method;
use crate::exchange::Certificate;
use crate::http::Outgoing;

/// The largest chain that is read: a few certificates of a kilobyte or two.
const LIMIT: usize = 64 * 1024;

impl Sources {
    /// The certificate at that address, or why there is none.
    pub async fn certificate(&self, url: &str) -> Result<Certificate, String> {
        let headers = [("Accept", "application/pem-certificate-chain, application/pkix-cert, */*")];
        let outgoing = Outgoing {
            call: None,
            url: url.to_owned(),
            method: Method::Get,
            parameters: vec![],
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            token: String::new(),
            stranger: true,
            limit: LIMIT,
        };
        let reply = self.client.send(&outgoing).await.map_err(|error| error.to_string())?;
        if reply.status != 200 {
            return Err(format!("its server answered {}", reply.status));
        }
        let max_age = reply.headers.first("Cache-Control").and_then(max_age);
        Ok(Certificate { body: reply.body, max_age })
    }
}

/// How long an answer may be kept (RFC 9111 section 5.2.2).
fn max_age(directives: &str) -> Option<Duration> {
    let mut age = None;
    for directive in directives.split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(Duration::ZERO),
            "max-age" => {
                let seconds = value.trim().trim_matches('"').parse::<u32>().ok()?;
                age = Some(Duration::from_secs(seconds.into()));
            }
            _ => {}
        }
    }
    age
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_what_the_server_says() {
        let seconds = |text| max_age(text).map(|age| age.as_secs());
        assert_eq!(seconds("public, Max-Age=3600"), Some(3600));
        assert_eq!(seconds("max-age=\"60\""), Some(60));
        assert_eq!(seconds("max-age=60, no-store"), Some(0));
        assert_eq!(seconds("public"), None);
        assert_eq!(seconds("max-age=x"), None);
    }
}
