//! Answers to a web server's Digest challenge: MD5 and SHA-256 with `qop=auth` (RFC 7616).

use std::fmt::Write;

use md5::Md5;
use sha2::{Digest, Sha256};

/// What is answered for.
pub(super) struct Login<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    pub(super) method: &'a str,
    /// Path and query as on the request line.
    pub(super) uri: &'a str,
    /// Ours; it must not repeat.
    pub(super) cnonce: &'a str,
}

/// The value of `Authorization`, or `None` when the challenge is no Digest that is known here.
pub(super) fn answer(challenge: &str, login: &Login<'_>) -> Option<String> {
    let (scheme, rest) = challenge.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Digest") {
        return None;
    }
    let fields = fields(rest);
    let field =
        |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let (realm, nonce) = (field("realm")?, field("nonce")?);
    let algorithm = field("algorithm").unwrap_or("MD5");
    let hash: fn(&str) -> String = match algorithm.to_ascii_uppercase().as_str() {
        "MD5" => |text| hex(&Md5::digest(text)),
        "SHA-256" => |text| hex(&Sha256::digest(text)),
        _ => return None,
    };
    // Without qop the answer could be replayed with another body; such servers are long gone.
    if !field("qop")?.split(',').any(|qop| qop.trim().eq_ignore_ascii_case("auth")) {
        return None;
    }
    let Login { user, password, method, uri, cnonce } = login;
    let (one, two) =
        (hash(&format!("{user}:{realm}:{password}")), hash(&format!("{method}:{uri}")));
    let response = hash(&format!("{one}:{nonce}:00000001:{cnonce}:auth:{two}"));
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut answer = format!(
        "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", algorithm={algorithm}, \
         qop=auth, nc=00000001, cnonce=\"{cnonce}\", response=\"{response}\"",
        quoted(user),
        quoted(realm),
        quoted(nonce)
    );
    if let Some(opaque) = field("opaque") {
        let _ = write!(answer, ", opaque=\"{}\"", quoted(opaque));
    }
    Some(answer)
}

/// `name=value` and `name="quoted value"`, separated by commas; names in lower case.
fn fields(text: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', '\t', ',']).to_ascii_lowercase();
        let mut value = String::new();
        let mut chars = after.trim_start().chars();
        if after.trim_start().starts_with('"') {
            chars.next();
            while let Some(c) = chars.next() {
                match c {
                    '"' => break,
                    '\\' => value.extend(chars.next()),
                    c => value.push(c),
                }
            }
            rest = chars.as_str();
        } else {
            let (plain, after) = after.split_once(',').unwrap_or((after, ""));
            value = plain.trim().to_owned();
            rest = after;
        }
        fields.push((name, value));
    }
    fields
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 section 3.9.1.
    #[test]
    fn answers_equal_those_of_the_standard() {
        let login = Login {
            user: "Mufasa",
            password: "Circle of Life",
            method: "GET",
            uri: "/dir/index.html",
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        };
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let challenge = format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
                 algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            );
            let answer = answer(&challenge, &login).unwrap();
            assert!(answer.contains(&format!("response=\"{response}\"")), "{answer}");
            assert!(answer.ends_with("opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""));
        }
        for challenge in
            ["Basic realm=\"x\"", "Digest", "Digest realm=\"x\"", "Digest realm=\"x\", nonce=\"y"]
        {
            assert_eq!(answer(challenge, &login), None, "{challenge}");
        }
    }
}
