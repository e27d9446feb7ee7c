//! Threads whose work can wait: they get a small share of a busy core, so that they never keep the
//! threads of signalling and media waiting. What they write down waits in bounded queues meanwhile.

use std::io;

/// A tenth of the weight of a thread that callers wait for (sched(7)).
const NICE: libc::c_int = 10;

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

    fn nice() -> libc::c_int {
        // SAFETY: takes numbers only.
        #[allow(unsafe_code, reason = "the standard library cannot read a thread's priority")]
        unsafe {
            libc::getpriority(libc::PRIO_PROCESS, 0)
        }
    }

    #[tokio::test]
    async fn threads_that_it_starts_stand_back_and_its_caller_does_not() {
        let before = nice();
        let started = async || std::thread::spawn(nice).join().expect("it ends");
        let inside = run(started).await.expect("it runs");
        assert_eq!(inside, (before + NICE).min(19));
        assert_eq!(nice(), before);
    }
}
