//! pgvector's `vector` as a datum.

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;

use crate::pg::error::PgError;
use crate::pg::sql;

/// Bytes before the numbers: varlena header, dimension, unused.
const HEADER: usize = 8;

/// A `vector` made of these numbers, in the current memory context.
///
/// The layout is pgvector's `struct Vector` (`src/vector.h`): a 4-byte varlena header, `int16 dim`,
/// `int16 unused`, then the floats. It is also the type's format on disk, so it can't change.
pub fn datum(numbers: &[f32]) -> pg_sys::Datum {
    let size = HEADER + std::mem::size_of_val(numbers);
    // SAFETY: the allocation has `size` bytes and palloc aligns it for any type; a dimension is
    // at most 16,000 by the config's check and fits an int16.
    unsafe {
        let vector = pg_sys::palloc0(size).cast::<u8>();
        pgrx::set_varsize_4b(vector.cast(), size as i32);
        vector.add(4).cast::<i16>().write(numbers.len() as i16);
        std::ptr::copy_nonoverlapping(numbers.as_ptr().cast::<u8>(), vector.add(HEADER), size - HEADER);
        pg_sys::Datum::from(vector)
    }
}

/// A `vector[]` of vectors made by [`datum`], as a parameter.
pub fn array(mut vectors: Vec<pg_sys::Datum>) -> Result<DatumWithOid<'static>, PgError> {
    let types = sql::read(
        "SELECT t.oid, t.typarray
         FROM pg_catalog.pg_extension e
         JOIN pg_catalog.pg_type t ON t.typnamespace = e.extnamespace AND t.typname = 'vector'
         WHERE e.extname = 'vector'",
        &[],
        |row| Ok((row.get::<pg_sys::Oid>(1)?, row.get::<pg_sys::Oid>(2)?)),
    )?;
    let (element, array) = types.into_iter().next().ok_or_else(|| {
        PgError::raised("the type vector is gone").with_hint("Run CREATE EXTENSION vector.")
    })?;
    // SAFETY: all elements are of the type `vector`: of variable length, by reference, and declared
    // with `STORAGE = external` and the default alignment of 4 bytes.
    unsafe {
        let made = pg_sys::construct_array(
            vectors.as_mut_ptr(),
            vectors.len() as i32,
            element,
            -1,
            false,
            pg_sys::TYPALIGN_INT as std::ffi::c_char,
        );
        Ok(DatumWithOid::new(pg_sys::Datum::from(made), array))
    }
}
