//! What every backend must do, run on each: a backend adds one line at the end.

use std::path::Path;
use std::sync::Arc;

use crate::base::id::{CallSid, RecordingSid};
use crate::base::{Duration, Rng, WallTime};
use crate::call::{
    CallRecord, Callback, Direction, Method, Persist, RecordingRecord, RecordingStatus, Status,
};

use super::{Settlement, Sqlite, Store, StoreError, TrunkNews, TrunkRow};
use crate::sip::registrar::{BindingChange, StoredBinding};
use crate::sip::{Flow, Transport};

fn at(seconds: u64) -> WallTime {
    WallTime::from_unix_millis(1_800_000_000_000 + seconds * 1000)
}

fn call(rng: &mut Rng, status: Status) -> CallRecord {
    CallRecord {
        sid: CallSid::random(rng),
        parent: None,
        from: "sip:home@office.localhost".to_owned(),
        to: "+15551231234".to_owned(),
        direction: Direction::Inbound,
        status,
        started: at(1),
        answered: None,
        ended: None,
        reason: String::new(),
        sip_status: None,
        sip_call_id: Some("a'b\"c@host".to_owned()),
        owed: None,
    }
}

fn callback(call: CallSid, number: u32) -> Callback {
    Callback {
        call,
        url: format!("https://app.example/status?n={number}"),
        method: Method::Post,
        parameters: vec![
            ("SequenceNumber".to_owned(), number.to_string()),
            ("From".to_owned(), "Zoë \"quoted\" & more".to_owned()),
        ],
    }
}

async fn open(folder: &Path) -> Arc<dyn Store> {
    let path = folder.join("offhook.db");
    Arc::new(Sqlite::open(&path, &mut Rng::from_number(9)).await.unwrap())
}

#[tokio::test]
async fn rows_read_back_as_they_were_written_and_changed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut rng = Rng::from_number(1);
    let mut parent = call(&mut rng, Status::Ringing);
    let mut child = call(&mut rng, Status::NoAnswer);
    child.parent = Some(parent.sid);
    child.direction = Direction::OutboundDial;
    child.started = at(2);
    let calls = vec![parent.clone(), child.clone()];
    store.persist(Persist { calls, ..Persist::default() }).await.unwrap();
    parent.status = Status::Completed;
    parent.answered = Some(at(3));
    parent.ended = Some(at(9));
    parent.reason = "the caller hung up".to_owned();
    parent.sip_status = Some(200);
    let mut recording = RecordingRecord {
        sid: RecordingSid::random(&mut rng),
        call: parent.sid,
        status: RecordingStatus::InProgress,
        started: at(4),
        duration: None,
        channels: 2,
        source: "DialVerb",
        owed: None,
    };
    let calls = vec![parent.clone()];
    let recordings = vec![recording.clone()];
    store.persist(Persist { calls, recordings, ..Persist::default() }).await.unwrap();
    recording.status = RecordingStatus::Completed;
    recording.duration = Some(Duration::from_millis(4_321));
    let recordings = vec![recording.clone()];
    store.persist(Persist { recordings, ..Persist::default() }).await.unwrap();
    assert_eq!(store.call(parent.sid).await.unwrap(), Some(parent.clone()));
    assert_eq!(store.children(parent.sid).await.unwrap(), vec![child.clone()]);
    assert_eq!(store.calls(10).await.unwrap(), vec![child.clone(), parent]);
    assert_eq!(store.calls(1).await.unwrap(), vec![child]);
    assert_eq!(store.recording(recording.sid).await.unwrap(), Some(recording.clone()));
    assert_eq!(store.recordings(10).await.unwrap(), vec![recording]);
    assert_eq!(store.call(CallSid::random(&mut rng)).await.unwrap(), None);
}

