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

impl Project {
    /// Runs a function; `call` for this process's own calls.
    pub(super) async fn run(&self, name: &str, request: Request, call: bool) -> Response {
        let origin = request.headers.first("Origin").map(str::to_owned);
        if let Some(response) = self.in_its_place(name, &request, origin.as_deref(), call) {
            let (method, target) = (request.method.as_str(), &*request.target());
            // Whoever signs means to come in: the log says over what, if it was for nothing.
            let tried =
                response.status == 403 && request.headers.first(signature::HEADER).is_some();
            let failure = tried.then(|| format!("not run: {}", text_of(&response)));
            let report = &Report { failure, ..Report::default() };
            let (kind, response) = (Kind::Function, &response);
            self.watchers.tell(&Seen { kind, name, method, target, call, response, report });
            return response.clone();
        }
        let shown = Shown::of(&request, call);
        let shows = self.watchers.show();
        let reporter = Reporter::new(shows || shown == Shown::Explanation, shows);
        let (method, target) = (request.method.clone(), request.target());
        // Saving may make the function stricter until its turn has come.
        let signed = call || self.is_signed(&request);
        let invocation = Invocation {
            explain: shown == Shown::Explanation,
            admitted: if signed { Access::Protected } else { Access::Public },
            ..invocation(request, reporter.clone())
        };
        let response = self.functions.invoke(name, invocation).await;
        let report = reporter.take();
        let seen = Seen {
            kind: Kind::Function,
            name,
            method: &method,
            target: &target,
            call,
            response: &response,
            report: &report,
        };
        self.watchers.tell(&seen);
        let response = match shown {
            // Of what is closed nothing is shown.
            _ if report.refused => return response,
            Shown::Explanation => {
                let (functions, name) = (Arc::clone(&self.functions), name.to_owned());
                // Reads files: not where others' requests wait.
                let look = move || functions.candidates(&name);
                let candidates = tokio::task::spawn_blocking(look).await.unwrap_or_default();
                explain::text(&seen, &candidates)
            }
            Shown::View => view::of(response, &format!("{}{target}", self.public_url)),
            Shown::AsIs => response,
        };
        self.readable(response, origin.as_deref())
    }

    /// What is answered without running the function: that there is none, a preflight, a refusal.
    fn in_its_place(
        &self,
        name: &str,
        request: &Request,
        origin: Option<&str>,
        call: bool,
    ) -> Option<Response> {
        match self.functions.access(name) {
            Some(Access::Private) | None => {
                let text = format!("404: there is no function {name}: add functions/{name}.js");
                Some(self.readable(Response::text(404, &text), origin))
            }
            Some(_) if request.method == "OPTIONS" && !call => Some(self.preflight(origin)),
            Some(access) => Some(self.readable(self.refusal(access, request, call)?, origin)),
        }
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
    /// a form are signed with the URL; any other body must be vouched for by its hash there.
    pub(super) fn is_signed(&self, request: &Request) -> bool {
        let Some(given) = request.headers.first(signature::HEADER) else { return false };
        let kind = request.headers.first("Content-Type").unwrap_or("");
        if !request.body.is_empty() && !form::is_form(kind) && !is_vouched_for(request) {
            return false;
        }
        let url = self.signed_url(request);
        signature::verify(&self.auth_token, &url, &request.form(), given)
    }

    /// The URL that a request's signature covers: the one asked for, as the outside writes it.
    pub(super) fn signed_url(&self, request: &Request) -> String {
        format!("{}{}", self.public_url, request.target())
    }
}

/// The first line of an answer of ours.
fn text_of(response: &Response) -> String {
    let text = String::from_utf8_lossy(&response.body);
    text.lines().next().unwrap_or_default().to_owned()
}

fn is_vouched_for(request: &Request) -> bool {
    let digest = Sha256::digest(&request.body);
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut parameters = request.query.split('&').filter_map(|pair| pair.split_once('='));
    let claimed = parameters.find(|(name, _)| *name == BODY_HASH).map(|(_, value)| value);
    claimed.is_some_and(|claimed| {
        percent_decode_str(claimed).decode_utf8_lossy().eq_ignore_ascii_case(&hash)
    })
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
