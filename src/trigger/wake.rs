//! Wakes this database's worker when a transaction with work for it has committed.

use std::cell::Cell;
use std::ffi::c_void;

use pgrx::{pg_guard, pg_sys};

use crate::pg::database::this_database;
use crate::shared::changes::{self, Vectorizers};

thread_local! {
    /// The things that this transaction wakes the worker for when it commits.
    static ASKED: Cell<Asked> = const { Cell::new(Asked::Nothing) };
    /// True if the callback for the ends of this process's transactions is registered.
    static IS_REGISTERED: Cell<bool> = const { Cell::new(false) };
}

/// The things that a transaction wakes the worker for.
#[derive(Clone, Copy)]
enum Asked {
    /// Nothing: the worker is not woken.
    Nothing,
    /// Changed rows of these vectorizers: the worker is woken if it wants one of them.
    Rows(Vectorizers),
    /// Anything: the worker is woken, and looks at all vectorizers.
    Anything,
}

/// Wakes the worker when, and only if, the current transaction commits. It will look at all vectorizers.
pub fn worker_at_commit() {
    ASKED.set(Asked::Anything);
    register();
}

/// Wakes the worker when, and only if, the current transaction commits, for rows of a vectorizer that have changed. It is not
/// woken for those of one that is disabled or rests.
pub fn worker_at_commit_for(vectorizer: i32) {
    let mut vectorizers = match ASKED.get() {
        Asked::Nothing => Vectorizers::NONE,
        Asked::Rows(vectorizers) => vectorizers,
        Asked::Anything => return,
    };
    vectorizers.insert(vectorizer);
    ASKED.set(Asked::Rows(vectorizers));
    register();
}

/// Registers the callback for the ends of transactions.
fn register() {
    if !IS_REGISTERED.replace(true) {
        // SAFETY: on the main thread; the callback is a function, and there for as long as the process.
        unsafe { pg_sys::RegisterResourceReleaseCallback(Some(released), std::ptr::null_mut()) };
    }
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
    if !is_top_level || phase != pg_sys::ResourceReleasePhase::RESOURCE_RELEASE_AFTER_LOCKS {
        return;
    }
    let asked = ASKED.replace(Asked::Nothing);
    if !is_commit {
        return;
    }

    let database = this_database();
    let wakes = match asked {
        Asked::Nothing => false,
        Asked::Rows(vectorizers) => changes::note(database, &vectorizers),
        Asked::Anything => {
            changes::note(database, &Vectorizers::ALL);
            true
        }
    };
    if wakes {
        wake_background_workers(database);
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
