//! Values that functions keep: texts by key, in stores that do not see one another.
//!
//! Each key has a revision that never repeats, so that a change can insist on what it was made
//! from. Bounds of keys and values are those of whoever takes them from a function.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

use super::Stored;
use crate::base::WallTime;

/// Values in one store; at 64 KiB each, 640 MB, which a disk bears and nobody reads in one go.
pub const MOST_VALUES: usize = 10_000;

/// A value that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptValue {
    /// Its key.
    pub key: String,
    /// The value, as whoever kept it spells it.
    pub value: String,
    /// Another after every change.
    pub revision: i64,
}

/// A value to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewValue {
    /// In which store.
    pub store: String,
    /// Its key.
    pub key: String,
    /// The value.
    pub value: String,
    /// It is gone from then on.
    pub expires: Option<WallTime>,
    /// Only when the revision there is this one; 0 when there must be none.
    pub revision: Option<i64>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is kept, with this revision.
    As(i64),
    /// The revision there is another; 0 when there is none.
    Conflict(i64),
    /// The store has all the values that it may have.
    Full,
}

/// Where values are kept.
pub trait Values: Send + Sync {
    /// The value of a key.
    fn value(&self, store: String, key: String, now: WallTime) -> Stored<'_, Option<KeptValue>>;

    /// Keeps a value; when this resolves it is on the disk.
    fn keep_value(&self, value: NewValue, now: WallTime) -> Stored<'_, Kept>;

    /// Removes one; whether there was one.
    fn remove_value(&self, store: String, key: String, now: WallTime) -> Stored<'_, bool>;

    /// Removes all whose keys begin so; how many there were.
    fn remove_values(&self, store: String, prefix: String) -> Stored<'_, u64>;

    /// Those whose keys begin so and come after `after`, in the order of their keys.
    fn values(
        &self,
        store: String,
        prefix: String,
        after: String,
        limit: usize,
        now: WallTime,
    ) -> Stored<'_, Vec<KeptValue>>;
}

/// The revision after one: also differs from those of values that were there before.
pub(super) fn next_revision(found: Option<i64>, now: WallTime) -> i64 {
    let now = i64::try_from(now.unix_millis()).unwrap_or(i64::MAX - 1);
    found.map_or(now, |found| now.max(found.saturating_add(1)))
}

/// Values that end with the process: for a project that is looked at, not served.
#[derive(Debug, Default)]
pub struct ShortLived(Mutex<BTreeMap<(String, String), Brief>>);

#[derive(Debug)]
struct Brief {
    value: String,
    revision: i64,
    expires: Option<WallTime>,
}

impl Brief {
    fn kept(&self, key: &str) -> KeptValue {
        KeptValue { key: key.to_owned(), value: self.value.clone(), revision: self.revision }
    }
}

impl ShortLived {
    /// Acts on what has not expired.
    fn with<T: Send + 'static>(
        &self,
        now: Option<WallTime>,
        act: impl FnOnce(&mut BTreeMap<(String, String), Brief>) -> T,
    ) -> Stored<'_, T> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, brief| brief.expires.zip(now).is_none_or(|(end, now)| end > now));
        Box::pin(std::future::ready(Ok(act(&mut all))))
    }
}

