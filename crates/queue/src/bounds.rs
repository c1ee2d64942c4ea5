//! The bounds of what is read of a claim.

/// The bounds of what is read of claimed rows.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The bytes of a document; of a larger one the size alone is read.
    pub document: u64,
    /// The bytes of a document and of the template's columns together; nothing is read of a row with more.
    pub row: u64,
    /// The bytes of all rows together. The first row is read whatever its size.
    pub all: u64,
    /// The number of chunks of all rows together. Of the first row no more are read.
    pub chunks: u64,
}

/// Converts a number of bytes to SQL's `int8`, and caps it there.
pub(crate) fn clamped(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
