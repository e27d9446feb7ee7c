//! Identity headers, the tokens in them, and what stands where their certificates should.

use offhook::sip::identity::{self, Authority, Chain, Claim};

/// Reads an Identity header as it stands, a token around these claims, and a certificate.
pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let call = identity::Call { caller: "1", called: "2", to: "3", now: 1, ..Default::default() };
    for value in [text.to_string(), around(bytes)] {
        match Claim::read([value.as_str()].into_iter(), &identity::Call { date: Some(1), ..call }) {
            Ok(Some(claim)) => {
                assert!(
                    claim.token.split('.').count() == 3
                        && claim.x5u[..8].eq_ignore_ascii_case("https://")
                );
            }
            Ok(None) => {}
            Err(refused) => assert!((400..500).contains(&refused.flaw.status())),
        }
    }
    if let Some(number) = identity::canonical(&text) {
        assert_eq!(identity::canonical(&number), Some(number));
    }
    let _ = (identity::read_date(&text), identity::Verstat::parse(&text));
    let _ = (Authority::parse(bytes), Authority::of(bytes), identity::raw_signature(bytes));
    if let Ok(chain) = Chain::parse(bytes) {
        assert!(chain.trusted(&[bytes.to_vec()], &[], 1).is_err(), "no algorithm, no trust");
    }
}

/// A token whose claims are these bytes.
fn around(claims: &[u8]) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let head = r#"{"alg":"ES256","typ":"passport","x5u":"https://c/d"}"#;
    let [head, claims, signature] =
        [head.as_bytes(), claims, &[7; 64]].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{head}.{claims}.{signature};info=<https://c/d>")
}
