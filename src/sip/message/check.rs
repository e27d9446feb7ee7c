//! What must hold before anyone relies on a message (RFC 3261 sections 8.1.1, 8.2 and 16.3).

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::index::{Index, Problem, Span, Start, line_ends_before};
use super::{MAX_MESSAGE, Message, Method, Parsed};
use crate::sip::header::scan::{List, number, split_at_blank};
use crate::sip::header::{CSeq, HeaderName, NameAddr, Via};
use crate::sip::uri::{Scheme, SipUri};

pub(super) fn parse(bytes: Bytes, stream: bool) -> Parsed {
    if bytes.len() > MAX_MESSAGE {
        return Parsed::Discard("longer than any message may be");
    }
    let bytes = match line_ends_before(&bytes) {
        0 => bytes,
        blank => bytes.slice(blank..),
    };
    let mut index = match Index::read(&bytes) {
        Ok(index) => index,
        Err(reason) => return Parsed::Discard(reason),
    };
    let bytes = if index.folded { unfold(&bytes, &index) } else { bytes };
    let head = bytes.get(..index.body).unwrap_or_default();
    let text = match std::str::from_utf8(head) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(only_text(head, &mut index)),
    };
    let body = measure_body(&bytes, &mut index, stream);
    if index.problem.is_none() {
        index.problem = fault(&text, &index).map(|reason| (400, reason));
    }
    let bytes = match text {
        Cow::Borrowed(_) => bytes,
        Cow::Owned(text) => {
            [text.as_bytes(), bytes.get(text.len()..).unwrap_or_default()].concat().into()
        }
    };
    let headers = Arc::from(index.entries.as_slice());
    let message = Message { bytes, start: index.start, present: index.present, headers, body };
    verdict(message, index.problem)
}

/// Responses are never answered, nor are ACKs (RFC 3261 section 17.1.1.3); and an answer needs
/// a Via to go to.
fn verdict(message: Message, problem: Option<Problem>) -> Parsed {
    match problem {
        None => Parsed::Valid(message),
        Some((status, reason)) => match message.start {
            Start::Request { method, .. }
                if method != Method::Ack
                    && message.header(HeaderName::Via).is_some_and(|via| !via.is_empty()) =>
            {
                Parsed::Reject { message, status, reason }
            }
            _ => Parsed::Discard(reason),
        },
    }
}

/// Folds count as single spaces (RFC 3261 section 7.3.1). Blanks of the same length keep all
/// offsets; who folds is rare, and pays for a copy.
fn unfold(bytes: &Bytes, index: &Index) -> Bytes {
    let mut copy = bytes.to_vec();
    for text in index.texts() {
        for byte in copy.get_mut(text.range()).unwrap_or_default() {
            if matches!(*byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
    }
    copy.into()
}

/// Headers are UTF-8 (RFC 3261 section 25.1), but old phones write names in Latin-1. Their calls
/// are worth more than their umlauts. All offsets stay.
fn only_text(head: &[u8], index: &mut Index) -> String {
    let mut text = String::with_capacity(head.len());
    for chunk in head.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(std::iter::repeat_n('?', chunk.invalid().len()));
    }
    if let Start::Request { uri, .. } = index.start
        && head.get(uri.range()) != text.as_bytes().get(uri.range())
    {
        index.blame(400, "Request-URI is no URI");
    }
    text
}

fn measure_body(bytes: &[u8], index: &mut Index, stream: bool) -> Span {
    let rest = bytes.len() - index.body.min(bytes.len());
    if stream && index.content_length.is_none() {
        index.blame(400, "Content-Length missing");
    }
    let mut length = index.content_length.unwrap_or(rest);
    if length > rest {
        index.blame(400, "Body shorter than Content-Length");
        length = rest;
    }
    Span::new(index.body, index.body + length)
}

/// The first thing wrong with the parts that all else relies on.
fn fault(head: &str, index: &Index) -> Option<&'static str> {
    // Spans begin and end beside ASCII, so nothing is lost here.
    let text = |span: Span| head.get(span.range()).unwrap_or_default();
    let mut method = None;
    if let Start::Request { name, uri, .. } = index.start {
        method = Some(text(name));
        if let Some(reason) = request_uri_fault(text(uri)) {
            return Some(reason);
        }
    }
    let missing = REQUIRED.iter().find(|(name, _)| index.present & name.bit() == 0);
    if let Some((_, reason)) = missing {
        return Some(reason);
    }
    let mut entries = index.entries.iter();
    entries.find_map(|entry| match CHECKED & entry.id.bit() {
        0 => None,
        _ => header_fault(entry.id, text(entry.value), method),
    })
}

/// What every message has (RFC 3261 section 8.1.1, but that old elements know no Max-Forwards).
const REQUIRED: [(HeaderName, &str); 5] = [
    (HeaderName::Via, "Via missing"),
    (HeaderName::From, "From missing"),
    (HeaderName::To, "To missing"),
    (HeaderName::CallId, "Call-ID missing"),
    (HeaderName::CSeq, "CSeq missing"),
];

/// The headers that [`header_fault`] looks at.
const CHECKED: u64 = HeaderName::Via.bit()
    | HeaderName::From.bit()
    | HeaderName::To.bit()
    | HeaderName::Contact.bit()
    | HeaderName::CallId.bit()
    | HeaderName::MaxForwards.bit()
    | HeaderName::CSeq.bit();

/// `method` is that of a request, which CSeq must repeat.
fn header_fault(id: HeaderName, value: &str, method: Option<&str>) -> Option<&'static str> {
    let (sound, reason) = match id {
        HeaderName::Via => (vias_sound(value), "Malformed Via"),
        HeaderName::From => (address_sound(value), "Malformed From"),
        HeaderName::To => (address_sound(value), "Malformed To"),
        HeaderName::Contact => (List::new(value).all(contact_sound), "Malformed Contact"),
        HeaderName::CallId => {
            (!value.is_empty() && split_at_blank(value).is_none(), "Malformed Call-ID")
        }
        HeaderName::MaxForwards => {
            (number(value, u64::from(u8::MAX)).is_some(), "Malformed Max-Forwards")
        }
        HeaderName::CSeq => match CSeq::parse(value) {
            None => (false, "Malformed CSeq"),
            Some(cseq) => (
                method.is_none_or(|method| method == cseq.method_name),
                "CSeq method does not match",
            ),
        },
        _ => return None,
    };
    (!sound).then_some(reason)
}

/// An unknown scheme is not malformed: it gets its 416 above.
fn request_uri_fault(text: &str) -> Option<&'static str> {
    match SipUri::parse(text) {
        None => Some("Request-URI is no URI"),
        Some(uri) if uri.scheme() != Scheme::Other && !uri.headers_raw().is_empty() => {
            Some("Request-URI has headers")
        }
        Some(_) => None,
    }
}

fn vias_sound(value: &str) -> bool {
    let mut elements = List::new(value);
    let sound = |element| Via::parse(element).is_some();
    elements.next().is_some_and(sound) && elements.all(sound)
}

fn address_sound(value: &str) -> bool {
    NameAddr::parse(value).is_some_and(|address| address.sip_uri().is_some())
}

fn contact_sound(value: &str) -> bool {
    value == "*" || address_sound(value)
}
