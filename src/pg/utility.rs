//! Utility statements that commit while they run, such as `CREATE INDEX CONCURRENTLY`.

use std::ffi::{CStr, CString};
use std::panic::AssertUnwindSafe;

use pgrx::{PgSqlErrorCode, PgTryBuilder, pg_sys};

use super::error::PgError;

/// Runs one utility statement as if a client had sent it: at the top level, where it may begin and commit
/// transactions, which a statement that runs through SPI may not. Must be called outside a transaction, in a
/// process that has connected as the role it acts for: an identity that is assumed for a transaction would
/// not last.
pub fn run(statement: &str) -> Result<(), PgError> {
    let text = CString::new(statement)
        .map_err(|_| PgError::new(PgSqlErrorCode::ERRCODE_SYNTAX_ERROR, "a statement has a zero byte"))?;
    // SAFETY: a context of this process, which the transactions that the statement commits leave alone.
    let (before, memory) = unsafe {
        let name = c"pgai_rs utility statement".as_ptr();
        let size = pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize;
        let most = pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize;
        let top = pg_sys::TopMemoryContext;
        (pg_sys::CurrentMemoryContext, pg_sys::AllocSetContextCreateExtended(top, name, 0, size, most))
    };

    let body = AssertUnwindSafe(|| {
        // SAFETY: in `memory`, which lives until the statement has ended.
        unsafe { run_in(memory, &text) }
    });
    let outcome = PgTryBuilder::new(body)
        .catch_others(|caught| Err(PgError::from(caught)))
        .catch_rust_panic(|caught| Err(PgError::from(caught)))
        .execute();

    // SAFETY: the statement has ended, or its transaction failed.
    unsafe {
        if outcome.is_err() {
            pg_sys::AbortCurrentTransaction();
        }
        pg_sys::MemoryContextSwitchTo(before);
        pg_sys::MemoryContextDelete(memory);
        pg_sys::pgstat_report_stat(false);
    }
    outcome
}

/// Runs the statement as `exec_simple_query` and `PortalRunUtility` do: in a new transaction, with an active
/// snapshot, which the statement may have popped when it returns.
unsafe fn run_in(memory: pg_sys::MemoryContext, text: &CStr) -> Result<(), PgError> {
    // SAFETY: by the caller; what the statement remembers from one of its transactions to the next
    // is allocated in `memory`, as it would be in a portal's.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        pg_sys::MemoryContextSwitchTo(memory);
        pg_sys::ProcessUtility(
            plan(text)?,
            text.as_ptr(),
            false,
            pg_sys::ProcessUtilityContext::PROCESS_UTILITY_TOPLEVEL,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            pg_sys::CreateDestReceiver(pg_sys::CommandDest::DestNone),
            std::ptr::null_mut(),
        );
        if pg_sys::ActiveSnapshotSet() {
            pg_sys::PopActiveSnapshot();
        }
        pg_sys::CommitTransactionCommand();
    }
    Ok(())
}

/// Parses the statement and wraps it as a plan, as Postgres does with utility statements.
unsafe fn plan(text: &CStr) -> Result<*mut pg_sys::PlannedStmt, PgError> {
    // SAFETY: a list of RawStmt, as the parser makes it; the node is zeroed and gets its tag.
    unsafe {
        let parsed = pg_sys::pg_parse_query(text.as_ptr());
        if parsed.is_null() || (*parsed).length != 1 {
            return Err(PgError::new(PgSqlErrorCode::ERRCODE_SYNTAX_ERROR, "not one statement"));
        }

        let statement = (*(*parsed).elements).ptr_value.cast::<pg_sys::RawStmt>();
        let plan = pg_sys::palloc0(size_of::<pg_sys::PlannedStmt>()).cast::<pg_sys::PlannedStmt>();
        (*plan).type_ = pg_sys::NodeTag::T_PlannedStmt;
        (*plan).commandType = pg_sys::CmdType::CMD_UTILITY;
        (*plan).canSetTag = true;
        (*plan).utilityStmt = (*statement).stmt;
        (*plan).stmt_location = (*statement).stmt_location;
        (*plan).stmt_len = (*statement).stmt_len;
        Ok(plan)
    }
}
