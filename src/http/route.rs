//! The route table: which handler answers which path. Adding a resource is one line.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::message::{Request, Response};
use crate::base::apart;

/// A future that a trait object returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Answers requests.
pub trait Handler: Send + Sync {
    /// The answer to one request. `arguments` are what the pattern's placeholders stood for,
    /// percent-decoded, in order.
    fn handle<'a>(&'a self, request: Request, arguments: Vec<String>) -> BoxFuture<'a, Response>;
}

/// What is at a path.
pub struct Found {
    /// The methods that it takes.
    pub methods: &'static [&'static str],
    /// Answers them.
    pub handler: Arc<dyn Handler>,
    /// What the handler is given with the request.
    pub arguments: Vec<String>,
}

/// Knows of paths that no pattern describes.
pub trait Otherwise: Send + Sync {
    /// What is at the path; `None` where nothing is.
    fn find<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Option<Found>>;
}

/// Patterns and their handlers, tried in the order in which they were added.
#[derive(Clone, Default)]
pub struct Routes {
    lines: Vec<Route>,
    otherwise: Option<Arc<dyn Otherwise>>,
}

#[derive(Clone)]
struct Route {
    methods: &'static [&'static str],
    /// As it was written.
    text: &'static str,
    pattern: Vec<Segment<'static>>,
    handler: Arc<dyn Handler>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment<'a> {
    Literal(&'a str),
    /// `{name}`: one segment.
    One,
    /// `{name…}` as the last: the rest of the path, slashes included.
    Rest,
}

impl Routes {
    /// An empty table.
    pub fn new() -> Self {
        Routes::default()
    }

    /// Adds a handler for a pattern such as `/bins/{name}` or `/assets/{path…}`.
    pub fn add(
        &mut self,
        methods: &'static [&'static str],
        pattern: &'static str,
        handler: Arc<dyn Handler>,
    ) {
        let text = pattern;
        let pattern = text.trim_start_matches('/').split('/').map(segment).collect();
        self.lines.push(Route { methods, text, pattern, handler });
    }

    /// Asks there for paths that no pattern fits, those of lines that are added later included.
    pub fn otherwise(&mut self, otherwise: Arc<dyn Otherwise>) {
        self.otherwise = Some(otherwise);
    }

    /// Takes over another table's lines, after one's own.
    pub fn merge(&mut self, other: Routes) {
        self.lines.extend(other.lines);
        self.otherwise = self.otherwise.take().or(other.otherwise);
    }

    /// Answers a request: 404 when no pattern fits, 405 when one fits but not the method. HEAD is
    /// answered as GET; the server leaves the body out.
    pub async fn handle(&self, request: Request) -> Response {
        let method = if request.method == "HEAD" { "GET" } else { &request.method };
        let mut allowed: Vec<&str> = Vec::new();
        for route in &self.lines {
            let Some(arguments) = arguments(&route.pattern, &request.path) else { continue };
            if route.methods.contains(&method) {
                return route.handler.handle(request, arguments).await;
            }
            allowed.extend(route.methods);
        }
        if let (true, Some(otherwise)) = (allowed.is_empty(), &self.otherwise)
            && let Some(found) = otherwise.find(&request.path).await
        {
            if found.methods.contains(&method) {
                return found.handler.handle(request, found.arguments).await;
            }
            allowed.extend(found.methods);
        }
        if allowed.is_empty() {
            let mut text = format!("404: nothing is served at {}", request.path);
            if let Some(near) = self.nearest(&request.path) {
                text.push_str(&format!("; did you mean {near}?"));
            }
            return Response::text(404, &text);
        }
        let allowed = allowed.join(", ");
        let text = format!("405: {} is not possible here; use {allowed}", request.method);
        Response::text(405, &text).with("Allow", allowed)
    }

    /// What of the patterns a path was meant for, with the path's own words in their places.
    fn nearest(&self, path: &str) -> Option<String> {
        if path.len() > LONGEST_HINTED {
            return None;
        }
        let near = self.lines.iter().filter_map(|route| {
            let Filled { literal, written, shown } = filled(route.text, path);
            // What a path is already, it was not meant for.
            (shown != path).then_some((apart(&written, &literal)?, shown))
        });
        near.min_by_key(|(distance, _)| *distance).map(|(_, shown)| shown)
    }
}

fn segment(text: &str) -> Segment<'_> {
    match text {
        _ if text.ends_with("…}") => Segment::Rest,
        _ if text.starts_with('{') => Segment::One,
        _ => Segment::Literal(text),
    }
}

/// Longer paths were not typed, and get no hint that says them again.
const LONGEST_HINTED: usize = 200;

/// A pattern beside a path.
struct Filled {
    /// What of the pattern stands for itself.
    literal: String,
    /// What the path has there, and all that the pattern has no place for.
    written: String,
    /// The pattern with the path's words for its placeholders, as far as there are any.
    shown: String,
}

