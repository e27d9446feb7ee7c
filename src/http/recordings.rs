//! Small resources that need no more than the data folder: recordings' files and probes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};

use crate::base::Secret;
use crate::base::id::{AccountSid, RecordingSid};

use super::file;
use super::message::{Request, Response};
use super::route::{BoxFuture, Handler, Routes};

/// `/2010-04-01/Accounts/{AC}/Recordings/{RE}` with and without `.wav`: a recording's sound, for
/// whoever knows the account's token (Basic, RFC 7617).
pub struct Recordings {
    /// The folder of `RE….wav` files.
    pub folder: PathBuf,
    /// The account.
    pub account_sid: AccountSid,
    /// Its token.
    pub auth_token: Secret,
}

impl Handler for Recordings {
    fn handle<'a>(&'a self, request: Request, arguments: Vec<String>) -> BoxFuture<'a, Response> {
        Box::pin(self.answer(request, arguments))
    }
}

impl Recordings {
    async fn answer(&self, request: Request, arguments: Vec<String>) -> Response {
        if !self.authorised(request.headers.first("Authorization")) {
            let realm = "Basic realm=\"offhook\", charset=\"UTF-8\"";
            return Response::api_error(401, 20003, "Authenticate with account SID and auth token")
                .with("WWW-Authenticate", realm);
        }
        let missing = || {
            let text = format!("The requested resource {} was not found", request.path);
            Response::api_error(404, 20404, &text)
        };
        let [account, file] = arguments.as_slice() else { return missing() };
        let sid = file.strip_suffix(".wav").unwrap_or(file).parse::<RecordingSid>();
        let Ok(sid) = sid else { return missing() };
        if account.parse() != Ok(self.account_sid) {
            return missing();
        }
        let path = self.folder.join(format!("{sid}.wav"));
        file::serve(&path, "audio/wav", &request).await.unwrap_or_else(|_| missing())
    }

    /// Compares in constant time, by comparing MACs under a key that is not the caller's.
    fn authorised(&self, header: Option<&str>) -> bool {
        let Some((scheme, claimed)) = header.and_then(|header| header.split_once(' ')) else {
            return false;
        };
        let Ok(claimed) = STANDARD.decode(claimed.trim()) else { return false };
        let expected = format!("{}:{}", self.account_sid, self.auth_token.expose());
        let mac = |text: &[u8]| {
            let mut mac = Hmac::<sha2::Sha256>::new_from_slice(expected.as_bytes())
                .expect("HMAC takes keys of any length");
            mac.update(text);
            mac
        };
        let tag = mac(expected.as_bytes()).finalize().into_bytes();
        scheme.eq_ignore_ascii_case("Basic") && mac(&claimed).verify(&tag).is_ok()
    }
}

/// `/healthz`: the process answers.
struct Health;

impl Handler for Health {
    fn handle<'a>(&'a self, _: Request, _: Vec<String>) -> BoxFuture<'a, Response> {
        Box::pin(async { Response::text(200, "ok") })
    }
}

/// `/readyz`: calls are taken.
struct Ready(Arc<AtomicBool>);

impl Handler for Ready {
    fn handle<'a>(&'a self, _: Request, _: Vec<String>) -> BoxFuture<'a, Response> {
        Box::pin(async {
            match self.0.load(Ordering::Relaxed) {
                true => Response::text(200, "ready"),
                false => Response::text(503, "not ready"),
            }
        })
    }
}

/// The rest of the control API, until it is there.
struct NoSuchResource;

impl Handler for NoSuchResource {
    fn handle<'a>(&'a self, request: Request, _: Vec<String>) -> BoxFuture<'a, Response> {
        let text = format!("The requested resource {} was not found", request.path);
        Box::pin(async move { Response::api_error(404, 20404, &text) })
    }
}

/// The lines of the route table for this file. `ready` is set by the node.
pub fn routes(recordings: Recordings, ready: Arc<AtomicBool>) -> Routes {
    let mut routes = Routes::new();
    let recordings = Arc::new(recordings);
    routes.add(&["GET"], "/healthz", Arc::new(Health));
    routes.add(&["GET"], "/readyz", Arc::new(Ready(ready)));
    routes.add(&["GET"], "/2010-04-01/Accounts/{account}/Recordings/{sid}", recordings);
    routes.add(&["GET", "POST", "DELETE"], "/2010-04-01/{path…}", Arc::new(NoSuchResource));
    routes
}
