//! A look at a message before it is read: what it is, and who is to have it.
//!
//! It goes over the header lines once and keeps nothing; it judges nothing, and for what the full
//! parser refuses it gives some answer or none. It uses the parser's own lines and views, so that
//! both never see different messages (RFC 3261 section 7.3).

use std::borrow::Cow;

use super::Method;
use super::header::scan::List;
use super::header::{HeaderName, NameAddr, Via};
use super::message::index::{Line, Start, header_line, line_ends_before, start_line};
use super::uri::SipUri;

/// How much hangs on a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A response: to something that we began.
    Response,
    /// A request that belongs to something that has begun: ACK, BYE, CANCEL, PRACK, and all inside
    /// dialogs.
    Ongoing,
    /// A call that would begin.
    Invite,
    /// Anything else that would begin.
    Other,
}

impl Class {
    /// Whether it would begin something, so that it can be put off when there is too much.
    pub const fn is_new(self) -> bool {
        matches!(self, Class::Invite | Class::Other)
    }
}

/// What a message is, as far as one looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peek<'a> {
    /// How much hangs on it.
    pub class: Class,
    /// The method of a request.
    pub method: Option<Method>,
    /// A name that is ours, if the message has one: the top branch of a response, the To tag of a
    /// request, or the tag of the dialog that it replaces (RFC 3891 section 3).
    pub ours: Option<Cow<'a, str>>,
    /// The user whose affair it is, escapes not decoded: of To for REGISTER (RFC 3261 section
    /// 10.2), of the Request-URI for other new requests, or of From where that names nobody: it
    /// means the sender itself. Calls are nobody's.
    pub user: Option<Cow<'a, str>>,
    /// Call-ID; empty where there is none.
    pub call_id: &'a [u8],
}

/// Looks at the bytes of one message; `None` where they are none.
pub fn peek(bytes: &[u8]) -> Option<Peek<'_>> {
    let bytes = bytes.get(line_ends_before(bytes)..)?;
    let line = Line::read(bytes, 0)?;
    let (start, _) = start_line(bytes, line.start..line.end).ok()?;
    match start {
        Start::Response { .. } => Some(response(bytes, line.next)),
        Start::Request { method, uri, .. } => {
            Some(request(bytes, line.next, method, bytes.get(uri.range()).unwrap_or_default()))
        }
    }
}

/// Header lines from `at` on, up to the empty one.
fn fields(bytes: &[u8], mut at: usize) -> impl Iterator<Item = (HeaderName, &[u8])> {
    std::iter::from_fn(move || {
        loop {
            let line = Line::read(bytes, at).filter(|line| line.start < line.end)?;
            at = line.next;
            if let Some(entry) = header_line(bytes, &line) {
                return Some((entry.id, bytes.get(entry.value.range())?));
            }
        }
    })
}

fn response(bytes: &[u8], at: usize) -> Peek<'_> {
    let (mut via, mut call_id) = (None, None);
    for (name, value) in fields(bytes, at) {
        let found = match name {
            HeaderName::Via => &mut via,
            HeaderName::CallId => &mut call_id,
            _ => continue,
        };
        found.get_or_insert(value);
        if via.is_some() && call_id.is_some() {
            break;
        }
    }
    // Below the top Via stand the branches of others.
    let (ours, call_id) = (via.and_then(branch), call_id.unwrap_or_default());
    Peek { class: Class::Response, method: None, ours, user: None, call_id }
}

fn request<'a>(bytes: &'a [u8], at: usize, method: Method, uri: &'a [u8]) -> Peek<'a> {
    let named = user_of(text(uri)).filter(|user| !user.is_empty());
    let (mut to, mut from, mut replaces, mut call_id) = (None, None, None, None);
    for (name, value) in fields(bytes, at) {
        let found = match name {
            HeaderName::To => &mut to,
            HeaderName::From => &mut from,
            HeaderName::Replaces if method == Method::Invite => &mut replaces,
            HeaderName::CallId => &mut call_id,
            _ => continue,
        };
        found.get_or_insert(value);
        // Whether an INVITE replaces a dialog is not known before its end.
        let enough = to.is_some() && call_id.is_some() && (named.is_some() || from.is_some());
        if method != Method::Invite && enough {
            break;
        }
    }
    let (tag, to_user) = to.map_or((None, None), of_address);
    // A REGISTER makes no dialog, whatever tags it brings.
    let tag = tag.filter(|_| method != Method::Register);
    let of_something = matches!(method, Method::Ack | Method::Bye | Method::Cancel | Method::Prack);
    let class = match method {
        _ if of_something || tag.is_some() => Class::Ongoing,
        Method::Invite => Class::Invite,
        _ => Class::Other,
    };
    let user = match method {
        _ if class != Class::Other => None,
        Method::Register => to_user,
        _ => named.or_else(|| of_address(from?).1),
    };
    let ours = tag.or_else(|| replaces.and_then(replaced));
    let call_id = call_id.unwrap_or_default();
    Peek { class, method: Some(method), ours, user, call_id }
}

/// The text of a value; what folds it has become blanks, as in what the parser hands out.
fn text(value: &[u8]) -> Cow<'_, str> {
    let mut text = String::from_utf8_lossy(value);
    if text.contains(['\r', '\n']) {
        text = Cow::Owned(text.replace(['\r', '\n'], " "));
    }
    text
}

/// A part of a text that may have been made for the occasion.
fn part<'a>(
    text: Cow<'a, str>,
    find: impl for<'b> Fn(&'b str) -> Option<&'b str>,
) -> Option<Cow<'a, str>> {
    match text {
        Cow::Borrowed(text) => find(text).map(Cow::Borrowed),
        Cow::Owned(text) => find(&text).map(|found| Cow::Owned(found.to_owned())),
    }
}