#[tokio::test]
async fn callbacks_come_one_a_call_in_order_and_when_due() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut rng = Rng::from_number(2);
    let (one, two) = (CallSid::random(&mut rng), CallSid::random(&mut rng));
    assert_eq!(store.next_due().await.unwrap(), None);
    let callbacks = vec![callback(one, 0), callback(one, 1), callback(two, 0)];
    store.persist(Persist { callbacks: callbacks.clone(), ..Persist::default() }).await.unwrap();
    let due = store.due(at(0), 10).await.unwrap();
    let found: Vec<_> = due.iter().map(|pending| pending.callback.clone()).collect();
    assert_eq!(found, [callbacks[0].clone(), callbacks[2].clone()]);
    assert_ne!(due[0].token, due[1].token);
    assert_eq!(store.due(at(0), 1).await.unwrap().len(), 1);
    let later = Settlement::Later { id: due[0].id, due: at(60) };
    store.settle(vec![later, Settlement::Done { id: due[1].id }]).await.unwrap();
    assert!(store.due(at(59), 10).await.unwrap().is_empty(), "the second waits for the first");
    assert_eq!(store.next_due().await.unwrap(), Some(at(60)));
    let again = store.due(at(60), 10).await.unwrap();
    assert_eq!((again.len(), again[0].attempts), (1, 1));
    assert_eq!(again[0].token, due[0].token);
    store.settle(vec![Settlement::Done { id: again[0].id }]).await.unwrap();
    let second = store.due(at(60), 10).await.unwrap();
    assert_eq!(second[0].callback, callbacks[1]);
}

#[tokio::test]
async fn what_was_acknowledged_survives_an_abrupt_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = Rng::from_number(3);
    let going = call(&mut rng, Status::InProgress);
    let mut over = call(&mut rng, Status::Completed);
    over.ended = Some(at(5));
    let store = open(folder.path()).await;
    let persist = Persist {
        calls: vec![going.clone(), over.clone()],
        recordings: vec![RecordingRecord {
            sid: RecordingSid::random(&mut rng),
            call: going.sid,
            status: RecordingStatus::InProgress,
            started: at(2),
            duration: None,
            channels: 1,
            source: "RecordVerb",
            owed: None,
        }],
        callbacks: vec![callback(going.sid, 0)],
    };
    store.persist(persist).await.unwrap();
    let token = store.due(at(0), 1).await.unwrap()[0].token.clone();
    // As kill -9 leaves it: the files are copied while they are open, with the log unmerged.
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let store = open(copy.path()).await;
    let unfinished = store.unfinished(at(100)).await.unwrap();
    assert_eq!(unfinished.calls.len(), 1);
    let failed = &unfinished.calls[0];
    assert_eq!(
        (failed.sid, failed.status, failed.ended),
        (going.sid, Status::Failed, Some(at(100)))
    );
    assert_eq!(unfinished.recordings.len(), 1);
    assert_eq!(store.call(going.sid).await.unwrap().as_ref(), Some(failed));
    assert_eq!(store.call(over.sid).await.unwrap(), Some(over));
    assert_eq!(store.due(at(100), 10).await.unwrap()[0].token, token);
    assert!(store.unfinished(at(101)).await.unwrap().calls.is_empty(), "once is enough");
}

#[tokio::test]
async fn a_killed_call_still_tells_its_watcher() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut rng = Rng::from_number(8);
    let parameter = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut going = call(&mut rng, Status::InProgress);
    let owed = Callback {
        call: going.sid,
        url: "https://example.com/status".to_owned(),
        method: Method::Get,
        parameters: vec![parameter("CallStatus", "failed"), parameter("Timestamp", "earlier")],
    };
    going.owed = Some(owed.clone());
    let mut over = call(&mut rng, Status::InProgress);
    over.owed = Some(Callback { call: over.sid, ..owed });
    store
        .persist(Persist { calls: vec![going.clone(), over.clone()], ..Persist::default() })
        .await
        .unwrap();
    (over.status, over.ended, over.owed) = (Status::Completed, Some(at(50)), None);
    store.persist(Persist { calls: vec![over], ..Persist::default() }).await.unwrap();

    let unfinished = store.unfinished(at(100)).await.unwrap();
    assert_eq!(unfinished.calls.len(), 1);
    let due = store.due(at(100), 10).await.unwrap();
    assert_eq!(due.len(), 1, "what ended in order owes nothing");
    let callback = &due[0].callback;
    assert_eq!((callback.call, callback.method), (going.sid, Method::Get));
    let told = [parameter("CallStatus", "failed"), parameter("Timestamp", &at(100).rfc2822())];
    assert_eq!(callback.parameters, told);
    assert!(store.unfinished(at(101)).await.unwrap().calls.is_empty());
    assert_eq!(store.due(at(101), 10).await.unwrap().len(), 1, "told once");
}

#[tokio::test]
async fn many_writers_at_once_all_get_their_rows_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut rng = Rng::from_number(4);
    let records: Vec<_> = (0..200).map(|_| call(&mut rng, Status::Ringing)).collect();
    let mut writers = tokio::task::JoinSet::new();
    for record in records.clone() {
        let store = store.clone();
        writers.spawn(async move {
            store.persist(Persist { calls: vec![record], ..Persist::default() }).await
        });
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap().unwrap();
    }
    assert_eq!(store.calls(1000).await.unwrap().len(), 200);
}

