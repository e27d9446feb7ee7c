//! The HTTP client of webhooks, callbacks and media: HTTP/1.1 with keep-alive over rustls.
//!
//! Every hop is guarded, signed and followed by hand; time, redirects, retries and bodies are
//! bounded; proxies of the environment are ignored, since they would reach around the guard. It
//! does not judge what came: a 500 is a [`Reply`]. RFC 9110 sections 15.4 and 11.7.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use reqwest::cookie::CookieStore;
use reqwest::header::{self, HeaderValue};
use url::{Host, Url};

use crate::base::Secret;
use crate::base::id::CallSid;
use crate::call::Method;

pub use super::authorities::Authorities;
use super::connection::{Connection, Policy};
use super::cookies::Jars;
use super::digest::{self, Login};
use super::message::Headers;
use super::resolver::{GuardedResolver, Lookup, SystemLookup};
use super::{Error, Guard, form, signature};

/// The largest document that is read.
pub const DOCUMENT_LIMIT: usize = 64 * 1024;
/// The largest sound file that is read.
pub const MEDIA_LIMIT: usize = 50 * 1024 * 1024;
/// Redirects followed: the vendor's own bound (the TwiML reference).
pub const MOST_REDIRECTS: usize = 10;
/// Same on every retry of a request, so that an application can tell a repeat.
pub const IDEMPOTENCY_HEADER: &str = "I-Twilio-Idempotency-Token";

/// Applications and firewalls look for this name.
const USER_AGENT: &str = "TwilioProxy/1.1";
/// An idle connection is kept so long: longer than the pause between two steps of a call.
const IDLE: Duration = Duration::from_secs(60);
/// Idle connections to one host: a busy application's calls of one second.
const MOST_IDLE: usize = 64;
/// Connect timeouts are rounded up to this, so that few distinct clients are ever built.
const CONNECT_STEP: u128 = 500;

/// What the client needs to know of this server.
#[derive(Clone)]
pub struct Config {
    /// Networks that requests may reach although they are not public.
    pub allow: Vec<IpNet>,
    /// The key of request signatures.
    pub auth_token: Secret,
    /// How names become addresses.
    pub lookup: Arc<dyn Lookup>,
    /// Authorities that vouch for strangers' servers, besides the system's.
    pub authorities: Arc<Authorities>,
}

impl Config {
    /// With the system's resolver.
    pub fn new(allow: Vec<IpNet>, auth_token: Secret) -> Self {
        Config { allow, auth_token, lookup: Arc::new(SystemLookup), authorities: Arc::default() }
    }
}

/// A request to be made.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Whose cookies go along; none for requests outside calls.
    pub call: Option<CallSid>,
    /// Absolute, http or https; user information and connection overrides are understood.
    pub url: String,
    /// How.
    pub method: Method,
    /// A form for POST; appended to the query for GET.
    pub parameters: Vec<(String, String)>,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The idempotency token.
    pub token: String,
    /// Whether a stranger chose the URL: then it is not signed as ours, for whoever checks the
    /// signature believes what the URL says, and no redirect is followed.
    pub stranger: bool,
    /// The largest body read.
    pub limit: usize,
}

/// What came back, whatever its status.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: Headers,
    /// The body, whole.
    pub body: Bytes,
    /// Where it came from, after redirects, without fragment and user information.
    pub url: String,
}

/// Makes requests.
pub struct Client {
    guard: Arc<Guard>,
    auth_token: Secret,
    lookup: Arc<dyn Lookup>,
    authorities: Arc<Authorities>,
    jars: Jars,
    /// Built when first wanted: one for each connect timeout and trust. Reading the system's
    /// certificates takes longer than the rest of a start, and many never need them.
    clients: Mutex<HashMap<(Duration, Trust), reqwest::Client>>,
}

/// Which authorities vouch for a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Trust {
    /// None: it is spoken to in the clear.
    Nobody,
    /// The system's.
    System,
    /// The system's and those that the configuration names, in that version.
    Named(u64),
}

