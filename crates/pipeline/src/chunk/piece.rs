//! Chunks with their places in the text that they were cut from.

use std::ops::Range;

use memchr::memmem;

use super::{Allowance, ChunkError};

/// A chunk, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The chunk.
    pub text: String,
    /// Its bytes in the text that was cut; `None` if it is no part of that, as where a regular expression's matches were
    /// replaced.
    pub span: Option<Range<usize>>,
}

/// All searches together look at so many bytes for each byte of the text. More would be quadratic where chunks are no
/// parts of it.
const LOOKS: usize = 4;

/// Finds chunks in the text that they were cut from, in which each begins after the one before it, and at most
/// `overlap` characters before its end.
///
/// # Errors
///
/// If that takes too long, or is no longer wanted.
pub(super) fn locate(
    text: &str,
    chunks: Vec<String>,
    overlap: usize,
    allowance: Allowance<'_>,
) -> Result<Vec<Piece>, ChunkError> {
    let mut left = text.len().saturating_mul(LOOKS);
    let mut previous = 0..0;
    let mut pieces = Vec::with_capacity(chunks.len());

    for chunk in chunks {
        allowance.check_time()?;
        let from = back(text, previous.end, overlap).max(text.ceil_char_boundary(previous.start + 1));
        let from = if previous.is_empty() { previous.end } else { from };
        // Far enough for the chunk itself after what was stripped before it.
        let to = text.floor_char_boundary(from.saturating_add(left).saturating_add(chunk.len()));
        let found = text.get(from..to).and_then(|part| memmem::find(part.as_bytes(), chunk.as_bytes()));
        left = left.saturating_sub(found.unwrap_or(to.saturating_sub(from)));

        let span = found.map(|at| from + at..from + at + chunk.len());
        if let Some(span) = &span {
            previous = span.clone();
        }
        pieces.push(Piece { text: chunk, span });
    }
    Ok(pieces)
}

/// Returns the place so many characters before a place.
fn back(text: &str, place: usize, characters: usize) -> usize {
    if characters == 0 {
        return place;
    }
    text[..place].char_indices().rev().nth(characters - 1).map_or(0, |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn spans(text: &str, chunks: &[&str], overlap: usize) -> Vec<Option<Range<usize>>> {
        let chunks = chunks.iter().map(|chunk| (*chunk).to_owned()).collect();
        let pieces = locate(text, chunks, overlap, Allowance::new(1 << 20, 0)).unwrap();
        pieces.into_iter().map(|piece| piece.span).collect()
    }

    #[test]
    fn chunks_are_found_one_after_the_other() {
        assert_eq!(spans("é é é", &["é", "é", "é"], 0), [Some(0..2), Some(3..5), Some(6..8)]);
        assert_eq!(spans("aaaaaaaa", &["aaaa", "aaaa"], 0), [Some(0..4), Some(4..8)]);
        assert_eq!(spans("abcdef", &["abcd", "cdef"], 2), [Some(0..4), Some(2..6)]);
    }

    #[test]
    fn a_chunk_that_is_no_part_of_the_text_has_no_place() {
        assert_eq!(spans("a, b. c", &["a b", "c"], 0), [None, Some(6..7)]);
        let many = vec!["x"; 1000];
        assert!(spans(&"y".repeat(1000), &many, 0).iter().all(Option::is_none));
    }
    #[test]
    fn looking_for_chunks_ends_when_nobody_waits_for_them() {
        let stop = AtomicBool::new(true);
        let allowance = Allowance::new(1 << 20, 0).until_stopped(&stop);
        assert!(matches!(locate("a b", vec!["a".to_owned()], 0, allowance), Err(ChunkError::Stopped)));
    }
}
