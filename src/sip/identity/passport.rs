//! The token itself: what is in it, and how one is written (RFC 8225, RFC 8588).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::json;

use super::{Attest, Flaw};

/// Called numbers in one token; more is nothing that a call has.
const MAX_DEST: usize = 32;

/// The protected header (RFC 8225 section 4). What else is in it changes nothing here.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    pub alg: String,
    pub typ: String,
    pub x5u: String,
    pub ppt: Option<String>,
    /// Extensions that must be understood (RFC 7515 section 4.1.11): none is.
    crit: Option<serde_json::Value>,
}

/// The claims.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    pub iat: u64,
    pub orig: Orig,
    pub dest: Dest,
    pub attest: Option<String>,
    pub origid: Option<String>,
}

/// Who calls.
#[derive(Debug, Deserialize)]
pub(super) struct Orig {
    pub tn: Option<String>,
}

/// Who is called.
#[derive(Debug, Deserialize)]
pub(super) struct Dest {
    tn: Option<Tns>,
}

/// A list (RFC 8225 section 5.2.1), or the one number that some signers write.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Tns {
    Many(Vec<String>),
    One(String),
}

impl Dest {
    pub fn numbers(&self) -> impl Iterator<Item = &str> {
        let all = match &self.tn {
            Some(Tns::Many(all)) => all.as_slice(),
            Some(Tns::One(one)) => std::slice::from_ref(one),
            None => &[],
        };
        all.iter().take(MAX_DEST).map(String::as_str)
    }
}

impl Head {
    pub fn read(part: &str) -> Result<Head, Flaw> {
        let head: Head = json_of(part, "its header is not what RFC 8225 asks for")?;
        if head.alg != "ES256" {
            return Err(Flaw::Unsupported("the algorithm is not ES256"));
        }
        if head.crit.is_some() {
            return Err(Flaw::Unsupported("it has critical extensions"));
        }
        if head.typ != "passport" {
            return Err(Flaw::Malformed("it is not of type passport"));
        }
        Ok(head)
    }
}

impl Claims {
    pub fn read(part: &str) -> Result<Claims, Flaw> {
        json_of(part, "its claims are not what RFC 8225 asks for")
    }
}

/// A part of a token, which the header's own bound has bounded.
fn json_of<T: for<'de> Deserialize<'de>>(part: &str, wrong: &'static str) -> Result<T, Flaw> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Flaw::Malformed("base64url"))?;
    serde_json::from_slice(&bytes).map_err(|_| Flaw::Malformed(wrong))
}

/// The signature: two numbers of 32 bytes (RFC 7518 section 3.4).
pub(super) fn signature_of(part: &str) -> Result<[u8; 64], Flaw> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Flaw::Malformed("base64url"))?;
    bytes.try_into().map_err(|_| Flaw::Malformed("the signature has not 64 bytes"))
}

/// What was signed, for a compact form: the very bytes that its signer must have made (RFC 8224
/// section 4.1, RFC 8225 section 9).
pub(super) fn rebuilt(x5u: &str, orig: &str, dest: &str, iat: u64) -> String {
    let head = json!({ "alg": "ES256", "typ": "passport", "x5u": x5u });
    let claims = json!({ "dest": { "tn": [dest] }, "iat": iat, "orig": { "tn": orig } });
    text_of(&head, &claims)
}

/// Names stand in the order of their letters, without blanks (RFC 8225 section 9).
fn text_of(head: &serde_json::Value, claims: &serde_json::Value) -> String {
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(head), part(claims))
}

/// A token that is to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft<'a> {
    /// How sure we are.
    pub attest: Attest,
    /// The called number, digits alone.
    pub dest: &'a str,
    /// Seconds since 1970.
    pub iat: u64,
    /// The caller's number, digits alone.
    pub orig: &'a str,
    /// Where the call entered our network; nobody else can tell what it means.
    pub origid: &'a str,
    /// Where our certificate is.
    pub x5u: &'a str,
}

