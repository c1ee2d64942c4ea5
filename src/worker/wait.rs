//! Signals, latch and timeouts of launcher and workers.

use std::os::fd::RawFd;
use std::time::Duration;

use pgrx::pg_sys;

extern "C-unwind" {
    // As Postgres has them: pgrx wraps its bindings, and a wrapper must not run in a handler.
    fn die(signal: std::ffi::c_int);
    fn SignalHandlerForConfigReload(signal: std::ffi::c_int);
}

/// Installs the handlers: SIGTERM ends the process at its next interrupt check, also within a
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

/// Waits until the latch is set, `file` becomes readable, or the time is over; then serves
/// interrupts, among them the end of the process. Says whether the settings were read anew.
pub fn wait(timeout: Duration, file: Option<RawFd>) -> bool {
    let millis = timeout.as_millis().min(i32::MAX as u128) as std::ffi::c_long;
    let mut events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    if file.is_some() {
        events |= pg_sys::WL_SOCKET_READABLE;
    }
    // SAFETY: the latch is this process's own; the file stays open meanwhile.
    unsafe {
        pg_sys::WaitLatchOrSocket(
            pg_sys::MyLatch,
            events as i32,
            file.unwrap_or(pg_sys::PGINVALID_SOCKET),
            millis,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    pgrx::check_for_interrupts!();
    reload_if_asked()
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
