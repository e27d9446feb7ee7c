//! Credentials of a phone, judged: nobody gets in without the password.

use offhook::base::{Duration, Instant, Secret};
use offhook::sip::auth::{Challenger, Verdict, answer};
use offhook::sip::{Login, Message, Parsed};

const REALM: &str = "example.com";

pub fn run(bytes: &[u8]) {
    let Ok(value) = std::str::from_utf8(bytes) else { return };
    if let Some(message) = request(value) {
        verified(&message);
    }
    damaged(value);
}

fn request(credentials: &str) -> Option<Message> {
    let text = format!(
        "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
         From: <sip:a@example.com>;tag=1\r\nTo: <sip:a@example.com>\r\nCall-ID: 1\r\n\
         CSeq: 2 REGISTER\r\nAuthorization: {credentials}\r\n\r\n"
    );
    match Message::parse(text.into()) {
        Parsed::Valid(message) => Some(message),
        _ => None,
    }
}

/// Judges the credentials of a message whose sender cannot know the password.
pub fn verified(message: &Message) {
    let source = [192, 0, 2, 1].into();
    let password = Secret::new("nobody knows it");
    let mut challenger = Challenger::new([1; 32]);
    let verdict = challenger.verify(Instant::ZERO, message, REALM, source, |_| Some(&password));
    let out = matches!(verdict, Verdict::Missing | Verdict::Refused { .. } | Verdict::Stale);
    assert!(out, "{verdict:?}");
    let _ = challenger.is_answer(message, REALM, source);
}

/// The right credentials with one parameter put before and behind them: the right answer counts
/// at most once for one request, and only for its own source.
fn damaged(extra: &str) {
    let (source, other) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    let now = Instant::from_millis(1_000);
    let mut challenger = Challenger::new([1; 32]);
    let Some((_, challenge)) = challenger.challenge(now, REALM, source, false).pop() else {
        return;
    };
    let asked = format!(
        "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
         From: <sip:a@example.com>;tag=1\r\nTo: <sip:a@example.com>;tag=2\r\nCall-ID: 1\r\n\
         CSeq: 1 REGISTER\r\nWWW-Authenticate: {challenge}\r\n\r\n"
    );
    let Parsed::Valid(asked) = Message::parse(asked.into()) else { panic!("our own challenge") };
    let password = Secret::new("right");
    let login = Login { username: "a".into(), password: password.clone(), realm: None };
    let answers = answer(&asked, "REGISTER", "sip:example.com", &login, "c", 1).expect("known");
    let (_, right) = answers.into_iter().next().expect("one challenge, one answer");
    let Some(message) = request(&format!("{right}, {extra}")) else { return };
    let verdict = challenger.verify(now, &message, REALM, other, |_| Some(&password));
    assert!(!matches!(verdict, Verdict::Accepted { .. }), "from another address");
    let mut accepted = 0;
    for _ in 0..3 {
        let verdict = challenger.verify(now, &message, REALM, source, |_| Some(&password));
        accepted += u32::from(matches!(verdict, Verdict::Accepted { .. }));
    }
    assert!(accepted <= 1, "a nonce's count is spent once");
    let late = now + Duration::from_secs(24 * 3_600);
    let verdict = challenger.verify(late, &message, REALM, source, |_| Some(&password));
    assert!(!matches!(verdict, Verdict::Accepted { .. }), "a day later");
}
