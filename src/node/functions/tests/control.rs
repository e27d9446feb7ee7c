//! Calls and recordings, as functions that may control them have them.

use super::*;
use crate::base::WallTime;
use crate::base::id::{CallSid, RecordingSid};
use crate::call::order::{Script, Turn};
use crate::call::{
    CallRecord, Denied, Direction, Order, Persist, RecordingRecord, RecordingStatus, Status,
};
use crate::exchange::{Input, Outcome};
use crate::node::orders::Orders;
use crate::source::Access;
use crate::store::Store;

#[tokio::test]
async fn calls_and_recordings_are_those_of_the_server() {
    let bench = Bench::new("[[function]]\nname = \"f\"\ncontrol = true\n");
    let here = "return failure(() => context.getTwilioClient().calls.list());";
    assert_eq!(bench.run(here).await[0], "NotHere", "nothing is served");
    assert_eq!(bench.run_as("g", here).await[0], "NotGranted");

    let mut rng = Rng::from_number(5);
    let database = bench.folder.path().join("data/offhook.db");
    let store = Arc::new(Sqlite::open(&database, &mut rng).await.expect("opened"));
    let (sid, other) = (CallSid::random(&mut rng), CallSid::random(&mut rng));
    let (recording, going) = (RecordingSid::random(&mut rng), RecordingSid::random(&mut rng));
    let rows = Persist {
        calls: vec![call(sid, Status::Completed), call(other, Status::InProgress)],
        recordings: vec![
            recorded(recording, sid, RecordingStatus::Completed),
            recorded(going, other, RecordingStatus::InProgress),
        ],
        ..Persist::default()
    };
    store.persist(rows).await.expect("written");
    let file = bench.folder.path().join(format!("data/recordings/{recording}.wav"));
    std::fs::write(&file, "RIFF").expect("written");
    let told = serve(&bench, store, move |order| match order {
        Order::Change(sid, change) if *sid == other && matches!(change.turn, Some(Turn::End)) => {
            Outcome::Done(Box::new(call(other, Status::Completed)))
        }
        Order::Change(..) => Outcome::Elsewhere,
        Order::Place(_) => panic!("nothing is placed"),
    });

    let got = bench
        .run(&format!(
            "const client = context.getTwilioClient();\n\
             const call = await client.calls('{sid}').fetch();\n\
             const ended = await client.calls('{other}').update({{ status: 'completed' }});\n\
             const recording = await client.recordings('{recording}').fetch();\n\
             const list = await client.recordings.list({{ callSid: '{sid}' }});\n\
             return {{ call: [call.sid, call.status, call.duration, call.startTime.getTime(), call.from],\n\
             ended: [ended.sid, ended.status], over: await client.calls('{sid}').update({{ twiml: '<Response/>' }}).catch((e) => [e.status, e.code, e.message]),\n\
             up: (await client.calls.list({{ status: 'in-progress' }})).map((c) => c.sid),\n\
             recording: [recording.callSid, recording.duration], list: list.map((r) => r.sid),\n\
             busy: (await failure(() => client.recordings('{going}').remove()))[0],\n\
             removed: await client.recordings('{recording}').remove(),\n\
             gone: await client.recordings('{recording}').fetch().catch((e) => [e.status, e.code]),\n\
             wrong: await client.calls('CA1').fetch().catch((e) => [e.status, e.code]),\n\
             none: await client.calls('CA00000000000000000000000000000001').update({{ status: 'completed' }}).catch((e) => [e.status, e.code]),\n\
             create: (await failure(() => client.calls.create({{}})))[0],\n\
             record: (await failure(() => client.calls('{other}').recordings.create()))[1],\n\
             messages: (await failure(() => client.messages.create({{}})))[1] }};"
        ))
        .await;
    let wanted = json!({
        "call": [sid.to_string(), "completed", "7", 1_800_000_000_000_u64, "+15550001111"],
        "ended": [other.to_string(), "completed"], "none": [404, 20404],
        "over": [400, 21220, "Call is not in-progress. Cannot redirect."],
        "up": [other.to_string()],
        "recording": [sid.to_string(), "3"], "list": [recording.to_string()],
        "busy": "Busy", "removed": true, "gone": [404, 20404], "wrong": [404, 20404],
        "create": "NotGranted",
        "record": "calls(sid).recordings.create is not available inside functions yet",
        "messages": "getTwilioClient().messages is not available inside functions",
    });
    assert_eq!(got, wanted);
    assert!(!file.exists());
    assert_eq!(
        told.lock().expect("whole").len(),
        3,
        "the others were asked for of the store alone"
    );
}

