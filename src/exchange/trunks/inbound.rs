//! Calls that come in over a registration of ours: to a number of a trunk, or to a user's line.

use super::super::calls::Admitted;
use super::super::refusal::Refused;
use super::super::who;
use super::*;
use crate::call::Owner;
use crate::directory::{Handler, Line, Voice};
use crate::leg::Incoming;
use crate::verb::normalise;

impl Exchange {
    /// The call of an INVITE to a Contact that only a registrar of ours knows; `None` when it is
    /// none of those.
    pub(in crate::exchange) fn admit_registered(
        &self,
        invite: &Message,
        uri: &SipUri<'_>,
        directory: &Directory,
    ) -> Option<Result<Admitted, Refused>> {
        let key = self.trunks.contacts.get(uri.user_raw()?)?;
        let trunk = key.find(directory)?;
        let line = directory.lines.named(&trunk.name);
        let admitted = match line.filter(|_| key.is_line()) {
            Some(line) => Ok(line_call(invite, line, key)),
            None => number_call(invite, directory, trunk, key),
        };
        Some(admitted.and_then(|admitted| self.with_channel(directory, admitted)))
    }

    /// The same call, if its trunk has a channel left for it.
    pub(in crate::exchange) fn with_channel(
        &self,
        directory: &Directory,
        admitted: Admitted,
    ) -> Result<Admitted, Refused> {
        let full = admitted.channel.as_ref().and_then(|key| self.trunks.full(directory, key));
        match (full, &admitted.channel) {
            (Some(channels), Some(key)) => Err(Refused::new(
                503,
                32_001,
                format!("{key} has all its {channels} channels in use"),
            )),
            _ => Ok(admitted),
        }
    }
}

/// A call to a user's line: what the line says, else the user's phones ring.
fn line_call(invite: &Message, line: &Line, key: &Key) -> Admitted {
    let (from, caller_name) = caller(invite, &line.account);
    let account = line.account.registration.as_ref().map_or("", |account| &account.user);
    let to = match line.number.is_empty() {
        true => format!("sip:{account}@{}", host_of(&line.account.uri)),
        false => line.number.clone(),
    };
    let ring = || Voice {
        handler: Some(Handler::Sip(format!("sip:{}", line.user))),
        ..line.voice.clone()
    };
    let voice = if line.voice.handler.is_some() { line.voice.clone() } else { ring() };
    Admitted {
        incoming: Incoming {
            from,
            to,
            caller_name,
            forwarded_from: who::diverted_from(invite),
            ..Incoming::default()
        },
        voice,
        any_caller_id: false,
        owner: Owner::default(),
        channel: Some(key.clone()),
    }
}

/// A call over a trunk that registers: which number of ours it is for stands in To, or where a
/// proxy keeps it (RFC 7315 section 4.2).
fn number_call(
    invite: &Message,
    directory: &Directory,
    trunk: &Trunk,
    key: &Key,
) -> Result<Admitted, Refused> {
    let called_party = invite.header_by_name("P-Called-Party-ID").and_then(NameAddr::parse);
    let named = [called_party, invite.to()].into_iter().flatten();
    let users: Vec<String> =
        named.filter_map(|to| Some(to.sip_uri()?.user()?.into_owned())).collect();
    let ours = |user: &String| {
        let number = trunk.numbers.read(user).or_else(|| normalise(user))?;
        directory.numbers.get(&number)
    };
    let Some(number) = users.iter().find_map(ours) else {
        let reason = format!("{key} calls {users:?}, which is no [[number]] of the configuration");
        return Err(Refused::new(404, 32_010, reason));
    };
    let (from, caller_name) = caller(invite, trunk);
    let incoming = Incoming {
        from,
        to: number.number.clone(),
        caller_name,
        forwarded_from: who::diverted_from(invite),
        ..Incoming::default()
    };
    let voice = number.voice.clone();
    let channel = Some(key.clone());
    Ok(Admitted { incoming, voice, any_caller_id: false, owner: Owner::default(), channel })
}

/// Who calls, in E.164 where the trunk's way of writing numbers allows.
fn caller(invite: &Message, trunk: &Trunk) -> (String, Option<String>) {
    let (from, name) = who::trunk_caller(invite);
    (trunk.numbers.read(&from).unwrap_or(from), name)
}

fn host_of(uri: &str) -> String {
    SipUri::parse(uri).map_or_else(String::new, |uri| bracketed(uri.host()))
}
