//! `offhook registrations`: who is reachable where, as the server wrote it down.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::serve::{block_on, read_config};
use super::{Outcome, Project, running, say};
use crate::base::{WallTime, nearest, plural};
use crate::config::Config;
use crate::directory::Domain;
use crate::node::clock::Clock;
use crate::sip::registrar::{LAG, StoredBinding};
use crate::store::{KeptBindings, Sqlite, Store};

/// Arguments of `offhook registrations`.
#[derive(clap::Args, Debug)]
pub(super) struct Registrations {
    /// Only this user: `user@domain`, or the user alone
    #[arg(value_name = "USER")]
    user: Option<String>,
    #[command(flatten)]
    project: Project,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Registrations {
    pub(super) fn run(self) -> Outcome {
        let config = read_config(&self.project)?;
        let data = &config.server.data;
        let mut kept = block_on(kept(&data.join("offhook.db")))?;
        let now = Clock::start().wall();
        kept.bindings.retain(|binding| left(binding, now).is_some() && self.wants(binding));
        if kept.unreadable > 0 {
            eprintln!("offhook: {} cannot be read", plural(kept.unreadable, "registration"));
        }
        if !running::serves(data) {
            eprintln!("offhook: no server runs here; this is what the last one left");
        }
        if kept.bindings.is_empty() {
            // Beside the list, which is empty then: whoever reads that by a program finds no words.
            eprintln!("offhook: {}", self.nobody(&config)?);
        }
        match self.json {
            true => {
                let rows = kept.bindings.iter().map(|binding| as_json(binding, now));
                say(&Value::from(rows.collect::<Vec<_>>()).to_string());
            }
            false => kept.bindings.iter().for_each(|binding| say(&as_line(binding, now))),
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Says that nobody is registered; fails where nobody of that name ever can be.
    fn nobody(&self, config: &Config) -> Result<String, String> {
        let Some(user) = &self.user else { return Ok("nobody is registered".to_owned()) };
        let known = users(config);
        if known.iter().any(|address| is_named(address, user)) {
            return Ok(format!("nobody is registered as {user}"));
        }
        let whole = user.contains('@');
        let names = known.iter().map(|address| if whole { address } else { alone(address) });
        let hint = match nearest(user, names) {
            Some(near) => format!("did you mean {near}?"),
            None => "users are in the `registration` lists of a [[domain]]".to_owned(),
        };
        Err(format!("there is no user {user}: {hint}"))
    }

    fn wants(&self, binding: &StoredBinding) -> bool {
        let Some(user) = &self.user else { return true };
        is_named(&binding.address_of_record, user)
    }
}

/// Whether that is its whole address, or its user.
fn is_named(address: &str, user: &str) -> bool {
    address == user || alone(address) == user
}

fn alone(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(user, _)| user)
}

/// Who may register: `user@domain` each.
fn users(config: &Config) -> Vec<String> {
    let of = |domain: &Domain| -> Vec<String> {
        let lists = config.lists.iter().filter(|(name, _)| domain.registration.contains(name));
        lists
            .flat_map(|(_, users)| users)
            .map(|(user, _)| format!("{user}@{}", domain.name))
            .collect()
    };
    config.domains.iter().flat_map(of).collect()
}

/// All that are kept; none when no server ever ran here.
async fn kept(database: &Path) -> Result<KeptBindings, String> {
    if !database.exists() {
        return Ok(KeptBindings::default());
    }
    let failed = |error: crate::store::StoreError| format!("{}: {error}", database.display());
    let store = Sqlite::read(database).await.map_err(failed)?;
    store.bindings().await.map_err(failed)
}

/// Seconds until the end that is kept, at least 0; `None` when it is over for certain.
fn left(binding: &StoredBinding, now: WallTime) -> Option<u64> {
    let (end, now) = (binding.expires.unix_millis(), now.unix_millis());
    (now < end + LAG.as_millis() as u64).then(|| end.saturating_sub(now).div_ceil(1_000))
}

fn as_line(binding: &StoredBinding, now: WallTime) -> String {
    let StoredBinding { address_of_record, uri, flow, .. } = binding;
    let agent = match binding.user_agent.as_str() {
        "" => String::new(),
        agent => format!("  {agent}"),
    };
    let device = match (&binding.instance, binding.reg_id) {
        (Some(instance), Some(flow)) => format!("  {instance} flow {flow}"),
        (Some(instance), None) => format!("  {instance}"),
        _ => String::new(),
    };
    let (way, from) = (flow.transport.name(), flow.remote);
    let left = in_words(left(binding, now).unwrap_or_default());
    format!("{address_of_record}  <{uri}>  {way} from {from}, {left} left{agent}{device}")
}

/// `58 min`: whoever reads it wants to know whether it is about to end.
fn in_words(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

fn as_json(binding: &StoredBinding, now: WallTime) -> Value {
    json!({
        "user": *binding.address_of_record,
        "contact": binding.uri,
        "transport": binding.flow.transport.name(),
        "source": binding.flow.remote.to_string(),
        "listener": binding.flow.local.to_string(),
        "path": binding.path,
        "q": f64::from(binding.q) / 1_000.0,
        "user_agent": binding.user_agent,
        "instance": binding.instance,
        "reg_id": binding.reg_id,
        "call_id": binding.call_id,
        "updated": binding.updated.rfc3339(),
        "expires": binding.expires.rfc3339(),
        "expires_in": left(binding, now),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::{Flow, Transport};

    fn binding() -> StoredBinding {
        StoredBinding {
            address_of_record: "home@office.localhost".into(),
            uri: "sip:home@192.0.2.7:5062".to_owned(),
            flow: Flow {
                transport: Transport::Udp,
                local: "192.0.2.1:5060".parse().expect("an address"),
                remote: "192.0.2.7:40000".parse().expect("an address"),
                connection: 0,
            },
            path: vec![],
            expires: WallTime::from_unix_millis(3_600_000),
            updated: WallTime::from_unix_millis(0),
            q: 500,
            instance: Some("<urn:uuid:1>".to_owned()),
            reg_id: Some(1),
            user_agent: "Phone 1".to_owned(),
            call_id: "c".to_owned(),
            cseq: 1,
        }
    }

    #[test]
    fn a_line_says_who_is_where_and_for_how_long() {
        let line = as_line(&binding(), WallTime::from_unix_millis(0));
        let wanted = "home@office.localhost  <sip:home@192.0.2.7:5062>  udp from 192.0.2.7:40000, \
                      60 min left  Phone 1  <urn:uuid:1> flow 1";
        assert_eq!(line, wanted);
        let json = as_json(&binding(), WallTime::from_unix_millis(3_590_500));
        assert_eq!((json["expires_in"].as_u64(), json["q"].as_f64()), (Some(10), Some(0.5)));
    }

    #[test]
    fn what_may_have_been_refreshed_is_shown_and_what_is_over_is_not() {
        let at = |millis| left(&binding(), WallTime::from_unix_millis(millis));
        assert_eq!((at(3_599_000), at(3_700_000), at(3_720_000)), (Some(1), Some(0), None));
    }
}
