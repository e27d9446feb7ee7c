//! The project folder as a web site: bins, functions and assets, answering requests.
//!
//! The same answers go to browsers, over sockets, and to calls, in process. Protected functions
//! and assets want a valid signature, private ones have no route (the TwiML reference). What is
//! functions' own at their door is in `door`.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;

use crate::base::id::BinSid;
use crate::base::{Secret, WallTime};
use crate::http::{BoxFuture, Handler, Request, Response, Routes, signature};

use super::asset;
use super::bin::Bins;
use super::door::METHODS;
use super::root::Root;
use super::seen::{Reporter, Watchers};
use crate::directory::paths::Access;

/// What a function is given.
#[derive(Clone, Debug, Default)]
pub struct Invocation {
    /// `GET` or `POST`.
    pub method: String,
    /// The header fields of the request, names as sent.
    pub headers: Vec<(String, String)>,
    /// Whether a table of routes is to explain itself in the place of its document.
    pub explain: bool,
    /// The parameters of the query, in order.
    pub query: Vec<(String, String)>,
    /// The content type of the body; empty without one.
    pub content_type: String,
    /// The body as sent.
    pub body: Vec<u8>,
    /// The strictest that the function's file may be for this request when its turn has come.
    pub admitted: Access,
    /// Who wants to know how it went.
    pub reporter: Reporter,
}

/// A file that could answer to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The file, as it lies in the project folder.
    pub file: String,
    /// Who may ask for it.
    pub access: Access,
    /// What tells its content from other versions, where it could be read.
    pub version: Option<String>,
}

/// Runs functions by name.
pub trait FunctionRunner: Send + Sync {
    /// Who may ask for the function; `None` when there is none of that name.
    fn access(&self, name: &str) -> Option<Access>;

    /// Runs it; what fails is a response too, with the reason in the function's log.
    fn invoke<'a>(&'a self, name: &'a str, invocation: Invocation) -> BoxFuture<'a, Response>;

    /// Runs it, if it is no stricter than the invocation is admitted to; else who may ask for it,
    /// `None` when there is none of that name. The disk may be slow: whoever waits for it, it is
    /// not the thread that asks.
    fn let_in<'a>(
        &'a self,
        name: &'a str,
        invocation: Invocation,
    ) -> BoxFuture<'a, Result<Response, Option<Access>>> {
        Box::pin(async move {
            match self.access(name) {
                Some(access) if access <= invocation.admitted => {
                    Ok(self.invoke(name, invocation).await)
                }
                other => Err(other),
            }
        })
    }

    /// The files that have the name, the one that counts first.
    fn candidates(&self, name: &str) -> Vec<Candidate> {
        let _ = name;
        vec![]
    }
}

/// What a project folder serves.
pub struct Project {
    /// Its bins.
    pub bins: Bins,
    /// Its functions.
    pub functions: Arc<dyn FunctionRunner>,
    /// The folder of its assets.
    pub assets: PathBuf,
    /// `http://host:port` of this server as the outside writes it, without a slash at the end.
    pub public_url: String,
    /// The key that protected things ask for.
    pub auth_token: Secret,
    /// The web pages that may read what functions answer; empty: as each function says.
    pub origins: Vec<String>,
    /// Who watches requests.
    pub watchers: Watchers,
    /// The time on the wall.
    pub wall: fn() -> WallTime,
}

/// Methods that assets take.
pub(super) const ASSET_METHODS: &[&str] = &["GET"];

/// What a request is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Resource {
    Bin,
    BinBySid,
    Function,
    Asset,
}

/// One line of the route table.
pub(super) struct Served(pub(super) Arc<Project>, pub(super) Resource);

impl Handler for Served {
    fn handle<'a>(&'a self, request: Request, arguments: Vec<String>) -> BoxFuture<'a, Response> {
        Box::pin(async move {
            let Served(project, resource) = self;
            let name = arguments.into_iter().next().unwrap_or_default();
            match resource {
                Resource::Bin => project.bin(&name, &request, false),
                Resource::BinBySid => project.bin_by_sid(&name, &request),
                Resource::Function => project.run(&name, request, false).await,
                Resource::Asset => project.asset(name, request).await,
            }
        })
    }
}

