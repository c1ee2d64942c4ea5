//! Parts of one block: itself if it fits into a chunk, else what it is parted into.

use std::ops::Range;
use std::rc::Rc;

use text_splitter::TryChunkSizer as _;

use super::blocks::{Block, BlockKind};
use crate::chunk::ChunkError;
use crate::chunk::semantic::sentences;
use crate::chunk::sizer::Sizer;

/// A blank line between two blocks.
pub(super) const GAP: usize = 2;

/// A part of a text that fits into a chunk, with what belongs around it there.
#[derive(Debug)]
pub(super) struct Part {
    /// Its bytes.
    pub range: Range<usize>,
    /// Its size.
    pub size: usize,
    /// The level of the heading that it is.
    pub heading: Option<u8>,
    /// The headings that it stands under, which a chunk that begins with it begins with.
    pub headings: Rc<Around>,
    /// The text that a chunk that begins with it has before it, such as the head of its table.
    pub before: Rc<Around>,
    /// The text that a chunk that ends with it has behind it, such as the end of its fence.
    pub after: Rc<Around>,
}

/// Text around a part, and its size.
#[derive(Debug, Default)]
pub(super) struct Around {
    /// The text.
    pub text: String,
    /// Its size.
    pub size: usize,
}

impl Around {
    fn new(text: String, sizer: &Sizer<'_>) -> Result<Rc<Self>, ChunkError> {
        let size = sizer.try_size(&text)?;
        Ok(Rc::new(Around { text, size }))
    }
}

/// Parts one block.
pub(super) struct Parter<'a> {
    /// The text.
    pub text: &'a str,
    /// The largest size of a chunk.
    pub size: usize,
    /// Counts sizes.
    pub sizer: &'a Sizer<'a>,
    /// The headings that the block stands under.
    pub headings: Rc<Around>,
    /// The size of what comes before the block in its chunk.
    pub taken: usize,
}

