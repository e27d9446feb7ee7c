//! `reg`: where a user is registered (RFC 3680). Each NOTIFY lists every contact there is; one that
//! is missing has gone.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::*;

pub(super) const PACKAGE: Package = Package {
    kind: subscription::Package { name: "reg", content_type: "application/reginfo+xml" },
    rights: Rights::Oneself,
    write,
};

fn write(view: &View, version: u32) -> String {
    let own = view.uri();
    let state = if view.bindings.is_empty() { "terminated" } else { "active" };
    let mut text = format!(
        "<?xml version=\"1.0\"?>\r\n<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" \
         version=\"{version}\" state=\"full\">\r\n\
         <registration aor=\"{}\" id=\"{:016x}\" state=\"{state}\">\r\n",
        Attribute(own),
        hash_of(&*view.user)
    );
    for binding in &view.bindings {
        write_contact(&mut text, binding, view.now);
    }
    text.push_str("</registration>\r\n</reginfo>\r\n");
    text
}

fn write_contact(text: &mut String, binding: &Binding, now: Instant) {
    let Binding { uri, instance, reg_id, call_id, cseq, .. } = binding;
    let id = match (instance, reg_id) {
        (Some(instance), Some(reg_id)) => hash_of((instance, reg_id)),
        _ => hash_of(uri),
    };
    let left = binding.expires_at.since(now).as_millis().div_ceil(1000);
    let _ = write!(
        text,
        "<contact id=\"{id:016x}\" state=\"active\" event=\"registered\" expires=\"{left}\" \
         q=\"{}.{:03}\" callid=\"{}\" cseq=\"{cseq}\">\r\n<uri>{}</uri>\r\n",
        binding.q / 1000,
        binding.q % 1000,
        Attribute(call_id),
        Text(uri)
    );
    if let Some(instance) = instance {
        let _ = write!(
            text,
            "<unknown-param name=\"+sip.instance\">{}</unknown-param>\r\n",
            Text(&format!("\"{instance}\""))
        );
    }
    text.push_str("</contact>\r\n");
}

fn hash_of(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