/// An exchange that answers orders like this; gives those that it was given.
fn serve(
    bench: &Bench,
    store: Arc<Sqlite>,
    answer: impl Fn(&Order) -> Outcome + Send + 'static,
) -> Arc<std::sync::Mutex<Vec<Order>>> {
    let orders = Arc::<Orders>::default();
    let (shard, mut inputs) = tokio::sync::mpsc::channel(4);
    bench.opened.control(store, Arc::clone(&orders), vec![shard]);
    let given = Arc::default();
    let kept: Arc<std::sync::Mutex<Vec<Order>>> = Arc::clone(&given);
    tokio::spawn(async move {
        while let Some(input) = inputs.recv().await {
            let Input::Order(number, order) = input else { panic!("{input:?}") };
            let outcome = answer(&order);
            kept.lock().expect("whole").push(*order);
            orders.told(number, outcome);
        }
    });
    given
}

#[tokio::test]
async fn calls_are_placed_where_they_are_granted() {
    let bench = Bench::new(
        "[[function]]\nname = \"f\"\ncalls = [\"+1415\"]\nmax_calls = 2\n\
         [[function]]\nname = \"g\"\ncontrol = \"read\"\n",
    );
    let mut rng = Rng::from_number(6);
    let database = bench.folder.path().join("data/offhook.db");
    let store = Arc::new(Sqlite::open(&database, &mut rng).await.expect("opened"));
    let sid = CallSid::random(&mut rng);
    let told = serve(&bench, store, move |order| match order {
        Order::Place(placement) if placement.from == "+16505551111" => {
            let started = call(sid, Status::Initiated);
            let direction = Direction::OutboundApi;
            Outcome::Done(Box::new(CallRecord { direction, answered: None, ..started }))
        }
        _ => Outcome::Denied(Denied::new(21210, "not ours")),
    });
    let got = bench
        .run(
            "const client = require('twilio')();\n\
             const place = (more) => client.calls.create({ to: '+14155550100', from: '+16505551111', ...more });\n\
             const denied = (more) => place(more).catch((e) => [e.name, e.status, e.code]);\n\
             const response = new Twilio.twiml.VoiceResponse();\n\
             response.say('Hello');\n\
             const call = await place({ twiml: response, statusCallback: '/functions/s',\n\
               statusCallbackEvent: ['ringing', 'answered'], timeout: 20, record: false, sendDigits: undefined });\n\
             return { call: [call.status, call.direction, call.dateCreated instanceof Date, call.endTime],\n\
               far: (await failure(() => place({ to: '+19005550100', url: 'bin:x' })))[1],\n\
               client: (await failure(() => place({ to: 'client:bob', url: 'bin:x' })))[1],\n\
               sip: (await failure(() => place({ to: 'sip:+14155550100@evil.example', url: 'bin:x' })))[1],\n\
               look: (await failure(() => call.fetch()))[0],\n\
               errors: [await denied({}), await denied({ to: 'x', url: 'bin:x' }), await denied({ to: '' }),\n\
                 await denied({ url: 'bin:x', machineDetection: 'Enable' }), await denied({ url: 'bin:x', from: '+1415' + '5550100' })] };",
        )
        .await;
    let far = |line: &str| got[line].as_str().unwrap_or_default().to_owned();
    assert_eq!(got["call"], json!(["queued", "outbound-api", true, null]));
    assert!(
        far("far")
            .contains("may not call +19005550100; to grant it, write `calls = [\"+19005550100\"]`"),
        "{got}"
    );
    assert!(far("client").contains("calls = [\"client:*\"]"), "{got}");
    assert!(far("sip").contains("calls = [\"*@evil.example\"]"), "{got}");
    assert_eq!(got["look"], "NotGranted", "to place calls is not to look at them");
    let error = |code: u32| json!(["RestException", 400, code]);
    assert_eq!(
        got["errors"],
        json!([error(21205), error(21211), error(21201), error(20001), error(21210)])
    );
    assert_eq!(
        bench
            .run_as("g", "return failure(() => context.getTwilioClient().calls.create({}));")
            .await[0],
        "NotGranted"
    );
    let told = told.lock().expect("whole");
    let Order::Place(placement) = &told[0] else { panic!("{told:?}") };
    let payer = placement.payer.as_ref().expect("somebody pays");
    assert_eq!((payer.name.as_str(), payer.caps.calls), ("function f", 2));
    assert!(matches!(placement.script, Script::Inline(_)));
    assert_eq!(placement.watch.as_ref().expect("watched").events, ["ringing", "answered"]);
}

