//! Forms and queries of web requests, and URLs that parameters are put to.

use offhook::http::form;
use url::Url;

pub fn run(bytes: &[u8]) {
    let fields = form::decode(bytes);
    assert!(fields.len() <= 1_000);
    assert_eq!(form::decode(form::encode(&fields).as_bytes()), fields);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = form::is_form(text);
    let Ok(mut url) = Url::parse(text) else { return };
    let before = url.query_pairs().count();
    form::append(&mut url, &fields);
    assert_eq!(url.query_pairs().count(), before + fields.len());
}
