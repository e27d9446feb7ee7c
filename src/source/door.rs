//! A function's door: who may come in, what is answered in its place, and what is shown of it.
//!
//! Preflights are answered as `@twilio/runtime-handler` 2 answers them. Handlers say themselves
//! which origins may read their answers, unless the configuration names some.

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use crate::http::{Request, Response, form, signature};

use super::project::{Invocation, Project};
use super::seen::{Kind, Report, Reporter, Seen};
use super::{explain, view};
use crate::directory::paths::Access;

/// Methods that functions take; HEAD is taken as GET, and the body left out.
pub(super) const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// A parameter of the query that vouches for a body that is no form: its SHA-256 in hexadecimal.
/// The URL is signed, and so is it.
const BODY_HASH: &str = "bodySHA256";

/// What an answer turns into on its way to who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    AsIs,
    View,
    Explanation,
}

impl Shown {
    /// Calls hear the document itself.
    fn of(request: &Request, call: bool) -> Shown {
        match call {
            true => Shown::AsIs,
            false if explain::is_wanted(request) => Shown::Explanation,
            false if view::is_wanted(request) => Shown::View,
            false => Shown::AsIs,
        }
    }
}

/// A request for a function, whatever becomes of it.
struct Asked<'a> {
    name: &'a str,
    method: String,
    path: String,
    target: String,
    origin: Option<String>,
    /// Whether it brought a signature.
    signs: bool,
    call: bool,
}

impl<'a> Asked<'a> {
    fn new(name: &'a str, request: &Request, call: bool) -> Asked<'a> {
        let (method, path) = (request.method.clone(), request.path.clone());
        let origin = request.headers.first("Origin").map(str::to_owned);
        let signs = request.headers.first(signature::HEADER).is_some();
        Asked { name, method, path, target: request.target(), origin, signs, call }
    }

    fn seen<'s>(&'s self, response: &'s Response, report: &'s Report) -> Seen<'s> {
        let Asked { name, method, target, call, .. } = self;
        Seen { kind: Kind::Function, name, method, target, call: *call, response, report }
    }
}

impl Project {
    /// Runs a function; `call` for this process's own calls.
    pub(super) async fn run(&self, name: &str, request: Request, call: bool) -> Response {
        let asked = Asked::new(name, &request, call);
        if request.method == "OPTIONS" && !call {
            let response = match self.look(name).await {
                Some(Access::Public | Access::Protected) => self.preflight(asked.origin.as_deref()),
                closed => return self.closed(&asked, closed),
            };
            self.watchers.tell(&asked.seen(&response, &Report::default()));
            return response;
        }
        let shown = Shown::of(&request, call);
        let shows = self.watchers.show();
        let reporter = Reporter::new(shows || shown == Shown::Explanation, shows);
        let signed = call || self.is_signed(&request);
        let invocation = Invocation {
            explain: shown == Shown::Explanation,
            admitted: if signed { Access::Protected } else { Access::Public },
            ..invocation(request, reporter.clone())
        };
        let response = match self.functions.let_in(name, invocation).await {
            Ok(response) => response,
            Err(access) => return self.closed(&asked, access),
        };
        let report = reporter.take();
        if report.refused {
            // Whether it was closed before or while the request waited, it is told alike.
            let access = (response.status == 403).then_some(Access::Protected);
            return self.closed(&asked, access);
        }
        let seen = asked.seen(&response, &report);
        self.watchers.tell(&seen);
        let response = match shown {
            Shown::Explanation => {
                let (functions, name) = (Arc::clone(&self.functions), name.to_owned());
                // Reads files: not where others' requests wait.
                let look = move || functions.candidates(&name);
                let candidates = tokio::task::spawn_blocking(look).await.unwrap_or_default();
                explain::text(&seen, &candidates)
            }
            Shown::View => {
                let url = format!("{}{}", self.public_url, asked.target);
                // Reads a document that a stranger's request may have grown.
                let view = tokio::task::spawn_blocking(move || view::of(response, &url)).await;
                view.unwrap_or_else(|_| Response::text(500, "500: the document cannot be shown"))
            }
            Shown::AsIs => response,
        };
        self.readable(response, asked.origin.as_deref())
    }

    /// The answer to a request for what may not be asked for, or is not there.
    fn closed(&self, asked: &Asked<'_>, access: Option<Access>) -> Response {
        let Asked { name, path, target, .. } = asked;
        let response = match access {
            Some(Access::Protected) => self.wants_signature(path, target),
            _ => {
                let text = format!("404: there is no function {name}: add functions/{name}.js");
                Response::text(404, &text)
            }
        };
        let response = self.readable(response, asked.origin.as_deref());
        // Whoever signs means to come in: the log says over what, if it was for nothing.
        let tried = response.status == 403 && asked.signs;
        let failure = tried.then(|| {
            format!("not run: 403: {}", self.wanted(&beginning(path), &beginning(target)))
        });
        let report = Report { failure, ..Report::default() };
        self.watchers.tell(&asked.seen(&response, &report));
        response
    }

