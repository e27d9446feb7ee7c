//! Fetching a document: from a web server, or from this project without leaving the process.
//!
//! Chooses by the URL, follows redirects from one kind to another, and turns every failure into
//! its error code. It asks once: retries belong to the client, fallbacks to the call.

use std::sync::{Arc, Mutex, PoisonError};

use percent_encoding::percent_decode_str;
use url::Url;

use crate::base::Rng;
use crate::base::id::CallSid;
use crate::call::{Fetch, FetchError, Fetched, Method};
use crate::http::client::{DOCUMENT_LIMIT, MOST_REDIRECTS};
use crate::http::{Client, Headers, Outgoing, Request, Response, form};
use crate::verb::Document;

use super::document::{BadDocument, Documents, read_document};
use super::project::{ERROR_HEADER, Project, Resource};
use super::sound::Sounds;

/// All sources of one server.
pub struct Sources {
    pub(super) client: Arc<Client>,
    pub(super) project: Arc<Project>,
    documents: Documents,
    pub(super) sounds: Sounds,
    rng: Mutex<Rng>,
}

/// What one of the project's own URLs names.
enum Own {
    Bin(String),
    Function(String),
    Asset(String),
}

/// An answer from anywhere.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header fields.
    pub headers: Headers,
    /// What came.
    pub body: bytes::Bytes,
    /// Where it finally came from, after redirects.
    pub url: String,
}

impl Answer {
    /// The document that the answer is, if it is one.
    pub fn document(&self) -> Result<Fetched, FetchError> {
        self.read_by(|body, kind| read_document(body, kind, &self.url).map(Arc::new))
    }

    fn read_by(
        &self,
        read: impl FnOnce(&[u8], Option<&str>) -> Result<Arc<Document>, BadDocument>,
    ) -> Result<Fetched, FetchError> {
        check_status(self)?;
        if self.body.len() > DOCUMENT_LIMIT {
            return Err(failed(11750, &self.url, "the body is larger than 64 KB"));
        }
        let document = read(&self.body, self.headers.first("Content-Type"))
            .map_err(|bad| failed(bad.code, &self.url, &bad.message))?;
        Ok(Fetched { document, base: self.url.clone() })
    }
}

impl Sources {
    /// Sources over a client and a project. `rng` makes idempotency tokens.
    pub fn new(client: Arc<Client>, project: Arc<Project>, rng: Rng) -> Self {
        Sources {
            client,
            project,
            documents: Documents::default(),
            sounds: Sounds::default(),
            rng: Mutex::new(rng),
        }
    }

    /// Gets a document.
    pub async fn fetch(&self, fetch: &Fetch) -> Result<Fetched, FetchError> {
        let answer = self.ask_for(fetch).await?;
        answer.read_by(|body, kind| self.documents.read(body, kind, &answer.url))
    }

    /// Gets the answer that a document is to be read from, whatever its status and content.
    pub async fn ask_for(&self, fetch: &Fetch) -> Result<Answer, FetchError> {
        let Fetch { call, url, method, parameters } = fetch;
        self.answer(*call, url, *method, parameters, &[], DOCUMENT_LIMIT).await
    }

    /// Whether a URL is answered by this project, without leaving the process.
    pub fn is_own(&self, url: &str) -> bool {
        self.absolute(url).is_ok_and(|url| self.own(&url).is_some())
    }

    /// Drops what was kept for a call that is over.
    pub fn forget(&self, call: CallSid) {
        self.client.forget(call);
    }

    /// The answer to a request, wherever it is answered.
    pub(super) async fn answer(
        &self,
        call: CallSid,
        url: &str,
        method: Method,
        parameters: &[(String, String)],
        headers: &[(String, String)],
        limit: usize,
    ) -> Result<Answer, FetchError> {
        let mut url = self.absolute(url)?;
        let mut method = method;
        let mut parameters = parameters;
        for _ in 0..=MOST_REDIRECTS {
            let Some(own) = self.own(&url) else {
                return self.ask(call, &url, method, parameters, headers, limit).await;
            };
            if method == Method::Get {
                form::append(&mut url, parameters);
            }
            url.set_fragment(None);
            let response = self.serve(own, &url, method, parameters, headers).await;
            let location = response.headers.first("Location").map(str::to_owned);
            let keep = matches!(response.status, 307 | 308);
            let (Some(location), true) = (location, keep || (301..=303).contains(&response.status))
            else {
                return Ok(Answer {
                    status: response.status,
                    headers: response.headers,
                    body: response.body,
                    url: url.into(),
                });
            };
            // As the client does with web servers' redirects.
            url = url.join(&location).map_err(|error| failed(11100, &location, error))?;
            if !keep || method == Method::Get {
                (method, parameters) = (Method::Get, &[]);
            }
        }
        Err(failed(11215, url.as_str(), "too many redirects"))
    }

