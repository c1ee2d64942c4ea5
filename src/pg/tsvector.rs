//! Postgres's `tsvector` as a datum.

use std::mem::size_of;

use pgrx::pg_sys;

/// The bytes before the entries: the varlena header and the number of words.
const HEADER: usize = 8;

/// Calls `f` with each word of a `tsvector`, and with the number of times that it occurs, which is 1 if its places were
/// stripped. A word occurs at most 255 times (`MAXNUMPOS` in Postgres's `tsearch/ts_type.h`).
///
/// # Safety
///
/// A `tsvector`.
pub unsafe fn each_word(datum: pg_sys::Datum, f: impl FnMut(&[u8], u32)) {
    // SAFETY: by the caller a varlena, which is as long as it says once it is detoasted.
    unsafe {
        let stored: *mut pg_sys::varlena = datum.cast_mut_ptr();
        let value = pg_sys::pg_detoast_datum(stored);
        let bytes = std::slice::from_raw_parts(value.cast::<u8>(), pgrx::varsize_4b(value));
        read(bytes, f);
        if value != stored {
            pg_sys::pfree(value.cast());
        }
    }
}

/// Reads the words of a `tsvector`, whose layout Postgres's `tsearch/ts_type.h` describes: the number of words, an entry
/// for each, then the words themselves, each followed, at the next even byte, by the number of its places and these. What
/// does not fit in the bytes is left out.
fn read(bytes: &[u8], mut f: impl FnMut(&[u8], u32)) {
    let count = bytes.get(4..HEADER).and_then(|size| <[u8; 4]>::try_from(size).ok());
    let count = count.map_or(0, u32::from_ne_bytes) as usize;
    let entries = count.saturating_mul(size_of::<pg_sys::WordEntry>());
    let Some(words) = bytes.get(HEADER.saturating_add(entries)..) else { return };

    for entry in bytes[HEADER..HEADER + entries].chunks_exact(size_of::<pg_sys::WordEntry>()) {
        // SAFETY: as many bytes as an entry has, which may be any: it is made of bits.
        let entry = unsafe { entry.as_ptr().cast::<pg_sys::WordEntry>().read_unaligned() };
        let start = entry.pos() as usize;
        let end = start + entry.len() as usize;
        let Some(word) = words.get(start..end) else { continue };
        f(word, if entry.haspos() == 0 { 1 } else { places(words, end) });
    }
}

/// Returns the number of places of the word that ends at this byte.
fn places(words: &[u8], end: usize) -> u32 {
    let start = end.next_multiple_of(size_of::<u16>());
    let number = words.get(start..start + size_of::<u16>()).and_then(|number| number.try_into().ok());
    number.map_or(1, |number| u32::from(u16::from_ne_bytes(number)))
}
