//! REGISTER: a user says where it is reachable; and who wants to reach it asks here.

use super::admission::{Proof, check_address};
use super::refusal::Refused;
use super::*;
use crate::sip::registrar::{Binding, Gruu, StoredBinding};
use crate::sip::uri::{Scheme, SipUri};
use crate::sip::{HeaderField, Message, Method};

/// A user whose registrations changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// `user@domain`.
    pub user: String,
    /// How many phones are registered now.
    pub phones: usize,
    /// Where the change came from.
    pub source: SocketAddr,
    /// Whether it was more than the refresh of what is known.
    pub moved: bool,
}

/// Whom a URI of a domain of ours means.
#[derive(Clone, Debug)]
pub(super) struct Whom {
    /// The user part as it was called.
    pub user: String,
    pub domain: String,
    /// `user@domain` that is meant.
    pub address_of_record: String,
    /// The one device that is meant (RFC 5627).
    pub gruu: Option<Gruu>,
    /// Only phones that are reached safely.
    pub secret: bool,
    /// The status for a URI that leads to nobody.
    pub status: u16,
}

impl Whom {
    /// Leaves those phones that may be asked: by a safe way where that was asked for (RFC 3261
    /// section 26.2.2), and each by one flow, its latest (RFC 5626 section 5.3), or it rings twice.
    pub(super) fn keep_reachable(&self, phones: &mut Vec<Binding>) {
        let mut devices = BTreeSet::new();
        phones.retain(|phone| !self.secret || phone.flow.transport.is_secure());
        phones.retain(|phone| match (&phone.instance, phone.reg_id) {
            (Some(instance), Some(_)) => devices.insert(instance.clone()),
            _ => true,
        });
    }
}

/// A registrar whose bindings outlive the process.
pub(super) fn registrar(directory: &Directory, epoch: Epoch) -> Registrar {
    let key = derived(directory, "gruu", "");
    Registrar::new(Lifetimes::default()).keeping(epoch).with_gruus(key)
}

/// A secret for one purpose: nobody can guess it, and it is the same after a restart.
pub(super) fn derived(directory: &Directory, purpose: &str, of: &str) -> [u8; 32] {
    use sha2::Digest as _;
    let secret = directory.auth_token.expose();
    sha2::Sha256::digest(format!("{purpose}\n{secret}\n{of}").as_bytes()).into()
}

impl Exchange {
    /// What of kept registrations belongs to users who live here, and the rest.
    pub fn divide(&self, kept: Vec<StoredBinding>) -> (Vec<StoredBinding>, Vec<StoredBinding>) {
        if self.shards().is_alone() {
            return (kept, vec![]);
        }
        kept.into_iter().partition(|binding| self.is_home_of(&binding.address_of_record))
    }

    /// Takes back registrations of before the process, ordered by address-of-record; gives how
    /// many still count. Whoever is no user any more is forgotten.
    pub fn restore(&mut self, now: Instant, kept: Vec<StoredBinding>) -> usize {
        let directory = Arc::clone(&self.directory);
        let is_user = |binding: &StoredBinding| {
            let named = binding.address_of_record.rsplit_once('@');
            named.is_some_and(|(user, domain)| {
                let domain = directory.domain(domain);
                domain
                    .is_some_and(|domain| directory.password(&domain.registration, user).is_some())
            })
        };
        let (kept, strangers): (Vec<_>, Vec<_>) = kept.into_iter().partition(is_user);
        // `restore` borrows it while the listeners are asked.
        let mut registrar = std::mem::take(&mut self.registrar);
        let listeners = &self.config.listeners;
        let same = |flow: Flow| listeners.contains(&(flow.transport, flow.local)).then_some(flow);
        let other = |flow: Flow| self.flow_to(&locating::hop_of(flow));
        let count = registrar.restore(now, kept, |flow| same(flow).or_else(|| other(flow)));
        self.registrar = registrar;
        let gone = strangers.iter().map(StoredBinding::key).map(BindingChange::Remove);
        self.outputs.extend(gone.map(Output::Binding));
        self.settle(now);
        count
    }

