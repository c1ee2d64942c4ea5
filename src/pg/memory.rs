//! Postgres's memory, for what would otherwise stay until the transaction ends.

use pgrx::pg_sys;

/// Runs `f` and then frees what was allocated in Postgres's current memory context meanwhile.
///
/// After an error it stays until the transaction is aborted: the context is a child of the one before.
///
/// # Safety
///
/// What `f` answers must hold nothing that was allocated there.
pub unsafe fn freed_after<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: the main thread, within a transaction; the context is deleted once it is not the current
    // one any more.
    unsafe {
        let outer = pg_sys::CurrentMemoryContext;
        let inner = pg_sys::AllocSetContextCreateInternal(
            outer,
            c"pgai_rs".as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        );
        pg_sys::MemoryContextSwitchTo(inner);
        let result = f();
        pg_sys::MemoryContextSwitchTo(outer);
        pg_sys::MemoryContextDelete(inner);
        result
    }
}