fn branch(value: &[u8]) -> Option<Cow<'_, str>> {
    part(text(value), |text| Via::parse(List::new(text).next()?)?.branch())
}

/// Tag and user of an address.
fn of_address(value: &[u8]) -> (Option<Cow<'_, str>>, Option<Cow<'_, str>>) {
    let text = text(value);
    let tag = part(text.clone(), |text| NameAddr::parse(text)?.tag());
    let user = part(text, |text| NameAddr::parse(text)?.sip_uri()?.user_raw());
    (tag, user)
}

fn user_of(uri: Cow<'_, str>) -> Option<Cow<'_, str>> {
    part(uri, |uri| SipUri::parse(uri)?.user_raw())
}

/// The `to-tag` of Replaces: the replaced dialog's tag at whom it is sent to.
fn replaced(value: &[u8]) -> Option<Cow<'_, str>> {
    part(text(value), |text| {
        text.split(';').skip(1).find_map(|param| {
            let (name, tag) = param.split_once('=')?;
            name.trim().eq_ignore_ascii_case("to-tag").then(|| tag.trim())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(text: &str) -> Peek<'_> {
        peek(text.as_bytes()).expect("a message")
    }

    const CALL: &str = "INVITE sip:bob@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
        From: <sip:a@h>;tag=f\r\nTo: \"B;tag=no\" <sip:bob@h;tag=no>\r\nCall-ID: c@h\r\n\
        CSeq: 1 INVITE\r\nContent-Length: 9\r\n\r\nTo: ;tag=";

    #[test]
    fn a_new_call_is_known_by_its_call_id() {
        let peek = look(CALL);
        assert_eq!((peek.class, peek.call_id), (Class::Invite, &b"c@h"[..]));
        assert_eq!((peek.ours, peek.user), (None, None));
    }

    #[test]
    fn a_call_that_takes_anothers_place_belongs_to_that_one() {
        let text =
            CALL.replace("CSeq", "Replaces: x@h; From-Tag=1 ;TO-TAG = 2 ;early-only\r\nCSeq");
        assert_eq!(look(&text).ours.as_deref(), Some("2"));
        // The headers of other methods do not matter.
        let options = text.replace("INVITE", "OPTIONS");
        assert_eq!((look(&options).ours, look(&options).user.as_deref()), (None, Some("bob")));
    }

    #[test]
    fn what_belongs_to_a_dialog_is_known_by_our_tag() {
        let inside = CALL.replace("no>", "no>\r\n ; TAG = ours ;x=y");
        assert_eq!(
            (look(&inside).class, look(&inside).ours.as_deref()),
            (Class::Ongoing, Some("ours"))
        );
        for method in ["ACK", "BYE", "CANCEL", "PRACK"] {
            let text = CALL.replace("INVITE", method);
            assert_eq!((look(&text).class, look(&text).ours), (Class::Ongoing, None), "{method}");
        }
    }

    #[test]
    fn what_belongs_to_a_user_names_it() {
        let register = CALL.replace("INVITE", "REGISTER").replace("no>", "no>;tag=x");
        let register = register.replace("sip:bob@h S", "sip:h S");
        assert_eq!(
            (look(&register).class, look(&register).user.as_deref()),
            (Class::Other, Some("bob"))
        );
        assert_eq!(look(&register).ours, None);
        for method in ["SUBSCRIBE", "MESSAGE", "PUBLISH", "OPTIONS", "FOO"] {
            let text = CALL.replace("INVITE", method).replace("<sip:bob", "<sip:other");
            assert_eq!(look(&text).user.as_deref(), Some("bob"), "{method}");
        }
    }

    #[test]
    fn what_names_nobody_belongs_to_its_sender() {
        let text = CALL.replace("INVITE", "SUBSCRIBE");
        for nobody in ["sip:h", "sip:@h"] {
            let text = text.replacen("sip:bob@h", nobody, 1);
            assert_eq!(look(&text).user.as_deref(), Some("a"), "{nobody}");
        }
    }

    #[test]
    fn responses_are_known_by_the_top_branch() {
        let text = "SIP/2.0 200 OK\nv:\n SIP/2.0/UDP h;branch=\"z9hG4bKa\", SIP/2.0/UDP i;branch=b\n\
                    Via: SIP/2.0/UDP j;branch=c\nI : c\n\n";
        let peek = look(text);
        assert_eq!((peek.class, peek.ours.as_deref()), (Class::Response, Some("z9hG4bKa")));
        assert_eq!(peek.call_id, b"c");
        assert_eq!(look(&text.replacen("branch", "twig", 1)).ours, None);
    }

    #[test]
    fn any_way_to_write_a_header_is_read() {
        let compact =
            CALL.replace("To:", "T\t:").replace("Call-ID:", "i:\r\n\t").replace("\r\n", "\n");
        assert_eq!(look(&compact).call_id, b"c@h");
        let tagged = compact.replace("no>", "no>;tag=t");
        assert_eq!(look(&tagged).ours.as_deref(), Some("t"));
        let shouted = CALL.replace("Call-ID", "CALL-id").replace("no>", "no>;Tag=t");
        assert_eq!(
            (look(&shouted).call_id, look(&shouted).ours.as_deref()),
            (&b"c@h"[..], Some("t"))
        );
    }

    #[test]
    fn bytes_that_are_no_message_are_none() {
        for bytes in
            [&b""[..], b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\r\n", b"INVITE"]
        {
            assert_eq!(peek(bytes), None);
        }
        let bare = look("INVITE sip:a SIP/2.0\r\n");
        assert_eq!((bare.class, bare.call_id), (Class::Invite, &b""[..]));
    }
}
