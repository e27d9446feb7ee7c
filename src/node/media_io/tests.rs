//! A real worker on loopback. Every wait is for an event or a packet, with an end.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use super::*;
use crate::base::id::RecordingSid;
use crate::media::{
    Codec, Direction, Leeway, RecordingEnd, RecordingPlan, Remote, SessionId, Tracks,
};
use crate::rtp::Packet;
use crate::rtp::packet::{header, write};

const LIMIT: Duration = Duration::from_secs(5);

struct Bench {
    worker: MediaWorker,
    handle: MediaHandle,
    events: mpsc::Receiver<Event>,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    #[allow(clippy::disallowed_methods, reason = "the test is the node here")]
    fn new(ports: RangeInclusive<u16>, tick: Duration, recordings: PathBuf) -> Bench {
        let config = Config { ports, tick, recordings, core: None };
        let (worker, handle, events) =
            MediaWorker::start(config, SystemInstant::now(), Rng::from_number(3)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Bench { worker, handle, events, runtime }
    }

    fn event(&mut self) -> Event {
        let event = async { tokio::time::timeout(LIMIT, self.events.recv()).await };
        self.runtime.block_on(event).expect("an event in time").expect("a living worker")
    }

    fn open(&mut self, session: u64) -> SocketAddr {
        let session = SessionId(session);
        self.handle.send(Command::Open { session, ip: Ipv4Addr::LOCALHOST.into() }).unwrap();
        match self.event() {
            Event::Opened { session: opened, local } if opened == session => local,
            other => panic!("not opened: {other:?}"),
        }
    }

    /// Orders are taken in turn: when this session is closed, those before it are carried out.
    fn settle(&mut self) {
        self.open(99);
        self.handle.send(Command::Close { session: SessionId(99) }).unwrap();
        assert!(matches!(self.event(), Event::Closed { session: SessionId(99), .. }));
    }

    fn connect(&self, session: u64, phone: &UdpSocket) {
        let remote = Remote {
            address: phone.local_addr().unwrap(),
            signalled_from: None,
            leeway: Leeway::None,
            codec: Codec::Pcmu,
            payload_type: 0,
            telephone_event: Some(101),
            direction: Direction::SendRecv,
        };
        self.handle.send(Command::Connect { session: SessionId(session), remote }).unwrap();
    }
}

fn phone() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket
}

fn packet(sequence: u16) -> Vec<u8> {
    let mut datagram = Vec::new();
    let payload = [sequence as u8; 160];
    write(&header(0, sequence, u32::from(sequence) * 160, 9, false), &payload, &mut datagram);
    datagram
}

fn relays(tick: Duration, ports: RangeInclusive<u16>) {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(ports.clone(), tick, folder.path().into());
    let (one, two) = (bench.open(1), bench.open(2));
    assert!(ports.contains(&one.port()) && one.port() % 2 == 0 && one.port() != two.port());
    let (a, b) = (phone(), phone());
    bench.connect(1, &a);
    bench.connect(2, &b);
    bench.handle.send(Command::Bridge { a: SessionId(1), b: SessionId(2) }).unwrap();
    bench.settle();
    let mut buffer = [0; 1_500];
    for sequence in 0..200 {
        let (from, port, to) = if sequence % 2 == 0 { (&a, one, &b) } else { (&b, two, &a) };
        from.send_to(&packet(sequence), port).unwrap();
        let (length, _) = to.recv_from(&mut buffer).expect("relayed in time");
        let relayed = Packet::parse(&buffer[..length]).unwrap();
        assert_eq!(relayed.payload(), [sequence as u8; 160]);
        assert_ne!(relayed.ssrc, 9);
    }
    bench.handle.send(Command::Close { session: SessionId(1) }).unwrap();
    let closed = Event::Closed { session: SessionId(1), received: 100, sent: 100, lost: 99 };
    assert_eq!(bench.event(), closed);
}

#[test]
fn bridged_sessions_relay_between_real_sockets() {
    relays(Duration::from_millis(1), 21_000..=21_199);
    relays(Duration::ZERO, 21_200..=21_399);
}