#[tokio::test]
async fn changes_of_one_row_keep_their_order_however_they_are_awaited() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut record = call(&mut Rng::from_number(7), Status::Initiated);
    let mut changes = Vec::new();
    for status in [Status::Initiated, Status::Ringing, Status::InProgress, Status::Completed] {
        record.status = status;
        changes.push(store.persist(Persist { calls: vec![record.clone()], ..Persist::default() }));
    }
    while let Some(last) = changes.pop() {
        last.await.unwrap();
    }
    assert_eq!(store.call(record.sid).await.unwrap(), Some(record));
}

#[tokio::test]
async fn a_writer_that_is_dropped_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut rng = Rng::from_number(5);
    for _ in 0..20 {
        let (given_up, kept) = (call(&mut rng, Status::Ringing), call(&mut rng, Status::Ringing));
        let mut abandoned = store.persist(Persist { calls: vec![given_up], ..Persist::default() });
        tokio::select! {
            biased;
            _ = &mut abandoned => {}
            () = tokio::task::yield_now() => {}
        }
        drop(abandoned);
        store.persist(Persist { calls: vec![kept.clone()], ..Persist::default() }).await.unwrap();
        assert_eq!(store.call(kept.sid).await.unwrap(), Some(kept));
    }
}

#[tokio::test]
async fn newer_and_broken_databases_are_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("offhook.db");
    let mut rng = Rng::from_number(6);
    let store = Sqlite::open(&path, &mut rng).await.unwrap();
    store.close().await.unwrap();
    let mut options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    options = options.create_if_missing(false);
    let mut raw = sqlx::ConnectOptions::connect(&options).await.unwrap();
    sqlx::query("PRAGMA user_version = 99").execute(&mut raw).await.unwrap();
    sqlx::Connection::close(raw).await.unwrap();
    let error = Sqlite::open(&path, &mut rng).await.err().unwrap();
    assert!(matches!(error, StoreError::NewerSchema { found: 99, .. }));
    assert!(error.to_string().contains("run the newer offhook"));
    let garbage = folder.path().join("garbage.db");
    std::fs::write(&garbage, "this is not a database, ".repeat(400)).unwrap();
    let error = Sqlite::open(&garbage, &mut rng).await.err().unwrap();
    assert!(matches!(error, StoreError::Unusable(_)), "{error:?}");
}

#[tokio::test]
async fn a_row_that_is_never_taken_is_told_from_a_store_that_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("offhook.db");
    let mut rng = Rng::from_number(9);
    let store = Sqlite::open(&path, &mut rng).await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut raw = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let trigger = "CREATE TRIGGER picky BEFORE INSERT ON calls WHEN NEW.to_ = 'bad'
                   BEGIN SELECT RAISE(ABORT, 'not this one'); END";
    sqlx::query(trigger).execute(&mut raw).await.unwrap();
    let mut persist = |to: &str| {
        let record = CallRecord { to: to.to_owned(), ..call(&mut rng, Status::Completed) };
        store.persist(Persist { calls: vec![record], ..Persist::default() })
    };
    let error = persist("bad").await.unwrap_err();
    assert!(matches!(&error, StoreError::Rejected(_)) && !error.may_pass(), "{error:?}");
    persist("good").await.unwrap();
    drop(store);
    let store = Sqlite::read(&path).await.unwrap();
    let calls = vec![call(&mut rng, Status::Completed)];
    let error = store.persist(Persist { calls, ..Persist::default() }).await.unwrap_err();
    assert!(error.may_pass(), "a file that cannot be written now: {error:?}");
}

/// Names the folder in which the process that will be killed writes.
const VICTIM: &str = "OFFHOOK_STORE_VICTIM";

#[tokio::test]
#[ignore = "runs in a process of its own, which is killed"]
async fn writes_until_killed() {
    let Ok(folder) = std::env::var(VICTIM) else { return };
    let store = open(Path::new(&folder)).await;
    let mut rng = Rng::from_number(8);
    loop {
        let record = call(&mut rng, Status::InProgress);
        let callbacks = vec![callback(record.sid, 0)];
        let sid = record.sid;
        let calls = vec![record];
        store.persist(Persist { calls, callbacks, ..Persist::default() }).await.unwrap();
        println!("\n{sid}");
    }
}

