//! pgvector's `vector` as a datum.

use pgrx::datum::DatumWithOid;
use pgrx::{FromDatum, PgSqlErrorCode, pg_sys};

use super::error::PgError;
use super::vector_type::{self, Types};

/// Bytes before the numbers: varlena header, dimension, unused.
const HEADER: usize = 8;
/// Maximum number of dimensions of a `vector` (`VECTOR_MAX_DIM` of pgvector's `src/vector.h`).
const MOST_DIMENSIONS: i16 = 16_000;

/// Returns a `vector` of these numbers, allocated in the current memory context.
///
/// The layout is pgvector's `struct Vector` (`src/vector.h`): a 4-byte varlena header, `int16 dim`,
/// `int16 unused`, then the floats. It is also the type's format on disk, so it can't change.
///
/// # Errors
///
/// If pgvector's own input function would reject them, because of their number or because one is not finite.
/// Its operators trust the number of dimensions, and would access memory beyond the vector's end if it were
/// wrong.
pub fn datum(numbers: &[f32]) -> Result<pg_sys::Datum, PgError> {
    let dimensions = i16::try_from(numbers.len())
        .ok()
        .filter(|dimensions| (1..=MOST_DIMENSIONS).contains(dimensions))
        .ok_or_else(|| {
            no_vector(format!("It has {} dimensions, and the maximum is {MOST_DIMENSIONS}.", numbers.len()))
        })?;
    if !numbers.iter().all(|number| number.is_finite()) {
        return Err(no_vector("Not all of its numbers are finite.".to_owned()));
    }
    let size = HEADER + std::mem::size_of_val(numbers);

    // SAFETY: the allocation has `size` bytes, at most 64,008, and palloc aligns it for any type.
    unsafe {
        let vector = pg_sys::palloc0(size).cast::<u8>();
        pgrx::set_varsize_4b(vector.cast(), size as i32);
        vector.add(4).cast::<i16>().write(dimensions);
        std::ptr::copy_nonoverlapping(numbers.as_ptr().cast::<u8>(), vector.add(HEADER), size - HEADER);
        Ok(pg_sys::Datum::from(vector))
    }
}

/// A `vector` that a user passes.
pub struct Vector(pub Vec<f32>);

impl FromDatum for Vector {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: by the caller a datum of this type, whose layout [`datum`] tells; it holds as many numbers as it
        // says, for pgvector has made it.
        unsafe {
            let vector = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast::<u8>();
            let dimensions = usize::try_from(vector.add(4).cast::<i16>().read()).ok()?;
            let numbers = vector.add(HEADER).cast::<f32>();
            Some(Vector((0..dimensions).map(|index| numbers.add(index).read_unaligned()).collect()))
        }
    }
}

fn no_vector(detail: String) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_DATA_EXCEPTION, "the model returned an invalid vector")
        .with_detail(detail)
        .with_hint("Use fewer dimensions or another model.")
}

/// Returns a `vector[]` of such vectors, as a parameter.
///
/// # Errors
///
/// Those of [`datum`], and if pgvector's type is gone.
pub fn array<'a>(vectors: impl Iterator<Item = &'a [f32]>) -> Result<DatumWithOid<'static>, PgError> {
    let mut vectors = vectors.map(datum).collect::<Result<Vec<_>, _>>()?;
    let Types { element, array } = vector_type::known()?;

    // SAFETY: all elements are of the type `vector`, made by [`datum`]: of variable length, by reference, and declared
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
