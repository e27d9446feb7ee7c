//! A decision as markup, byte for byte as the helper library of JavaScript functions writes it.

use super::rules::{Action, Decision};
use super::{Pairs, Table};

/// The document of a decision.
pub(super) fn write(table: &Table, decision: &Decision) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>");
    if let Some(text) = &decision.says {
        element(&mut xml, "Say", &[&table.say], text);
    }
    match &decision.action {
        Action::Hangup => {}
        Action::Reject(reason) => {
            let reason = vec![("reason".to_owned(), (*reason).to_owned())];
            element(&mut xml, "Reject", &[&reason], "");
        }
        Action::Redirect(url) => element(&mut xml, "Redirect", &[], url),
        Action::Dial { target, caller_id, sip } => {
            dial(&mut xml, table, target, caller_id.as_deref(), *sip);
        }
    }
    if xml.ends_with("<Response>") {
        xml.truncate(xml.len() - 1);
        xml.push_str("/>");
    } else {
        xml.push_str("</Response>");
    }
    xml
}

fn dial(xml: &mut String, table: &Table, target: &str, caller_id: Option<&str>, sip: bool) {
    let own = table.users.as_ref().filter(|_| sip).and_then(|users| users.dial.as_ref());
    let plan = own.unwrap_or(&table.dial);
    let caller: Pairs =
        caller_id.map(|id| ("callerId".to_owned(), id.to_owned())).into_iter().collect();
    let noun = match (sip, &plan.number) {
        (true, _) => Some(("Sip", &plan.sip)),
        (false, Some(attributes)) => Some(("Number", attributes)),
        (false, None) => None,
    };
    let Some((noun, attributes)) = noun else {
        return element(xml, "Dial", &[&caller, &plan.attributes], target);
    };
    begin(xml, "Dial", &[&caller, &plan.attributes]);
    xml.push('>');
    element(xml, noun, &[attributes], target);
    xml.push_str("</Dial>");
}

fn element(xml: &mut String, name: &str, attributes: &[&Pairs], text: &str) {
    begin(xml, name, attributes);
    if text.is_empty() {
        return xml.push_str("/>");
    }
    xml.push('>');
    escape(xml, text, |c| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '\r' => Some("&#xD;"),
        _ => None,
    });
    xml.push_str("</");
    xml.push_str(name);
    xml.push('>');
}

fn begin(xml: &mut String, name: &str, attributes: &[&Pairs]) {
    xml.push('<');
    xml.push_str(name);
    for (name, value) in attributes.iter().copied().flatten() {
        xml.push(' ');
        xml.push_str(name);
        xml.push_str("=\"");
        escape(xml, value, |c| match c {
            '&' => Some("&amp;"),
            '<' => Some("&lt;"),
            '"' => Some("&quot;"),
            '\t' => Some("&#x9;"),
            '\n' => Some("&#xA;"),
            '\r' => Some("&#xD;"),
            _ => None,
        });
        xml.push('"');
    }
}

/// What XML 1.0 section 2.2 does not allow at all is left out.
fn escape(xml: &mut String, text: &str, special: impl Fn(char) -> Option<&'static str>) {
    for c in text.chars() {
        match special(c) {
            Some(reference) => xml.push_str(reference),
            None if crate::markup::allowed(c) => xml.push(c),
            None => {}
        }
    }
}