impl Draft<'_> {
    /// What is to be signed (RFC 8588 section 3).
    pub fn text(&self) -> String {
        let head = json!({ "alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": self.x5u });
        let claims = json!({
            "attest": self.attest.as_str(),
            "dest": { "tn": [self.dest] },
            "iat": self.iat,
            "orig": { "tn": self.orig },
            "origid": self.origid,
        });
        text_of(&head, &claims)
    }

    /// The Identity header of a text that was signed.
    pub fn header(&self, text: &str, signature: &[u8; 64]) -> String {
        let signature = URL_SAFE_NO_PAD.encode(signature);
        format!("{text}.{signature};info=<{}>;alg=ES256;ppt=shaken", self.x5u)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_the_text_that_rfc_8588_asks_for() {
        let draft = Draft {
            attest: Attest::A,
            dest: "12155551213",
            iat: 1_443_208_345,
            orig: "12155551212",
            origid: "123e4567-e89b-12d3-a456-426655440000",
            x5u: "https://cert.example.org/passport.cer",
        };
        let text = draft.text();
        let (head, claims) = text.split_once('.').expect("two parts");
        let plain = |part| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        // The example of RFC 8588 section 3, as canonical JSON.
        assert_eq!(
            plain(head),
            r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://cert.example.org/passport.cer"}"#
        );
        assert_eq!(
            plain(claims),
            r#"{"attest":"A","dest":{"tn":["12155551213"]},"iat":1443208345,"orig":{"tn":"12155551212"},"origid":"123e4567-e89b-12d3-a456-426655440000"}"#
        );
    }

    #[test]
    fn claims_of_other_shapes_are_refused() {
        let claims = |json: &str| Claims::read(&URL_SAFE_NO_PAD.encode(json));
        let good = claims(r#"{"iat":1,"orig":{"tn":"1"},"dest":{"tn":["2","3"]},"x":[{}]}"#);
        assert_eq!(good.expect("sound").dest.numbers().collect::<Vec<_>>(), ["2", "3"]);
        let one = claims(r#"{"iat":1,"orig":{"tn":"1"},"dest":{"tn":"2"}}"#).expect("sound");
        assert_eq!(one.dest.numbers().collect::<Vec<_>>(), ["2"]);
        for wrong in [
            "",
            "null",
            "[]",
            r#"{"iat":-1,"orig":{},"dest":{}}"#,
            r#"{"iat":1.5,"orig":{},"dest":{}}"#,
            r#"{"iat":"1","orig":{},"dest":{}}"#,
            r#"{"iat":1,"iat":2,"orig":{},"dest":{}}"#,
            r#"{"iat":1,"orig":"1","dest":{}}"#,
            r#"{"iat":1,"orig":{"tn":1},"dest":{}}"#,
            r#"{"iat":1,"orig":{},"dest":{"tn":[1]}}"#,
            &format!("{}1{}", "[".repeat(4_000), "]".repeat(4_000)),
        ] {
            assert!(matches!(claims(wrong), Err(Flaw::Malformed(_))), "{wrong}");
        }
    }

    #[test]
    fn critical_extensions_and_other_algorithms_are_unsupported() {
        let head = |json: &str| Head::read(&URL_SAFE_NO_PAD.encode(json)).map(|head| head.x5u);
        assert_eq!(head(r#"{"alg":"ES256","typ":"passport","x5u":"u"}"#), Ok("u".to_owned()));
        for json in [
            r#"{"alg":"none","typ":"passport","x5u":"u"}"#,
            r#"{"alg":"HS256","typ":"passport","x5u":"u"}"#,
            r#"{"alg":"ES256","typ":"passport","x5u":"u","crit":["x"]}"#,
        ] {
            assert!(matches!(head(json), Err(Flaw::Unsupported(_))), "{json}");
        }
        let other = head(r#"{"alg":"ES256","typ":"JWT","x5u":"u"}"#);
        assert!(matches!(other, Err(Flaw::Malformed(_))));
    }
}