impl Parter<'_> {
    /// Adds the parts of a block.
    pub(super) fn part(&self, block: &Block, parts: &mut Vec<Part>) -> Result<(), ChunkError> {
        let size = self.sizer.try_size(&self.text[block.range.clone()])?;
        if size <= self.room(0) {
            let heading = match block.kind {
                BlockKind::Heading(level) => Some(level),
                _ => None,
            };
            let part = self.plain(block.range.clone(), size);
            parts.push(Part { heading, ..part });
            return Ok(());
        }
        match &block.kind {
            BlockKind::Table => self.part_table(&block.range, parts),
            BlockKind::Code => self.part_code(&block.range, block.range.start, parts),
            BlockKind::List(items) => self.part_list(block, items, parts),
            BlockKind::Heading(_) | BlockKind::Other => {
                self.part_around_code(&block.range, &block.codes, parts)
            }
        }
    }

    /// Returns the room for a part beside its headings and so much else.
    fn room(&self, else_taken: usize) -> usize {
        self.size.saturating_sub(self.taken).saturating_sub(else_taken).max(1)
    }

    fn plain(&self, range: Range<usize>, size: usize) -> Part {
        let headings = Rc::clone(&self.headings);
        let (before, after) = (Rc::default(), Rc::default());
        Part { range, size, heading: None, headings, before, after }
    }

    /// Parts a table between its rows.
    fn part_table(&self, range: &Range<usize>, parts: &mut Vec<Part>) -> Result<(), ChunkError> {
        // The row of names and the one of dashes.
        let table = &self.text[range.clone()];
        let head_end = table.match_indices('\n').nth(1).map_or(table.len(), |(at, _)| at + 1);
        let head = Around::new(table[..head_end].to_owned(), self.sizer)?;
        if head.size > self.room(0) / 2 || head_end == table.len() {
            return self.part_sentences(range, parts);
        }

        let first = parts.len();
        self.part_lines(&(range.start + head_end..range.end), &head, &Rc::default(), parts)?;
        self.begin(range.start, first, parts)
    }

    /// Parts code between its lines. What stands before its fence on the same line, such as the mark of the item that
    /// it is in, is a part of the range.
    fn part_code(
        &self,
        range: &Range<usize>,
        fence_at: usize,
        parts: &mut Vec<Part>,
    ) -> Result<(), ChunkError> {
        let code = &self.text[range.clone()];
        let opening = code.find('\n').map_or(code.len(), |at| at + 1);
        let margin = margin(&self.text[range.start..fence_at]);
        let fenced = &self.text[fence_at..range.start + opening];
        let fence: String = fenced.chars().take_while(|c| matches!(c, '`' | '~')).collect();
        let is_margin = |c: char| c == '>' || c.is_whitespace();
        let closing = match code.rfind('\n') {
            Some(at) if at + 1 >= opening && code[at + 1..].trim_matches(is_margin) == fence => at,
            // A fence that is left open ends with the text.
            _ => code.len(),
        };
        let before = Around::new(format!("{margin}{fenced}"), self.sizer)?;
        let after = Around::new(format!("\n{margin}{fence}"), self.sizer)?;
        if before.size + after.size > self.room(0) / 2 || opening >= closing {
            return self.part_sentences(range, parts);
        }

        let first = parts.len();
        self.part_lines(&(range.start + opening..range.start + closing), &before, &after, parts)?;
        self.begin(range.start, first, parts)?;
        let Some(part) = parts[first..].last_mut() else { return Ok(()) };
        let size = self.sizer.try_size(&self.text[part.range.start..range.end])?;
        if size <= self.room(part.before.size) {
            part.range.end = range.end;
            part.size = size;
            part.after = Rc::default();
        } else if range.start + closing < range.end {
            let closing = range.start + closing + 1..range.end;
            let size = self.sizer.try_size(&self.text[closing.clone()])?;
            parts.push(Part { before, ..self.plain(closing, size) });
        }
        Ok(())
    }

    /// Lets the first of parts begin where its block does, with the head or the fence itself, which is a part by itself
    /// if they don't fit together: blanks between them that were left out are a part of that again.
    fn begin(&self, start: usize, first: usize, parts: &mut Vec<Part>) -> Result<(), ChunkError> {
        let Some(part) = parts.get_mut(first) else { return Ok(()) };
        let size = self.sizer.try_size(&self.text[start..part.range.end])?;
        if size <= self.room(part.after.size) {
            part.range.start = start;
            part.size = size;
            part.before = Rc::default();
            return Ok(());
        }
        let after = Rc::clone(&part.after);
        let head = start..start + self.text[start..part.range.start].trim_end().len();
        let size = self.sizer.try_size(&self.text[head.clone()])?;
        parts.insert(first, Part { after, ..self.plain(head, size) });
        Ok(())
    }

    /// Parts lines, as many a part as fit between what belongs around them.
    fn part_lines(
        &self,
        range: &Range<usize>,
        before: &Rc<Around>,
        after: &Rc<Around>,
        parts: &mut Vec<Part>,
    ) -> Result<(), ChunkError> {
        let room = self.room(before.size + after.size);
        let lines = line_ranges(self.text, range);
        for run in self.runs(lines, room)? {
            let around = |part: Part| Part { before: Rc::clone(before), after: Rc::clone(after), ..part };
            if run.1 <= room {
                parts.push(around(self.plain(run.0, run.1)));
                continue;
            }
            // A line that is too long by itself.
            let slice = &self.text[run.0.clone()];
            for (at, piece) in sentences(slice, room, self.sizer)? {
                let start = run.0.start + at;
                let size = self.sizer.try_size(piece)?;
                parts.push(around(self.plain(start..start + piece.len(), size)));
            }
        }
        Ok(())
    }

    /// Parts a list between its items.
    fn part_list(&self, list: &Block, items: &[usize], parts: &mut Vec<Part>) -> Result<(), ChunkError> {
        let ends = items.iter().skip(1).copied().chain([list.range.end]);
        let items = items.iter().copied().zip(ends).map(|(start, end)| start..end).collect();
        for (run, size) in self.runs(items, self.room(0))? {
            if size <= self.room(0) {
                let run = run.start..run.start + self.text[run].trim_end().len();
                parts.push(self.plain(run, size));
            } else {
                self.part_around_code(&run, &list.codes, parts)?;
            }
        }
        Ok(())
    }

    /// Parts text, between sentences, and the code within it, between its lines.
    fn part_around_code(
        &self,
        range: &Range<usize>,
        codes: &[Range<usize>],
        parts: &mut Vec<Part>,
    ) -> Result<(), ChunkError> {
        let first = codes.partition_point(|code| code.start < range.start);
        let end = codes.partition_point(|code| code.start < range.end);
        let mut start = range.start;
        for code in &codes[first..end] {
            let line = self.text[start..code.start].rfind('\n').map_or(start, |at| start + at + 1);
            self.part_sentences(&(start..line), parts)?;
            let whole = line..code.end;
            let size = self.sizer.try_size(&self.text[whole.clone()])?;
            let bare = self.sizer.try_size(&self.text[code.clone()])?;
            if size <= self.room(0) {
                parts.push(self.plain(whole, size));
            } else if bare <= self.room(0) && self.text[line..code.start].trim().is_empty() {
                parts.push(self.plain(code.clone(), bare));
            } else {
                self.part_code(&whole, code.start, parts)?;
            }
            start = code.end;
        }
        self.part_sentences(&(start..range.end), parts)
    }

    fn part_sentences(&self, range: &Range<usize>, parts: &mut Vec<Part>) -> Result<(), ChunkError> {
        for (at, piece) in sentences(&self.text[range.clone()], self.room(0), self.sizer)? {
            let start = range.start + at;
            let size = self.sizer.try_size(piece)?;
            parts.push(self.plain(start..start + piece.len(), size));
        }
        Ok(())
    }

    /// Joins neighbouring ranges as long as they fit together, and returns them with their sizes.
    fn runs(&self, ranges: Vec<Range<usize>>, room: usize) -> Result<Vec<(Range<usize>, usize)>, ChunkError> {
        let mut runs: Vec<(Range<usize>, usize)> = Vec::new();
        self.sizer.allowance.check_bytes((ranges.len() * 2 * size_of::<Part>()) as u64)?;
        for range in ranges {
            let size = self.sizer.try_size(&self.text[range.clone()])?;
            match runs.last_mut() {
                Some((run, taken)) if *taken + size <= room => {
                    run.end = range.end;
                    *taken += size;
                }
                _ => runs.push((range, size)),
            }
        }
        // The line break after the last line is no part of it.
        for (run, _) in &mut runs {
            run.end = run.start + self.text[run.clone()].trim_end_matches(['\n', '\r']).len();
        }
        Ok(runs)
    }
}

/// Returns what a line has before a fence, for lines after the first: that of a quotation, and blanks for the mark of
/// an item.
fn margin(before: &str) -> String {
    before.chars().map(|c| if c == '>' || c.is_whitespace() { c } else { ' ' }).collect()
}

/// Returns the lines of a range, with their line breaks.
fn line_ranges(text: &str, range: &Range<usize>) -> Vec<Range<usize>> {
    let mut start = range.start;
    let lines = text[range.clone()].split_inclusive('\n');
    lines
        .map(|line| {
            let begun = start;
            start += line.len();
            begun..start
        })
        .collect()
}
