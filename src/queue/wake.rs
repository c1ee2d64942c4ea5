//! Telling this database's worker, once a transaction has committed, that there is work.

use std::cell::Cell;

use pgrx::{pg_sys, register_xact_callback, PgXactCallbackEvent};

thread_local! {
    /// Whether this transaction will wake the worker.
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// Wakes the worker when, and only if, the current transaction commits.
pub fn worker_at_commit() {
    if ASKED.replace(true) {
        return;
    }
    register_xact_callback(PgXactCallbackEvent::Commit, || {
        ASKED.set(false);
        // SAFETY: reads a variable of this backend.
        wake_background_workers(unsafe { pg_sys::MyDatabaseId });
    });
    register_xact_callback(PgXactCallbackEvent::Abort, || ASKED.set(false));
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
