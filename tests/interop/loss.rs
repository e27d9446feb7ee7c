//! A network that loses and reorders: every call completes all the same.

use std::collections::BinaryHeap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use offhook::base::Rng;

use super::offers::OUT;
use super::scenario::{SDP, Scenario};
use super::stage::Stage;
use super::tools::{ended, free_port};

/// Of a hundred datagrams each way.
const LOST: u64 = 10;
/// The most that one is late; those sent after it overtake it.
const LATE: u64 = 40;
const CALLS: usize = 100;
/// Sixty-four times T1 for a request (RFC 3261 section 17.1.1.2), and the calls come over 10 s.
const LIMIT: Duration = Duration::from_secs(75);

/// Carries datagrams between one client and one server, not well.
struct Bad {
    at: SocketAddr,
    over: Arc<AtomicBool>,
    lost: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Bad {
    /// The client sends to `at`, the server is at `target`.
    fn start(target: SocketAddr, seed: u64) -> Bad {
        let (front, back) =
            (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let at = front.local_addr().unwrap();
        let client = Arc::new(std::sync::Mutex::new(None));
        let (over, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut rng = Rng::from_number(seed);
        let mut carry = |from: &UdpSocket, to: &UdpSocket, up: bool| {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let (over, lost) = (Arc::clone(&over), Arc::clone(&lost));
            let (client, rng) = (Arc::clone(&client), rng.fork());
            std::thread::spawn(move || {
                carry(&from, rng, (&over, &lost), |sender, bytes| {
                    if let Some(sender) = sender.filter(|_| up) {
                        *client.lock().unwrap() = Some(sender);
                        return;
                    }
                    let to_whom = if up { Some(target) } else { *client.lock().unwrap() };
                    if let Some(whom) = to_whom.filter(|_| !bytes.is_empty()) {
                        let _ = to.send_to(bytes, whom);
                    }
                });
            })
        };
        let threads = vec![carry(&front, &back, true), carry(&back, &front, false)];
        Bad { at, over, lost, threads }
    }
}

impl Drop for Bad {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// One direction: tells who sent, and later hands over what was not lost.
fn carry(
    from: &UdpSocket,
    mut rng: Rng,
    (over, lost): (&AtomicBool, &AtomicUsize),
    hand: impl Fn(Option<SocketAddr>, &[u8]),
) {
    from.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let mut waiting: BinaryHeap<(std::cmp::Reverse<Instant>, Vec<u8>)> = BinaryHeap::new();
    let mut buffer = [0; 65_536];
    while !over.load(Ordering::Relaxed) {
        if let Ok((length, sender)) = from.recv_from(&mut buffer) {
            hand(Some(sender), &[]);
            if rng.below(100) < LOST {
                lost.fetch_add(1, Ordering::Relaxed);
            } else {
                let late = Duration::from_millis(rng.below(LATE));
                let due = std::cmp::Reverse(Instant::now() + late);
                waiting.push((due, buffer[..length].to_vec()));
            }
        }
        while waiting.peek().is_some_and(|(due, _)| due.0 <= Instant::now()) {
            let (_, bytes) = waiting.pop().expect("it was there");
            hand(None, &bytes);
        }
    }
}

#[test]
#[ignore = "interop"]
fn every_call_completes_on_a_network_that_loses_a_tenth() {
    let trunk = free_port("127.0.0.1");
    let far = Bad::start(SocketAddr::from(([127, 0, 0, 1], trunk)), 1);
    let stage = Stage::by(far.at.port(), |project| {
        project.number("+12223331234", OUT).sip("force_rport = true")
    });
    let near = Bad::start(stage.server.udp(), 2);
    let calls = CALLS.to_string();
    // sipp knows the repeat of a request only by its latest message, and so it does not ring first;
    // it must also be there still when BYE is repeated.
    let callee = Scenario::called()
        .answer("200 OK", "", "", SDP)
        .wants("ACK")
        .wants("BYE")
        .reply("200 OK", "", "")
        .lingers(8_000);
    let callee = stage.play(
        "callee",
        &callee,
        trunk,
        &["-m", &calls, "-timeout", "70", "-recv_timeout", "60000"],
    );
    let caller = Scenario::caller()
        .invite("", SDP)
        .may_receive(&[100, 180, 183])
        .receive(200)
        .ack()
        .pause(1_000)
        .bye();
    // A 180 that the 200 overtook is no mistake of anybody's.
    let many = [
        "-s",
        "12223331234",
        "-m",
        &calls,
        "-r",
        "10",
        "-l",
        &calls,
        "-timeout",
        "70",
        "-recv_timeout",
        "60000",
        "-default_behaviors",
        "all,-abortunexp",
    ];
    let mut caller = stage.play_at(near.at, "caller", &caller, free_port("127.0.0.1"), &many);
    let mut callee = callee;
    let status = ended(&mut caller.child, LIMIT);
    assert!(status.is_some_and(|s| s.success()), "{status:?}: {}", caller.said());
    let status = ended(&mut callee.child, LIMIT);
    assert!(status.is_some_and(|s| s.success()), "{status:?}: {}", callee.said());
    let lost = [&near, &far].map(|way| way.lost.load(Ordering::Relaxed));
    println!("{CALLS} calls completed; datagrams lost: {lost:?}");
    assert!(lost.iter().all(|lost| *lost > CALLS / 10), "nothing was lost: {lost:?}");
    stage.server.said();
}
