use super::*;
use crate::base::{Rng, WallTime};
use crate::sip::registrar::StoredBinding;
use crate::sip::{Flow, Transport};
use crate::store::Sqlite;

fn set(user: u32, cseq: u32) -> BindingChange {
    BindingChange::Set(Box::new(StoredBinding {
        address_of_record: format!("{user}@office.localhost").into(),
        uri: format!("sip:{user}@192.0.2.7"),
        flow: Flow {
            transport: Transport::Udp,
            local: ([192, 0, 2, 1], 5060).into(),
            remote: ([192, 0, 2, 7], 5060).into(),
            connection: 0,
        },
        path: vec![],
        expires: WallTime::from_unix_millis(60_000),
        updated: WallTime::from_unix_millis(0),
        q: 1_000,
        instance: None,
        reg_id: None,
        user_agent: String::new(),
        call_id: "c".to_owned(),
        cseq,
    }))
}

async fn store(folder: &tempfile::TempDir) -> Sqlite {
    let path = folder.path().join("db");
    Sqlite::open(&path, &mut Rng::from_number(1)).await.expect("a database")
}

async fn numbers(store: &Sqlite) -> Vec<u32> {
    let kept = store.bindings().await.expect("read");
    kept.bindings.iter().map(|binding| binding.cseq).collect()
}

#[tokio::test]
async fn of_changes_of_one_binding_the_last_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder).await;
    let bindings = Bindings::new(Epoch::new(WallTime::from_unix_millis(0)));
    bindings.put(set(1, 1));
    bindings.put(set(2, 10));
    bindings.put(set(1, 2));
    assert_eq!(bindings.waiting(), 2);
    assert!(bindings.write(&store).await);
    assert_eq!((numbers(&store).await, bindings.waiting()), (vec![2, 10], 0));
    bindings.put(set(1, 3));
    bindings.put(BindingChange::Remove(set(1, 0).key()));
    assert!(bindings.write(&store).await);
    assert_eq!(numbers(&store).await, [10]);
}

#[tokio::test]
async fn a_store_that_fails_is_tried_again_with_the_newest_of_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let sound = store(&folder).await;
    // Opened to be read: every write of it fails.
    let failing = Sqlite::read(&folder.path().join("db")).await.expect("opened");
    let bindings = Bindings::new(Epoch::new(WallTime::from_unix_millis(0)));
    bindings.put(set(1, 1));
    bindings.put(set(2, 2));
    assert!(!bindings.write(&failing).await);
    assert_eq!(bindings.waiting(), 2, "nothing is lost");
    bindings.put(set(1, 5));
    bindings.put_back(vec![set(1, 4)]);
    assert!(bindings.write(&sound).await);
    assert_eq!(numbers(&sound).await, [5, 2]);
}

#[test]
fn a_disk_that_stands_still_costs_new_phones_and_no_memory() {
    let bindings = Bindings::new(Epoch::new(WallTime::from_unix_millis(0)));
    for user in 0..MOST_WAITING as u32 + 3 {
        bindings.put(set(user, 1));
    }
    bindings.put(set(0, 2));
    assert_eq!((bindings.waiting(), bindings.lost.get()), (MOST_WAITING, 3));
    bindings.tell_lost();
    assert_eq!(bindings.lost.get(), 0, "told once");
}

#[tokio::test]
async fn more_than_fits_in_one_transaction_is_written_in_several() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder).await;
    let bindings = Bindings::new(Epoch::new(WallTime::from_unix_millis(0)));
    let count = MOST_TOGETHER as u32 * 2 + 1;
    (0..count).for_each(|user| bindings.put(set(user, user)));
    assert!(bindings.write(&store).await);
    assert_eq!(numbers(&store).await.len(), count as usize);
}
