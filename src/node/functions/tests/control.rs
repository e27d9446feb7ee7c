//! Calls and recordings, as functions with `control = true` have them.

use super::*;
use crate::base::WallTime;
use crate::base::id::{CallSid, RecordingSid};
use crate::call::{CallRecord, Direction, Persist, RecordingRecord, RecordingStatus, Status};
use crate::exchange::Input;
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
    let (shard, mut told) = tokio::sync::mpsc::channel(4);
    bench.opened.control(store, vec![shard]);

    let got = bench
        .run(&format!(
            "const client = context.getTwilioClient();\n\
             const call = await client.calls('{sid}').fetch();\n\
             const ended = await client.calls('{other}').update({{ status: 'completed' }});\n\
             const recording = await client.recordings('{recording}').fetch();\n\
             const list = await client.recordings.list({{ callSid: '{sid}' }});\n\
             return {{ call: [call.sid, call.status, call.duration, call.startTime.getTime(), call.from],\n\
             ended: ended.sid, up: (await client.calls.list({{ status: 'in-progress' }})).map((c) => c.sid),\n\
             recording: [recording.callSid, recording.duration], list: list.map((r) => r.sid),\n\
             busy: (await failure(() => client.recordings('{going}').remove()))[0],\n\
             removed: await client.recordings('{recording}').remove(),\n\
             gone: await client.recordings('{recording}').fetch().catch((e) => [e.status, e.code]),\n\
             wrong: await client.calls('CA1').fetch().catch((e) => [e.status, e.code]),\n\
             twiml: (await failure(() => client.calls('{other}').update({{ twiml: '<Response/>' }})))[1],\n\
             create: (await failure(() => client.calls.create({{}})))[1],\n\
             messages: (await failure(() => client.messages.create({{}})))[1] }};"
        ))
        .await;
    let wanted = json!({
        "call": [sid.to_string(), "completed", "7", 1_800_000_000_000_u64, "+15550001111"],
        "ended": other.to_string(), "up": [other.to_string()],
        "recording": [sid.to_string(), "3"], "list": [recording.to_string()],
        "busy": "Busy", "removed": true, "gone": [404, 20404], "wrong": [404, 20404],
        "twiml": "calls can only be ended by functions, with { status: 'completed' }",
        "create": "calls.create is not available inside functions yet",
        "messages": "getTwilioClient().messages is not available inside functions",
    });
    assert_eq!(got, wanted);
    assert!(!file.exists());
    assert!(matches!(told.try_recv(), Ok(Input::End(ended)) if ended == other));
    assert!(told.try_recv().is_err(), "that one alone");
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
