//! Threads that take no signals.
//!
//! Postgres' signal handlers may run on the main thread only: one that runs on another thread
//! aborts the process, and the whole cluster restarts. The kernel delivers a process' signal to any
//! thread that does not block it, so every thread of ours blocks all of them.

use std::io;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use super::{KEEP_ALIVE, RequestLife, pulse, refused};

/// Blocks all signals in the calling thread until dropped; threads started meanwhile inherit that.
pub(crate) struct BlockedSignals {
    before: libc::sigset_t,
}

impl BlockedSignals {
    /// Blocks all signals in the calling thread.
    pub(crate) fn all() -> io::Result<Self> {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: both sets live on this stack; sigfillset initialises the one, pthread_sigmask
        // the other, and both are read only after the call that initialises them succeeded.
        unsafe {
            if libc::sigfillset(all.as_mut_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            match libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) {
                0 => Ok(BlockedSignals { before: before.assume_init() }),
                code => Err(io::Error::from_raw_os_error(code)),
            }
        }
    }

    /// Leaves them blocked for the rest of the thread's life.
    pub(crate) fn forever(self) {
        std::mem::forget(self);
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: `before` was filled in by pthread_sigmask. It can only fail for a wrong first
        // argument, which this is not.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, ptr::null_mut()) };
    }
}

/// Builds a runtime none of whose threads takes a signal, whenever it is started.
///
/// # Errors
///
/// If the operating system refuses an epoll instance or a thread; of the latter tokio makes a panic.
pub(crate) fn build(builder: &mut tokio::runtime::Builder) -> io::Result<tokio::runtime::Runtime> {
    let blocked = BlockedSignals::all()?;

    // Threads of the blocking pool are started later, by whichever thread needs one.
    builder.on_thread_start(|| {
        if let Ok(blocked) = BlockedSignals::all() {
            blocked.forever();
        }
    });

    let runtime = catch_unwind(AssertUnwindSafe(|| builder.build()));
    drop(blocked);
    runtime.unwrap_or_else(|_| Err(refused()))
}

/// A runtime that lives on the calling thread, for a single request in a user's backend. The threads that it may start for
/// large answers and the like take no signals. It is part of the request's `life` as long as one of them runs: until
/// then its descriptors are open.
///
/// # Errors
///
/// If the operating system refuses an epoll instance, or a thread.
pub fn current_thread_runtime(life: &RequestLife) -> io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_io().enable_time().thread_name("pgai_rs query").thread_keep_alive(KEEP_ALIVE);
    // A runtime has this for as long as it has its descriptors.
    let life = life.clone();
    builder.on_thread_stop(move || {
        let _ = &life;
    });

    let runtime = build(&mut builder)?;
    pulse(runtime.handle())?;
    Ok(runtime)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    fn blocked() -> bool {
        let mut now = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: `now` is filled in by pthread_sigmask before it is read.
        unsafe {
            assert_eq!(libc::pthread_sigmask(libc::SIG_SETMASK, ptr::null(), now.as_mut_ptr()), 0);
            let now = now.assume_init();
            libc::sigismember(&now, libc::SIGHUP) == 1 && libc::sigismember(&now, libc::SIGTERM) == 1
        }
    }

    #[test]
    fn no_thread_of_a_runtime_takes_signals_and_the_builders_thread_still_does() {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = build(builder.worker_threads(1)).unwrap();
        assert!(!blocked());
        assert!(runtime.block_on(runtime.spawn(async { blocked() })).unwrap());
        assert!(runtime.block_on(runtime.spawn_blocking(blocked)).unwrap());
        let runtime = current_thread_runtime(&RequestLife::default()).unwrap();
        assert!(runtime.block_on(runtime.spawn_blocking(blocked)).unwrap());
        assert!(!blocked());
    }

    #[test]
    fn a_refused_thread_is_an_error_and_no_panic() {
        // Nobody has so much memory for a stack.
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let error = build(builder.worker_threads(1).thread_stack_size(1 << 46)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(!blocked());
    }

    #[test]
    fn a_request_lives_as_long_as_a_thread_of_its_runtime() {
        let life = RequestLife::default();
        let runtime = current_thread_runtime(&life).unwrap();
        let (begin, begun) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let work = runtime.spawn_blocking(move || {
            let _ = begin.send(());
            let _ = ended.recv();
        });
        begun.recv().unwrap();
        drop(work);
        runtime.shutdown_background();

        let remains = life.end();
        assert!(remains.go_on());
        drop(end);
        while remains.go_on() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn nothing_goes_on_of_a_request_whose_threads_are_idle() {
        let life = RequestLife::default();
        let runtime = current_thread_runtime(&life).unwrap();
        assert!(runtime.block_on(runtime.spawn_blocking(|| true)).unwrap());
        runtime.shutdown_timeout(Duration::from_secs(60));
        assert!(!life.end().go_on());
    }
}