    /// `bin:NAME?a=b` and `function:NAME` as the URLs under which the project serves them: the
    /// documents' relative URLs are read against these.
    fn absolute(&self, url: &str) -> Result<Url, FetchError> {
        let own = [("bin:", "/bins/"), ("function:", "/functions/")];
        let base = &self.project.public_url;
        let text = own
            .into_iter()
            .find_map(|(scheme, path)| Some(format!("{base}{path}{}", url.strip_prefix(scheme)?)))
            .or_else(|| url.starts_with('/').then(|| format!("{base}{url}")))
            .unwrap_or_else(|| url.to_owned());
        Url::parse(&text).map_err(|error| failed(11100, url, error))
    }

    /// What of the project a URL under the public address names.
    fn own(&self, url: &Url) -> Option<Own> {
        let base = Url::parse(&self.project.public_url).ok()?;
        if url.origin() != base.origin() {
            return None;
        }
        let path = url.path().strip_prefix(base.path().trim_end_matches('/'))?;
        let rest = |prefix: &str| {
            let text = percent_decode_str(path.strip_prefix(prefix)?).decode_utf8().ok()?;
            Some(text.into_owned())
        };
        if let Some(sid) = rest("/twiml/") {
            return self.project.bins.name_of(sid.parse().ok()?).map(Own::Bin);
        }
        rest("/bins/")
            .map(Own::Bin)
            .or_else(|| rest("/functions/").map(Own::Function))
            .or_else(|| rest("/assets/").map(Own::Asset))
            .or_else(|| {
                // Looks at the disk as every request for a function does: a few entries.
                let found = self.project.at_root(path)?;
                Some(match found.resource {
                    Resource::Function => Own::Function(found.name),
                    _ => Own::Asset(found.name),
                })
            })
    }

    async fn serve(
        &self,
        own: Own,
        url: &Url,
        method: Method,
        parameters: &[(String, String)],
        headers: &[(String, String)],
    ) -> Response {
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let mut request = match method {
            Method::Get => Request::get(&target),
            Method::Post => Request::post(&target, parameters),
        };
        for (name, value) in headers {
            request.headers.push(name, value);
        }
        match own {
            Own::Bin(name) => self.project.bin(&name, &request, true),
            Own::Function(name) => self.project.run(&name, request, true).await,
            Own::Asset(path) => self.project.file(path, request, true).await,
        }
    }

    async fn ask(
        &self,
        call: CallSid,
        url: &Url,
        method: Method,
        parameters: &[(String, String)],
        headers: &[(String, String)],
        limit: usize,
    ) -> Result<Answer, FetchError> {
        let token = self.rng.lock().unwrap_or_else(PoisonError::into_inner).hex(32);
        let outgoing = Outgoing {
            call: Some(call),
            url: url.as_str().to_owned(),
            method,
            parameters: parameters.to_vec(),
            headers: headers.to_vec(),
            token,
            stranger: false,
            limit,
        };
        match self.client.send(&outgoing).await {
            Ok(reply) => Ok(Answer {
                status: reply.status,
                headers: reply.headers,
                body: reply.body,
                url: reply.url,
            }),
            Err(error) => Err(failed(error.code(), url.as_str(), &error)),
        }
    }
}

/// Only 2xx carries a document. A bin says its own code.
pub(super) fn check_status(answer: &Answer) -> Result<(), FetchError> {
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    let code = answer.headers.first(ERROR_HEADER).and_then(|code| code.parse().ok());
    let message = format!("it answered {}", answer.status);
    let code = code.unwrap_or(11200);
    let message = match reason(answer, code) {
        Some(reason) => format!("{message}: {reason}"),
        None => message,
    };
    Err(failed(code, &answer.url, &message))
}

/// The first line of an error's page, unless it is markup, without the status and the code: those
/// are said already.
fn reason(answer: &Answer, code: u32) -> Option<String> {
    let text = String::from_utf8_lossy(&answer.body);
    let first = text.lines().next()?.trim();
    let first = first.strip_prefix(&format!("{}:", answer.status)).unwrap_or(first).trim_start();
    let first = first.replacen(&format!("error {code}: "), "", 1);
    let tells = !first.is_empty() && !first.starts_with('<');
    tells.then(|| first.chars().take(200).collect())
}

/// An error that names the URL without its password and parameters: logs keep them.
pub(super) fn failed(code: u32, url: &str, why: impl std::fmt::Display) -> FetchError {
    let shown = match Url::parse(url) {
        Ok(mut url) => {
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.set_query(None);
            url.set_fragment(None);
            url.to_string()
        }
        Err(_) => url.chars().take(200).collect(),
    };
    FetchError { code, message: format!("{shown}: {why}") }
}
