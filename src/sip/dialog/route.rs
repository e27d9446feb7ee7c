//! The route set and what it does to a request (RFC 3261 sections 12.1 and 12.2.1.1).

use crate::sip::header::NameAddr;
use crate::sip::uri::SipUri;
use crate::sip::{HeaderName, Message};

/// The proxies that asked to stay on the path, nearest first; whole header values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteSet(Vec<String>);

impl RouteSet {
    /// Of the side that sent the request: the response's Record-Routes, in reverse order.
    pub fn of_caller(response: &Message) -> RouteSet {
        let mut routes = RouteSet::of_callee(response);
        routes.0.reverse();
        routes
    }

    /// Of the side that answered it: the request's Record-Routes, in order.
    pub fn of_callee(request: &Message) -> RouteSet {
        RouteSet(request.values(HeaderName::RecordRoute).map(str::to_owned).collect())
    }

    /// Preloaded by configuration or by a registration's Path.
    pub fn preloaded(routes: Vec<String>) -> RouteSet {
        RouteSet(routes)
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(String::len).sum()
    }

    /// Where the request goes first: the top route, or the target when there is none.
    pub fn next_hop<'a>(&'a self, target: &'a str) -> &'a str {
        self.0.first().and_then(|top| NameAddr::parse(top)).map_or(target, |top| top.uri())
    }

    /// The Request-URI and the Route values. A strict router (no `lr`, RFC 2543) wants itself as
    /// the Request-URI and the target as the last route.
    pub fn apply(&self, target: &str) -> (String, Vec<String>) {
        let target = request_uri(target);
        let Some(top) = self.0.first().and_then(|top| NameAddr::parse(top)) else {
            return (target.to_owned(), self.0.clone());
        };
        if top.sip_uri().is_none_or(|uri| uri.is_loose_router()) {
            return (target.to_owned(), self.0.clone());
        }
        let uri = request_uri(top.uri()).to_owned();
        let rest = self.0.iter().skip(1).cloned();
        (uri, rest.chain([format!("<{target}>")]).collect())
    }
}

/// A URI as it may stand in a request line: without headers (RFC 3261 section 19.1.1). A peer's
/// Contact may bring some, and our own request would be malformed.
pub fn request_uri(uri: &str) -> &str {
    let headers = SipUri::parse(uri).map_or("", |uri| uri.headers_raw());
    match uri.strip_suffix(headers).and_then(|rest| rest.strip_suffix('?')) {
        Some(plain) => plain,
        None => uri,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(routes: &[&str]) -> RouteSet {
        RouteSet::preloaded(routes.iter().map(|route| (*route).to_owned()).collect())
    }

    #[test]
    fn loose_routers_leave_the_target_in_front() {
        let routes = set(&["<sip:p1;lr>", "<sip:p2;lr=on>"]);
        let (uri, headers) = routes.apply("sip:b@h");
        assert_eq!((uri.as_str(), headers.len()), ("sip:b@h", 2));
        assert_eq!(routes.next_hop("sip:b@h"), "sip:p1;lr");
        assert_eq!(set(&[]).apply("sip:b@h"), ("sip:b@h".to_owned(), vec![]));
        assert_eq!(set(&[]).next_hop("sip:b@h"), "sip:b@h");
    }

    #[test]
    fn headers_of_a_contact_do_not_reach_the_request_line() {
        let (uri, _) = set(&[]).apply("sip:a?b@h;x=y?Subject=z");
        assert_eq!(uri, "sip:a?b@h;x=y");
        assert_eq!(request_uri("sip:b@h?"), "sip:b@h");
        assert_eq!(request_uri("tel:+1"), "tel:+1");
    }

    #[test]
    fn a_strict_router_gets_itself_in_front_and_the_target_last() {
        let (uri, headers) = set(&["<sip:p1?x=y>", "<sip:p2;lr>"]).apply("sip:b@h");
        assert_eq!(uri, "sip:p1");
        assert_eq!(headers, ["<sip:p2;lr>", "<sip:b@h>"]);
    }
}
