//! The answers to the challenges that one request has met (RFC 3261 section 22.3).

use crate::sip::auth;
use crate::sip::{HeaderField, Login, Message};

/// How often one request is sent again with credentials: two proxies and the far end, and one
/// nonce among theirs that had grown stale.
const MAX_TRIES: u8 = 4;

/// The Authorization and Proxy-Authorization headers collected so far.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    fields: Vec<HeaderField>,
    tries: u8,
}

impl Credentials {
    /// The headers to send.
    pub fn fields(&self) -> &[HeaderField] {
        &self.fields
    }

    /// Answers the challenges of a 401 or 407; false when that is no use: the login is not for
    /// that realm, or the password was wrong, or it goes on without end.
    pub fn meet(
        &mut self,
        challenge: &Message,
        method: &str,
        uri: &str,
        login: &Login,
        cnonce: &str,
    ) -> bool {
        self.tries += 1;
        let stale = auth::is_stale(challenge);
        let Ok(mut answers) = auth::answer(challenge, method, uri, login, cnonce, 1) else {
            return false;
        };
        // Who asked first is the one whom the login is for. Further on sit strangers, who would
        // only collect hashes of it.
        if !self.fields.is_empty() {
            answers.retain(|answer| self.fields.iter().any(|f| realm(&f.1) == realm(&answer.1)));
        }
        if answers.is_empty() {
            return false;
        }
        for answer in answers {
            let known = self.fields.iter_mut().find(|field| same_place(field, &answer));
            match known {
                Some(_) if !stale => return false,
                Some(field) => *field = answer,
                None => self.fields.push(answer),
            }
        }
        self.tries <= MAX_TRIES
    }

    /// The login as it may be used in the dialog that came of this: for the realm that it was used
    /// for, or for none. A callee who challenges our BYE gets nothing (CVE-2021-41158).
    pub fn pinned(&self, login: Login) -> Option<Login> {
        let met = self.fields.first().and_then(|field| realm(&field.1)).map(str::to_owned);
        let realm = login.realm.clone().or(met)?;
        Some(Login { realm: Some(realm), ..login })
    }
}

/// Whether both are for the same realm of the same kind.
fn same_place(one: &HeaderField, two: &HeaderField) -> bool {
    one.0 == two.0 && realm(&one.1) == realm(&two.1)
}

fn realm(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("realm=\"")?;
    let mut escaped = false;
    let end = rest.find(|c| match c {
        _ if std::mem::take(&mut escaped) => false,
        '\\' => {
            escaped = true;
            false
        }
        c => c == '"',
    })?;
    rest.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Secret;
    use crate::sip::Parsed;

    fn challenge(status: u16, header: &str, realm: &str, rest: &str) -> Message {
        let text = format!(
            "SIP/2.0 {status} x\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:c@d>;tag=2\r\nCall-ID: i\r\nCSeq: 1 INVITE\r\n\
             {header}: Digest realm=\"{realm}\", nonce=\"n\"{rest}\r\nContent-Length: 0\r\n\r\n"
        );
        match Message::parse(text.into()) {
            Parsed::Valid(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_realm_is_answered_once_unless_its_nonce_was_stale() {
        let login = Login { username: "u".into(), password: Secret::new("p"), realm: None };
        let mut credentials = Credentials::default();
        let mut meet = |status, header, realm, rest| {
            let challenge = challenge(status, header, realm, rest);
            credentials.meet(&challenge, "INVITE", "sip:c@d", &login, "c")
        };
        assert!(meet(407, "Proxy-Authenticate", "one", ""));
        assert!(meet(401, "WWW-Authenticate", "one", ""));
        assert!(meet(407, "Proxy-Authenticate", "one", ", stale=true"));
        assert!(!meet(407, "Proxy-Authenticate", "one", ""), "a wrong password");
        assert_eq!(credentials.fields().len(), 2);
    }

    #[test]
    fn strangers_behind_the_first_challenger_collect_nothing() {
        let login = Login { username: "u".into(), password: Secret::new("p"), realm: None };
        let mut credentials = Credentials::default();
        assert_eq!(credentials.pinned(login.clone()), None, "never asked: for nobody");
        let mut meet = |realm: &str| {
            let challenge = challenge(407, "Proxy-Authenticate", realm, "");
            credentials.meet(&challenge, "INVITE", "sip:c@d", &login, "c")
        };
        assert!(meet("carrier") && !meet("evil"));
        assert_eq!(credentials.fields().len(), 1);
        let pinned = credentials.pinned(login.clone()).and_then(|login| login.realm);
        assert_eq!(pinned.as_deref(), Some("carrier"));
        let configured = Login { realm: Some("own".into()), ..login };
        let pinned = Credentials::default().pinned(configured).and_then(|login| login.realm);
        assert_eq!(pinned.as_deref(), Some("own"));
    }

    #[test]
    fn endless_challenges_are_given_up() {
        let login = Login { username: "u".into(), password: Secret::new("p"), realm: None };
        let mut credentials = Credentials::default();
        let stale = challenge(401, "WWW-Authenticate", "r", ", stale=true");
        let tries = (0..20)
            .take_while(|_| credentials.meet(&stale, "INVITE", "sip:c@d", &login, "c"))
            .count();
        assert_eq!(tries, usize::from(MAX_TRIES));
        let other = Login { realm: Some("elsewhere".into()), ..login };
        assert!(!Credentials::default().meet(&stale, "INVITE", "sip:c@d", &other, "c"));
    }
}
