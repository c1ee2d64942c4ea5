//! Values of the rows that a row trigger gets.

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::pg::error::PgError;

/// Converts column numbers of the source to those of a partition, which may have another order. They are read
/// from caches that follow every change at once, whatever the transaction's snapshot. Errors if a column is
/// missing.
pub fn translate(source: pg_sys::Oid, partition: pg_sys::Oid, numbers: &[i32]) -> Result<Vec<i32>, PgError> {
    numbers.iter().map(|number| number_in(partition, source, *number)).collect()
}

fn number_in(partition: pg_sys::Oid, source: pg_sys::Oid, number: i32) -> Result<i32, PgError> {
    // SAFETY: looks up the catalogs; a name that is not found is null, a number zero.
    let found = unsafe {
        let name = pg_sys::get_attname(source, number as i16, true);
        if name.is_null() { 0 } else { pg_sys::get_attnum(partition, name) }
    };
    if found > 0 {
        return Ok(i32::from(found));
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
        format!("a partition has no column for column {number} of the vectorizer's source"),
    ))
}

type NullableDatum = (pg_sys::Datum, bool);

/// Returns the values of a row's key, or `None` if one is NULL, which is possible where a table inherits the
/// source's columns but not its primary key.
///
/// # Safety
/// The tuple is of the descriptor, and the numbers are its columns'.
pub unsafe fn key_of(
    tuple: pg_sys::HeapTuple,
    numbers: &[i32],
    descriptor: pg_sys::TupleDesc,
) -> Option<Vec<pg_sys::Datum>> {
    let mut key = Vec::with_capacity(numbers.len());
    for number in numbers {
        // SAFETY: by the caller.
        let (datum, null) = unsafe { value(tuple, *number, descriptor) };
        if null {
            return None;
        }
        key.push(datum);
    }
    Some(key)
}

/// # Safety
/// As for [`key_of`].
unsafe fn value(tuple: pg_sys::HeapTuple, number: i32, descriptor: pg_sys::TupleDesc) -> NullableDatum {
    let mut null = false;
    // SAFETY: by the caller.
    let datum = unsafe { pg_sys::heap_getattr(tuple, number, descriptor, &mut null) };
    (datum, null)
}

unsafe extern "C-unwind" {
    /// `utils/adt/datum.c`: returns whether two values have the same bytes, wherever they are stored.
    fn datum_image_eq(
        left: pg_sys::Datum,
        right: pg_sys::Datum,
        by_value: bool,
        length: std::ffi::c_int,
    ) -> bool;
}

/// Returns whether the bytes of one of the columns differ between the two rows.
///
/// # Safety
/// As for [`key_of`], for both tuples.
pub unsafe fn differ(
    old: pg_sys::HeapTuple,
    new: pg_sys::HeapTuple,
    numbers: &[i32],
    descriptor: pg_sys::TupleDesc,
) -> bool {
    // SAFETY: by the caller.
    numbers.iter().any(|number| unsafe { differs(old, new, *number, descriptor) })
}

/// # Safety
/// As for [`differ`].
unsafe fn differs(
    old: pg_sys::HeapTuple,
    new: pg_sys::HeapTuple,
    number: i32,
    descriptor: pg_sys::TupleDesc,
) -> bool {
    // SAFETY: by the caller; the guard turns an error of Postgres (an unreadable out-of-line value) into an
    // unwinding one.
    unsafe {
        let (left, left_null) = value(old, number, descriptor);
        let (right, right_null) = value(new, number, descriptor);
        if left_null || right_null {
            return left_null != right_null;
        }

        let (by_value, length) = storage(descriptor, number);
        !pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| datum_image_eq(left, right, by_value, length))
    }
}

/// # Safety
/// The number is a column's of the descriptor.
unsafe fn storage(descriptor: pg_sys::TupleDesc, number: i32) -> (bool, i32) {
    // SAFETY: by the caller.
    unsafe {
        let tupdesc = pgrx::PgTupleDesc::from_pg_unchecked(descriptor);
        match tupdesc.get((number - 1) as usize) {
            Some(attribute) => (attribute.attbyval, i32::from(attribute.attlen)),
            None => (true, 8),
        }
    }
}
