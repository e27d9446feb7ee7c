//! The outbox over a real store and real loopback servers.

use std::path::Path;

use super::*;
use crate::base::Rng;
use crate::base::id::CallSid;
use crate::call::{Callback, Method, Persist};
use crate::http::loopback::{Loopback, answer, client};
use crate::store::Sqlite;

fn at(seconds: u64) -> WallTime {
    WallTime::from_unix_millis(1_800_000_000_000 + seconds * 1000)
}

fn callback(call: u8, url: &str, number: u32) -> Callback {
    Callback {
        call: CallSid::from_bytes([call; 16]),
        url: url.to_owned(),
        method: Method::Post,
        parameters: vec![("SequenceNumber".to_owned(), number.to_string())],
    }
}

async fn open(folder: &Path) -> (Arc<dyn Store>, Outbox) {
    let path = folder.join("offhook.db");
    let store: Arc<dyn Store> =
        Arc::new(Sqlite::open(&path, &mut Rng::from_number(1)).await.unwrap());
    (store.clone(), Outbox::new(store, Arc::new(client())))
}

async fn persist(store: &Arc<dyn Store>, callbacks: Vec<Callback>) {
    store.persist(Persist { callbacks, ..Persist::default() }).await.unwrap();
}

#[tokio::test]
async fn callbacks_of_a_call_arrive_in_order_and_wait_for_a_failing_one() {
    let folder = tempfile::tempdir().unwrap();
    let (store, outbox) = open(folder.path()).await;
    let fine = Some(answer(204, "", ""));
    let server = Loopback::new(vec![fine.clone(), Some(answer(500, "text/plain", "")), fine]);
    persist(&store, (0..3).map(|n| callback(1, &server.url, n)).collect()).await;
    assert_eq!(outbox.next_due().await.unwrap(), Some(WallTime::default()));
    assert_eq!(outbox.deliver_due(at(0)).await.unwrap().delivered, 1);
    let failed = outbox.deliver_due(at(0)).await.unwrap();
    assert_eq!((failed.tried, failed.delivered, failed.notes[0].code), (1, 0, 15003));
    assert!(failed.notes[0].text.ends_with("it answered 500; tried again in 1 s"));
    assert_eq!(outbox.deliver_due(at(0)).await.unwrap().tried, 0);
    assert_eq!(outbox.next_due().await.unwrap(), Some(at(1)));
    assert_eq!(outbox.deliver_due(at(1)).await.unwrap().delivered, 1);
    assert_eq!(outbox.deliver_due(at(1)).await.unwrap().delivered, 1);
    assert_eq!(outbox.next_due().await.unwrap(), None);
    let seen = server.seen();
    let bodies: Vec<_> = seen.iter().map(|seen| seen.body.as_str()).collect();
    assert_eq!(
        bodies,
        ["SequenceNumber=0", "SequenceNumber=1", "SequenceNumber=1", "SequenceNumber=2"]
    );
    let token = |n: usize| seen[n].headers.first("I-Twilio-Idempotency-Token").unwrap();
    assert_eq!(token(1), token(2));
    assert!(token(0) != token(1) && token(2) != token(3));
    assert!(seen[0].headers.first("X-Twilio-Signature").is_some());
}

#[tokio::test]
async fn refusals_are_final_and_other_calls_are_not_held_back() {
    let folder = tempfile::tempdir().unwrap();
    let (store, outbox) = open(folder.path()).await;
    let refusing = Loopback::always(answer(404, "text/plain", ""));
    let fine = Loopback::always(answer(200, "text/xml", "<Response/>"));
    persist(&store, vec![callback(1, &refusing.url, 0), callback(2, &fine.url, 0)]).await;
    let round = outbox.deliver_due(at(0)).await.unwrap();
    assert_eq!((round.tried, round.delivered, round.notes.len()), (2, 1, 1));
    assert!(round.notes[0].text.ends_with("it answered 404; given up"));
    assert_eq!(outbox.next_due().await.unwrap(), None);
}

#[tokio::test]
async fn a_new_process_delivers_what_the_last_one_could_not() {
    let folder = tempfile::tempdir().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://user:secret@{}/", closed.local_addr().unwrap());
    drop(closed);
    let token = {
        let (store, outbox) = open(folder.path()).await;
        persist(&store, vec![callback(1, &url, 7)]).await;
        let round = outbox.deliver_due(at(0)).await.unwrap();
        assert_eq!(round.delivered, 0);
        assert!(!round.notes[0].text.contains("secret"), "{}", round.notes[0].text);
        store.due(at(1), 1).await.unwrap()[0].token.clone()
    };
    let (store, outbox) = open(folder.path()).await;
    assert_eq!(outbox.next_due().await.unwrap(), Some(at(1)));
    let pending = store.due(at(1), 1).await.unwrap();
    assert_eq!((pending[0].attempts, &pending[0].token), (1, &token));
    outbox.deliver_due(at(1)).await.unwrap();
    assert_eq!(outbox.next_due().await.unwrap(), Some(at(3)), "the pause doubles");
}

#[test]
fn pauses_double_up_to_an_hour_and_end_after_a_day() {
    let seconds = |attempts| pause(attempts).map(|pause| pause.as_secs());
    let first: Vec<_> = (0..5).map(seconds).collect();
    assert_eq!(first, [Some(1), Some(2), Some(4), Some(8), Some(16)]);
    assert_eq!(seconds(12), Some(3600));
    let attempts = (0..).take_while(|attempts| pause(*attempts).is_some()).count() as u32;
    let total: Duration = (0..attempts).filter_map(pause).sum();
    assert!(total >= GIVE_UP_AFTER && total < GIVE_UP_AFTER + LONGEST_PAUSE);
    assert_eq!(seconds(u32::MAX), None);
}