/// One request of a chain of redirects.
struct Hop {
    url: Url,
    method: Method,
    form: bool,
    login: Option<(String, String)>,
}

impl Client {
    /// A client; nothing is opened yet.
    pub fn new(config: Config) -> Self {
        Client {
            guard: Arc::new(Guard::new(config.allow)),
            auth_token: config.auth_token,
            lookup: config.lookup,
            authorities: config.authorities,
            jars: Jars::default(),
            clients: Mutex::default(),
        }
    }

    /// Makes a request and follows it to its end.
    pub async fn send(&self, outgoing: &Outgoing) -> Result<Reply, Error> {
        let url = Url::parse(&outgoing.url).map_err(|error| Error::BadUrl(error.to_string()))?;
        let connection = Connection::parse(url.fragment())?;
        let following = self.follow(outgoing, first_hop(url, outgoing), &connection);
        match tokio::time::timeout(connection.total, following).await {
            Ok(result) => result,
            Err(_) => Err(Error::TotalTimeout),
        }
    }

    /// Drops what was kept for a call that is over.
    pub fn forget(&self, call: CallSid) {
        self.jars.forget(call);
    }

    async fn follow(
        &self,
        outgoing: &Outgoing,
        mut hop: Hop,
        connection: &Connection,
    ) -> Result<Reply, Error> {
        for _ in 0..=MOST_REDIRECTS {
            let response = self.try_hop(outgoing, &hop, connection).await?;
            let location = response.headers().get(header::LOCATION).map(HeaderValue::as_bytes);
            let next = match outgoing.stranger {
                true => None,
                false => redirect(&hop, response.status().as_u16(), location)?,
            };
            match next {
                Some(next) => hop = next,
                None => return read(response, hop.url, outgoing.limit).await,
            }
        }
        Err(Error::TooManyRedirects)
    }

    /// One hop with its retries.
    async fn try_hop(
        &self,
        outgoing: &Outgoing,
        hop: &Hop,
        connection: &Connection,
    ) -> Result<reqwest::Response, Error> {
        self.check(&hop.url)?;
        let mut left = connection.retries;
        let mut login = hop.login.as_ref().map(basic);
        let mut challenged = false;
        loop {
            let result = self.once(outgoing, hop, connection, login.as_deref()).await;
            if !challenged
                && let Ok(response) = &result
                && let Some(answer) = digest_answer(response, hop, &outgoing.token)
            {
                (login, challenged) = (Some(answer), true);
                continue;
            }
            if left == 0 || !again(&result, connection.policy) {
                return result;
            }
            left -= 1;
        }
    }

