//! URLs of documents, actions and sounds: relative ones against the document that holds them.

use url::Url;

/// Where a document comes from that came with an order: it has no URL, and what is relative in it
/// is relative to ours.
pub(super) const INLINE: &str = "twiml:inline";

/// Resolves `written` against the document that came from `base`; empty means that document.
///
/// Bins and functions have two names, `bin:NAME` and a web address: relative URLs inside them
/// resolve by the web address, and what stays on our own server goes back to the short name, so
/// that a call's own documents need no way round through the network.
pub(super) fn resolve(public_url: &str, base: &str, written: &str) -> Option<String> {
    let inline = base == INLINE;
    if written.is_empty() {
        return (!inline).then(|| base.to_owned());
    }
    let local = local(base);
    let from = match local {
        _ if inline => public_url.to_owned(),
        Some((folder, name)) => format!("{public_url}/{folder}/{name}"),
        None => base.to_owned(),
    };
    let resolved = match Url::parse(&from) {
        // A name such as `app:x` has no folders to be relative to: ours are taken.
        Ok(from) if from.cannot_be_a_base() => Url::parse(public_url).ok()?.join(written),
        Ok(from) => from.join(written),
        Err(_) => Url::parse(written),
    };
    let resolved = resolved.ok()?;
    if !matches!(resolved.scheme(), "http" | "https" | "bin" | "function" | "app") {
        return None;
    }
    let resolved = String::from(resolved);
    if local.is_some() || inline {
        for (folder, scheme) in [("bins", "bin"), ("functions", "function")] {
            let name = resolved
                .strip_prefix(public_url)
                .and_then(|rest| rest.strip_prefix('/')?.strip_prefix(folder)?.strip_prefix('/'));
            if let Some(name) = name.filter(|name| !name.is_empty() && !name.contains(['?', '#'])) {
                return Some(format!("{scheme}:{name}"));
            }
        }
    }
    Some(resolved)
}

/// The same for sounds; a file of ours is `/assets/…`.
pub(super) fn resolve_sound(public_url: &str, base: &str, written: &str) -> Option<String> {
    let resolved = resolve(public_url, base, written)?;
    let own = resolved.strip_prefix(public_url).filter(|rest| rest.starts_with("/assets/"));
    match own {
        Some(path) => Some(path.to_owned()),
        None if resolved.starts_with("http") => Some(resolved),
        None => None,
    }
}

/// The same for callbacks, which only the web can take.
pub(super) fn resolve_callback(public_url: &str, base: &str, written: &str) -> Option<String> {
    let resolved = resolve(public_url, base, written)?;
    match local(&resolved) {
        Some((folder, name)) => Some(format!("{public_url}/{folder}/{name}")),
        None => resolved.starts_with("http").then_some(resolved),
    }
}

/// The folder and name of a document of our own.
fn local(url: &str) -> Option<(&'static str, &str)> {
    let bin = url.strip_prefix("bin:").map(|name| ("bins", name));
    bin.or_else(|| url.strip_prefix("function:").map(|name| ("functions", name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: &str = "http://127.0.0.1:8080";

    fn at(base: &str, written: &str) -> Option<String> {
        resolve(US, base, written)
    }

    #[test]
    fn a_document_without_a_url_is_at_home_here() {
        assert_eq!(at(INLINE, "/functions/next").as_deref(), Some("function:next"));
        assert_eq!(at(INLINE, "/bins/next").as_deref(), Some("bin:next"));
        assert_eq!(at(INLINE, "https://a.example/x").as_deref(), Some("https://a.example/x"));
        assert_eq!(at(INLINE, ""), None, "it cannot be asked for again");
        assert_eq!(resolve_sound(US, INLINE, "/assets/a.wav").as_deref(), Some("/assets/a.wav"));
    }

    #[test]
    fn relative_urls_follow_their_document() {
        let web = "https://a.example/voice/menu?x=1";
        assert_eq!(at(web, "next?y=2").as_deref(), Some("https://a.example/voice/next?y=2"));
        assert_eq!(at(web, "/top").as_deref(), Some("https://a.example/top"));
        assert_eq!(at(web, "").as_deref(), Some(web));
        assert_eq!(at(web, "bin:sorry").as_deref(), Some("bin:sorry"));
        assert_eq!(at(web, "ftp://a/b"), None);
        assert_eq!(at(web, "https://b.example/#rc=2").as_deref(), Some("https://b.example/#rc=2"));
    }

    #[test]
    fn our_own_documents_keep_their_short_names() {
        assert_eq!(at("bin:menu", "other").as_deref(), Some("bin:other"));
        assert_eq!(at("bin:menu", "/functions/route").as_deref(), Some("function:route"));
        assert_eq!(at("function:a", "/bins/b?x=1"), Some(format!("{US}/bins/b?x=1")));
        assert_eq!(at("app:a", "/bins/b"), Some(format!("{US}/bins/b")));
        assert_eq!(at("https://a.example/", &format!("{US}/bins/b")), Some(format!("{US}/bins/b")));
    }

    #[test]
    fn sounds_and_callbacks_have_their_places() {
        let sound = |base, written| resolve_sound(US, base, written);
        assert_eq!(sound("bin:a", "/assets/x.wav").as_deref(), Some("/assets/x.wav"));
        let foreign = Some("https://a.example/assets/x.wav".to_owned());
        assert_eq!(sound("https://a.example/v", "/assets/x.wav"), foreign);
        assert_eq!(sound("bin:a", "bin:b"), None);
        assert_eq!(resolve_callback(US, "bin:a", "b"), Some(format!("{US}/bins/b")));
    }
}
