//! Random numbers.

use pgrx::pg_sys;

/// Returns a random number from Postgres's strong source, or from the clock if that fails.
pub fn random_u32() -> u32 {
    let mut bytes = [0_u8; 4];
    // SAFETY: writes as many bytes as it is told.
    let strong = unsafe { pg_sys::pg_strong_random(bytes.as_mut_ptr().cast(), bytes.len()) };
    if strong {
        return u32::from_ne_bytes(bytes);
    }
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos())
}
