//! Signals, latch and timeouts of the launcher and the workers.

use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::time::Duration;

use pgrx::pg_sys;

unsafe extern "C-unwind" {
    // As Postgres has them: pgrx wraps its bindings, and a wrapper must not run in a handler.
    fn die(signal: std::ffi::c_int);
    fn SignalHandlerForConfigReload(signal: std::ffi::c_int);
}

/// Installs the signal handlers. SIGTERM ends the process at its next interrupt check, also within a
/// statement; SIGHUP asks for the settings to be read again.
pub fn install_signal_handlers() {
    // SAFETY: Postgres's own handlers, installed before signals are unblocked.
    unsafe {
        set_handler(pg_sys::SIGHUP as i32, SignalHandlerForConfigReload);
        set_handler(pg_sys::SIGTERM as i32, die);
        pg_sys::BackgroundWorkerUnblockSignals();
    }
}

type Handler = unsafe extern "C-unwind" fn(std::ffi::c_int);

unsafe fn set_handler(signal: i32, handler: Handler) {
    // SAFETY: by the caller. Postgres 18 renamed the function for backends.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        pg_sys::pqsignal(signal, Some(handler));
        #[cfg(feature = "pg18")]
        pg_sys::pqsignal_be(signal, Some(handler));
    }
}

/// The events that a process waits for: its latch, the end of the postmaster, and a file. It is made once and
/// kept for the life of the process, because `WaitLatchOrSocket` makes an epoll instance each time, and ends
/// the process when no descriptor is free.
pub struct WaitSet {
    events: *mut pg_sys::WaitEventSet,
}

impl WaitSet {
    /// Makes the set of events for this process. If `file` is given, it must stay open.
    pub fn new(file: Option<RawFd>) -> Self {
        let no_latch: *mut pg_sys::Latch = std::ptr::null_mut();
        let no_data: *mut std::ffi::c_void = std::ptr::null_mut();
        // SAFETY: allocated for the life of the process; the latch is this process's own.
        unsafe {
            #[cfg(any(feature = "pg15", feature = "pg16"))]
            let events = pg_sys::CreateWaitEventSet(pg_sys::TopMemoryContext, 3);
            // No resource owner: it outlives all transactions.
            #[cfg(any(feature = "pg17", feature = "pg18"))]
            let events = pg_sys::CreateWaitEventSet(std::ptr::null_mut(), 3);
            let nothing = pg_sys::PGINVALID_SOCKET;
            pg_sys::AddWaitEventToSet(events, pg_sys::WL_LATCH_SET, nothing, pg_sys::MyLatch, no_data);
            pg_sys::AddWaitEventToSet(events, pg_sys::WL_EXIT_ON_PM_DEATH, nothing, no_latch, no_data);
            if let Some(file) = file {
                pg_sys::AddWaitEventToSet(events, pg_sys::WL_SOCKET_READABLE, file, no_latch, no_data);
            }
            WaitSet { events }
        }
    }

    /// Waits for one of the events or the timeout, then processes interrupts, which may end the process.
    /// Returns whether the settings were read again.
    pub fn wait(&self, timeout: Duration) -> bool {
        let millis = timeout.as_millis().min(i32::MAX as u128) as std::ffi::c_long;
        let mut happened = MaybeUninit::<pg_sys::WaitEvent>::uninit();
        // SAFETY: there is room for the one event that is asked for, and nobody reads it.
        unsafe {
            pg_sys::WaitEventSetWait(
                self.events,
                millis,
                happened.as_mut_ptr(),
                1,
                pg_sys::PG_WAIT_EXTENSION,
            );
            pg_sys::ResetLatch(pg_sys::MyLatch);
        }

        pgrx::check_for_interrupts!();
        reload_if_asked()
    }
}

fn reload_if_asked() -> bool {
    // SAFETY: the flag is set by our own signal handler.
    unsafe {
        if pg_sys::ConfigReloadPending == 0 {
            return false;
        }
        pg_sys::ConfigReloadPending = 0;
        pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
    }
    true
}