    /// Who may ask for a function; looked up elsewhere than where others' requests wait.
    async fn look(&self, name: &str) -> Option<Access> {
        let (functions, name) = (Arc::clone(&self.functions), name.to_owned());
        tokio::task::spawn_blocking(move || functions.access(&name)).await.unwrap_or_default()
    }

    /// A bin's answer, as the one who asked wants to see it.
    pub(crate) fn bin(&self, name: &str, request: &Request, call: bool) -> Response {
        let response = self.render(name, request);
        let shown = Shown::of(request, call);
        if shown == Shown::AsIs && self.watchers.is_empty() {
            return response;
        }
        let stale = response.headers.first(super::STALE_HEADER).map(str::to_owned);
        let report = Report { stale, ..Report::default() };
        let target = request.target();
        let seen = Seen {
            kind: Kind::Bin,
            name,
            method: &request.method,
            target: &target,
            call,
            response: &response,
            report: &report,
        };
        self.watchers.tell(&seen);
        match shown {
            Shown::Explanation => explain::text(&seen, &self.bins.candidates(name)),
            Shown::View => view::of(response, &format!("{}{target}", self.public_url)),
            Shown::AsIs => response,
        }
    }

    /// What browsers ask before they send what a form could not (Fetch standard, section 3.2).
    fn preflight(&self, origin: Option<&str>) -> Response {
        let allowed = match self.origins.as_slice() {
            [] => Some("*"),
            known => origin.filter(|origin| known.iter().any(|known| known == origin)),
        };
        let mut response = Response::new(204, "text/plain; charset=UTF-8", "");
        if !self.origins.is_empty() {
            response = response.with("Vary", "Origin");
        }
        let Some(allowed) = allowed else { return response };
        let methods =
            if self.origins.is_empty() { "GET, POST, OPTIONS".into() } else { METHODS.join(", ") };
        response
            .with("Access-Control-Allow-Origin", allowed)
            .with(
                "Access-Control-Allow-Headers",
                "Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Match, \
                 If-Unmodified-Since, User-Agent",
            )
            .with("Access-Control-Allow-Methods", methods)
            .with("Access-Control-Expose-Headers", "ETag")
            .with("Access-Control-Max-Age", "86400")
            .with("Access-Control-Allow-Credentials", "true")
    }

    /// Lets pages of configured origins read an answer whose handler says nothing of it.
    fn readable(&self, response: Response, origin: Option<&str>) -> Response {
        const ALLOW: &str = "Access-Control-Allow-Origin";
        if self.origins.is_empty() || response.headers.first(ALLOW).is_some() {
            return response;
        }
        let response = response.with("Vary", "Origin");
        match origin.filter(|origin| self.origins.iter().any(|known| known == origin)) {
            Some(origin) => {
                response.with(ALLOW, origin).with("Access-Control-Allow-Credentials", "true")
            }
            None => response,
        }
    }

    /// Whether a request is signed by this account for this server's public address. The fields of
    /// a form are signed with the URL; any other body must be vouched for by its hash there. A hash
    /// there counts for whatever body comes, none and a form included: else one that was signed
    /// would go through with another in its place.
    pub(super) fn is_signed(&self, request: &Request) -> bool {
        let Some(given) = request.headers.first(signature::HEADER) else { return false };
        let kind = request.headers.first("Content-Type").unwrap_or("");
        let unsaid = request.body.is_empty() || form::is_form(kind);
        if !vouches(request).unwrap_or(unsaid) {
            return false;
        }
        let url = self.signed_url(&request.target());
        signature::verify(&self.auth_token, &url, &request.form(), given)
    }

    /// The URL that a request's signature covers: the one asked for, as the outside writes it.
    pub(super) fn signed_url(&self, target: &str) -> String {
        format!("{}{target}", self.public_url)
    }
}

/// As much of what a stranger asked for as a log needs to know it by.
fn beginning(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Whether the query vouches for the body; `None` where it says nothing of it.
fn vouches(request: &Request) -> Option<bool> {
    let mut parameters = request.query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, claimed) = parameters.find(|(name, _)| *name == BODY_HASH)?;
    let digest = Sha256::digest(&request.body);
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(percent_decode_str(claimed).decode_utf8_lossy().eq_ignore_ascii_case(&hash))
}

fn invocation(request: Request, reporter: Reporter) -> Invocation {
    let mut query = request.query_parameters();
    query.retain(|(name, _)| !explain::is_it(name));
    Invocation {
        query,
        content_type: request.headers.first("Content-Type").unwrap_or("").to_owned(),
        headers: request.headers.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
        method: request.method,
        body: request.body.to_vec(),
        explain: false,
        admitted: Access::Public,
        reporter,
    }
}
