//! Bindings as they outlive the process: in wall time, by name of place, without connections.
//!
//! A row is not rewritten at every refresh. Phones behind translators refresh every half minute,
//! and nothing of such a refresh is worth a write but the end of the binding; so the end that is
//! kept may lag behind by [`LAG`], and what is restored is believed that much longer.

use std::sync::Arc;

use super::binding::Binding;
use crate::base::{Duration, Epoch, Instant, WallTime};
use crate::sip::Flow;

/// How far the kept end of a binding may lie before its true one. A phone that refreshes every
/// 30 s costs one write in four refreshes, one that refreshes every half hour one each time; and a
/// phone that went away while nobody was there to hear it is believed this much longer.
pub const LAG: Duration = Duration::from_secs(120);

/// A kept end that was over before this process knew of it: any refresh is worth a write.
const BEFORE: Instant = Instant::ZERO;

/// What a kept binding is found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BindingKey {
    /// `user@domain`.
    pub address_of_record: Arc<str>,
    /// The Contact URI, or the instance and its flow's number.
    pub place: String,
}

/// A binding as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBinding {
    /// `user@domain`.
    pub address_of_record: Arc<str>,
    /// The Contact URI.
    pub uri: String,
    /// The flow that the REGISTER came on. The number of its connection means nothing any more.
    pub flow: Flow,
    /// The proxies on the way, nearest first.
    pub path: Vec<String>,
    /// Its end; the true one is at most [`LAG`] later.
    pub expires: WallTime,
    /// When the place was registered last, as far as was written.
    pub updated: WallTime,
    /// Its preference in thousandths.
    pub q: u16,
    /// The device, with its angle brackets.
    pub instance: Option<String>,
    /// Which of the device's flows it is.
    pub reg_id: Option<u32>,
    /// The phone's name for itself.
    pub user_agent: String,
    /// The Call-ID of its REGISTER.
    pub call_id: String,
    /// The CSeq of its REGISTER.
    pub cseq: u32,
}

impl StoredBinding {
    /// What it is found by.
    pub fn key(&self) -> BindingKey {
        let place = place(&self.uri, self.instance.as_deref(), self.reg_id);
        BindingKey { address_of_record: Arc::clone(&self.address_of_record), place }
    }

    /// As it is kept.
    pub(super) fn of(address_of_record: &Arc<str>, binding: &Binding, epoch: Epoch) -> Self {
        StoredBinding {
            address_of_record: Arc::clone(address_of_record),
            uri: binding.uri.clone(),
            flow: binding.flow,
            path: binding.path.clone(),
            expires: epoch.wall(binding.expires_at),
            updated: epoch.wall(binding.updated_at),
            q: binding.q,
            instance: binding.instance.clone(),
            reg_id: binding.reg_id,
            user_agent: binding.user_agent.clone(),
            call_id: binding.call_id.clone(),
            cseq: binding.cseq,
        }
    }

    /// As it is believed now; `None` when it is over, or when nothing leads to it: connections of
    /// before are no more, so a stream is reached at its Contact or not at all. `listener` gives
    /// the listener of today that stands for the one of then.
    pub(super) fn revived(
        self,
        now: Instant,
        epoch: Epoch,
        listener: impl Fn(Flow) -> Option<Flow>,
    ) -> Option<Binding> {
        let wall = epoch.wall(now).unix_millis();
        let left = |end: WallTime| Duration::from_millis(end.unix_millis().saturating_sub(wall));
        let end = self.expires.unix_millis().saturating_add(LAG.as_millis() as u64);
        let expires_at = now + left(WallTime::from_unix_millis(end));
        if expires_at <= now {
            return None;
        }
        let mut binding = Binding {
            uri: self.uri,
            flow: Flow { connection: 0, ..self.flow },
            path: self.path,
            expires_at,
            // Before everything that happens from here on; who has several keeps their order.
            updated_at: Instant::ZERO,
            q: self.q,
            instance: self.instance,
            reg_id: self.reg_id,
            user_agent: self.user_agent,
            call_id: self.call_id,
            cseq: self.cseq,
            kept_until: Some(match left(self.expires) {
                Duration::ZERO => BEFORE,
                left => now + left,
            }),
        };
        if binding.flow.transport.is_stream() {
            binding.flow = binding.flow_when_closed()?;
        }
        binding.flow = listener(binding.flow)?;
        Some(binding)
    }
}

/// A change of what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindingChange {
    /// From here on it is this.
    Set(Box<StoredBinding>),
    /// It is gone.
    Remove(BindingKey),
}

impl BindingChange {
    /// What it changes.
    pub fn key(&self) -> BindingKey {
        match self {
            BindingChange::Set(binding) => binding.key(),
            BindingChange::Remove(key) => key.clone(),
        }
    }
}

impl Binding {
    /// What it is found by.
    pub(super) fn key(&self, address_of_record: &Arc<str>) -> BindingKey {
        let place = place(&self.uri, self.instance.as_deref(), self.reg_id);
        BindingKey { address_of_record: Arc::clone(address_of_record), place }
    }

    /// Whether both have one key.
    pub(super) fn same_key(&self, other: &Binding) -> bool {
        let flow = |binding: &Binding| binding.instance.is_some() && binding.reg_id.is_some();
        match (flow(self), flow(other)) {
            (true, true) => (&self.instance, self.reg_id) == (&other.instance, other.reg_id),
            (false, false) => self.uri == other.uri,
            _ => false,
        }
    }

    /// Whether what is kept of `before` still serves for this one. Call-ID and CSeq only order
    /// REGISTERs of one run of a phone; a device's Call-ID also makes its temporary GRUUs.
    pub(super) fn is_kept_as(&self, before: &Binding) -> bool {
        let Some(kept) = before.kept_until else { return false };
        let end = self.expires_at == before.expires_at
            || kept != BEFORE && self.expires_at >= kept && self.expires_at <= kept + LAG;
        let ways = |binding: &Binding| {
            let Flow { transport, local, remote, .. } = binding.flow;
            (transport, local, remote, binding.q)
        };
        end && ways(self) == ways(before)
            && self.uri == before.uri
            && self.path == before.path
            && self.instance == before.instance
            && self.user_agent == before.user_agent
            && (self.instance.is_none() || self.call_id == before.call_id)
    }
}

/// The name of a place; a URI never begins so.
fn place(uri: &str, instance: Option<&str>, reg_id: Option<u32>) -> String {
    match (instance, reg_id) {
        (Some(instance), Some(reg_id)) => format!("{reg_id};{instance}"),
        _ => uri.to_owned(),
    }
}
