//! Registrations and the states of trunks: rows by the thousand that nobody waits for.

use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Sqlite, backend};
use crate::sip::registrar::{BindingChange, BindingKey, StoredBinding};
use crate::sip::{Flow, Transport};
use crate::store::row::{millis, time};
use crate::store::{KeptBindings, StoreError, TrunkRow};

/// In the order of the table, which `write::SCRIPT` and [`binding`] share.
const COLUMNS: &str = "SELECT aor, uri, transport, local, remote, path, expires, updated, q, \
     instance, reg_id, user_agent, call_id, cseq FROM bindings WHERE uri IS NOT NULL \
     ORDER BY aor, updated DESC";

/// Changes as the inside of a JSON array of rows, for the script. A removal is a row without a URI, so that
/// the order of changes decides whatever stands beside it in a transaction.
pub(super) fn rows(changes: &[BindingChange]) -> String {
    let mut text = String::with_capacity(changes.len() * 512);
    for change in changes {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&row(change).to_string());
    }
    text
}

fn row(change: &BindingChange) -> Value {
    match change {
        BindingChange::Remove(BindingKey { address_of_record, place }) => {
            json!([**address_of_record, place])
        }
        BindingChange::Set(binding) => {
            let BindingKey { address_of_record, place } = binding.key();
            let Flow { transport, local, remote, .. } = binding.flow;
            json!([
                *address_of_record,
                place,
                binding.uri,
                transport.name(),
                local.to_string(),
                remote.to_string(),
                json!(binding.path).to_string(),
                millis(binding.expires),
                millis(binding.updated),
                binding.q,
                binding.instance,
                binding.reg_id,
                binding.user_agent,
                binding.call_id,
                binding.cseq,
            ])
        }
    }
}

/// The state of a trunk as the script writes it.
pub(super) fn trunk_row(trunk: &TrunkRow) -> Value {
    json!([
        i64::from(trunk.line),
        trunk.name,
        trunk.state,
        trunk.user,
        i64::from(trunk.up),
        millis(trunk.since),
        trunk.trouble,
        trunk.server,
        trunk.retry.map(millis),
        trunk.until.map(millis),
    ])
}

impl Sqlite {
    pub(super) async fn read_bindings(&self) -> Result<KeptBindings, StoreError> {
        let mut rows = sqlx::query(COLUMNS).fetch(&self.readers);
        let mut kept = KeptBindings::default();
        while let Some(row) = rows.try_next().await.map_err(backend)? {
            match binding(&row) {
                Some(binding) => kept.bindings.push(binding),
                // It costs one phone until it registers again, and no start.
                None => kept.unreadable += 1,
            }
        }
        Ok(kept)
    }

    pub(super) async fn read_trunks(&self) -> Result<Vec<TrunkRow>, StoreError> {
        let query = "SELECT line, name, state, account, up, since, trouble, server, retry, until
             FROM trunks ORDER BY line, name";
        let rows = sqlx::query(query).fetch_all(&self.readers).await.map_err(backend)?;
        rows.iter().map(|row| trunk(row).map_err(|e| StoreError::BadRow(e.to_string()))).collect()
    }
}

/// By position: looking columns up by name costs more than reading them.
fn binding(row: &SqliteRow) -> Option<StoredBinding> {
    let text = |at: usize| row.try_get::<&str, _>(at).ok();
    let number = |at: usize| row.try_get::<i64, _>(at).ok();
    let path = text(5)?;
    Some(StoredBinding {
        address_of_record: text(0)?.into(),
        uri: text(1)?.to_owned(),
        flow: Flow {
            transport: Transport::of_name(text(2)?)?,
            local: text(3)?.parse().ok()?,
            remote: text(4)?.parse().ok()?,
            connection: 0,
        },
        path: if path == "[]" { vec![] } else { serde_json::from_str(path).ok()? },
        expires: time(number(6)?),
        updated: time(number(7)?),
        q: u16::try_from(number(8)?).ok()?,
        instance: row.try_get::<Option<String>, _>(9).ok()?,
        reg_id: row.try_get::<Option<u32>, _>(10).ok()?,
        user_agent: text(11)?.to_owned(),
        call_id: text(12)?.to_owned(),
        cseq: u32::try_from(number(13)?).ok()?,
    })
}

fn trunk(row: &SqliteRow) -> Result<TrunkRow, sqlx::Error> {
    Ok(TrunkRow {
        line: row.try_get::<i64, _>(0)? != 0,
        name: row.try_get(1)?,
        state: row.try_get(2)?,
        user: row.try_get(3)?,
        up: row.try_get::<i64, _>(4)? != 0,
        since: time(row.try_get(5)?),
        trouble: row.try_get(6)?,
        server: row.try_get(7)?,
        retry: row.try_get::<Option<i64>, _>(8)?.map(time),
        until: row.try_get::<Option<i64>, _>(9)?.map(time),
    })
}
