//! Memory of Postgres that would otherwise stay allocated until the transaction ends.

use pgrx::pg_sys;

/// Runs `f` and then frees what was allocated meanwhile in Postgres's current memory context.
///
/// After an error the memory stays allocated until the transaction is aborted: its context is a child of the
/// previous one.
///
/// # Safety
///
/// The result of `f` must not refer to anything that was allocated there.
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
