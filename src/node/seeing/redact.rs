//! Takes off what must not be kept: digest responses, passwords in URIs and queries, media keys,
//! pressed keys. Every secret is overwritten in place, so that lengths stay what they were and
//! a message's Content-Length remains right.

use crate::sip::line_ends_before;
use memchr::memmem;

use super::wire;

/// What stands where a secret stood.
const MASK: u8 = b'*';

/// Names of query parameters whose values are secrets, in small letters.
const SECRETS: [&str; 8] =
    ["password", "passwd", "pwd", "token", "secret", "apikey", "key", "signature"];

/// A SIP message without what could let its reader in, or hear the call.
pub fn message(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let base = bytes.as_ptr() as usize;
    let mut within = Header::Plain;
    let mut body = false;
    // What stands before a message is no end of its headers.
    for line in wire::lines(bytes.get(line_ends_before(bytes)..).unwrap_or_default()) {
        let at = (line.as_ptr() as usize).wrapping_sub(base);
        let Some(line) = out.get_mut(at..at + line.len()) else { break };
        if body {
            media_secrets(line);
        } else if line.is_empty() {
            body = true;
        } else {
            within = Header::of(line, within);
            match within {
                Header::Plain => uri_passwords(line),
                Header::Digest => digest(line),
                Header::Opaque => opaque(line),
            }
        }
    }
    out
}

/// What kind of header a line belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Header {
    Plain,
    /// Digest credentials: parameters, of which some are proofs.
    Digest,
    /// Credentials of any other scheme.
    Opaque,
}

impl Header {
    /// A line that starts with a blank goes on with the header before it.
    fn of(line: &[u8], before: Header) -> Header {
        if line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
            return before;
        }
        // Most lines are told by their first letter.
        if !line.first().is_some_and(|byte| b"aApP".contains(byte)) {
            return Header::Plain;
        }
        let end = memchr::memchr(b':', line).unwrap_or(line.len());
        let name = line.get(..end).unwrap_or_default().trim_ascii_end();
        let value = line.get(end + 1..).unwrap_or_default().trim_ascii_start();
        let named = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let scheme = value.get(..7).unwrap_or_default();
        if named("Authentication-Info") {
            return Header::Digest;
        }
        match named("Authorization") || named("Proxy-Authorization") {
            true if scheme.eq_ignore_ascii_case(b"digest ") => Header::Digest,
            true => Header::Opaque,
            false => Header::Plain,
        }
    }
}

/// Keeps who asked for what, and loses the proof: whoever has it can guess passwords at leisure.
fn digest(line: &mut [u8]) {
    let lower = line.to_ascii_lowercase();
    for name in [&b"response"[..], b"rspauth", b"cnonce"] {
        let mut masked = 0;
        for at in memmem::find_iter(&lower, name) {
            // What stands in a value is masked with it, once.
            if at < masked {
                continue;
            }
            let after = at + name.len();
            let rest = lower.get(after..).unwrap_or_default();
            let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            if rest.get(blanks) != Some(&b'=') {
                continue;
            }
            let value = rest.get(blanks + 1..).unwrap_or_default();
            let start = lower.len() - value.trim_ascii_start().len();
            masked = match value.trim_ascii_start().first() {
                Some(b'"') => mask(line, start + 1, |byte| byte == b'"'),
                _ => mask(line, start, |byte| byte == b','),
            };
        }
    }
}

/// Loses everything after the header's name.
fn opaque(line: &mut [u8]) {
    let start = match line.first() {
        Some(b' ' | b'\t') => 0,
        _ => memchr::memchr(b':', line).map_or(0, |at| at + 1),
    };
    mask(line, start, |_| false);
}

/// `sip:user:password@host` (RFC 3261 section 19.1.1 calls it a risk; it is still seen).
fn uri_passwords(line: &mut [u8]) {
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'@', line.get(from..).unwrap_or_default()) {
        let at = from + found;
        // A password has none of these, so what is before the last of them is something else.
        let before = line.get(from..at).unwrap_or_default();
        let ends = |byte: &u8| b"<>\" \t,".contains(byte);
        let start = from + before.iter().rposition(ends).map_or(0, |end| end + 1);
        let word = line.get(start..at).unwrap_or_default();
        let scheme = |name: &[u8]| {
            let found = word.windows(name.len()).position(|part| part.eq_ignore_ascii_case(name));
            found.map(|found| found + name.len())
        };
        if let Some(user) = scheme(b"sip:").or_else(|| scheme(b"sips:"))
            && let Some(colon) = word.get(user..).and_then(|user| memchr::memchr(b':', user))
        {
            mask(line, start + user + colon + 1, |byte| byte == b'@');
        }
        from = at + 1;
    }
}