#[test]
fn a_session_that_is_refused_gives_its_port_back() {
    let folder = tempfile::tempdir().unwrap();
    // Room for two.
    let mut bench = Bench::new(21_940..=21_943, Config::TICK, folder.path().into());
    bench.open(1);
    for _ in 0..3 {
        bench.open(1);
        let refused = bench.event();
        assert!(matches!(refused, Event::Failed { session: SessionId(1), .. }), "{refused:?}");
        // Orders are taken in turn: what the refusal left is done when a next one is answered.
        bench.handle.send(Command::Close { session: SessionId(1) }).unwrap();
        assert!(matches!(bench.event(), Event::Closed { session: SessionId(1), .. }));
        bench.open(1);
    }
    bench.open(2);
}

#[test]
fn a_recording_is_complete_on_the_disk_when_its_end_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(21_400..=21_599, Config::TICK, folder.path().into());
    let port = bench.open(1);
    let phone = phone();
    bench.connect(1, &phone);
    let recording = RecordingSid::random(&mut Rng::from_number(8));
    let max = Duration::from_millis(400);
    let plan = RecordingPlan { recording, tracks: Tracks::Own, max, silence: None, trim: false };
    bench.handle.send(Command::Record { session: SessionId(1), plan }).unwrap();
    phone.send_to(&packet(0), port).unwrap();
    let event = bench.event();
    let Event::Recorded { end: RecordingEnd::MaxLength, length, .. } = event else {
        panic!("{event:?}");
    };
    assert_eq!(length, max);
    let size = std::fs::metadata(crate::node::recording::path(folder.path(), recording)).unwrap();
    assert_eq!(size.len(), 44 + 400 * 16);
}

#[test]
fn a_recording_that_cannot_be_written_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let mut bench = Bench::new(21_600..=21_799, Config::TICK, missing);
    bench.open(1);
    let recording = RecordingSid::random(&mut Rng::from_number(8));
    let max = Duration::from_secs(60);
    let plan = RecordingPlan { recording, tracks: Tracks::Own, max, silence: None, trim: false };
    bench.handle.send(Command::Record { session: SessionId(1), plan }).unwrap();
    let event = bench.event();
    assert!(matches!(event, Event::Recorded { end: RecordingEnd::Failed, .. }), "{event:?}");
    bench.open(2);
}

#[test]
fn a_full_range_fails_the_session_and_a_closed_one_gives_its_port_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(21_800..=21_803, Config::TICK, folder.path().into());
    bench.open(1);
    bench.open(2);
    let open =
        |session| Command::Open { session: SessionId(session), ip: IpAddr::from([127, 0, 0, 1]) };
    bench.handle.send(open(3)).unwrap();
    assert!(matches!(bench.event(), Event::Failed { session: SessionId(3), .. }));
    bench.handle.send(Command::Close { session: SessionId(1) }).unwrap();
    assert!(matches!(bench.event(), Event::Closed { session: SessionId(1), .. }));
    bench.open(4);
}

#[test]
fn a_stopped_worker_takes_no_orders() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(21_804..=21_807, Config::TICK, folder.path().into());
    drop(bench.worker);
    let session = SessionId(1);
    let refused = bench.handle.send(Command::Unbridge { session }).unwrap_err();
    assert!(matches!(refused, SendError::Stopped(_)) && refused.event().is_none());
    // Whoever waits for what such an order brings is told at once.
    let told = |command| bench.handle.send(command).unwrap_err().event();
    let digits = Command::SendDigits { session, play: 4, digits: "1".to_owned() };
    assert_eq!(told(digits), Some(Event::Played { session, play: 4 }));
    let recording = RecordingSid::random(&mut Rng::from_number(8));
    let max = Duration::from_secs(60);
    let plan = RecordingPlan { recording, tracks: Tracks::Own, max, silence: None, trim: false };
    let end = told(Command::Record { session, plan });
    assert!(matches!(end, Some(Event::Recorded { end: RecordingEnd::Failed, .. })), "{end:?}");
    let closed = told(Command::Close { session });
    assert!(matches!(closed, Some(Event::Closed { .. })), "{closed:?}");
}
