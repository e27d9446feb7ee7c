//! A document of verbs, of any type: read, judged and outlined; a mistake has a code and a place.

use offhook::verb::Document;

pub fn run(bytes: &[u8]) {
    let (kind, body) = bytes.split_at(bytes.len().min(1));
    let kinds = [None, Some("text/xml; charset=utf-8"), Some("text/plain"), Some("image/png")];
    let kind = kinds[usize::from(kind.first().copied().unwrap_or_default() & 3)];
    match Document::parse(body, kind) {
        Ok((document, findings)) => {
            assert!(findings.iter().all(|finding| finding.code > 0 && !finding.message.is_empty()));
            let _ = (document.lint(), document.outline());
        }
        Err(diagnostic) => assert!((10_000..20_000).contains(&diagnostic.code), "{diagnostic}"),
    }
    if let Ok(uri) = std::str::from_utf8(body) {
        assert!(Document::ring(uri).verbs().len() <= 1);
    }
}