    /// Whom a URI of a domain of ours means: all phones of its user, or one device (RFC 5627
    /// section 6.1). Every exchange of a server gives the same answer.
    pub(super) fn whom(&self, uri: &SipUri<'_>, domain: &str) -> Whom {
        let user = uri.user().unwrap_or_default().into_owned();
        let gruu = self.registrar.gruu(uri);
        let named = gruu.as_ref().map_or(&user, |gruu| &gruu.user);
        // RFC 5627 section 6.1: a temporary one of before is none, a device that is off may come.
        let over = gruu.as_ref().is_some_and(Gruu::is_temporary);
        Whom {
            address_of_record: format!("{named}@{domain}"),
            domain: domain.to_owned(),
            secret: uri.scheme() == Scheme::Sips,
            status: if over { 404 } else { 480 },
            gruu,
            user,
        }
    }

    /// The phones of a user who lives here, the one that is preferred first; or the one device that
    /// is meant. The one way from calls to registrations.
    pub(super) fn phones_of(
        &self,
        now: Instant,
        address_of_record: &str,
        gruu: Option<&Gruu>,
    ) -> Vec<Binding> {
        match gruu {
            Some(gruu) => self.registrar.device(now, address_of_record, gruu),
            None => self.registrar.bindings(now, address_of_record),
        }
    }

    /// Carries out a REGISTER. Nothing is kept of it but its bindings: a repeat is known by its
    /// credentials, and changes nothing.
    pub(super) fn register(
        &mut self,
        now: Instant,
        flow: Flow,
        message: &Message,
    ) -> Result<(u16, Vec<HeaderField>), Refused> {
        let directory = Arc::clone(&self.directory);
        let to = message.to().ok_or_else(|| Refused::new(400, 32100, "no To"))?;
        let uri = to.sip_uri().ok_or_else(|| Refused::new(400, 32100, "To is not a SIP URI"))?;
        let requested = SipUri::parse(message.request_uri());
        let domain =
            directory.domain(uri.host()).or_else(|| directory.domain(requested.as_ref()?.host()));
        let Some(domain) = domain else {
            let reason = format!("no domain {:?} is configured", uri.host());
            return Err(self.turn_away(now, flow, message, uri.host(), 32002, reason));
        };
        if domain.registration.is_empty() {
            let reason = format!("registration is off for domain {}", domain.name);
            return Err(self.turn_away(now, flow, message, &domain.name, 32212, reason));
        }
        let proof = self.check_password(now, flow, message, &domain.name, &domain.registration)?;
        check_address(flow, domain)?;
        // RFC 3261 section 10.3 step 4: a user may change only its own bindings.
        let user = uri.user().unwrap_or_default().into_owned();
        let (Proof::First(username) | Proof::Again(username)) = &proof;
        if user != *username {
            let reason = format!("user {username:?} may not register {user:?}");
            return Err(Refused::new(403, 32212, reason));
        }
        let address_of_record = format!("{user}@{}", domain.name);
        let outcome = match proof {
            Proof::First(_) => {
                self.guard.admitted(now, Method::Register);
                self.registrar.register(now, &address_of_record, message, flow)
            }
            Proof::Again(_) => self.registrar.repeat(now, &address_of_record, message, flow),
        };
        if outcome.status == 200 {
            self.tell_known(now, flow);
        }
        if outcome.changed {
            self.tell_registered(now, address_of_record, flow.remote, outcome.moved);
        }
        Ok((outcome.status, outcome.headers))
    }

    /// A stream that is no more takes along whoever was reachable only over it (RFC 5626 section
    /// 5.3). Of datagrams that could not be sent nothing follows: the next may pass.
    pub(super) fn drop_registrations(&mut self, now: Instant, flow: Flow) {
        if flow.connection == 0 {
            return;
        }
        self.lose_upstreams(now, flow);
        for user in self.registrar.close(flow) {
            self.tell_registered(now, user.to_string(), flow.remote, true);
        }
    }

    fn tell_registered(&mut self, now: Instant, user: String, source: SocketAddr, moved: bool) {
        self.registrations_changed(now, &user);
        let phones = self.registrar.bindings(now, &user).len();
        self.outputs.push_back(Output::Registered(Registered { user, phones, source, moved }));
    }
}