impl Values for ShortLived {
    fn value(&self, store: String, key: String, now: WallTime) -> Stored<'_, Option<KeptValue>> {
        self.with(Some(now), |all| {
            let place = (store, key);
            all.get(&place).map(|brief| brief.kept(&place.1))
        })
    }

    fn keep_value(&self, new: NewValue, now: WallTime) -> Stored<'_, Kept> {
        self.with(Some(now), |all| {
            let NewValue { store, key, value, expires, revision } = new;
            let count = all.keys().filter(|(other, _)| *other == store).count();
            let place = (store, key);
            let found = all.get(&place).map(|brief| brief.revision);
            match revision {
                Some(wanted) if wanted != found.unwrap_or(0) => {
                    return Kept::Conflict(found.unwrap_or(0));
                }
                _ if found.is_none() && count >= MOST_VALUES => return Kept::Full,
                _ => {}
            }
            let revision = next_revision(found, now);
            all.insert(place, Brief { value, revision, expires });
            Kept::As(revision)
        })
    }

    fn remove_value(&self, store: String, key: String, now: WallTime) -> Stored<'_, bool> {
        self.with(Some(now), |all| all.remove(&(store, key)).is_some())
    }

    fn remove_values(&self, store: String, prefix: String) -> Stored<'_, u64> {
        self.with(None, |all| {
            let before = all.len();
            all.retain(|(other, key), _| *other != store || !key.starts_with(&prefix));
            (before - all.len()) as u64
        })
    }

    fn values(
        &self,
        store: String,
        prefix: String,
        after: String,
        limit: usize,
        now: WallTime,
    ) -> Stored<'_, Vec<KeptValue>> {
        self.with(Some(now), |all| {
            let from = Bound::Excluded((store.clone(), after));
            all.range((from, Bound::Unbounded))
                .take_while(|((other, _), _)| *other == store)
                .filter(|((_, key), _)| key.starts_with(&prefix))
                .take(limit)
                .map(|((_, key), brief)| brief.kept(key))
                .collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::base::Rng;
    use crate::store::Sqlite;

    fn at(seconds: u64) -> WallTime {
        WallTime::from_unix_millis(1_800_000_000_000 + seconds * 1000)
    }

    fn new(store: &str, key: &str, value: &str) -> NewValue {
        let (store, key, value) = (store.to_owned(), key.to_owned(), value.to_owned());
        NewValue { store, key, value, expires: None, revision: None }
    }

    async fn sqlite(folder: &Path) -> Sqlite {
        Sqlite::open(&folder.join("db"), &mut Rng::from_number(9)).await.expect("opened")
    }

    async fn keep(values: &dyn Values, new: NewValue, now: WallTime) -> Kept {
        values.keep_value(new, now).await.expect("written")
    }

    async fn get(values: &dyn Values, key: &str, now: WallTime) -> Option<String> {
        let found = values.value("s".to_owned(), key.to_owned(), now).await.expect("read");
        found.map(|found| found.value)
    }

    async fn keys(values: &dyn Values, prefix: &str, after: &str, limit: usize) -> Vec<String> {
        let text = str::to_owned;
        let found = values.values(text("s"), text(prefix), text(after), limit, at(9)).await;
        found.expect("read").into_iter().map(|found| found.key).collect()
    }

    /// What every backend must do.
    async fn behaves(values: &dyn Values) {
        let Kept::As(first) = keep(values, new("s", "k", "1"), at(1)).await else { panic!() };
        keep(values, new("other", "k", "foreign"), at(1)).await;
        assert_eq!(get(values, "k", at(1)).await.as_deref(), Some("1"));
        let absent = NewValue { revision: Some(0), ..new("s", "k", "2") };
        assert_eq!(keep(values, absent.clone(), at(1)).await, Kept::Conflict(first));
        let insists = NewValue { revision: Some(first), ..new("s", "k", "2") };
        let Kept::As(second) = keep(values, insists.clone(), at(1)).await else { panic!() };
        assert!(second > first);
        assert_eq!(keep(values, insists, at(1)).await, Kept::Conflict(second));

        let brief = NewValue { expires: Some(at(5)), ..new("s", "brief", "b") };
        keep(values, brief, at(1)).await;
        assert_eq!(get(values, "brief", at(4)).await.as_deref(), Some("b"));
        assert_eq!(get(values, "brief", at(5)).await, None);
        let again = NewValue { revision: Some(0), ..new("s", "brief", "c") };
        assert!(matches!(keep(values, again, at(6)).await, Kept::As(_)), "expired is absent");

        for key in ["a%/1", "a%/2", "a%/3", "a_/1", "ab/1"] {
            keep(values, new("s", key, "x"), at(9)).await;
        }
        assert_eq!(keys(values, "a%/", "", 2).await, ["a%/1", "a%/2"]);
        assert_eq!(keys(values, "a%/", "a%/2", 9).await, ["a%/3"]);
        assert_eq!(keys(values, "", "", 99).await.len(), 7);
        let text = str::to_owned;
        assert_eq!(values.remove_values(text("s"), text("a%/")).await, Ok(3));
        assert_eq!(keys(values, "a", "", 9).await, ["a_/1", "ab/1"], "no wildcards");
        assert_eq!(values.remove_value(text("s"), text("k"), at(9)).await, Ok(true));
        assert_eq!(values.remove_value(text("s"), text("k"), at(9)).await, Ok(false));
        let foreign = values.value(text("other"), text("k"), at(9)).await.expect("read");
        assert_eq!(foreign.expect("untouched").value, "foreign");
        let Kept::As(third) = keep(values, new("s", "k", "3"), at(9)).await else { panic!() };
        assert!(third > second, "no revision comes twice");
    }

    #[tokio::test]
    async fn values_behave_alike_in_memory_and_on_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        behaves(&ShortLived::default()).await;
        behaves(&sqlite(folder.path()).await).await;
    }

    #[tokio::test]
    async fn values_outlive_the_process_that_kept_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = sqlite(folder.path()).await;
        keep(&store, new("s", "k", "Zoë 'x'"), at(1)).await;
        store.close().await.expect("closed");
        let store = sqlite(folder.path()).await;
        assert_eq!(get(&store, "k", at(2)).await.as_deref(), Some("Zoë 'x'"));
    }

    #[tokio::test]
    async fn a_store_takes_so_many_values_and_no_more() {
        let values: Arc<dyn Values> = Arc::new(ShortLived::default());
        for number in 0..MOST_VALUES {
            let brief = NewValue { expires: Some(at(5)), ..new("s", &number.to_string(), "") };
            values.keep_value(brief, at(1)).await.expect("written");
        }
        assert_eq!(keep(&*values, new("s", "more", ""), at(4)).await, Kept::Full);
        assert!(matches!(keep(&*values, new("s", "0", "x"), at(4)).await, Kept::As(_)));
        assert!(matches!(keep(&*values, new("s", "more", ""), at(5)).await, Kept::As(_)));
    }
}
