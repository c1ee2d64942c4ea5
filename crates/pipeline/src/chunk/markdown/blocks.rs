//! The blocks of a Markdown text.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Tag};

use crate::chunk::{Allowance, ChunkError};
use crate::outline::markdown;

/// A block on the outermost level of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Its bytes, without line breaks around it.
    pub range: Range<usize>,
    /// Its kind.
    pub kind: BlockKind,
    /// The code in fences within it, as in an item of a list: from each fence to its end, in their order.
    pub codes: Vec<Range<usize>>,
}

impl Block {
    fn new(range: Range<usize>, kind: BlockKind) -> Block {
        Block { range, kind, codes: Vec::new() }
    }
}

/// The kind of a block, as far as it matters for where it may be parted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BlockKind {
    /// A heading of this level.
    Heading(u8),
    /// A table.
    Table,
    /// Code in a fence.
    Code,
    /// A list, and the beginnings of its items.
    List(Vec<usize>),
    /// Anything else.
    Other,
}

/// The number of events between two looks at the time.
const EVENTS_BETWEEN_LOOKS: usize = 4096;

/// Returns the blocks of a segment of a text, in their order. Together they have all of it but blank space.
pub(super) fn blocks(
    text: &str,
    segment: Range<usize>,
    allowance: Allowance<'_>,
) -> Result<Vec<Block>, ChunkError> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut depth = 0_usize;

    for (place, (event, range)) in markdown(&text[segment.clone()]).into_offset_iter().enumerate() {
        if place.is_multiple_of(EVENTS_BETWEEN_LOOKS) {
            allowance.check_time()?;
        }
        let range = segment.start + range.start..segment.start + range.end;
        match event {
            Event::Start(tag) => {
                if depth == 0 {
                    blocks.push(Block::new(trimmed(text, range), kind(&tag)));
                } else if depth == 1 && matches!(tag, Tag::Item) {
                    begin_item(&mut blocks, range.start);
                } else if let (BlockKind::Code, Some(block)) = (kind(&tag), blocks.last_mut()) {
                    block.codes.push(trimmed(text, range));
                }
                depth += 1;
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            // A rule between sections, or a line of HTML.
            _ if depth == 0 => blocks.push(Block::new(trimmed(text, range), BlockKind::Other)),
            _ => {}
        }
    }

    blocks.retain(|block| !block.range.is_empty());
    Ok(with_rest(text, segment, blocks))
}

/// Adds what is in no block, such as the targets of links by name, which show only where they are named.
fn with_rest(text: &str, segment: Range<usize>, blocks: Vec<Block>) -> Vec<Block> {
    let mut whole = Vec::with_capacity(blocks.len());
    let mut end = segment.start;
    let rest = |range: Range<usize>| {
        let range = trimmed(text, range);
        (!range.is_empty()).then(|| Block::new(range, BlockKind::Other))
    };
    for block in blocks {
        whole.extend(rest(end..block.range.start.max(end)));
        end = block.range.end.max(end);
        whole.push(block);
    }
    whole.extend(rest(end..segment.end.max(end)));
    whole
}

fn kind(tag: &Tag<'_>) -> BlockKind {
    match tag {
        Tag::Heading { level, .. } => BlockKind::Heading(*level as u8),
        Tag::Table(_) => BlockKind::Table,
        Tag::CodeBlock(CodeBlockKind::Fenced(_)) => BlockKind::Code,
        Tag::List(_) => BlockKind::List(Vec::new()),
        _ => BlockKind::Other,
    }
}

fn begin_item(blocks: &mut [Block], start: usize) {
    if let Some(Block { kind: BlockKind::List(items), .. }) = blocks.last_mut() {
        items.push(start);
    }
}

/// Returns a range without blank lines at its ends.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let slice = text.get(range.clone()).unwrap_or_default();
    let start = range.start + (slice.len() - slice.trim_start_matches(['\n', '\r']).len());
    let end = range.start + slice.trim_end().len();
    start..end.max(start)
}
