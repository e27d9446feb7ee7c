//! Runs other programs, each with a limit of time, and says all they said when they fail.

use std::fs::File;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Waits for a condition; panics with `what` when it never holds.
pub fn eventually<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits for a program to end by itself.
pub fn ended(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

/// What a short program prints; panics when it is missing or fails.
pub fn output(program: &str, arguments: &[&str]) -> Vec<u8> {
    let done = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let done = done.unwrap_or_else(|error| panic!("{program} is needed: {error}"));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {arguments:?}: {}: {said}", done.status);
    done.stdout
}

/// A program in the background that ends with its owner; what it says goes into a file.
#[derive(Debug)]
pub struct Running {
    pub child: Child,
    pub name: String,
    log: std::path::PathBuf,
}

impl Running {
    pub fn start(command: &mut Command, name: &str, folder: &Path) -> Running {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).expect("a log file");
        command.stdin(Stdio::null()).stderr(file.try_clone().expect("a handle")).stdout(file);
        let child = command.spawn();
        let child = child.unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
        Running { child, name: name.to_owned(), log }
    }

    pub fn said(&self) -> String {
        let mut bytes = vec![];
        let _ = File::open(&self.log).and_then(|mut file| file.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago, for UDP and TCP.
pub fn free_port(ip: &str) -> u16 {
    let free = (0..100).find_map(|_| {
        let udp = UdpSocket::bind((ip, 0)).ok()?;
        let port = udp.local_addr().ok()?.port();
        TcpListener::bind((ip, port)).ok().map(|_| port)
    });
    free.expect("a free port")
}

/// The first of four free UDP ports that no other caller gets: sipp takes more than the one that it
/// is given.
pub fn media_ports() -> u16 {
    let is_free = |at| (0..4).all(|more| UdpSocket::bind(("127.0.0.1", at + more)).is_ok());
    ports(is_free).expect("free ports")
}

/// The first of two free ports that no other caller gets: baresip listens for TLS on the one above
/// its own, and ends where it cannot.
pub fn phone_ports(ip: &str) -> u16 {
    let is_free =
        |port| UdpSocket::bind((ip, port)).is_ok() && TcpListener::bind((ip, port)).is_ok();
    let both = |at: u16| is_free(at) && at.checked_add(1).is_some_and(is_free);
    // Beside a load test there may be none but those that the system hands out.
    let handed_out = || (0..100).map(|_| free_port(ip)).find(|at| both(*at));
    ports(both).or_else(handed_out).expect("free ports")
}

/// A block of ports, below those that the system hands out, and above those of the server's media.
fn ports(is_free: impl Fn(u16) -> bool) -> Option<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const BLOCKS: u16 = 1_000;
    // Processes that start together have neighbouring numbers, and no neighbouring blocks.
    let first = (std::process::id().wrapping_mul(389) % u32::from(BLOCKS)) as u16;
    let mut blocks = (0..BLOCKS).map(|_| {
        let block = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(first) % BLOCKS;
        22_000 + 8 * block
    });
    blocks.find(|at| is_free(*at))
}