    /// What can be refused without a look-up. Literal addresses never pass the resolver, so they
    /// are judged here; `Url` has already turned decimal, octal and hexadecimal forms into one.
    pub(super) fn check(&self, url: &Url) -> Result<(), Error> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::BadUrl(format!("{}: expected http or https", url.scheme())));
        }
        let address = match url.host() {
            None => return Err(Error::BadUrl("it has no host".to_owned())),
            Some(Host::Domain(name)) if name.contains('_') => {
                return Err(Error::BadHost(format!("{name}: host names have no underscore")));
            }
            Some(Host::Domain(_)) => return Ok(()),
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
        };
        self.guard.check(address).map_err(|forbidden| Error::Forbidden(forbidden.to_string()))
    }

    async fn once(
        &self,
        outgoing: &Outgoing,
        hop: &Hop,
        connection: &Connection,
        login: Option<&str>,
    ) -> Result<reqwest::Response, Error> {
        let trust = match (hop.url.scheme() == "https", outgoing.stranger) {
            (false, _) => Trust::Nobody,
            (true, false) => Trust::System,
            (true, true) => Trust::Named(self.authorities.version()),
        };
        let client = self.client(connection.connect, trust)?;
        let form: &[(String, String)] = if hop.form { &outgoing.parameters } else { &[] };
        let mut request = match hop.method {
            Method::Get => client.get(hop.url.clone()),
            Method::Post => client
                .post(hop.url.clone())
                .header(header::CONTENT_TYPE, form::CONTENT_TYPE)
                .body(form::encode(form)),
        };
        if !outgoing.stranger {
            let signature = signature::sign(&self.auth_token, hop.url.as_str(), form);
            request = request
                .header(signature::HEADER, signature)
                .header(IDEMPOTENCY_HEADER, &outgoing.token);
        }
        for (name, value) in &outgoing.headers {
            request = request.header(name, value);
        }
        if let Some(login) = login {
            request = request.header(header::AUTHORIZATION, login);
        }
        let jar = outgoing.call.map(|call| self.jars.of(call));
        if let Some(cookies) = jar.as_ref().and_then(|jar| jar.cookies(&hop.url)) {
            request = request.header(header::COOKIE, cookies);
        }
        // With the default both end together, and the total is the better reason to give.
        if connection.read < connection.total {
            request = request.timeout(connection.read);
        }
        let response = request.send().await?;
        if let Some(jar) = jar {
            jar.set_cookies(&mut response.headers().get_all(header::SET_COOKIE).iter(), &hop.url);
        }
        Ok(response)
    }

    pub(super) fn client(&self, connect: Duration, trust: Trust) -> Result<reqwest::Client, Error> {
        let steps = connect.as_millis().div_ceil(CONNECT_STEP);
        let connect = Duration::from_millis((steps * CONNECT_STEP) as u64);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&(connect, trust)) {
            return Ok(client.clone());
        }
        let resolver = GuardedResolver { lookup: self.lookup.clone(), guard: self.guard.clone() };
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .http1_only()
            .no_proxy()
            .referer(false)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .dns_resolver(resolver)
            .connect_timeout(connect)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MOST_IDLE)
            .tcp_nodelay(true);
        let (mut trust, mut named) = (trust, vec![]);
        if let Trust::Named(version) = &mut trust {
            (*version, named) = self.authorities.get()?;
            // Those of older versions vouch for nobody any more.
            clients.retain(|(_, known), _| !matches!(known, Trust::Named(old) if old != version));
        }
        builder = match trust {
            Trust::Nobody => builder.tls_certs_only([]),
            Trust::System => builder,
            Trust::Named(_) => builder.tls_certs_merge(named),
        };
        let client = builder.build().map_err(|error| Error::Setup(format!("{error:?}")))?;
        clients.insert((connect, trust), client.clone());
        Ok(client)
    }
}

/// The first request: the URL without what is never sent, and with the parameters of a GET.
fn first_hop(mut url: Url, outgoing: &Outgoing) -> Hop {
    url.set_fragment(None);
    let login = take_login(&mut url);
    if outgoing.method == Method::Get {
        form::append(&mut url, &outgoing.parameters);
    }
    Hop { url, method: outgoing.method, form: outgoing.method == Method::Post, login }
}

/// User name and password out of the URL: they go into a header, never onto the request line.
fn take_login(url: &mut Url) -> Option<(String, String)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let user = decoded(url.username());
    let password = url.password().map(decoded);
    if user.is_empty() && password.is_none() {
        return None;
    }
    // Both fail only for URLs without a host, which have no login either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some((user, password.unwrap_or_default()))
}

fn basic((user, password): &(String, String)) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// The answer to a Digest challenge when there is a login to answer with. The idempotency token
/// is random and the nonce is fresh, so together they make a client nonce.
fn digest_answer(response: &reqwest::Response, hop: &Hop, token: &str) -> Option<String> {
    let (user, password) = hop.login.as_ref().filter(|_| response.status() == 401)?;
    let uri = &hop.url[url::Position::BeforePath..];
    let login = Login { user, password, method: hop.method.as_str(), uri, cnonce: token };
    let challenges = response.headers().get_all(header::WWW_AUTHENTICATE);
    challenges.iter().find_map(|value| digest::answer(value.to_str().ok()?, &login))
}

