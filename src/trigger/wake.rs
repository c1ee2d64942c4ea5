//! Wakes this database's worker when a transaction with work for it has committed.

use std::cell::Cell;
use std::ffi::c_void;

use pgrx::{pg_guard, pg_sys};

use crate::pg::database::this_database;

thread_local! {
    /// True if this transaction will wake the worker when it commits.
    static ASKED: Cell<bool> = const { Cell::new(false) };
    /// True if the callback for the ends of this process's transactions is registered.
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

/// Wakes the worker, called by Postgres while a transaction releases its resources. It waits for the phase
/// after locks: only by then other processes have been told of the definitions that changed. A worker that
/// was woken at the commit itself could sleep again without having seen, for example, a grant.
#[pg_guard]
unsafe extern "C-unwind" fn released(
    phase: pg_sys::ResourceReleasePhase::Type,
    is_commit: bool,
    is_top_level: bool,
    _argument: *mut c_void,
) {
    let is_end = is_top_level && phase == pg_sys::ResourceReleasePhase::RESOURCE_RELEASE_AFTER_LOCKS;
    if is_end && ASKED.replace(false) && is_commit {
        wake_background_workers(this_database());
    }
}

/// Returns whether a statement is COMMIT PREPARED. Whether its transaction enqueued anything is not known,
/// because it may have been prepared in another session or before a restart. A needless wake-up does no harm.
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

/// Sets the latch of every background worker of a database, or for `InvalidOid` of those without a database.
///
/// It reads the process array instead of a slot of the extension's own, and so works without preloading as
/// well. Entries are read without a lock: a latch that is set needlessly costs its process one turn of its
/// loop. It runs after commit, so it must not and does not raise errors.
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
