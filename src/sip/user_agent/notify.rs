//! NOTIFY in the dialogs of subscriptions, which their notifier keeps (RFC 6665 section 4.2.2).

use super::write::Side;
use super::{Purpose, UserAgent};
use crate::base::Instant;
use crate::sip::dialog::Order;
use crate::sip::subscription::Notify;
use crate::sip::{Event, Message, Method, TransactionId};

impl UserAgent {
    /// The tag with which the response to a request will answer; what subscribes is known by it.
    pub fn tag_of(&self, transaction: TransactionId) -> Option<&str> {
        self.pending.get(&transaction).map(|pending| &*pending.tag)
    }

    /// The Contact value for whoever talks to us over that flow about `uri`.
    pub fn contact(&self, flow: crate::sip::Flow, uri: &str) -> String {
        self.config.listener(flow).contact_towards(uri)
    }

    /// Sends it, however full it is: a notifier has one under way for each subscription at most,
    /// and bounds those.
    pub(super) fn send_notify(&mut self, now: Instant, notify: &Notify) {
        let Notify { id, dialog, headers, body } = notify;
        let side = Side {
            from: &dialog.local,
            call_id: &dialog.call_id,
            cseq: dialog.cseq,
            flow: dialog.flow,
        };
        let order = Order::new("NOTIFY", headers.clone(), body.clone());
        let hop = dialog.remote.routes.next_hop(&dialog.remote.target);
        let (branch, flow, bytes) = self.write_order(side, &dialog.remote, &order, &[]);
        let client = self.launch(now, Method::Notify, (&branch, hop), flow, bytes);
        self.purposes.insert(client, Purpose::Notify(*id));
    }

    pub(super) fn notify_response(&mut self, id: u64, response: Message) {
        if response.status().is_some_and(|status| status >= 200) {
            self.event(Event::Reply { id, message: Some(response) });
        }
    }
}
