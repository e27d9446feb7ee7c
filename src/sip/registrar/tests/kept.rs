//! What outlives the process, and what becomes of it in the next one.

use super::*;
use crate::base::WallTime;

const BEGINNING: u64 = 1_800_000_000_000;

fn book() -> Book {
    let epoch = Epoch::new(WallTime::from_unix_millis(BEGINNING));
    let registrar = Registrar::new(Lifetimes::default()).keeping(epoch);
    Book { registrar, now: Instant::ZERO, cseq: 0 }
}

fn changes(book: &mut Book) -> Vec<BindingChange> {
    std::iter::from_fn(|| book.registrar.poll()).collect()
}

/// What a store would hold after these changes.
fn kept(changes: Vec<BindingChange>) -> Vec<StoredBinding> {
    let mut rows = BTreeMap::new();
    for change in changes {
        match change {
            BindingChange::Set(binding) => drop(rows.insert(binding.key(), *binding)),
            BindingChange::Remove(key) => drop(rows.remove(&key)),
        }
    }
    rows.into_values().collect()
}

/// The next process, so many seconds later.
fn restarted(rows: Vec<StoredBinding>, seconds: u64) -> (Book, usize) {
    let epoch = Epoch::new(WallTime::from_unix_millis(BEGINNING + seconds * 1_000));
    let registrar = Registrar::new(Lifetimes::default()).keeping(epoch);
    let mut book = Book { registrar, now: Instant::ZERO, cseq: 100 };
    let count = book.registrar.restore(book.now, rows, Some);
    (book, count)
}

#[test]
fn a_refresh_is_written_when_the_kept_end_lags_too_far_behind() {
    let mut book = book();
    let contact = "Contact: <sip:a@h1>;expires=60\r\n";
    let mut writes = 0;
    for _ in 0..40 {
        book.register(contact);
        writes += changes(&mut book).len();
        book.later(30);
    }
    assert_eq!(writes, 8, "one in five: each moves the end by 30 s, and 120 s may lag");
    book.register("Contact: <sip:a@h1>;expires=3600\r\n");
    assert_eq!(changes(&mut book).len(), 1, "much longer");
    book.register("Contact: <sip:a@h1>;expires=60\r\n");
    assert_eq!(changes(&mut book).len(), 1, "shorter: it must not be believed so long");
    book.register("Contact: <sip:a@h1>;expires=60;q=0.5\r\n");
    assert_eq!(changes(&mut book).len(), 1, "another preference");
    book.cseq += 1;
    let moved = register("c", book.cseq, "Contact: <sip:a@h1>;expires=60;q=0.5\r\n");
    book.registrar.register(book.now, ALICE, &moved, flow(9_999));
    assert_eq!(changes(&mut book).len(), 1, "another port of a translator");
    book.register("Contact: *\r\nExpires: 0\r\n");
    let gone = changes(&mut book);
    assert!(matches!(&gone[..], [BindingChange::Remove(key)] if key.place == "sip:a@h1"));
}

#[test]
fn what_is_over_is_kept_no_more() {
    let mut book = book();
    book.register("Contact: <sip:a@h1>;expires=60, <sip:a@h2>;expires=600\r\n");
    assert_eq!(kept(changes(&mut book)).len(), 2);
    book.later(61);
    book.registrar.handle_timeout(book.now);
    let gone = changes(&mut book);
    assert!(matches!(&gone[..], [BindingChange::Remove(key)] if key.place == "sip:a@h1"));
}