#[tokio::test]
async fn every_acknowledged_row_and_its_callback_survive_kill_9() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::suite::writes_until_killed", "--ignored", "--nocapture"])
        .env(VICTIM, folder.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged: Vec<CallSid> = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        acknowledged.extend(line.unwrap().parse::<CallSid>());
        if acknowledged.len() == 50 {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(acknowledged.len() >= 50);
    let store = open(folder.path()).await;
    for sid in &acknowledged {
        assert!(store.call(*sid).await.unwrap().is_some(), "{sid}");
    }
    let rows = store.unfinished(at(100)).await.unwrap().calls.len();
    assert_eq!(store.due(at(100), 1_000_000).await.unwrap().len(), rows, "one callback a call");
}

fn binding(user: &str, uri: &str, updated: u64) -> StoredBinding {
    StoredBinding {
        address_of_record: format!("{user}@office.localhost").into(),
        uri: uri.to_owned(),
        flow: Flow {
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: "[2001:db8::7]:40000".parse().unwrap(),
            connection: 0,
        },
        path: vec!["<sip:edge.example;lr>".to_owned(), "<sip:\"x\";lr>".to_owned()],
        expires: at(600),
        updated: at(updated),
        q: 500,
        instance: Some("<urn:uuid:1>".to_owned()),
        reg_id: None,
        user_agent: "Zoë's \"phone\"".to_owned(),
        call_id: "c@h".to_owned(),
        cseq: u32::MAX,
    }
}

#[tokio::test]
async fn registrations_read_back_by_user_and_the_latest_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let (old, new) = (binding("bob", "sip:b@h1", 1), binding("bob", "sip:b@h2", 2));
    let flow = StoredBinding { reg_id: Some(3), ..binding("alice", "sip:a@h", 3) };
    let set = |binding: &StoredBinding| BindingChange::Set(Box::new(binding.clone()));
    store.keep([set(&old), set(&new), set(&flow)].into()).await.unwrap();
    let read = || async { store.bindings().await.unwrap() };
    assert_eq!(read().await.bindings, [flow.clone(), new.clone(), old.clone()]);
    let moved = StoredBinding { path: vec![], cseq: 2, ..old.clone() };
    store.keep([set(&moved), BindingChange::Remove(new.key())].into()).await.unwrap();
    assert_eq!(read().await.bindings, [flow.clone(), moved.clone()]);
    // The last word counts, also within one write.
    store.keep([BindingChange::Remove(flow.key()), set(&flow)].into()).await.unwrap();
    assert!(read().await.bindings.contains(&flow));
    drop(store);
    let again = open(folder.path()).await;
    assert_eq!(again.bindings().await.unwrap().unreadable, 0);
}

#[tokio::test]
async fn a_registration_that_cannot_be_read_costs_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let good = binding("bob", "sip:b@h1", 1);
    let bad = StoredBinding { path: vec!["x".to_owned()], ..binding("eve", "sip:e@h1", 1) };
    let both = [&good, &bad].map(|binding| BindingChange::Set(Box::new(binding.clone())));
    store.keep(both.into()).await.unwrap();
    let url = folder.path().join("offhook.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(url);
    let mut other = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let break_it = "UPDATE bindings SET remote = 'nowhere' WHERE aor LIKE 'eve%'";
    sqlx::query(break_it).execute(&mut other).await.unwrap();
    let kept = store.bindings().await.unwrap();
    assert_eq!((kept.bindings, kept.unreadable), (vec![good], 1));
}

#[tokio::test]
async fn trunks_fare_as_was_said_last() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let row = |line: bool, name: &str, state: &str| TrunkRow {
        line,
        name: name.to_owned(),
        state: state.to_owned(),
        user: line.then(|| "alice@office.localhost".to_owned()),
        up: true,
        since: at(1),
        trouble: Some("timeout".to_owned()),
        server: None,
        retry: Some(at(30)),
        until: None,
    };
    let is = |line, name, state| TrunkNews::Is(row(line, name, state));
    let news = vec![is(true, "a", "up"), is(false, "a", "down"), is(false, "b", "up")];
    store.note_trunks(news).await.unwrap();
    let gone = TrunkNews::Gone(false, "b".to_owned());
    store.note_trunks(vec![is(false, "a", "up"), gone]).await.unwrap();
    assert_eq!(store.trunks().await.unwrap(), [row(false, "a", "up"), row(true, "a", "up")]);
    store.note_trunks(vec![TrunkNews::AllGone, is(false, "c", "up")]).await.unwrap();
    assert_eq!(store.trunks().await.unwrap(), [row(false, "c", "up")]);
}
