//! The dialog of one subscription: made by SUBSCRIBE, and shared with nothing else (RFC 6665
//! section 4.5.2 asks for that).

use std::sync::Arc;

use super::MAX_TEXT;
use crate::sip::dialog::Remote;
use crate::sip::{Flow, HeaderName, Message};

/// Both sides of it.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// Call-ID.
    pub call_id: Arc<str>,
    /// Our tag.
    pub local_tag: Arc<str>,
    /// Our From value, with the tag.
    pub local: Arc<str>,
    /// The subscriber.
    pub remote: Remote,
    /// The flow on which it came about, or was refreshed.
    pub flow: Flow,
    /// The CSeq of our latest request.
    pub cseq: u32,
    /// The CSeq of the subscriber's latest request.
    pub remote_cseq: u32,
}

impl Dialog {
    /// The dialog that a SUBSCRIBE makes when it is answered with that tag; `None` without a
    /// Contact, or when it is longer than is kept.
    pub(super) fn of_request(request: &Message, tag: &Arc<str>, flow: Flow) -> Option<Dialog> {
        let to = request.header(HeaderName::To)?;
        let routes: usize = request.values(HeaderName::RecordRoute).map(str::len).sum();
        let contact = request.contacts().next()?.uri().len();
        let from = request.header(HeaderName::From)?.len();
        if to.len() + routes + contact + from + request.call_id().len() > MAX_TEXT {
            return None;
        }
        Some(Dialog {
            call_id: request.call_id().into(),
            local_tag: tag.clone(),
            local: format!("{};tag={tag}", to.trim_end_matches(';')).into(),
            remote: Remote::of_request(request, flow)?,
            flow,
            cseq: 0,
            remote_cseq: request.cseq()?.number,
        })
    }

    /// Whether a request carries its Call-ID and the subscriber's tag; ours has found it.
    pub(super) fn is_of(&self, request: &Message) -> bool {
        let from = request.from();
        let tag = from.as_ref().and_then(|from| from.tag()).unwrap_or_default();
        *self.call_id == *request.call_id() && *self.remote.tag == *tag
    }

    /// Takes the order and the target of a later SUBSCRIBE; false when it comes out of order
    /// (RFC 3261 section 12.2.2).
    pub(super) fn advance(&mut self, request: &Message, flow: Flow) -> bool {
        let number = request.cseq().map_or(0, |cseq| cseq.number);
        if number <= self.remote_cseq {
            return false;
        }
        self.remote_cseq = number;
        let moved: usize = request.contacts().next().map_or(0, |contact| contact.uri().len());
        if moved <= MAX_TEXT && self.remote.refresh_by_request(request, flow) {
            self.flow = flow;
        }
        true
    }
}