#[test]
fn bindings_come_back_as_they_were_and_end_in_time() {
    let mut book = book();
    book.register(
        "Path: <sip:edge;lr>\r\nUser-Agent: Phone 1\r\nContact: <sip:a@h1>;q=0.5;expires=600\r\n",
    );
    book.later(10);
    book.register("Contact: <sip:a@h2>;expires=100\r\n");
    let before = book.registrar.bindings(book.now, ALICE);
    let rows = kept(changes(&mut book));
    let (mut after, count) = restarted(rows.clone(), 20);
    assert_eq!(count, 2);
    assert_eq!(changes(&mut after), [], "nothing is written again");
    let again = after.registrar.bindings(after.now, ALICE);
    let said = |all: &[Binding]| -> Vec<_> {
        let one = |b: &Binding| (b.uri.clone(), b.flow, b.path.clone(), b.q, b.user_agent.clone());
        all.iter().map(one).collect()
    };
    assert_eq!(said(&again), said(&before), "in the same order, too");
    assert!(after.registrar.has_flow(after.now, flow(5060)));
    // Its own next REGISTER finds it in time, whatever was not written of its last ones.
    after.later(89 + LAG.as_secs());
    assert_eq!(after.uris().len(), 2);
    after.later(2);
    after.registrar.handle_timeout(after.now);
    assert_eq!(after.uris(), ["sip:a@h1"]);
    let gone = changes(&mut after);
    assert!(matches!(&gone[..], [BindingChange::Remove(key)] if key.place == "sip:a@h2"));

    let (mut late, count) = restarted(rows, 111 + LAG.as_secs());
    assert_eq!((count, late.uris()), (1, vec!["sip:a@h1".to_owned()]));
    assert_eq!(changes(&mut late).len(), 1, "and the other is forgotten");
}

#[test]
fn a_refresh_after_a_restart_replaces_what_was_restored() {
    let mut book = book();
    book.register("Contact: <sip:a@h1>;expires=600\r\n");
    let (mut after, _) = restarted(kept(changes(&mut book)), 5);
    let old = register("c", 1, "Contact: <sip:a@h1>;expires=0\r\n");
    let outcome = after.registrar.register(after.now, ALICE, &old, flow(5060));
    assert_eq!(outcome.status, 500, "late requests of before still change nothing");
    after.register("Contact: <sip:a@h1>;expires=600\r\n");
    assert_eq!((after.registrar.len(), changes(&mut after).len()), (1, 0));
}

#[test]
fn connections_do_not_come_back() {
    let mut book = book();
    let mut over = |transport, call_id: &str, contact: &str| {
        let message =
            register(call_id, 1, &format!("Supported: outbound\r\nContact: {contact}\r\n"));
        let flow = Flow { transport, connection: 7, ..flow(40_000) };
        assert_eq!(book.registrar.register(book.now, ALICE, &message, flow).status, 200);
    };
    over(Transport::Wss, "1", "<sip:web@x.invalid;transport=ws>");
    over(Transport::Tcp, "2", "<sip:desk@192.0.2.7;transport=tcp>");
    over(Transport::Tcp, "3", "<sip:natted@10.0.0.7;transport=tcp>");
    over(Transport::Tls, "4", &format!("<sip:mobile@h;transport=tls>;{DEVICE};reg-id=1"));
    over(Transport::Udp, "5", &format!("<sip:flow@10.0.0.8>;{DEVICE};reg-id=2"));
    let rows = kept(changes(&mut book));
    let (mut after, count) = restarted(rows, 5);
    assert_eq!(count, 2);
    let all = after.registrar.bindings(after.now, ALICE);
    let at = |user: &str| all.iter().find(|b| b.uri.contains(user)).map(|b| b.flow);
    let desk = at("desk@").expect("it listens at its Contact");
    assert_eq!((desk.remote.port(), desk.connection), (5060, 0));
    assert_eq!(at("flow@"), Some(flow(40_000)), "datagrams go on through the translator");
    assert_eq!(changes(&mut after).len(), 3, "the others are forgotten");
}

#[test]
fn a_listener_that_is_no_more_takes_its_bindings_along() {
    let mut book = book();
    book.register("Contact: <sip:a@h1>;expires=600\r\n");
    let rows = kept(changes(&mut book));
    let epoch = Epoch::new(WallTime::from_unix_millis(BEGINNING));
    let mut registrar = Registrar::new(Lifetimes::default()).keeping(epoch);
    assert_eq!(registrar.restore(Instant::ZERO, rows.clone(), |_| None), 0);
    assert!(registrar.poll().is_some() && registrar.is_empty());
    let other = |flow: Flow| Some(Flow { local: ([192, 0, 2, 1], 5070).into(), ..flow });
    assert_eq!(registrar.restore(Instant::ZERO, rows, other), 1);
    assert_eq!(registrar.bindings(Instant::ZERO, ALICE)[0].flow.local.port(), 5070);
}
