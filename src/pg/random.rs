//! Random numbers, and names that nobody can foresee.

use pgrx::pg_sys;

use super::sql::with_ending;

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

/// Returns a name with an ending, and a number that nobody can guess and take in advance.
pub fn unforeseen(name: &str, ending: &str) -> String {
    with_ending(name, &format!("{ending}_{:08x}", random_u32()))
}
