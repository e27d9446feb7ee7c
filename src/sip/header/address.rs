//! Addresses: `"Display" <uri>;params` and `uri;params` (RFC 3261 section 20.10).
//!
//! The URI is never looked for inside a display name: a caller named `"x<sip:eve@evil>"` is
//! still the caller that the angle brackets after the quotes name.

use std::borrow::Cow;

use super::params::{Params, unescape, unquote};
use super::scan::{URI, closing_quote, find, find_near, is_uri_text, run, trim};
use crate::sip::uri::SipUri;

/// The value of From, To, Contact, Route and their like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameAddr<'a> {
    display: &'a str,
    uri: &'a str,
    params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// Reads one address, not a list of them.
    pub fn parse(text: &'a str) -> Option<NameAddr<'a>> {
        let text = trim(text);
        let (display, rest) = match text.starts_with('"') {
            true => text.split_at_checked(closing_quote(text)? + 1)?,
            // A scheme's colon, or a semicolon, before any `<` means that there is no name.
            false => {
                match text.bytes().position(|byte| matches!(byte, b'<' | b':' | b';' | b'"')) {
                    Some(at) if text.as_bytes().get(at) == Some(&b'<') => {
                        text.split_at_checked(at)?
                    }
                    _ => return NameAddr::bare(text),
                }
            }
        };
        let inner = rest.trim_ascii_start().strip_prefix('<')?.trim_ascii_start();
        let (uri, rest) = inner.split_at_checked(run(inner, URI))?;
        let params = Params::new(trim(rest.trim_ascii_start().strip_prefix('>')?));
        let address = NameAddr { display: trim(display), uri, params };
        address.sound().then_some(address)
    }

    /// Without brackets, semicolons begin the header's parameters, and the URI may hold neither
    /// comma nor question mark (RFC 3261 section 20).
    fn bare(text: &'a str) -> Option<NameAddr<'a>> {
        let (uri, params) = text.split_at_checked(find(text, b';').unwrap_or(text.len()))?;
        let uri = uri.trim_ascii_end();
        if uri.bytes().any(|byte| matches!(byte, b'?' | b',')) || !is_uri_text(uri) {
            return None;
        }
        let address = NameAddr { display: "", uri, params: Params::new(params) };
        address.sound().then_some(address)
    }

    fn sound(&self) -> bool {
        find_near(self.uri.as_bytes(), b':').is_some() && self.params.well_formed()
    }

    /// The display name without quotes and escapes; `None` when there is none.
    pub fn display_name(&self) -> Option<Cow<'a, str>> {
        (!self.display.is_empty()).then(|| unescape(unquote(self.display)))
    }

    /// The URI as it stands.
    pub const fn uri(&self) -> &'a str {
        self.uri
    }

    /// The URI's parts, where it is one of ours (`sip:`, `sips:`, `tel:` or some other scheme).
    pub fn sip_uri(&self) -> Option<SipUri<'a>> {
        SipUri::parse_framed(self.uri)
    }

    /// The parameters after the URI, which are the header's and not the URI's.
    pub const fn params(&self) -> Params<'a> {
        self.params
    }

    /// The tag of From and To (RFC 3261 section 19.3).
    pub fn tag(&self) -> Option<&'a str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> NameAddr<'_> {
        NameAddr::parse(text).unwrap_or_else(|| panic!("{text} is an address"))
    }

    #[test]
    fn a_display_name_cannot_pose_as_the_uri() {
        let address = parsed(r#""x<sip:eve@evil>" <sip:bob@good>;tag=1"#);
        assert_eq!(address.uri(), "sip:bob@good");
        assert_eq!(address.display_name().as_deref(), Some("x<sip:eve@evil>"));
        let address = parsed(r#""\"<sip:eve@evil>;tag=evil\\" <sip:bob@good>;tag=1"#);
        assert_eq!((address.uri(), address.tag()), ("sip:bob@good", Some("1")));
        assert_eq!(address.display_name().as_deref(), Some("\"<sip:eve@evil>;tag=evil\\"));
    }

    #[test]
    fn bare_addresses_keep_their_tag() {
        let address = parsed("sip:a@b.example:5070 ; tag = x1");
        assert_eq!((address.uri(), address.tag()), ("sip:a@b.example:5070", Some("x1")));
        assert_eq!(address.display_name(), None);
        assert!(NameAddr::parse("sip:a@b?Route=c").is_none());
    }

    #[test]
    fn parameters_in_brackets_are_the_uris() {
        let address = parsed("Bob Jones <sip:bob@h;transport=tcp?x=y>;tag=z;q=0.5");
        assert_eq!(address.display_name().as_deref(), Some("Bob Jones"));
        assert_eq!(address.uri(), "sip:bob@h;transport=tcp?x=y");
        assert_eq!(address.params().get("transport"), None);
        assert_eq!(address.params().get("q"), Some("0.5"));
    }

    #[test]
    fn instances_and_telephones_are_read() {
        let contact = parsed(
            r#"<sip:b@[2001:db8::1]:5060;ob>;+sip.instance="<urn:uuid:00-11>";reg-id=1;expires=60"#,
        );
        assert_eq!(contact.params().get("+sip.instance"), Some("<urn:uuid:00-11>"));
        assert_eq!(contact.params().get("reg-id"), Some("1"));
        assert_eq!(parsed("<tel:+1-201-555-0123;ext=5>;tag=1").uri(), "tel:+1-201-555-0123;ext=5");
    }

    #[test]
    fn broken_addresses_are_refused() {
        for text in [
            r#""open <sip:a@b>"#,
            "<sip:a@b",
            "<sip:a@b> junk",
            "<sip:a@b>;;tag=1",
            "<sip:a b@c>",
            "no-scheme",
            "",
            r#""only a name""#,
            "a\"b <sip:a@b>",
        ] {
            assert!(NameAddr::parse(text).is_none(), "{text}");
        }
    }
}
