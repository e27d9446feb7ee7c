//! The Identity header: a token and what is said of it (RFC 8224 section 4).

use super::Flaw;

/// The longest value that is read: tokens in the field have 600 to 1,500 bytes.
const MAX_VALUE: usize = 8 * 1024;

/// One value, in parts that are not judged yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The protected header; empty in the compact form.
    pub head: &'a str,
    /// The claims; empty in the compact form.
    pub claims: &'a str,
    /// The signature.
    pub signature: &'a str,
    /// The whole token.
    pub token: &'a str,
    /// Where the certificate is.
    pub info: Option<&'a str>,
    /// The algorithm, where it is named.
    pub alg: Option<&'a str>,
    /// The extension (`shaken`, `div`, …); `None` for a token without one.
    pub ppt: Option<&'a str>,
}

impl<'a> Identity<'a> {
    /// Reads one value.
    pub fn parse(value: &'a str) -> Result<Identity<'a>, Flaw> {
        if value.len() > MAX_VALUE {
            return Err(Flaw::Malformed("the header is too long"));
        }
        let (token, params) = value.split_once(';').unwrap_or((value, ""));
        let token = token.trim_ascii();
        let mut parts = token.split('.');
        let (Some(head), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Flaw::Malformed("the token has not three parts"));
        };
        if signature.is_empty() || head.is_empty() != claims.is_empty() {
            return Err(Flaw::Malformed("a part of the token is empty"));
        }
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !token.bytes().all(sound) {
            return Err(Flaw::Malformed("the token is not base64url"));
        }
        let (info, alg, ppt) = (None, None, None);
        let identity = Identity { head, claims, signature, token, info, alg, ppt };
        identity.with_params(params)
    }

    /// Whether what was signed has to be made up from the message (RFC 8224 section 4.1).
    pub const fn is_compact(&self) -> bool {
        self.head.is_empty()
    }

    fn with_params(mut self, mut rest: &'a str) -> Result<Identity<'a>, Flaw> {
        while !rest.trim_ascii().is_empty() {
            let (name, value, after) = param(rest)?;
            let place = match name {
                name if name.eq_ignore_ascii_case("info") => &mut self.info,
                name if name.eq_ignore_ascii_case("alg") => &mut self.alg,
                name if name.eq_ignore_ascii_case("ppt") => &mut self.ppt,
                _ => {
                    rest = after;
                    continue;
                }
            };
            // Which of two would count is anybody's guess, and so an attacker's choice.
            if place.replace(value).is_some() {
                return Err(Flaw::Malformed("a parameter stands twice"));
            }
            rest = after;
        }
        // An empty extension is none: `ppt=""` is seen in the field.
        self.ppt = self.ppt.filter(|ppt| !ppt.is_empty());
        Ok(self)
    }
}

/// The first parameter: its name, its value without brackets or quotes, and what follows.
fn param(text: &str) -> Result<(&str, &str, &str), Flaw> {
    const WRONG: Flaw = Flaw::Malformed("its parameters");
    let end = text.find([';', '=']).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end).ok_or(WRONG)?;
    let name = name.trim_ascii();
    let Some(rest) = rest.strip_prefix('=') else {
        return Ok((name, "", rest.strip_prefix(';').unwrap_or_default()));
    };
    let rest = rest.trim_ascii_start();
    let closing = match rest.as_bytes().first() {
        Some(b'<') => '>',
        Some(b'"') => '"',
        _ => {
            let (value, after) = rest.split_once(';').unwrap_or((rest, ""));
            return Ok((name, value.trim_ascii(), after));
        }
    };
    let inner = rest.get(1..).ok_or(WRONG)?;
    let (value, after) = inner.split_once(closing).ok_or(WRONG)?;
    let after = after.trim_ascii();
    match after.strip_prefix(';') {
        Some(after) => Ok((name, value, after)),
        None if after.is_empty() => Ok((name, value, "")),
        None => Err(WRONG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_with_their_parameters() {
        let full =
            Identity::parse("aa.bb.cc;info=<https://c.example/a;b.pem>;alg=ES256;ppt=shaken");
        let full = full.expect("sound");
        assert_eq!((full.head, full.claims, full.signature), ("aa", "bb", "cc"));
        assert_eq!(full.info, Some("https://c.example/a;b.pem"), "brackets hold semicolons");
        assert_eq!((full.alg, full.ppt, full.is_compact()), (Some("ES256"), Some("shaken"), false));
        let compact = Identity::parse(" ..cc ; info = <https://c> ;alg=ES256; x; ppt=\"\"");
        let compact = compact.expect("sound");
        assert!(compact.is_compact() && compact.info == Some("https://c") && compact.ppt.is_none());
        let quoted = Identity::parse("a.b.c;info=<https://c>;ppt=\"shaken\"").expect("sound");
        assert_eq!(quoted.ppt, Some("shaken"));
    }

    #[test]
    fn what_is_no_token_is_refused_with_its_reason() {
        let long = format!("a.b.{}", "c".repeat(MAX_VALUE));
        for wrong in [
            "",
            "a.b",
            "a.b.c.d",
            "a..c",
            ".b.c",
            "a.b.",
            "..",
            "a.b.c!",
            "a b.c.d",
            "ä.b.c",
            "a.b.c;info=<https://c",
            "a.b.c;ppt=\"shaken",
            "a.b.c;info=<https://c>x;alg=ES256",
            "a.b.c;info=<https://c>;info=<https://d>",
            &long,
        ] {
            assert!(matches!(Identity::parse(wrong), Err(Flaw::Malformed(_))), "{wrong}");
        }
    }
}
