//! Parts of one block after the other, with the headings that they stand under.

use std::ops::Range;
use std::rc::Rc;

use text_splitter::TryChunkSizer as _;

use super::blocks::{Block, BlockKind};
use super::part::{Around, GAP, Part, Parter};
use crate::chunk::ChunkError;
use crate::chunk::sizer::Sizer;

/// Headings before a chunk take at most this fraction of it.
const HEADINGS_FRACTION: usize = 4;

/// Makes parts of one block after the other.
pub(super) struct Parts<'a> {
    text: &'a str,
    size: usize,
    with_headings: bool,
    sizer: &'a Sizer<'a>,
    parts: Vec<Part>,
    /// The headings that blocks stand under, if chunks are to begin with them.
    path: Path,
    /// The size of the headings directly before the next block, with what their chunk begins with; zero after a text.
    lead: usize,
}

/// The headings that a place is under.
#[derive(Default)]
struct Path {
    /// Level, bytes and size of each.
    headings: Vec<(u8, Range<usize>, usize)>,
    around: Rc<Around>,
}

impl Path {
    /// Ends the headings as deep as this level, or deeper.
    fn end(&mut self, level: u8) {
        self.headings.retain(|(outer, _, _)| *outer < level);
    }

    /// Writes down the headings, without the outermost of those that take too much together.
    fn write(&mut self, text: &str, most: usize) {
        let mut size = 0;
        let fitting = self.headings.iter().rev().take_while(|(_, _, heading)| {
            size += heading + GAP;
            size <= most
        });
        let first = self.headings.len() - fitting.count();
        let kept = &self.headings[first..];
        let lines = kept.iter().map(|(_, range, _)| format!("{}\n\n", &text[range.clone()]));
        let size = kept.iter().map(|(_, _, heading)| heading + GAP).sum();
        self.around = Rc::new(Around { text: lines.collect(), size });
    }
}

impl<'a> Parts<'a> {
    /// Begins to part a text whose chunks have at most this size, with the headings above each if that is asked for.
    pub(super) fn new(text: &'a str, size: usize, with_headings: bool, sizer: &'a Sizer<'a>) -> Self {
        let (parts, path) = (Vec::new(), Path::default());
        Parts { text, size, with_headings, sizer, parts, path, lead: 0 }
    }

    /// Parts a block so that each part fits into a chunk, with what belongs around it.
    pub(super) fn add(&mut self, block: &Block) -> Result<(), ChunkError> {
        let BlockKind::Heading(level) = block.kind else {
            self.part(block)?;
            self.lead = 0;
            return self.sizer.allowance.check_bytes((self.parts.len() * size_of::<Part>()) as u64);
        };

        self.path.end(level);
        let most = self.size / HEADINGS_FRACTION;
        if self.with_headings {
            self.path.write(self.text, most);
        }
        if self.lead == 0 {
            self.lead = self.path.around.size;
        }
        let size = self.sizer.try_size(&self.text[block.range.clone()])?;
        self.part(block)?;
        self.lead += size + GAP;

        if self.with_headings {
            self.path.headings.push((level, block.range.clone(), size));
            self.path.write(self.text, most);
        }
        Ok(())
    }

    /// Returns the parts, in the order of the text.
    pub(super) fn finish(self) -> Vec<Part> {
        self.parts
    }

    fn part(&mut self, block: &Block) -> Result<(), ChunkError> {
        let headings = Rc::clone(&self.path.around);
        // Headings that fill a chunk by themselves stand alone.
        let lead = if self.lead > self.size / 2 { 0 } else { self.lead };
        let lead = if matches!(block.kind, BlockKind::Heading(_)) { 0 } else { lead };
        let taken = headings.size.max(lead);
        let parter = Parter { text: self.text, size: self.size, sizer: self.sizer, headings, taken };
        parter.part(block, &mut self.parts)
    }
}
