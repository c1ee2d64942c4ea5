//! Work for the end of a process that ends in the middle of a statement.
//!
//! An error unwinds the stack, and values are dropped. FATAL does not: Postgres ends the process where it stands, as with
//! `pg_terminate_backend` and `transaction_timeout`. So whatever has to outlive the session, and is written only when a value is
//! dropped, is written by an [`AtExit`] as well.

use std::cell::{Cell, RefCell};

use pgrx::pg_sys;
use pgrx::prelude::*;

/// A function that is called at the end of the process, and its number.
type Pending = (u64, Box<dyn Fn()>);

thread_local! {
    static PENDING: RefCell<Vec<Pending>> = const { RefCell::new(Vec::new()) };
    static LAST: Cell<u64> = const { Cell::new(0) };
}

/// Has a function called if the process ends while this lives.
#[must_use = "the function is called only while this lives"]
pub struct AtExit(u64);

impl AtExit {
    /// Has `run` called at the end of the process, before it leaves shared memory. `run` must raise no errors. Must be called on the
    /// main thread.
    pub fn new(run: impl Fn() + 'static) -> Self {
        let number = LAST.get() + 1;
        if number == 1 {
            // SAFETY: once per process; a function that lives as long as the library, which is never unloaded.
            unsafe { pg_sys::before_shmem_exit(Some(at_exit), pg_sys::Datum::from(0)) };
        }
        LAST.set(number);
        PENDING.with_borrow_mut(|pending| pending.push((number, Box::new(run))));
        AtExit(number)
    }
}

impl Drop for AtExit {
    fn drop(&mut self) {
        PENDING.with_borrow_mut(|pending| pending.retain(|(number, _)| *number != self.0));
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_exit(_code: std::ffi::c_int, _argument: pg_sys::Datum) {
    // Nothing is borrowed where Postgres looks for interrupts.
    let pending = PENDING.with(|pending| pending.try_borrow_mut().map(|mut all| std::mem::take(&mut *all)));
    for (_, run) in pending.unwrap_or_default() {
        run();
    }
}
