//! Telling this database's worker, once a transaction has committed, that there is work.

use std::cell::Cell;
use std::ffi::c_void;

use pgrx::{pg_guard, pg_sys};

thread_local! {
    /// Whether this transaction will wake the worker.
    static ASKED: Cell<bool> = const { Cell::new(false) };
    /// Whether this process hears of the ends of its transactions.
    static IS_REGISTERED: Cell<bool> = const { Cell::new(false) };
}

/// Wakes the worker when, and only if, the current transaction commits.
pub fn worker_at_commit() {
    if ASKED.replace(true) || IS_REGISTERED.replace(true) {
        return;
    }
    // SAFETY: on the main thread; the callback is a function, and there for as long as the process.
    unsafe { pg_sys::RegisterResourceReleaseCallback(Some(released), std::ptr::null_mut()) };
}

/// Called while a transaction gives back what it holds, at last after its locks: then others have been told of the
/// definitions that it changed. At the commit itself they have not, and a worker that is quick would sleep again
/// without having heard of a grant.
#[pg_guard]
unsafe extern "C-unwind" fn released(
    phase: pg_sys::ResourceReleasePhase::Type,
    is_commit: bool,
    is_top_level: bool,
    _argument: *mut c_void,
) {
    let is_end = is_top_level && phase == pg_sys::ResourceReleasePhase::RESOURCE_RELEASE_AFTER_LOCKS;
    if is_end && ASKED.replace(false) && is_commit {
        // SAFETY: reads a variable of this backend.
        wake_background_workers(unsafe { pg_sys::MyDatabaseId });
    }
}

/// Whether a statement is COMMIT PREPARED. What its transaction enqueued nobody knows any more, for it
/// may have been prepared in another session, or before a restart: a wake-up in vain is no harm.
///
/// # Safety
/// `node` is null or a live statement.
pub unsafe fn commits_prepared(node: *mut pg_sys::Node) -> bool {
    // SAFETY: by the caller; a node's tag tells its type.
    unsafe {
        !node.is_null()
            && (*node).type_ == pg_sys::NodeTag::T_TransactionStmt
            && (*node.cast::<pg_sys::TransactionStmt>()).kind
                == pg_sys::TransactionStmtKind::TRANS_STMT_COMMIT_PREPARED
    }
}

/// Sets the latch of every background worker of a database (`InvalidOid`: of those without one).
///
/// It looks through the process array rather than at a slot of our own, and so works without
/// preloading as well. Entries are read without a lock: a latch set in vain costs its process one
/// turn of its loop. Runs after commit, so it must not and does not raise errors.
pub fn wake_background_workers(database: pg_sys::Oid) {
    // SAFETY: the array lives in shared memory as long as the server; its length never changes.
    unsafe {
        let procs = &*pg_sys::ProcGlobal;
        for i in 0..procs.allProcCount as usize {
            let proc = procs.allProcs.add(i);
            if (*proc).pid != 0 && (*proc).databaseId == database && is_background_worker(proc) {
                pg_sys::SetLatch(&raw mut (*proc).procLatch);
            }
        }
    }
}

/// # Safety
/// `proc` points into the process array.
unsafe fn is_background_worker(proc: *const pg_sys::PGPROC) -> bool {
    // SAFETY: by the caller.
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
        return (*proc).isBackgroundWorker;
        // Postgres 18 turned the flag round; auxiliary processes are then taken along, to no harm.
        #[cfg(feature = "pg18")]
        return !(*proc).isRegularBackend;
    }
}
