//! Merging pieces into chunks: LangChain's `_merge_splits`, as a stream.
//!
//! LangChain collects all pieces before it merges them. Here each piece is merged as it comes, so
//! that a text without separators, split into characters, costs the memory of one chunk.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::allowance::Chunks;
use super::{ChunkError, ChunkLimits};

/// Collects pieces into chunks of at most `limits.size` code points, the first of which repeat the
/// last `limits.overlap` of the chunk before. A single piece may be longer than that.
pub(super) struct Merger<'t> {
    limits: ChunkLimits,
    separator: &'t str,
    separator_length: usize,
    /// The pieces of the chunk to come, with their lengths in code points.
    window: VecDeque<(Cow<'t, str>, usize)>,
    /// Code points of the window, separators included.
    total: usize,
}

impl<'t> Merger<'t> {
    /// Begins without a piece. `separator` is put between pieces that become one chunk.
    pub(super) fn new(limits: ChunkLimits, separator: &'t str) -> Self {
        let separator_length = separator.chars().count();
        Merger { limits, separator, separator_length, window: VecDeque::new(), total: 0 }
    }

    /// Adds a piece that is not empty; writes a chunk if the piece has no room in it.
    pub(super) fn push(
        &mut self,
        piece: Cow<'t, str>,
        length: usize,
        chunks: &mut Chunks<'_>,
    ) -> Result<(), ChunkError> {
        if !self.window.is_empty() && !self.has_room_for(length) {
            self.write(chunks)?;
            // What stays is the overlap, or less if the piece needs the room.
            while self.total > self.limits.overlap || (self.total > 0 && !self.has_room_for(length)) {
                self.pop();
            }
        }

        self.total += length + if self.window.is_empty() { 0 } else { self.separator_length };
        if self.window.len() == self.window.capacity() {
            // It grows to twice its size. Many small pieces take more than the text does.
            chunks.check_room(2 * self.window.capacity() * size_of::<(Cow<'_, str>, usize)>())?;
        }

        self.window.push_back((piece, length));
        Ok(())
    }

    /// Writes what is left, and begins anew.
    pub(super) fn finish(&mut self, chunks: &mut Chunks<'_>) -> Result<(), ChunkError> {
        self.write(chunks)?;
        self.window.clear();
        self.total = 0;
        Ok(())
    }

    fn has_room_for(&self, length: usize) -> bool {
        let separator = if self.window.is_empty() { 0 } else { self.separator_length };
        self.total + length + separator <= self.limits.size
    }

    fn pop(&mut self) {
        if let Some((_, length)) = self.window.pop_front() {
            self.total -= length + if self.window.is_empty() { 0 } else { self.separator_length };
        }
    }

    fn write(&self, chunks: &mut Chunks<'_>) -> Result<(), ChunkError> {
        // A chunk that is dropped took as long as any.
        chunks.check_time()?;
        let bytes = self.window.iter().map(|(piece, _)| piece.len() + self.separator.len()).sum();
        chunks.check_room(bytes)?;

        let mut chunk = String::with_capacity(bytes);
        for (at, (piece, _)) in self.window.iter().enumerate() {
            if at > 0 {
                chunk.push_str(self.separator);
            }
            chunk.push_str(piece);
        }

        // LangChain strips chunks, and drops one of which nothing is left.
        let stripped = strip(&chunk);
        if stripped.is_empty() {
            return Ok(());
        }
        chunks.push(stripped)
    }
}

/// Python's `str.strip()`: Unicode's White_Space, and the four information separators that Python
/// counts as whitespace too.
fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::tests::ample;
    use super::*;

    #[test]
    fn strips_what_python_strips() {
        assert_eq!(strip("\u{1c}\u{a0}\u{3000} a\u{200b} \u{85}\u{1f}\n"), "a\u{200b}");
    }

    #[test]
    fn a_chunk_that_is_dropped_is_written_on_the_clock_too() {
        let stop = AtomicBool::new(true);
        let mut merger = Merger::new(ChunkLimits { size: 1, overlap: 0 }, "");
        let mut chunks = Chunks::new(ample().until_stopped(&stop));
        merger.push(Cow::Borrowed(" "), 1, &mut chunks).unwrap();
        assert_eq!(merger.push(Cow::Borrowed(" "), 1, &mut chunks), Err(ChunkError::Stopped));
    }

    #[test]
    fn the_overlap_gives_way_to_a_long_piece() {
        let mut merger = Merger::new(ChunkLimits { size: 6, overlap: 4 }, "");
        let mut chunks = Chunks::new(ample());
        for piece in ["ab", "cd", "ef", "ghijk"] {
            merger.push(Cow::Borrowed(piece), piece.len(), &mut chunks).unwrap();
        }
        merger.finish(&mut chunks).unwrap();
        assert_eq!(chunks.into_vec(), ["abcdef", "ghijk"]);
    }
}