fn filled(pattern: &str, path: &str) -> Filled {
    let (mut literal, mut written, mut shown) = (String::new(), String::new(), String::new());
    let add = |text: &mut String, part: &str| {
        text.push('/');
        text.push_str(part);
    };
    let mut words = path.trim_matches('/').split('/');
    for part in pattern.trim_start_matches('/').split('/') {
        let word = words.next().filter(|word| !word.is_empty());
        match segment(part) {
            Segment::Literal(part) => {
                add(&mut literal, part);
                add(&mut shown, part);
                word.into_iter().for_each(|word| add(&mut written, word));
            }
            Segment::One => add(&mut shown, word.unwrap_or(part)),
            Segment::Rest => {
                add(&mut shown, word.unwrap_or(part));
                words.by_ref().for_each(|word| add(&mut shown, word));
            }
        }
    }
    words.for_each(|word| add(&mut written, word));
    Filled { literal, written, shown }
}

/// What the placeholders stand for when the path fits. A segment that is not UTF-8 fits nothing.
fn arguments(pattern: &[Segment<'_>], path: &str) -> Option<Vec<String>> {
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8().ok()?.into_owned();
        (!text.is_empty()).then_some(text)
    };
    let mut left = Some(path.strip_prefix('/')?);
    let mut found = Vec::new();
    for segment in pattern {
        let rest = left?;
        if *segment == Segment::Rest {
            found.push(decoded(rest)?);
            left = None;
            continue;
        }
        let (here, after) = match rest.split_once('/') {
            Some((here, after)) => (here, Some(after)),
            None => (rest, None),
        };
        match segment {
            Segment::Literal(literal) if *literal == here => {}
            Segment::One => found.push(decoded(here)?),
            _ => return None,
        }
        left = after;
    }
    left.is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo(&'static str);

    impl Handler for Echo {
        fn handle<'a>(&'a self, _: Request, arguments: Vec<String>) -> BoxFuture<'a, Response> {
            Box::pin(async move { Response::text(200, &format!("{} {arguments:?}", self.0)) })
        }
    }

    async fn ask(method: &str, target: &str) -> (u16, String) {
        let mut routes = Routes::new();
        routes.add(&["GET"], "/healthz", Arc::new(Echo("health")));
        routes.add(&["GET", "POST"], "/bins/{name}", Arc::new(Echo("bin")));
        routes.add(&["GET"], "/assets/{path…}", Arc::new(Echo("asset")));
        routes.add(&["GET"], "/A/{account}/R/{sid}", Arc::new(Echo("two")));
        let mut request = Request::get(target);
        request.method = method.to_owned();
        let response = routes.handle(request).await;
        (response.status, String::from_utf8_lossy(&response.body).trim().to_owned())
    }

    #[tokio::test]
    async fn paths_find_their_handlers() {
        for (method, target, status, text) in [
            ("GET", "/healthz", 200, "health []"),
            ("HEAD", "/healthz", 200, "health []"),
            ("POST", "/bins/a%20b", 200, "bin [\"a b\"]"),
            ("GET", "/bins/x?From=%2B1", 200, "bin [\"x\"]"),
            ("GET", "/assets/a/b.wav", 200, "asset [\"a/b.wav\"]"),
            ("GET", "/A/AC1/R/RE2", 200, "two [\"AC1\", \"RE2\"]"),
            ("GET", "/", 404, "404: nothing is served at /"),
            ("GET", "/other", 404, "404: nothing is served at /other"),
            ("GET", "/bins", 404, "404: nothing is served at /bins; did you mean /bins/{name}?"),
            ("GET", "/bins/", 404, "404: nothing is served at /bins/; did you mean /bins/{name}?"),
            ("GET", "/bin/a", 404, "404: nothing is served at /bin/a; did you mean /bins/a?"),
            ("GET", "/bins/a/b", 404, "404: nothing is served at /bins/a/b; did you mean /bins/a?"),
            ("GET", "/bins/%ff", 404, "404: nothing is served at /bins/%ff"),
            ("GET", "/health", 404, "404: nothing is served at /health; did you mean /healthz?"),
            (
                "GET",
                "/asset/a/b",
                404,
                "404: nothing is served at /asset/a/b; did you mean /assets/a/b?",
            ),
            ("POST", "/healthz", 405, "405: POST is not possible here; use GET"),
            ("DELETE", "/bins/x", 405, "405: DELETE is not possible here; use GET, POST"),
        ] {
            assert_eq!(ask(method, target).await, (status, text.to_owned()), "{method} {target}");
        }
        let long = format!("/bin/{}", "a".repeat(60_000));
        let (status, text) = ask("GET", &long).await;
        assert_eq!((status, text.contains("did you mean")), (404, false));
    }
}
