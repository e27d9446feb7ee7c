//! Threads whose work can wait, and those that callers wait for. The first get a small share of a
//! busy core, and what they write down waits in bounded queues meanwhile; the second are let in as
//! soon as something comes for them, not when another thread's slice is over.

use std::io;

/// A tenth of the weight of a thread that callers wait for (sched(7)).
const NICE: libc::c_int = 10;

/// The slice of a thread that callers wait for, in nanoseconds: the shortest that Linux gives. Its
/// share stays that of others; who asks for short turns is only let in earlier.
#[cfg(target_os = "linux")]
const SLICE: u64 = 100_000;

/// Lets the calling thread, not those that it starts, in whenever something comes for it. Best
/// effort: without it, a thread that stands back keeps a core for up to a millisecond (Linux
/// before 6.12 takes no notice).
pub(super) fn come_first() {
    #[cfg(target_os = "linux")]
    {
        let attributes = libc::sched_attr {
            size: size_of::<libc::sched_attr>() as u32,
            sched_policy: libc::SCHED_OTHER as u32,
            sched_flags: libc::SCHED_FLAG_RESET_ON_FORK as u64,
            sched_nice: nice(),
            sched_priority: 0,
            sched_runtime: SLICE,
            sched_deadline: 0,
            sched_period: 0,
        };
        // SAFETY: the structure is whole, its size says so, and it outlives the call; thread 0 is
        // the calling one (sched_setattr(2)).
        #[allow(unsafe_code, reason = "the standard library cannot set a thread's slice")]
        unsafe {
            libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0);
        }
    }
}

/// How nice the calling thread is; 0 where that cannot be known.
#[cfg(any(target_os = "linux", test))]
fn nice() -> libc::c_int {
    // SAFETY: takes numbers only (getpriority(2)).
    #[allow(unsafe_code, reason = "the standard library cannot read a thread's priority")]
    unsafe {
        libc::getpriority(libc::PRIO_PROCESS, 0)
    }
}

/// Makes the calling thread, and those that it starts, stand back. Best effort: a system that
/// does not allow it runs them as any other.
pub(super) fn stand_back() {
    // SAFETY: takes a number only; on Linux it is the calling thread's affair (nice(2)).
    #[allow(unsafe_code, reason = "the standard library cannot set a thread's priority")]
    unsafe {
        libc::nice(NICE);
    }
}

/// Runs something to its end on a thread that stands back; threads that it starts do so, too.
pub(super) async fn run<T: Send + 'static>(
    work: impl AsyncFnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (done, result) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = move || {
        stand_back();
        let _ = done.send(runtime.block_on(work()));
    };
    std::thread::Builder::new().name("background".to_owned()).spawn(thread)?;
    result.await.map_err(|_| io::Error::other("a background thread crashed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn threads_that_it_starts_stand_back_and_its_caller_does_not() {
        let before = nice();
        let started = async || std::thread::spawn(nice).join().expect("it ends");
        let inside = run(started).await.expect("it runs");
        assert_eq!(inside, (before + NICE).min(19));
        assert_eq!(nice(), before);
    }

    /// The slice that Linux keeps for the calling thread, in nanoseconds.
    #[cfg(target_os = "linux")]
    fn slice() -> u64 {
        let mut attributes = std::mem::MaybeUninit::<libc::sched_attr>::zeroed();
        let (of, size) = (attributes.as_mut_ptr(), size_of::<libc::sched_attr>());
        // SAFETY: zeroes are a whole structure, and no more than its size is written.
        #[allow(unsafe_code, reason = "the standard library cannot read a thread's slice")]
        let attributes = unsafe {
            libc::syscall(libc::SYS_sched_getattr, 0, of, size, 0);
            attributes.assume_init()
        };
        attributes.sched_runtime
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_comes_first_does_so_alone() {
        let others = slice();
        let first = std::thread::spawn(|| {
            come_first();
            (slice(), nice(), std::thread::spawn(slice).join().expect("it ends"))
        });
        let (own, nice_of_it, of_child) = first.join().expect("it ends");
        // 0: a system that keeps no slices.
        assert!(own == SLICE || own == 0, "{own}");
        assert_eq!((nice_of_it, of_child), (nice(), others));
    }
}