impl Project {
    /// The lines of the route table.
    pub fn routes(project: &Arc<Project>) -> Routes {
        let mut routes = Routes::new();
        let mut add = |methods, pattern, resource| {
            routes.add(methods, pattern, Arc::new(Served(project.clone(), resource)));
        };
        add(&["GET", "POST"], "/bins/{name}", Resource::Bin);
        add(&["GET", "POST"], "/twiml/{sid}", Resource::BinBySid);
        add(METHODS, "/functions/{name…}", Resource::Function);
        add(ASSET_METHODS, "/assets/{path…}", Resource::Asset);
        routes.otherwise(Arc::new(Root(Arc::clone(project))));
        routes
    }

    /// The answer to who did not sign what wants it.
    pub(super) fn wants_signature(&self, path: &str, target: &str) -> Response {
        Response::text(403, &format!("403: {}", self.wanted(path, target)))
    }

    pub(super) fn wanted(&self, path: &str, target: &str) -> String {
        let (field, url) = (signature::HEADER, self.signed_url(target));
        format!("{path} wants a valid {field}, made over {url}")
    }

    /// A bin's markup; parameters of the body come before those of the query.
    pub(super) fn render(&self, name: &str, request: &Request) -> Response {
        let mut parameters = request.form();
        parameters.extend(request.query_parameters());
        match self.bins.render(name, &parameters) {
            Ok(rendered) => {
                let response = Response::markup(rendered.text);
                let Some(stale) = rendered.stale else { return response };
                tracing::warn!("the last good version is served: {stale}");
                tell_stale(response, &stale)
            }
            Err(error) => Response::text(error.status(), &error.to_string())
                .with(ERROR_HEADER, error.code().to_string()),
        }
    }

    fn bin_by_sid(&self, sid: &str, request: &Request) -> Response {
        match sid.parse::<BinSid>().ok().and_then(|sid| self.bins.name_of(sid)) {
            Some(name) => self.bin(&name, request, false),
            None => Response::text(404, &format!("404: no bin has the SID {sid}")),
        }
    }

    async fn asset(&self, path: String, request: Request) -> Response {
        self.file(path, request, false).await
    }

    /// A file; read on a thread where waiting for a disk keeps nobody else waiting.
    pub(super) async fn file(&self, path: String, request: Request, local: bool) -> Response {
        let signed = local || self.is_signed(&request);
        let admitted = if signed { Access::Protected } else { Access::Public };
        let held = if local { asset::Held::Whole } else { asset::Held::InPieces };
        let (folder, wanted) = (self.assets.clone(), path.clone());
        let (asked, target, now) = (request.path.clone(), request.target(), (self.wall)());
        let serve = move || match asset::find(&folder, &wanted) {
            Some(asset) if asset.access <= admitted => {
                Ok(asset::serve(&asset, &request, now, held))
            }
            closed => Err(closed.map(|asset| asset.access)),
        };
        match tokio::task::spawn_blocking(serve).await {
            Ok(Ok(response)) => response,
            Ok(Err(Some(Access::Protected))) => self.wants_signature(&asked, &target),
            Ok(Err(_)) => Response::text(404, &format!("404: there is no asset {path}")),
            Err(_) => Response::text(500, "500: the file could not be read"),
        }
    }
}

/// Tells whoever asked that an earlier version answered, and what is wrong with the newest.
pub const STALE_HEADER: &str = "Offhook-Stale";

/// An answer of the last good version, with what is wrong with the newest.
pub fn tell_stale(response: Response, why: &impl Display) -> Response {
    /// A header field holds no more than a sentence.
    const MOST: usize = 500;
    // Only visible ASCII may stand in a field (RFC 9110 section 5.5); reasons quote the file.
    let plain = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    response.with(STALE_HEADER, why.to_string().chars().take(MOST).map(plain).collect::<String>())
}

/// Carries the exact error code from a bin to the call that asked for it.
pub(super) const ERROR_HEADER: &str = "Offhook-Error";
