//! Why a request brought nothing: each failure knows its code, who is to blame, and whether a
//! second try may help.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use crate::base::Fault;

use super::guard::Forbidden;

/// Why a request failed. The codes are those of the TwiML reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Not an http or https URL that can be asked.
    BadUrl(String),
    /// The name has no address, or may not be one.
    BadHost(String),
    /// The guard refused the address.
    Forbidden(String),
    /// No TCP connection within the time for one.
    ConnectTimeout,
    /// Nobody listens there.
    Refused,
    /// Any other trouble with the connection.
    Connection(String),
    /// The TLS handshake failed.
    Tls(String),
    /// The certificate is for another name.
    CertificateName(String),
    /// The certificate is out of its time.
    CertificateExpired(String),
    /// The certificate leads to no trusted root.
    CertificateUntrusted(String),
    /// One try got no answer in the read time of its connection overrides.
    ReadTimeout,
    /// All tries together took too long.
    TotalTimeout,
    /// What came is not HTTP, or breaks off.
    Protocol(String),
    /// More redirects than followed.
    TooManyRedirects,
    /// A redirect that is not followed: without a target, or from TLS to plain text.
    BadRedirect(String),
    /// The body is larger than the limit in bytes.
    TooLarge(usize),
    /// A method or header field that is none.
    BadRequest(String),
    /// The connection overrides in the fragment are wrong.
    BadOverrides(String),
    /// The client could not be built here.
    Setup(String),
}

impl Error {
    /// The error code that users see.
    pub fn code(&self) -> u32 {
        match self {
            Error::BadUrl(_) | Error::BadRequest(_) => 11100,
            Error::BadHost(_) | Error::Forbidden(_) => 11210,
            Error::ConnectTimeout => 11201,
            Error::Refused => 11202,
            Error::Connection(_) => 11205,
            Error::Tls(_) => 11220,
            Error::CertificateName(_) => 11235,
            Error::CertificateExpired(_) => 11236,
            Error::CertificateUntrusted(_) => 11237,
            Error::ReadTimeout | Error::BadRedirect(_) => 11200,
            Error::TotalTimeout => 11203,
            Error::Protocol(_) => 11206,
            Error::TooManyRedirects => 11215,
            Error::TooLarge(_) => 11750,
            Error::BadOverrides(_) => 11243,
            Error::Setup(_) => 12400,
        }
    }

    /// Who should act.
    pub fn fault(&self) -> Fault {
        match self {
            Error::BadUrl(_)
            | Error::BadRequest(_)
            | Error::BadHost(_)
            | Error::BadOverrides(_) => Fault::Application,
            Error::Forbidden(_) | Error::Setup(_) => Fault::Operator,
            _ => Fault::Peer,
        }
    }

    /// Whether the trouble was in making the connection, so that nothing reached the server.
    pub fn is_connect(&self) -> bool {
        matches!(
            self,
            Error::ConnectTimeout | Error::Refused | Error::Connection(_) | Error::Tls(_)
        )
    }

    /// Whether the same request may succeed later.
    pub fn is_passing(&self) -> bool {
        !matches!(
            self,
            Error::BadUrl(_)
                | Error::BadRequest(_)
                | Error::Forbidden(_)
                | Error::BadOverrides(_)
                | Error::TooLarge(_)
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::BadUrl(why) => write!(f, "not a usable URL: {why}"),
            Error::BadRequest(what) => write!(f, "it cannot be sent: {what}"),
            Error::BadHost(why) => write!(f, "the host cannot be found: {why}"),
            Error::Forbidden(why) => write!(f, "the address is refused: {why}"),
            Error::ConnectTimeout => f.write_str("no TCP connection in time"),
            Error::Refused => f.write_str("the TCP connection was refused; is the server running?"),
            Error::Connection(why) => write!(f, "the connection failed: {why}"),
            Error::Tls(why) => write!(f, "the TLS handshake failed: {why}"),
            Error::CertificateName(why) => write!(f, "the certificate is for another name: {why}"),
            Error::CertificateExpired(why) => write!(f, "the certificate is out of date: {why}"),
            Error::CertificateUntrusted(why) => {
                write!(f, "the certificate leads to no trusted root: {why}")
            }
            Error::ReadTimeout => f.write_str("no answer within the read time"),
            Error::TotalTimeout => f.write_str("no complete answer within the time limit"),
            Error::Protocol(why) => write!(f, "the answer is not proper HTTP: {why}"),
            Error::TooManyRedirects => f.write_str("too many redirects"),
            Error::BadRedirect(why) => write!(f, "a redirect that is not followed: {why}"),
            Error::TooLarge(limit) => write!(f, "the body is larger than {limit} bytes"),
            Error::BadOverrides(why) => write!(f, "connection overrides after #: {why}"),
            Error::Setup(why) => write!(f, "the HTTP client cannot be set up: {why}"),
        }
    }
}

