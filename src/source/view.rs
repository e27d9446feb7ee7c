//! A document as its author wants to see it: the markup, what is wrong with it, what a caller
//! would notice. For `preview`, `dev`, and whoever asks for plain text.

use crate::http::{Request, Response};
use crate::markup;
use crate::verb::Document;

use super::document::{media_type, read_document};
use super::project::STALE_HEADER;

/// Findings that a view tells; whoever mends these sees the next.
const MOST_FINDINGS: usize = 20;

/// What is wrong with a document or may not have been meant, a line for each.
pub fn findings(document: &Document) -> Vec<String> {
    let mut found = document.diagnostics().to_vec();
    found.extend(document.lint());
    found.iter().map(ToString::to_string).collect()
}

/// What a caller would notice, a line for each.
pub fn outline(document: &Document) -> Vec<String> {
    match document.outline() {
        lines if lines.is_empty() => vec!["nothing: the call is refused".to_owned()],
        lines => lines,
    }
}

/// Whether a request asks for the view: plain text and nothing else. Programs that take anything
/// name plain text, too (`application/json, text/plain, */*`): they get the document.
pub(super) fn is_wanted(request: &Request) -> bool {
    let accept = request.headers.first("Accept").unwrap_or("");
    !accept.contains(',') && media_type(accept) == "text/plain"
}

/// The view of an answer, when it is markup; status and what was said of the file stay.
pub(super) fn of(answer: Response, url: &str) -> Response {
    let kind = answer.headers.first("Content-Type").map(str::to_owned);
    let is_xml = kind.as_deref().is_some_and(|kind| is_markup(&media_type(kind)));
    if !is_xml || !(200..300).contains(&answer.status) {
        return answer;
    }
    let stale = answer.headers.first(STALE_HEADER).map(str::to_owned);
    let mut view = Response::text(answer.status, &text(&answer.body, kind.as_deref(), url, stale));
    for (name, value) in answer.headers.iter() {
        if !name.eq_ignore_ascii_case("Content-Type") {
            view = view.with(name, value);
        }
    }
    view.with("Vary", "Accept")
}

/// Whether a media type is markup's.
pub fn is_markup(kind: &str) -> bool {
    matches!(kind, "text/xml" | "application/xml")
}

fn text(body: &[u8], kind: Option<&str>, url: &str, stale: Option<String>) -> String {
    let mut lines = Vec::new();
    if let Some(stale) = stale {
        lines.push(format!("the file as it is now is broken: {stale}"));
        lines.push("the last good version answers:".to_owned());
    }
    // What is wrong is said of the text that is shown.
    let shown = shown(body);
    match read_document(shown.as_bytes(), kind, url) {
        Err(error) => {
            lines.push(shown);
            lines.push(String::new());
            lines.push(format!("error {}: {error}", error.code));
            lines.push("a call cannot use this: its fallback answers, or it ends".to_owned());
        }
        Ok(document) => {
            lines.push(shown);
            lines.push(String::new());
            let findings = findings(&document);
            lines.extend(findings.iter().take(MOST_FINDINGS).cloned());
            if let Some(more) = findings.len().checked_sub(MOST_FINDINGS).filter(|more| *more > 0) {
                lines.push(format!("and {more} more findings"));
            }
            lines.push("a caller would notice:".to_owned());
            lines.extend(outline(&document).into_iter().map(|line| format!("  {line}")));
        }
    }
    lines.join("\n")
}

/// Markup to look at: as it is when it has lines, else an element a line.
pub fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let declared = text.trim().strip_prefix("<?xml").and_then(|rest| rest.split_once("?>"));
    let inner = declared.map_or_else(|| text.trim(), |(_, rest)| rest.trim());
    if inner.contains('\n') {
        return text.trim().to_owned();
    }
    match markup::parse(body) {
        Ok(tree) => markup::pretty(&tree.root),
        Err(_) => text.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(accept: &str) -> bool {
        let mut request = Request::get("/bins/x");
        request.headers.push("Accept", accept);
        is_wanted(&request)
    }

    #[test]
    fn only_who_wants_plain_text_alone_gets_the_view() {
        assert!(asking("text/plain") && asking(" Text/Plain; charset=utf-8 "));
        for other in ["*/*", "", "application/json, text/plain, */*", "text/plain, text/xml"] {
            assert!(!asking(other), "{other}");
        }
    }

    #[test]
    fn the_view_has_lines_findings_and_what_is_heard() {
        let xml = "<?xml version=\"1.0\"?><Response><Sya/><Say>Hi</Say><Hangup/></Response>";
        let view = of(Response::markup(xml).with("X-A", "b"), "http://h/");
        let text = String::from_utf8_lossy(&view.body).into_owned();
        assert!(text.starts_with("<Response>\n  <Sya/>\n  <Say>Hi</Say>\n"), "{text}");
        assert!(text.contains("\n2:3: warning 12200: <Sya> is not a verb"), "{text}");
        assert!(text.contains("a caller would notice:\n  say \"Hi\"\n"), "{text}");
        assert_eq!(view.headers.first("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(view.headers.first("x-a"), Some("b"));
    }

    #[test]
    fn a_document_of_nothing_but_mistakes_is_told_in_a_screenful() {
        let attributes: String = (0..200).map(|n| format!(" a{n:04}=''")).collect();
        let says = format!("<Say{attributes}/>").repeat(30);
        let view = of(Response::markup(format!("<Response>{says}</Response>")), "http://h/");
        let text = String::from_utf8_lossy(&view.body).into_owned();
        assert_eq!(text.matches(" 12200: <Say> has no attribute").count(), MOST_FINDINGS);
        assert!(text.contains("more findings\n"), "{text:.200}");
    }

    #[test]
    fn what_is_no_document_says_so_and_what_is_no_markup_stays() {
        let broken = of(Response::markup("<Response>\n<Say></Response>"), "http://h/");
        let text = String::from_utf8_lossy(&broken.body).into_owned();
        assert!(text.contains("error 12100: ") && text.contains("a call cannot use"), "{text}");
        let json = Response::new(200, "application/json", "{}");
        assert_eq!(of(json.clone(), "http://h/"), json);
        let failed = Response::text(500, "it threw");
        assert_eq!(of(failed.clone(), "http://h/"), failed);
    }
}
