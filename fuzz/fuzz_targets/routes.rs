//! A table of routes and, after a zero byte, a call: its moment and its parameters as a form.

use std::path::Path;

use offhook::base::WallTime;
use offhook::http::form;
use offhook::markup;
use offhook::source::routes::{Parameters, Table};

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (text, call) = text.split_once('\0').unwrap_or((text, "From=sip:home@h&To=6508662222"));
    let (moment, call) = call.split_once(';').unwrap_or(("1795237266123", call));
    let now = WallTime::from_unix_millis(moment.parse().unwrap_or(u64::MAX));
    let compiled = Table::compile(Path::new("t.routes.toml"), text);
    let lines = text.lines().count() + 1;
    for problem in &compiled.problems {
        assert!(problem.line <= lines && !problem.message.is_empty(), "{problem}");
    }
    let Some(table) = compiled.table else {
        return assert!(!compiled.problems.is_empty(), "refused without a reason");
    };
    assert!(table.run_tests().iter().all(|test| test.failure.is_none()));
    let body = form::decode(call.as_bytes());
    let parameters = Parameters { body: &body, query: &[] };
    let explanation = table.decide(&parameters, now);
    assert_eq!(explanation.decision, table.decide(&parameters, now).decision);
    assert!(explanation.to_string().starts_with("t.routes.toml: From"));
    assert!(explanation.log().all(|line| !line.is_empty()));
    if explanation.xml.len() <= markup::MAX_BYTES {
        let tree = markup::parse(explanation.xml.as_bytes());
        assert_eq!(tree.expect("well-formed, whatever callers say").root.name, "Response");
    }
}