impl StdError for Error {}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Error {
        if let Some(forbidden) = cause::<Forbidden>(&error) {
            return Error::Forbidden(forbidden.to_string());
        }
        if error.is_builder() {
            return Error::BadUrl(deepest(&error));
        }
        if error.is_timeout() {
            return if error.is_connect() { Error::ConnectTimeout } else { Error::ReadTimeout };
        }
        if let Some(broken) = cause::<hyper::Error>(&error)
            && (broken.is_parse() || broken.is_incomplete_message())
        {
            return Error::Protocol(broken.to_string());
        }
        if error.is_connect() { connect_error(&error) } else { Error::Connection(deepest(&error)) }
    }
}

/// Sorts what reqwest calls a connect error: DNS, TCP or TLS.
fn connect_error(error: &reqwest::Error) -> Error {
    let text = deepest(error);
    let in_chain = |word: &str| chain(error).any(|cause| cause.to_string().contains(word));
    match cause::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => return Error::Refused,
        Some(io::ErrorKind::TimedOut) => return Error::ConnectTimeout,
        _ => {}
    }
    if in_chain("dns error") {
        return Error::BadHost(text);
    }
    certificate_error(&text).unwrap_or_else(|| {
        if in_chain("tcp connect error") { Error::Connection(text) } else { Error::Tls(text) }
    })
}

/// rustls says what is wrong with a certificate only in its text, unless we depend on it by name.
fn certificate_error(text: &str) -> Option<Error> {
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if !text.contains("certificate") {
        None
    } else if says(&["NotValidForName", "not valid for name"]) {
        Some(Error::CertificateName(text.to_owned()))
    } else if says(&["Expired", "NotValidYet", "expired", "not valid yet"]) {
        Some(Error::CertificateExpired(text.to_owned()))
    } else if says(&["UnknownIssuer", "CaUsedAsEndEntity", "BadSignature", "Revoked"]) {
        Some(Error::CertificateUntrusted(text.to_owned()))
    } else {
        None
    }
}

type Cause<'a> = &'a (dyn StdError + 'static);

fn chain<'a>(error: Cause<'a>) -> impl Iterator<Item = Cause<'a>> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref::<T>())
}

/// The innermost reason: what reqwest wraps around it repeats the URL, which may hold a password.
fn deepest(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_tell_name_time_and_trust_apart() {
        let code = |text: &str| certificate_error(text).map(|error| error.code());
        let invalid = |what: &str| format!("invalid peer certificate: {what}");
        assert_eq!(code(&invalid("certificate not valid for name \"a.example\"")), Some(11235));
        assert_eq!(code(&invalid("NotValidForName")), Some(11235));
        assert_eq!(code(&invalid("certificate expired: verification time 1")), Some(11236));
        assert_eq!(code(&invalid("UnknownIssuer")), Some(11237));
        assert_eq!(code("received fatal alert: HandshakeFailure"), None);
    }

    #[test]
    fn blame_falls_on_who_can_mend_it() {
        assert_eq!(Error::Refused.fault(), Fault::Peer);
        assert_eq!(Error::Forbidden(String::new()).fault(), Fault::Operator);
        assert_eq!(Error::BadUrl(String::new()).fault(), Fault::Application);
        assert!(Error::Refused.is_connect() && !Error::TotalTimeout.is_connect());
        assert!(!Error::Forbidden(String::new()).is_passing());
    }
}
