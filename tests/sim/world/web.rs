//! A web by script: what URLs answer, when, and what they were asked. Bins are files of `samples/`.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use offhook::base::{Duration, Instant};
use offhook::call::{Fetch, FetchError, Fetched};
use offhook::source::template::Template;
use offhook::verb::Document;

use super::rows::value;

/// No answer may take longer (`source` gives up then).
const PATIENCE: Duration = Duration::from_secs(15);
/// Redirects that are followed.
const MOST_REDIRECTS: usize = 10;

/// What a URL answers.
#[derive(Clone, Debug)]
pub enum Page {
    /// 200 with that body and type.
    Body(String, &'static str),
    /// Another status.
    Status(u16),
    /// 302 to another URL.
    Moved(String),
    /// Nobody listens there.
    Dead,
    /// The answer comes late.
    Late(Duration, Box<Page>),
    /// The source is broken and never says anything at all.
    Never,
}

impl Page {
    pub fn xml(body: &str) -> Page {
        Page::Body(format!("<Response>{body}</Response>"), "text/xml")
    }
}

/// The web.
#[derive(Default)]
pub struct Web {
    pages: BTreeMap<String, VecDeque<Page>>,
    /// What was asked for, in order.
    pub asked: Vec<(Instant, Fetch)>,
}

impl Web {
    /// What a URL answers; several answers to one URL are given one after another, the last stays.
    pub fn page(&mut self, url: &str, page: Page) {
        self.pages.entry(url.to_owned()).or_default().push_back(page);
    }

    /// One parameter of all requests for a URL.
    pub fn parameter(&self, url: &str, name: &str) -> Vec<String> {
        let of_url = self.asked.iter().filter(|(_, fetch)| fetch.url == url);
        of_url.map(|(_, fetch)| value(&fetch.parameters, name)).collect()
    }

    /// The URLs that were asked for.
    pub fn urls(&self) -> Vec<&str> {
        self.asked.iter().map(|(_, fetch)| fetch.url.as_str()).collect()
    }

    /// The answer and when it comes; `None` if it never does.
    pub fn answer(
        &mut self,
        now: Instant,
        fetch: Fetch,
    ) -> Option<(Duration, Result<Fetched, FetchError>)> {
        self.asked.push((now, fetch.clone()));
        let mut delay = Duration::from_millis(10);
        let mut url = fetch.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let mut page = self.next(&url, &fetch);
            while let Page::Late(more, inner) = page {
                delay += more;
                page = *inner;
            }
            if delay >= PATIENCE {
                return Some((PATIENCE, Err(error(11203, "no answer in 15 s"))));
            }
            match page {
                Page::Body(body, kind) => return Some((delay, read(&body, kind, url))),
                Page::Status(status) => {
                    return Some((delay, Err(error(11200, &format!("it answered {status}")))));
                }
                Page::Dead => return Some((delay, Err(error(11202, "connection refused")))),
                Page::Moved(to) => url = to,
                Page::Never => return None,
                Page::Late(..) => unreachable!("taken apart above"),
            }
        }
        Some((delay, Err(error(11215, "too many redirects"))))
    }

    fn next(&mut self, url: &str, fetch: &Fetch) -> Page {
        if let Some(name) = url.strip_prefix("bin:") {
            return bin(name, fetch);
        }
        let Some(pages) = self.pages.get_mut(url) else { return Page::Status(404) };
        match pages.len() {
            0 | 1 => pages.front().cloned().unwrap_or(Page::Status(404)),
            _ => pages.pop_front().expect("there are several"),
        }
    }
}

/// A bin of `samples/first`, with its templates filled in.
fn bin(name: &str, fetch: &Fetch) -> Page {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/first/bins");
    let Ok(text) = std::fs::read_to_string(folder.join(format!("{name}.xml"))) else {
        return Page::Status(404);
    };
    let template = Template::parse(&text).expect("samples are sound");
    Page::Body(template.render(&fetch.parameters).expect("samples are small"), "text/xml")
}

fn read(body: &str, kind: &str, base: String) -> Result<Fetched, FetchError> {
    match Document::parse(body.as_bytes(), Some(kind)) {
        Ok((document, _)) => Ok(Fetched { document: Arc::new(document), base }),
        Err(diagnostic) => Err(error(diagnostic.code, &diagnostic.to_string())),
    }
}

fn error(code: u32, message: &str) -> FetchError {
    FetchError { code, message: message.to_owned() }
}
