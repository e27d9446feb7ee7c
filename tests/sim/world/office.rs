//! Directories: a small office with users, numbers and a trunk.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use offhook::base::Secret;
use offhook::base::id::AccountSid;
use offhook::directory::{Caps, Directory, Domain, Handler, Limits, Number, Trunk, Voice};

/// The number that strangers call.
pub const NUMBER: &str = "+12223331234";
/// Another number of ours.
pub const OWN_NUMBER: &str = "+16505551111";
/// The handler of everything.
pub const VOICE: &str = "https://app.example/voice";
/// Our own web address.
pub const PUBLIC_URL: &str = "http://127.0.0.1:8080";
/// The domain.
pub const DOMAIN: &str = "office.localhost";

/// A directory in the making.
pub struct Office(Directory);

impl Office {
    /// Users alice, bob and carol, two numbers, one carrier; everything is handled by [`VOICE`].
    pub fn new() -> Office {
        let voice = Voice { handler: Handler::parse(VOICE), ..Voice::default() };
        let users = ["alice", "bob", "carol", "dave"];
        let passwords = users.map(|user| (user.to_owned(), Secret::new(password(user))));
        let domain = Domain {
            name: DOMAIN.to_owned(),
            registration: vec!["staff".to_owned()],
            calls: vec!["staff".to_owned()],
            allowed_ips: vec![],
            voice: voice.clone(),
            any_caller_id: false,
            transfer_out: false,
            nat: false,
            watching: Default::default(),
            messages: true,
            caps: Caps::USER,
        };
        let number = |number: &str| {
            (number.to_owned(), Number { number: number.to_owned(), voice: voice.clone() })
        };
        Office(Directory {
            account_sid: AccountSid::from_bytes([7; 16]),
            auth_token: Secret::new("token"),
            public_url: PUBLIC_URL.to_owned(),
            credential_lists: BTreeMap::from([("staff".to_owned(), BTreeMap::from(passwords))]),
            domains: BTreeMap::from([(DOMAIN.to_owned(), domain)]),
            numbers: BTreeMap::from([number(NUMBER), number(OWN_NUMBER)]),
            trunks: vec![],
            lines: Default::default(),
            limits: Limits::default(),
            hold_music: Default::default(),
        })
        .trunk("carrier", "198.51.100.1:5060", &["+1", "+4"], None)
    }

    /// Changes what calls to numbers and from phones do.
    pub fn voice(mut self, change: impl Fn(&mut Voice)) -> Office {
        self.0.numbers.values_mut().for_each(|number| change(&mut number.voice));
        self.0.domains.values_mut().for_each(|domain| change(&mut domain.voice));
        self
    }

    /// Where calls go.
    pub fn handler(self, handler: &str) -> Office {
        self.voice(|voice| voice.handler = Handler::parse(handler))
    }

    /// What is asked when the handler fails.
    pub fn fallback(self, handler: &str) -> Office {
        self.voice(|voice| voice.fallback = Handler::parse(handler))
    }

    /// Who is told of calls.
    pub fn status_callback(self, url: &str, events: &[&str]) -> Office {
        self.voice(|voice| {
            voice.status_callback = Some(url.to_owned());
            voice.status_callback_events = events.iter().map(|event| (*event).to_owned()).collect();
        })
    }

    /// Another way out, preferred over those before for longer prefixes.
    pub fn trunk(
        mut self,
        name: &str,
        address: &str,
        prefixes: &[&str],
        login: Option<(&str, &str)>,
    ) -> Office {
        let address: SocketAddr = address.parse().expect("an address");
        self.0.trunks.push(Trunk {
            login: login.map(|(user, secret)| (user.to_owned(), Secret::new(secret))),
            inbound_ips: vec![address.ip().into()],
            prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
            ..Trunk::new(name, &format!("sip:{address}"))
        });
        self
    }

    /// Any other change.
    pub fn change(mut self, change: impl FnOnce(&mut Directory)) -> Office {
        change(&mut self.0);
        self
    }

    pub fn build(self) -> Directory {
        self.0
    }
}

/// The password of a user.
pub fn password(user: &str) -> String {
    format!("Secret-of-{user}-1")
}
