//! What a relayed packet costs a media worker, against the least that any relay could do.
//!
//! 200 bridged G.711 calls on loopback, both ways, 20 ms. The floor is one thread with one
//! epoll, one `recvfrom` and one `sendto` for a packet and the same tick, and nothing else; it
//! runs before and after the worker, so that one sitting is compared. CPU is read from the
//! thread's own schedstat. `cargo bench --bench media_relay [-- SECONDS]`.

#![allow(unsafe_code, reason = "the floor is raw epoll, as lean as can be")]
#![allow(clippy::disallowed_methods, reason = "a generator has a clock")]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use offhook::base::Rng;
use offhook::media::{Codec, Command, Direction, Event, Remote, SessionId};
use offhook::node::media_io::{Config, MediaWorker};

const CALLS: usize = 200;
const TICK: Duration = Duration::from_millis(1);
const FRAME: Duration = Duration::from_millis(20);

fn main() {
    // cargo passes `--bench` to a benchmark without a harness.
    let seconds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(5);
    println!("{CALLS} bridged calls, {} packets a second, tick {TICK:?}", CALLS * 100);
    let mut floors = Vec::new();
    floors.push(floor(seconds, TICK));
    let worker = worker(seconds, TICK);
    floors.push(floor(seconds, TICK));
    let floor_mean = floors.iter().sum::<f64>() / floors.len() as f64;
    println!("ratio to the floor: {:.2}", worker / floor_mean);
    println!("without a tick:");
    let (woken, least) = (self::worker(seconds, Duration::ZERO), floor(seconds, Duration::ZERO));
    println!("ratio to the floor: {:.2}", woken / least);
}

fn worker(seconds: u64, tick: Duration) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let config =
        Config { ports: Config::PORTS, tick, recordings: folder.path().into(), core: None };
    let (_worker, handle, mut events) =
        MediaWorker::start(config, Instant::now(), Rng::from_number(1)).expect("a worker");
    let phones = phones();
    let mut ports = Vec::new();
    for (n, phone) in phones.iter().enumerate() {
        let session = SessionId(n as u64);
        handle.send(Command::Open { session, ip: Ipv4Addr::LOCALHOST.into() }).expect("room");
        let Some(Event::Opened { local, .. }) = events.blocking_recv() else {
            panic!("session {n} was not opened");
        };
        ports.push(local);
        let remote = Remote {
            address: phone.local_addr().expect("bound"),
            signalled_from: None,
            leeway: offhook::media::Leeway::None,
            codec: Codec::Pcmu,
            payload_type: 0,
            telephone_event: Some(101),
            direction: Direction::SendRecv,
        };
        handle.send(Command::Connect { session, remote }).expect("room");
        if n % 2 == 1 {
            let a = SessionId(n as u64 - 1);
            handle.send(Command::Bridge { a, b: session }).expect("room");
        }
    }
    measure("worker", "media", &phones, &ports, seconds)
}

fn floor(seconds: u64, tick: Duration) -> f64 {
    let phones = phones();
    let sockets: Vec<UdpSocket> = (0..2 * CALLS).map(|_| bind()).collect();
    let ports: Vec<SocketAddr> = sockets.iter().map(address).collect();
    let to: Vec<SocketAddr> = phones.iter().map(address).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = std::thread::Builder::new()
        .name("floor".into())
        .spawn(move || relay(&sockets, &to, tick, &stopped))
        .expect("a thread");
    let cost = measure("floor", "floor", &phones, &ports, seconds);
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("the floor ends");
    cost
}

fn relay(sockets: &[UdpSocket], to: &[SocketAddr], tick: Duration, stop: &AtomicBool) {
    let mut ready = vec![libc::epoll_event { events: 0, u64: 0 }; 512];
    // SAFETY: plain calls; `ready` has 512 entries, and descriptors live as long as the sockets.
    let epoll = unsafe { libc::epoll_create1(0) };
    for (token, socket) in sockets.iter().enumerate() {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token as u64 };
        // SAFETY: `event` outlives the call.
        unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, socket.as_raw_fd(), &mut event) };
    }
    let mut buffer = [0; 1_500];
    while !stop.load(Ordering::Relaxed) {
        if !tick.is_zero() {
            std::thread::sleep(tick);
        }
        // SAFETY: as above.
        let count = unsafe { libc::epoll_wait(epoll, ready.as_mut_ptr(), 512, 100) };
        for event in &ready[..count.max(0) as usize] {
            let slot = event.u64 as usize;
            if let Ok((length, _)) = sockets[slot].recv_from(&mut buffer) {
                let _ = sockets[slot ^ 1].send_to(&buffer[..length], to[slot ^ 1]);
            }
        }
    }
    // SAFETY: ours, and used no more.
    unsafe { libc::close(epoll) };
}

/// Lets every phone send each 20 ms, spread over the frame; CPU nanoseconds for each packet.
fn measure(
    name: &str,
    thread: &str,
    phones: &[UdpSocket],
    ports: &[SocketAddr],
    seconds: u64,
) -> f64 {
    const SETTLE: u64 = 25;
    let mut received = 0_u64;
    let mut packet = [0x55_u8; 172];
    (packet[0], packet[1]) = (0x80, 0);
    let (mut cpu, mut begun) = (0, 0);
    let start = Instant::now();
    let frames = SETTLE + seconds * 50;
    for frame in 0..frames {
        if frame == SETTLE {
            (cpu, begun) = (cpu_nanoseconds(thread), received);
        }
        packet[2..4].copy_from_slice(&(frame as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&(frame as u32 * 160).to_be_bytes());
        for part in 0..20 {
            let due = FRAME * frame as u32 + Duration::from_millis(part);
            std::thread::sleep(due.saturating_sub(start.elapsed()));
            for n in (part as usize..phones.len()).step_by(20) {
                packet[8..12].copy_from_slice(&(n as u32).to_be_bytes());
                let _ = phones[n].send_to(&packet, ports[n]);
            }
        }
        received += drain(phones);
    }
    std::thread::sleep(FRAME);
    received += drain(phones);
    let packets = received - begun;
    let cost = (cpu_nanoseconds(thread) - cpu) as f64 / packets.max(1) as f64;
    let due = seconds * 50 * phones.len() as u64;
    let came = 100.0 * packets as f64 / due as f64;
    let core = cost * packets as f64 / (seconds as f64 * 1e9) * 100.0;
    println!("{name:>7}: {cost:6.0} ns CPU a packet, {core:4.1} % of a core, {came:.1} % came");
    cost
}

fn drain(phones: &[UdpSocket]) -> u64 {
    let mut buffer = [0; 1_500];
    phones
        .iter()
        .map(|phone| std::iter::from_fn(|| phone.recv(&mut buffer).ok()).count() as u64)
        .sum()
}

fn cpu_nanoseconds(thread: &str) -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let named = |folder: &PathBuf| {
        std::fs::read_to_string(folder.join("comm")).is_ok_and(|name| name.trim() == thread)
    };
    let folder = tasks.flatten().map(|task| task.path()).find(named).expect("the thread runs");
    let text = std::fs::read_to_string(folder.join("schedstat")).expect("schedstat");
    text.split_whitespace().next().and_then(|time| time.parse().ok()).expect("nanoseconds first")
}

fn phones() -> Vec<UdpSocket> {
    (0..2 * CALLS).map(|_| bind()).collect()
}

fn bind() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_nonblocking(true).expect("non-blocking");
    socket
}

fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("bound")
}