/// Whether the policy asks for another try.
fn again(result: &Result<reqwest::Response, Error>, policy: Policy) -> bool {
    match result {
        Ok(response) => {
            (policy.client_errors && response.status().is_client_error())
                || (policy.server_errors && response.status().is_server_error())
        }
        Err(Error::ReadTimeout) => policy.read,
        Err(error) => policy.connect && error.is_connect(),
    }
}

/// Where a redirect leads; `None` when the response is no redirect. 301, 302 and 303 turn POST
/// into GET, 307 and 308 repeat the request (RFC 9110 section 15.4).
fn redirect(hop: &Hop, status: u16, location: Option<&[u8]>) -> Result<Option<Hop>, Error> {
    let keep = match status {
        301..=303 => false,
        307 | 308 => true,
        _ => return Ok(None),
    };
    let Some(location) = location.and_then(|bytes| std::str::from_utf8(bytes).ok()) else {
        return Err(Error::BadRedirect("it has no Location".to_owned()));
    };
    let mut url =
        hop.url.join(location).map_err(|error| Error::BadRedirect(format!("Location: {error}")))?;
    url.set_fragment(None);
    if hop.url.scheme() == "https" && url.scheme() != "https" {
        return Err(Error::BadRedirect(format!("from TLS to {}", url.scheme())));
    }
    let same = url.origin() == hop.url.origin();
    let login = take_login(&mut url).or_else(|| hop.login.clone().filter(|_| same));
    let method = if keep { hop.method } else { Method::Get };
    Ok(Some(Hop { url, method, form: keep && hop.form, login }))
}

/// Reads the body, and stops as soon as it is known to be too large.
pub(super) async fn read(
    mut response: reqwest::Response,
    url: Url,
    limit: usize,
) -> Result<Reply, Error> {
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(Error::TooLarge(limit));
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(broken_off)? {
        if body.len() + chunk.len() > limit {
            return Err(Error::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    let lossy = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let fields = response.headers().iter().map(|(name, value)| (name.to_string(), lossy(value)));
    Ok(Reply {
        status: response.status().as_u16(),
        headers: Headers::new(fields.collect()),
        body: body.freeze(),
        url: url.to_string(),
    })
}

/// A failure within a body, when the connection itself was good.
fn broken_off(error: reqwest::Error) -> Error {
    match Error::from(error) {
        Error::Connection(why) => Error::Protocol(why),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_keep_to_tls_and_to_the_login_of_their_origin() {
        let login = Some(("u".to_owned(), "p".to_owned()));
        let url = Url::parse("https://a.example/x/y?q=1").unwrap();
        let hop = Hop { url, method: Method::Post, form: true, login: login.clone() };
        let to = |status, location: &str| redirect(&hop, status, Some(location.as_bytes()));
        for location in ["http://a.example/x", "http://b.example/", "ftp://a.example/"] {
            assert!(matches!(to(302, location), Err(Error::BadRedirect(_))), "{location}");
        }
        let next = to(308, "z?r=2#ct=100").unwrap().unwrap();
        assert_eq!(next.url.as_str(), "https://a.example/x/z?r=2");
        assert_eq!((next.method, next.form, next.login), (Method::Post, true, login));
        let next = to(302, "//b.example/").unwrap().unwrap();
        assert_eq!(next.url.as_str(), "https://b.example/");
        assert_eq!((next.method, next.form, next.login), (Method::Get, false, None));
        let next = to(307, "https://v:w@b.example/").unwrap().unwrap();
        assert_eq!(next.login, Some(("v".to_owned(), "w".to_owned())));
        assert_eq!(next.url.as_str(), "https://b.example/");
        assert!(to(200, "/").unwrap().is_none() && to(304, "/").unwrap().is_none());
        assert!(redirect(&hop, 302, Some(b"\xff")).is_err() && redirect(&hop, 302, None).is_err());
    }
}
