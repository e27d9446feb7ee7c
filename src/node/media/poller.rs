//! The few Linux calls that std does not offer: epoll, an eventfd to wake it, and pinning.

#![allow(unsafe_code, reason = "std has no epoll, eventfd or affinity")]

use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Waits for many sockets.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
    ready: Vec<libc::epoll_event>,
}

impl Poller {
    /// Sockets told at once; the rest are told the next time, so none is forgotten.
    const READY: usize = 512;

    /// One that waits for nothing.
    pub fn new() -> Result<Poller> {
        // SAFETY: takes no pointer; the descriptor is owned from here on.
        let epoll = unsafe { owned(libc::epoll_create1(libc::EPOLL_CLOEXEC))? };
        Ok(Poller { epoll, ready: vec![libc::epoll_event { events: 0, u64: 0 }; Self::READY] })
    }

    /// Waits for `socket` too, until it is closed; `token` tells that it is readable.
    pub fn add(&self, socket: &impl AsRawFd, token: u64) -> Result<()> {
        let mut wanted = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
        let (epoll, socket) = (self.epoll.as_raw_fd(), socket.as_raw_fd());
        // SAFETY: `wanted` outlives the call and both descriptors are open.
        check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, socket, &mut wanted) })?;
        Ok(())
    }

    /// Waits until something is readable or the time is over; appends the tokens to `tokens`.
    pub fn wait(&mut self, timeout: Option<Duration>, tokens: &mut Vec<u64>) -> Result<()> {
        let limit = timeout.map(timespec);
        let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // epoll_pwait2 (Linux 5.11): whole milliseconds would let every play run late.
        // SAFETY: the buffer has `READY` entries, and `limit` is null or outlives the call.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.as_raw_fd(),
                self.ready.as_mut_ptr(),
                Self::READY,
                limit,
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        let count = match check(count as libc::c_int) {
            Err(e) if e.raw_os_error() == Some(libc::ENOSYS) => self.wait_milliseconds(timeout),
            other => other,
        };
        match count {
            Ok(count) => tokens.extend(self.ready.iter().take(count as usize).map(|r| r.u64)),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    fn wait_milliseconds(&mut self, timeout: Option<Duration>) -> Result<libc::c_int> {
        let limit = timeout.map_or(-1, |limit| limit.as_micros().div_ceil(1_000) as libc::c_int);
        let (epoll, room) = (self.epoll.as_raw_fd(), Self::READY as libc::c_int);
        // SAFETY: the buffer has `READY` entries.
        check(unsafe { libc::epoll_wait(epoll, self.ready.as_mut_ptr(), room, limit) })
    }
}

/// Wakes a thread that waits; ringing twice before it looks costs one system call.
#[derive(Debug)]
pub struct Bell {
    event: OwnedFd,
    rung: AtomicBool,
}

impl Bell {
    /// One that is silent.
    pub fn new() -> Result<Bell> {
        // SAFETY: takes no pointer; the descriptor is owned from here on.
        let event = unsafe { owned(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))? };
        Ok(Bell { event, rung: AtomicBool::new(false) })
    }

    /// Wakes whoever waits.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            let one = 1u64;
            // SAFETY: eight bytes are read from `one`. Failing means that the count is full,
            // and then the descriptor is readable anyway.
            unsafe { libc::write(self.event.as_raw_fd(), (&raw const one).cast(), 8) };
        }
    }

    /// Silences it; look at what it rang for after this, not before.
    pub fn silence(&self) {
        let mut count = 0u64;
        // SAFETY: eight bytes are written to `count`; the descriptor does not block.
        unsafe { libc::read(self.event.as_raw_fd(), (&raw mut count).cast(), 8) };
        self.rung.store(false, Ordering::SeqCst);
    }

    /// Waits for it, or until the time is over; whether it rang.
    pub fn wait(&self, timeout: Duration) -> bool {
        let mut wanted =
            libc::pollfd { fd: self.event.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let limit = timespec(timeout);
        // SAFETY: one entry, and both structs outlive the call.
        unsafe { libc::ppoll(&mut wanted, 1, &limit, std::ptr::null()) > 0 }
    }
}

impl AsRawFd for Bell {
    fn as_raw_fd(&self) -> RawFd {
        self.event.as_raw_fd()
    }
}

/// Keeps the calling thread on one core.
pub fn pin(core: usize) -> Result<()> {
    // SAFETY: the set is plain data and outlives the call; CPU_SET checks its bound.
    check(unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    })?;
    Ok(())
}

fn check(result: libc::c_int) -> Result<libc::c_int> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
}

/// # Safety
///
/// `descriptor` is negative, or open and owned by nobody else.
unsafe fn owned(descriptor: libc::c_int) -> Result<OwnedFd> {
    let descriptor = check(descriptor)?;
    // SAFETY: see above.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: time.as_secs() as libc::time_t,
        tv_nsec: time.subsec_nanos() as libc::c_long,
    }
}
