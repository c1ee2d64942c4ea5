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
    /// The bytes of the headings that were written down, for each block under them anew.
    headings: u64,
    /// The size of the headings directly before the next block, with what their chunk begins with; zero after a text.
    lead: usize,
}

/// The headings that a place is under, the outermost first.
#[derive(Default)]
struct Path(Vec<Heading>);

/// A heading that a place is under.
struct Heading {
    level: u8,
    /// Its bytes.
    range: Range<usize>,
    size: usize,
    /// The headings above it, and itself.
    around: Rc<Around>,
}

impl Path {
    /// Returns the headings, without the outermost of those that take too much together.
    fn around(&self) -> Rc<Around> {
        self.0.last().map(|heading| Rc::clone(&heading.around)).unwrap_or_default()
    }

    /// Ends the headings as deep as this level, or deeper.
    fn end(&mut self, level: u8) {
        self.0.retain(|outer| outer.level < level);
    }

    /// Adds a heading of this size. Of all together as many are written down as have at most this size, the innermost. Returns the
    /// bytes that this takes.
    fn begin(&mut self, text: &str, level: u8, range: Range<usize>, size: usize, most: usize) -> u64 {
        self.0.push(Heading { level, range, size, around: Rc::default() });

        let mut sum = 0;
        let fitting = self.0.iter().rev().take_while(|heading| {
            sum += heading.size + GAP;
            sum <= most
        });
        let kept = &self.0[self.0.len() - fitting.count()..];
        let lines = kept.iter().map(|heading| format!("{}\n\n", &text[heading.range.clone()]));
        let size = kept.iter().map(|heading| heading.size + GAP).sum();
        let around = Around { text: lines.collect(), size };

        let bytes = (size_of::<Around>() + around.text.len()) as u64;
        if let Some(heading) = self.0.last_mut() {
            heading.around = Rc::new(around);
        }
        bytes
    }
}

impl<'a> Parts<'a> {
    /// Begins to part a text whose chunks have at most this size, with the headings above each if that is asked for.
    pub(super) fn new(text: &'a str, size: usize, with_headings: bool, sizer: &'a Sizer<'a>) -> Self {
        let (parts, path) = (Vec::new(), Path::default());
        Parts { text, size, with_headings, sizer, parts, path, headings: 0, lead: 0 }
    }

    /// Parts a block so that each part fits into a chunk, with what belongs around it.
    pub(super) fn add(&mut self, block: &Block) -> Result<(), ChunkError> {
        match block.kind {
            BlockKind::Heading(level) => self.add_heading(block, level)?,
            BlockKind::Table | BlockKind::Code | BlockKind::List(_) | BlockKind::Other => {
                self.part(block)?;
                self.lead = 0;
            }
        }
        let bytes = (self.parts.len() * size_of::<Part>()) as u64;
        self.sizer.allowance.check_bytes(bytes.saturating_add(self.headings))
    }

    fn add_heading(&mut self, block: &Block, level: u8) -> Result<(), ChunkError> {
        self.path.end(level);
        if self.lead == 0 {
            self.lead = self.path.around().size;
        }
        let size = self.sizer.try_size(&self.text[block.range.clone()])?;
        self.part(block)?;
        self.lead += size + GAP;

        if self.with_headings {
            let most = self.size / HEADINGS_FRACTION;
            let bytes = self.path.begin(self.text, level, block.range.clone(), size, most);
            self.headings = self.headings.saturating_add(bytes);
        }
        Ok(())
    }

    /// Returns the parts, in the order of the text.
    pub(super) fn finish(self) -> Vec<Part> {
        self.parts
    }

    fn part(&mut self, block: &Block) -> Result<(), ChunkError> {
        let headings = self.path.around();
        // Headings that fill a chunk by themselves stand alone.
        let lead = if self.lead > self.size / 2 { 0 } else { self.lead };
        let lead = if matches!(block.kind, BlockKind::Heading(_)) { 0 } else { lead };
        let taken = headings.size.max(lead);
        let parter = Parter { text: self.text, size: self.size, sizer: self.sizer, headings, taken };
        parter.part(block, &mut self.parts)
    }
}
