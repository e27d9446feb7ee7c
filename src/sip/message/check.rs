//! What must hold before anyone relies on a message (RFC 3261 sections 8.1.1, 8.2 and 16.3).

use std::sync::Arc;

use bytes::Bytes;

use super::index::{Index, Problem, Span, Start};
use super::{MAX_MESSAGE, Message, Method, Parsed};
use crate::sip::header::scan::{List, number};
use crate::sip::header::{CSeq, HeaderName, NameAddr, Via};
use crate::sip::uri::{Scheme, SipUri};

pub(super) fn parse(bytes: Bytes, stream: bool) -> Parsed {
    if bytes.len() > MAX_MESSAGE {
        return Parsed::Discard("longer than any message may be");
    }
    let mut index = match Index::read(&bytes) {
        Ok(index) => index,
        Err(reason) => return Parsed::Discard(reason),
    };
    let bytes = if index.folded { unfold(&bytes, &index) } else { bytes };
    let bytes = match std::str::from_utf8(bytes.get(..index.body).unwrap_or_default()) {
        Ok(_) => bytes,
        Err(_) => only_text(&bytes, &mut index),
    };
    let body = measure_body(&bytes, &mut index, stream);
    let message = Message {
        bytes,
        start: index.start,
        present: index.present,
        headers: Arc::from(index.entries()),
        body,
    };
    let problem = index.problem.or_else(|| fault(&message));
    verdict(message, problem)
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
/// are worth more than their umlauts.
fn only_text(bytes: &Bytes, index: &mut Index) -> Bytes {
    let mut copy = Vec::with_capacity(bytes.len());
    let (head, body) = bytes.split_at_checked(index.body).unwrap_or((bytes, &[]));
    for chunk in head.utf8_chunks() {
        copy.extend_from_slice(chunk.valid().as_bytes());
        copy.extend(std::iter::repeat_n(b'?', chunk.invalid().len()));
    }
    copy.extend_from_slice(body);
    if let Start::Request { uri, .. } = index.start
        && bytes.get(uri.range()) != copy.get(uri.range())
    {
        index.blame(400, "Request-URI is no URI");
    }
    copy.into()
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
fn fault(message: &Message) -> Option<Problem> {
    let mut uri_fault = None;
    if let Start::Request { uri, .. } = message.start {
        uri_fault = request_uri_fault(message.text(uri));
    }
    let reason = uri_fault
        .or_else(|| via_fault(message))
        .or_else(|| address_fault(message))
        .or_else(|| cseq_fault(message))
        .or_else(|| max_forwards_fault(message))
        .or_else(|| contact_fault(message))?;
    Some((400, reason))
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

fn via_fault(message: &Message) -> Option<&'static str> {
    if !message.has(HeaderName::Via) {
        return Some("Via missing");
    }
    let sound = message.values(HeaderName::Via).all(|value| Via::parse(value).is_some());
    let some = message.values(HeaderName::Via).next().is_some();
    (!(sound && some)).then_some("Malformed Via")
}

fn address_fault(message: &Message) -> Option<&'static str> {
    let Some(from) = message.header(HeaderName::From) else { return Some("From missing") };
    let Some(to) = message.header(HeaderName::To) else { return Some("To missing") };
    if message.call_id().is_empty() || message.call_id().contains([' ', '\t']) {
        return Some("Call-ID missing or malformed");
    }
    let sound = |text| NameAddr::parse(text).is_some_and(|address| uri_sound(&address));
    if !sound(from) {
        return Some("Malformed From");
    }
    (!sound(to)).then_some("Malformed To")
}

fn uri_sound(address: &NameAddr<'_>) -> bool {
    address.sip_uri().is_some()
}

fn cseq_fault(message: &Message) -> Option<&'static str> {
    let Some(text) = message.header(HeaderName::CSeq) else { return Some("CSeq missing") };
    let Some(cseq) = CSeq::parse(text) else { return Some("Malformed CSeq") };
    let matches = !message.is_request() || cseq.method_name == message.method_name();
    (!matches).then_some("CSeq method does not match")
}

fn max_forwards_fault(message: &Message) -> Option<&'static str> {
    let text = message.header(HeaderName::MaxForwards)?;
    number(text, u64::from(u8::MAX)).is_none().then_some("Malformed Max-Forwards")
}

fn contact_fault(message: &Message) -> Option<&'static str> {
    let mut values =
        message.entries(HeaderName::Contact).flat_map(|entry| List::new(message.text(entry.value)));
    let sound = |value: &str| {
        value == "*" || NameAddr::parse(value).is_some_and(|address| uri_sound(&address))
    };
    (!values.all(sound)).then_some("Malformed Contact")
}
