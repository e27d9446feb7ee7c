//! Request signatures, so that an application knows that a request is ours (the TwiML reference).
//!
//! HMAC over the exact URL and the sorted form fields, RFC 2104; header `X-Twilio-Signature`.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};

use crate::base::Secret;

/// The header that carries it.
pub const HEADER: &str = "X-Twilio-Signature";

/// The text that is signed: the URL, then each name with its value, by byte order of the names.
/// A repeated name gives its distinct values, sorted, each behind the name: so all of the official
/// libraries check it.
pub fn text(url: &str, form: &[(String, String)]) -> String {
    let mut fields: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in form {
        fields.entry(name).or_default().insert(value);
    }
    let mut text = url.to_owned();
    for (name, values) in fields {
        text.extend(values.into_iter().flat_map(|value| [name, value]));
    }
    text
}

/// The signature of a request with this form; no form for GET and WebSocket handshakes.
pub fn sign(token: &Secret, url: &str, form: &[(String, String)]) -> String {
    STANDARD.encode(mac(token, url, form).finalize().into_bytes())
}

/// The same with SHA-256.
pub fn sign_sha256(token: &Secret, url: &str, form: &[(String, String)]) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(token.expose().as_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(text(url, form).as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Whether a request that claims to be from this account is: compares in constant time, and tries
/// the URL with and without its port, as the official libraries do, since producers differ.
pub fn verify(token: &Secret, url: &str, form: &[(String, String)], signature: &str) -> bool {
    let Ok(claimed) = STANDARD.decode(signature.trim()) else { return false };
    port_variants(url).iter().any(|url| mac(token, url, form).verify_slice(&claimed).is_ok())
}

fn mac(token: &Secret, url: &str, form: &[(String, String)]) -> Hmac<sha1::Sha1> {
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(token.expose().as_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(text(url, form).as_bytes());
    mac
}

/// The URL as given, without its port, and with its scheme's where it has none.
fn port_variants(url: &str) -> Vec<String> {
    let mut variants = vec![url.to_owned()];
    let Some((scheme, rest)) = url.split_once("://") else { return variants };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // A colon within the brackets of an IPv6 address comes before no port (RFC 3986 section 3.2.2).
    let port =
        authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let standard = if matches!(scheme, "https" | "wss") { 443 } else { 80 };
    variants.push(match port {
        Some((host, _)) => format!("{scheme}://{host}{path}"),
        None => format!("{scheme}://{authority}:{standard}{path}"),
    });
    variants
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";

    fn token() -> Secret {
        Secret::new("12345")
    }

    fn fields() -> Vec<(String, String)> {
        [
            ("To", "+18005551212"),
            ("CallSid", "CA1234567890ABCDE"),
            ("From", "+14158675309"),
            ("Digits", "1234"),
            ("Caller", "+14158675309"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    #[test]
    fn signatures_equal_those_of_the_official_library() {
        assert_eq!(sign(&token(), URL, &fields()), "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
        assert_eq!(sign(&token(), URL, &[]), "zYQTYrRWXE7LtzbG4PfP7/bkkGo=");
        assert_eq!(
            sign_sha256(&token(), URL, &fields()),
            "033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s="
        );
    }

    #[test]
    fn repeated_fields_count_once_for_each_value_behind_their_name() {
        let form = [("a", "2"), ("a", "1"), ("a", "2"), ("B", "x")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(text("http://h/", &form), "http://h/Bxa1a2");
    }

    #[test]
    fn verifying_takes_the_url_with_and_without_its_port_and_nothing_else() {
        let signed = sign(&token(), URL, &fields());
        assert!(verify(&token(), URL, &fields(), &signed));
        assert!(verify(
            &token(),
            "https://mycompany.com:443/myapp.php?foo=1&bar=2",
            &fields(),
            &signed
        ));
        for (asked, signed_over, valid) in [
            ("https://h:443/p?q", "https://h/p?q", true),
            ("https://h/p?q", "https://h:443/p?q", true),
            ("http://127.0.0.1:8080/p", "http://127.0.0.1/p", true),
            ("http://127.0.0.1:8080/p", "http://127.0.0.1:8080/p", true),
            ("http://[::1]:8080/p", "http://[::1]/p", true),
            ("http://[::1]/p", "http://[::1]:80/p", true),
            ("https://h/p", "https://h:444/p", false),
            ("https://h:443/p", "http://h/p", false),
            ("http://h:8080/p", "http://h:8081/p", false),
            ("https://h/p:443", "https://h/p", false),
        ] {
            let signed = sign(&token(), signed_over, &fields());
            assert_eq!(verify(&token(), asked, &fields(), &signed), valid, "{asked} {signed_over}");
        }
        assert!(!verify(&Secret::new("12346"), URL, &fields(), &signed));
        assert!(!verify(&token(), URL, &fields()[1..], &signed));
        assert!(!verify(&token(), URL, &fields(), "not base64!"));
        assert!(!verify(&token(), URL, &fields(), ""));
    }
}