/// SDES and other keys of media (RFC 4568 section 9.1), ICE passwords, pressed keys.
fn media_secrets(line: &mut [u8]) {
    let begins =
        |name: &[u8]| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    if begins(b"a=crypto:") {
        let lower = line.to_ascii_lowercase();
        let mut masked = 0;
        for at in memmem::find_iter(&lower, b"inline:") {
            if at >= masked {
                masked = mask(line, at + 7, |byte| matches!(byte, b'|' | b';' | b' '));
            }
        }
        return;
    }
    let whole: [&[u8]; 4] = [b"a=ice-pwd:", b"a=key-mgmt:", b"k=", b"signal="];
    if let Some(name) = whole.into_iter().find(|name| begins(name)) {
        mask(line, name.len(), |_| false);
    }
}

/// Overwrites from `start` until `ends` says so; where that was.
fn mask(line: &mut [u8], start: usize, ends: impl Fn(u8) -> bool) -> usize {
    let rest = line.get_mut(start..).unwrap_or_default();
    let mut end = start;
    for byte in rest.iter_mut().take_while(|byte| !ends(**byte)) {
        if !byte.is_ascii_whitespace() {
            *byte = MASK;
        }
        end += 1;
    }
    end
}

/// A URL without passwords: those before `@`, and the values of query parameters that are
/// called like secrets.
pub fn url(url: &str) -> String {
    let (base, query) = match url.split_once('?') {
        Some((base, query)) => (base, Some(query)),
        None => (url, None),
    };
    let mut out = without_password(base);
    let Some(query) = query else { return out };
    for (index, pair) in query.split('&').enumerate() {
        out.push(if index == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => {
                out.push_str(name);
                out.push_str("=***");
            }
            _ => out.push_str(pair),
        }
    }
    out
}

/// The same for every URL in a sentence.
pub fn text(text: &str) -> String {
    text.split_inclusive(char::is_whitespace)
        .map(|word| match word.contains("://") {
            true => url(word.trim_end()) + &word[word.trim_end().len()..],
            false => word.to_owned(),
        })
        .collect()
}

/// A sentence with telephone numbers that nobody can call: of their digits the last two are left.
/// Dates and short numbers stay.
pub fn numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, after) = rest.split_at(start);
        let written = |c: char| c.is_ascii_digit() || "-.()/ \u{a0}".contains(c);
        let end = after.find(|c| !written(c)).unwrap_or(after.len());
        let (number, later) = after.split_at(end);
        out.push_str(before);
        out.push_str(&without_digits(number));
        rest = later;
    }
    out + rest
}

fn without_digits(number: &str) -> String {
    /// Emergency and service numbers, and extensions, say of nobody who they are.
    const SHORT: usize = 4;
    /// So many at the end tell one call from the next.
    const LEFT: usize = 2;
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let date = number.as_bytes().get(..10).is_some_and(|date| {
        let shape = b"0000-00-00".iter().zip(date);
        shape.into_iter().all(|(s, d)| if *s == b'0' { d.is_ascii_digit() } else { s == d })
    });
    if digits <= SHORT || date {
        return number.to_owned();
    }
    let mut seen = 0;
    let masked = number.chars().map(|c| {
        seen += usize::from(c.is_ascii_digit());
        if c.is_ascii_digit() && seen + LEFT <= digits { char::from(MASK) } else { c }
    });
    masked.collect()
}

fn is_secret(name: &str) -> bool {
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    let name = name.to_ascii_lowercase();
    SECRETS.iter().any(|secret| name.ends_with(secret))
}

