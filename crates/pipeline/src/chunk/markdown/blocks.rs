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
    pub kind: Kind,
}

/// The kind of a block, as far as it matters for where it may be parted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
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

/// Returns the blocks of a text, in their order.
pub(super) fn blocks(text: &str, allowance: Allowance<'_>) -> Result<Vec<Block>, ChunkError> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut depth = 0_usize;

    for (place, (event, range)) in markdown(text).into_offset_iter().enumerate() {
        if place.is_multiple_of(EVENTS_BETWEEN_LOOKS) {
            allowance.check_time()?;
        }
        match event {
            Event::Start(tag) => {
                if depth == 0 {
                    blocks.push(Block { range: trimmed(text, range), kind: kind(&tag) });
                } else if depth == 1 && matches!(tag, Tag::Item) {
                    begin_item(&mut blocks, range.start);
                }
                depth += 1;
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            // A rule between sections, or a line of HTML.
            _ if depth == 0 => blocks.push(Block { range: trimmed(text, range), kind: Kind::Other }),
            _ => {}
        }
    }

    blocks.retain(|block| !block.range.is_empty());
    Ok(blocks)
}

fn kind(tag: &Tag<'_>) -> Kind {
    match tag {
        Tag::Heading { level, .. } => Kind::Heading(*level as u8),
        Tag::Table(_) => Kind::Table,
        Tag::CodeBlock(CodeBlockKind::Fenced(_)) => Kind::Code,
        Tag::List(_) => Kind::List(Vec::new()),
        _ => Kind::Other,
    }
}

fn begin_item(blocks: &mut [Block], start: usize) {
    if let Some(Block { kind: Kind::List(items), .. }) = blocks.last_mut() {
        items.push(start);
    }
}

/// Returns a range without the line breaks at its ends.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let slice = text.get(range.clone()).unwrap_or_default();
    let start = range.start + (slice.len() - slice.trim_start_matches(['\n', '\r']).len());
    let end = range.start + slice.trim_end().len();
    start..end.max(start)
}
