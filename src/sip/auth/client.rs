//! The client's side: answers to 401 and 407 (RFC 3261 section 22.2 and 22.3).

use std::fmt;

use super::hash::Algorithm;
use super::{Exchange, Scheme};
use crate::base::Fault;
use crate::sip::event::{HeaderField, Login};
use crate::sip::header::HeaderName;
use crate::sip::message::Message;
use crate::sip::write::quoted;

/// Why a challenge cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerError {
    /// The response has no digest challenge.
    NoChallenge,
    /// All challenges are for realms that the login is not for.
    OtherRealm,
    /// The realm's challenges want what we do not do (auth-int alone, unknown algorithms), or
    /// lack their nonce.
    Unsupported,
}

impl AnswerError {
    /// Who should act.
    pub const fn fault(self) -> Fault {
        match self {
            AnswerError::NoChallenge | AnswerError::Unsupported => Fault::Peer,
            AnswerError::OtherRealm => Fault::Operator,
        }
    }
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AnswerError::NoChallenge => "no digest challenge in the response",
            AnswerError::OtherRealm => "the challenge is for another realm than the login",
            AnswerError::Unsupported => "the challenge asks for an unsupported digest",
        })
    }
}

impl std::error::Error for AnswerError {}

/// The headers that answer the challenges of `response`: Authorization for WWW-Authenticate,
/// Proxy-Authorization for Proxy-Authenticate, one for each realm, since a forked request may be
/// challenged by several at once. SHA-256 goes before MD5.
///
/// `uri` is the Request-URI of the request to be sent, `cnonce` a fresh random text, `nc` how
/// often this nonce was answered, from 1. Who was challenged again after an answer, without
/// [`is_stale`], has the wrong password and should give up.
pub fn answer(
    response: &Message,
    method: &str,
    uri: &str,
    login: &Login,
    cnonce: &str,
    nc: u32,
) -> Result<Vec<HeaderField>, AnswerError> {
    let mut best: Vec<Choice<'_>> = Vec::new();
    let mut worst = AnswerError::NoChallenge;
    for (name, scheme) in challenges(response) {
        let realm = scheme.get("realm").unwrap_or_default();
        if login.realm.as_deref().is_some_and(|wanted| wanted != realm) {
            if worst == AnswerError::NoChallenge {
                worst = AnswerError::OtherRealm;
            }
            continue;
        }
        let Some(choice) = Choice::new(name, scheme, realm) else {
            worst = AnswerError::Unsupported;
            continue;
        };
        match best.iter_mut().find(|known| known.name == name && known.realm == realm) {
            Some(known) if known.algorithm < choice.algorithm => *known = choice,
            Some(_) => {}
            None => best.push(choice),
        }
    }
    if best.is_empty() {
        return Err(worst);
    }
    let nc = format!("{nc:08x}");
    Ok(best.iter().map(|choice| choice.answer(method, uri, login, cnonce, &nc)).collect())
}

/// Whether every challenge says that only the nonce was too old.
pub fn is_stale(response: &Message) -> bool {
    let mut all = challenges(response).peekable();
    let stale = |(_, scheme): (HeaderName, Scheme<'_>)| {
        scheme.get("stale").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    };
    all.peek().is_some() && all.all(stale)
}

fn challenges(response: &Message) -> impl Iterator<Item = (HeaderName, Scheme<'_>)> {
    let kinds = [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate];
    let of_kind = |name| {
        let values = response.values(name).flat_map(Scheme::read_all);
        values.filter(Scheme::is_digest).map(move |scheme| (name, scheme))
    };
    kinds.into_iter().flat_map(of_kind).take(MAX_CHALLENGES)
}

/// Challenges looked at in one response: two algorithms of eight realms.
const MAX_CHALLENGES: usize = 16;

/// A challenge that can be answered.
struct Choice<'a> {
    name: HeaderName,
    scheme: Scheme<'a>,
    realm: &'a str,
    nonce: &'a str,
    algorithm: Algorithm,
    session: bool,
    /// The server takes `qop=auth`; the oldest servers name no qop.
    counted: bool,
}

impl<'a> Choice<'a> {
    fn new(name: HeaderName, scheme: Scheme<'a>, realm: &'a str) -> Option<Choice<'a>> {
        let (algorithm, session) = Algorithm::from_name(scheme.get("algorithm"))?;
        let nonce = scheme.get("nonce")?;
        let counted = match scheme.get("qop") {
            Some(qop) => {
                let auth = |offer: &str| offer.trim().eq_ignore_ascii_case("auth");
                qop.split(',').any(auth).then_some(true)?
            }
            None => session,
        };
        Some(Choice { name, scheme, realm, nonce, algorithm, session, counted })
    }

    fn answer(
        &self,
        method: &str,
        uri: &str,
        login: &Login,
        cnonce: &str,
        nc: &str,
    ) -> HeaderField {
        let exchange = Exchange {
            algorithm: self.algorithm,
            session: self.session,
            username: &login.username,
            realm: self.realm,
            nonce: self.nonce,
            count: self.counted.then_some((cnonce, nc)),
            method,
            uri,
        };
        let response = exchange.response(login.password.expose());
        let mut value = format!(
            "Digest username={}, realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{response}\"",
            quoted(&login.username),
            self.realm,
            self.nonce
        );
        if let Some(name) = self.scheme.get("algorithm") {
            value.push_str(&format!(", algorithm={name}"));
        }
        if let Some(opaque) = self.scheme.get("opaque") {
            value.push_str(&format!(", opaque=\"{opaque}\""));
        }
        if self.counted {
            value.push_str(&format!(", qop=auth, nc={nc}, cnonce=\"{cnonce}\""));
        }
        let name = match self.name {
            HeaderName::ProxyAuthenticate => HeaderName::ProxyAuthorization,
            _ => HeaderName::Authorization,
        };
        (name.as_str().to_owned(), value)
    }
}