fn without_password(base: &str) -> String {
    let Some((scheme, rest)) = base.split_once("://") else { return base.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:***@{host}{path}")
        }
        None => base.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str) -> String {
        let out = message(text.as_bytes());
        assert_eq!(out.len(), text.len(), "lengths stay");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn numbers_keep_their_last_two_digits() {
        for (text, wanted) in [
            ("dial: +15551231234 as +442071838750", "dial: +*********34 as +**********50"),
            (
                "t.routes.toml:81: rewrite: 911 becomes 112",
                "t.routes.toml:81: rewrite: 911 becomes 112",
            ),
            ("says +1 (415) 555-0100, which", "says +* (***) ***-**00, which"),
            ("Sat 2026-11-21 21:00 +08: mon-fri", "Sat 2026-11-21 21:00 +08: mon-fri"),
            ("é 12345é", "é ***45é"),
            ("", ""),
        ] {
            assert_eq!(numbers(text), wanted);
        }
    }

    #[test]
    fn digest_keeps_who_and_loses_the_proof() {
        let said = redacted(
            "REGISTER sip:office SIP/2.0\r\n\
             Authorization: Digest username=\"home\", realm=\"office\", nonce=\"abc\", uri=\"sip:office\",\r\n \
             Response = \"0123456789abcdef\", cnonce=\"feed\", qop=auth, nc=00000001\r\n\
             proxy-authorization : Digest username=\"x\",response=deadbeef,algorithm=MD5\r\n\
             Authentication-Info: rspauth=\"cafe\", qop=auth\r\n\r\n",
        );
        for secret in ["0123456789abcdef", "deadbeef", "cafe", "feed"] {
            assert!(!said.contains(secret), "{secret}: {said}");
        }
        for kept in
            ["username=\"home\"", "nonce=\"abc\"", "qop=auth", "nc=00000001", "algorithm=MD5"]
        {
            assert!(said.contains(kept), "{kept}: {said}");
        }
    }

    /// One that masks the rest of the line for each name takes minutes here.
    #[test]
    fn names_within_values_cost_nothing_more() {
        let digest =
            format!("BYE sip:a SIP/2.0\r\nAuthorization: Digest {}", "cnonce=".repeat(9_000));
        let keys = format!("BYE sip:a SIP/2.0\r\n\r\na=crypto:1 x {}", "inline:".repeat(9_000));
        for _ in 0..50 {
            assert!(
                !redacted(&digest).contains("cnonce=c") && !redacted(&keys).contains("inline:i")
            );
        }
    }

    #[test]
    fn other_schemes_lose_all() {
        for value in ["Basic aG9tZTpzZWNyZXQ=", "Bearer ey.JhbGc=.x", "Basic\r\n aG9tZTpzZWNyZXQ="]
        {
            let said = redacted(&format!("BYE sip:a SIP/2.0\r\nAuthorization: {value}\r\n\r\n"));
            assert!(!said.contains("aG9t") && !said.contains("ey.J"), "{said}");
        }
    }

    #[test]
    fn keys_of_media_and_of_the_keypad_are_gone() {
        let said = redacted(
            "INVITE sip:home:secret@office SIP/2.0\r\nTo: <sips:x:hush@y>;tag=a:b@c\r\n\
             Contact: <sip:a@192.0.2.1:5060>\r\n\r\n\
             v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZi|2^20|1:32\r\n\
             a=ice-pwd:asd88fgpdd777uzjYhagZg\r\na=key-mgmt:mikey AQAFgM0X\r\nk=clear:moon\r\n\
             Signal=5\r\nDuration=160\r\n",
        );
        for secret in ["secret", "hush", "d0Rm", "asd88", "AQAF", "moon", "Signal=5"] {
            assert!(!said.contains(secret), "{secret}: {said}");
        }
        for kept in ["inline:", "|2^20|1:32", "<sip:a@192.0.2.1:5060>", "tag=a:b@c", "Duration=160"]
        {
            assert!(said.contains(kept), "{kept}: {said}");
        }
    }

    #[test]
    fn nothing_that_a_peer_writes_panics() {
        let samples: [&[u8]; 8] = [
            b"Authorization",
            b"x\r\nAuthorization:\r\nAuthorization: response=\r\n\r\na=crypto:inline:",
            b"x\nAuthorization: Digest response=\"",
            b"x\nTo: sip:@ sip:: sips:a:@",
            b"\r\n\r\n\xff\xfea=crypto:",
            b"x\nContact: sip",
            b"@\nTo:sip:@@:@sips:",
            b"x\n\nk=\na=crypto:\nsignal=",
        ];
        for bytes in samples {
            assert_eq!(message(bytes).len(), bytes.len());
        }
    }

    #[test]
    fn damaged_messages_keep_their_length_and_harm_nobody() {
        let whole =
            b"REGISTER sip:a:b@c SIP/2.0\r\nAuthorization: Digest response=\"x\", cnonce=\"y\"\r\n\
            Proxy-Authorization: Basic zzz=\r\n\r\na=crypto:1 X inline:abc|2^20\r\nSignal=5\r\n";
        let mut rng = crate::base::Rng::from_number(5);
        for _ in 0..2_000 {
            let mut bytes = whole.to_vec();
            for _ in 0..4 {
                let [at, value] = rng.bytes::<2>().map(usize::from);
                let at = at % bytes.len();
                bytes[at] = value as u8;
            }
            bytes.truncate(1 + usize::from(rng.bytes::<1>()[0]) % bytes.len());
            assert_eq!(message(&bytes).len(), bytes.len());
        }
    }

    #[test]
    fn urls_lose_passwords() {
        assert_eq!(url("https://u:pw@h/x?a=1"), "https://u:***@h/x?a=1");
        assert_eq!(
            url("http://h/v?auth_token=t&Api-Key=k&x=y"),
            "http://h/v?auth_token=***&Api-Key=***&x=y"
        );
        assert_eq!(url("bin:menu"), "bin:menu");
        assert_eq!(text("no http://h/?pwd=1 today"), "no http://h/?pwd=*** today");
    }

    #[test]
    fn line_ends_before_a_request_hide_no_credentials() {
        let text = "\r\nINVITE sip:b@h SIP/2.0\r\nCall-ID: c1\r\nAuthorization: Digest \
            username=\"a\", response=\"0123456789abcdef\", cnonce=\"beef\"\r\n\r\n";
        let kept = String::from_utf8(message(text.as_bytes())).expect("text");
        assert!(!kept.contains("0123456789abcdef"), "{kept}");
    }
}