const START: u64 = 1_800_000_000_000;

fn call(sid: CallSid, status: Status) -> CallRecord {
    let at = |seconds: u64| Some(WallTime::from_unix_millis(START + seconds * 1000));
    CallRecord {
        sid,
        parent: None,
        from: "+15550001111".to_owned(),
        to: "+12223331234".to_owned(),
        direction: Direction::Inbound,
        status,
        started: WallTime::from_unix_millis(START),
        answered: at(2),
        ended: at(9).filter(|_| status.is_final()),
        reason: String::new(),
        sip_status: None,
        sip_call_id: None,
        owed: None,
    }
}

fn recorded(sid: RecordingSid, call: CallSid, status: RecordingStatus) -> RecordingRecord {
    RecordingRecord {
        sid,
        call,
        status,
        started: WallTime::from_unix_millis(START),
        duration: Some(Duration::from_millis(3_200)),
        channels: 1,
        source: "RecordVerb",
        owed: None,
    }
}

#[tokio::test]
async fn the_sample_rings_one_of_ours_and_joins_it_with_who_called() {
    let bench = Bench::new("[[function]]\nname = \"call-back\"\ncalls = [\"client:*\"]\n");
    bench.write(
        "call-back.protected.js",
        include_str!("../../../../functions/samples/call-back.protected.js"),
    );
    let mut rng = Rng::from_number(7);
    let database = bench.folder.path().join("data/offhook.db");
    let store = Arc::new(Sqlite::open(&database, &mut rng).await.expect("opened"));
    let sid = CallSid::random(&mut rng);
    let told = serve(&bench, store, move |_| Outcome::Done(Box::new(call(sid, Status::Initiated))));
    let asked = |query: &[(&str, &str)]| {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Invocation {
            query: query.iter().map(own).collect(),
            admitted: Access::Protected,
            ..Invocation::default()
        }
    };
    let functions = &bench.opened.project.functions;
    let begun = asked(&[("From", "+14155550100"), ("To", "+16505551111")]);
    let answer = functions.invoke("call-back", begun).await;
    let answer = String::from_utf8_lossy(&answer.body);
    assert!(answer.contains("We call you back"), "{answer}");
    let next = {
        let told = told.lock().expect("whole");
        let Order::Place(placement) = &told[0] else { panic!("{told:?}") };
        assert_eq!(placement.to.text(), "client:alice");
        let Script::At { request, .. } = &placement.script else { panic!("a URL") };
        request.url.clone()
    };
    assert_eq!(next, "function:call-back?number=%2B14155550100");
    let answered = asked(&[("number", "+14155550100"), ("From", "+16505551111")]);
    let answer = functions.invoke("call-back", answered).await;
    let answer = String::from_utf8_lossy(&answer.body);
    assert!(
        answer.contains("callerId=\"+16505551111\"") && answer.contains(">+14155550100</Dial>"),
        "{answer}"
    );
}
