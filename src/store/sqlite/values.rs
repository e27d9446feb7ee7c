//! Values that functions keep. Each change is a transaction of its own, and they go one by one,
//! so that whatever functions do, a call's row waits for one of them at most.

use sqlx::Acquire;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Sqlite, backend};
use crate::base::WallTime;
use crate::store::row::millis;
use crate::store::values::{Kept, KeptValue, MOST_VALUES, NewValue, Values, next_revision};
use crate::store::{StoreError, Stored};

fn kept(row: &SqliteRow) -> Result<KeptValue, StoreError> {
    let read = || -> Result<KeptValue, sqlx::Error> {
        Ok(KeptValue { key: row.try_get(0)?, value: row.try_get(1)?, revision: row.try_get(2)? })
    };
    read().map_err(|error| StoreError::BadRow(error.to_string()))
}

impl Sqlite {
    async fn write_value(&self, new: NewValue, now: WallTime) -> Result<Kept, StoreError> {
        let _turn = self.values.lock().await;
        let mut writer = self.writer.lock().await;
        let mut writer = writer.connection().await.begin().await.map_err(backend)?;
        let NewValue { store, key, value, expires, revision } = new;
        let found: Option<(i64, Option<i64>)> = sqlx::query_as(
            "SELECT revision, expires FROM function_values WHERE store = ? AND key = ?",
        )
        .bind(&store)
        .bind(&key)
        .fetch_optional(&mut *writer)
        .await
        .map_err(backend)?;
        let live = found.filter(|(_, expires)| expires.is_none_or(|end| end > millis(now)));
        let current = live.map_or(0, |(revision, _)| revision);
        if revision.is_some_and(|wanted| wanted != current) {
            return Ok(Kept::Conflict(current));
        }
        if found.is_none() {
            sqlx::query("DELETE FROM function_values WHERE expires <= ?")
                .bind(millis(now))
                .execute(&mut *writer)
                .await
                .map_err(backend)?;
            let count: i64 =
                sqlx::query_scalar("SELECT count(*) FROM function_values WHERE store = ?")
                    .bind(&store)
                    .fetch_one(&mut *writer)
                    .await
                    .map_err(backend)?;
            if usize::try_from(count).unwrap_or(0) >= MOST_VALUES {
                return Ok(Kept::Full);
            }
        }
        let revision = next_revision(found.map(|(revision, _)| revision), now);
        sqlx::query(
            "REPLACE INTO function_values (store, key, value, revision, expires)
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(&store)
        .bind(&key)
        .bind(&value)
        .bind(revision)
        .bind(expires.map(millis))
        .execute(&mut *writer)
        .await
        .map_err(backend)?;
        writer.commit().await.map_err(backend)?;
        Ok(Kept::As(revision))
    }

    async fn delete_values(
        &self,
        query: &'static str,
        store: String,
        what: String,
        now: Option<WallTime>,
    ) -> Result<u64, StoreError> {
        let _turn = self.values.lock().await;
        let mut writer = self.writer.lock().await;
        let writer = writer.connection().await;
        let query = sqlx::query(query).bind(store).bind(what);
        let query = match now {
            Some(now) => query.bind(millis(now)),
            None => query,
        };
        Ok(query.execute(writer).await.map_err(backend)?.rows_affected())
    }
}

impl Values for Sqlite {
    fn value(&self, store: String, key: String, now: WallTime) -> Stored<'_, Option<KeptValue>> {
        Box::pin(async move {
            let row = sqlx::query(
                "SELECT key, value, revision FROM function_values
                 WHERE store = ? AND key = ? AND (expires IS NULL OR expires > ?)",
            )
            .bind(store)
            .bind(key)
            .bind(millis(now))
            .fetch_optional(&self.readers)
            .await
            .map_err(backend)?;
            row.as_ref().map(kept).transpose()
        })
    }

    fn keep_value(&self, value: NewValue, now: WallTime) -> Stored<'_, Kept> {
        Box::pin(self.write_value(value, now))
    }

    fn remove_value(&self, store: String, key: String, now: WallTime) -> Stored<'_, bool> {
        let query = "DELETE FROM function_values
             WHERE store = ? AND key = ? AND (expires IS NULL OR expires > ?)";
        Box::pin(async move { Ok(self.delete_values(query, store, key, Some(now)).await? > 0) })
    }

    fn remove_values(&self, store: String, prefix: String) -> Stored<'_, u64> {
        let query = "DELETE FROM function_values
             WHERE store = ?1 AND substr(key, 1, length(?2)) = ?2";
        Box::pin(self.delete_values(query, store, prefix, None))
    }

    fn values(
        &self,
        store: String,
        prefix: String,
        after: String,
        limit: usize,
        now: WallTime,
    ) -> Stored<'_, Vec<KeptValue>> {
        Box::pin(async move {
            let rows = sqlx::query(
                "SELECT key, value, revision FROM function_values
                 WHERE store = ?1 AND key >= ?2 AND key > ?3
                     AND substr(key, 1, length(?2)) = ?2
                     AND (expires IS NULL OR expires > ?4)
                 ORDER BY key LIMIT ?5",
            )
            .bind(store)
            .bind(prefix)
            .bind(after)
            .bind(millis(now))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await
            .map_err(backend)?;
            rows.iter().map(kept).collect()
        })
    }
}
