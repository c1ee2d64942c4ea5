//! Parts put together into chunks.

use std::ops::Range;

use text_splitter::TryChunkSizer as _;

use super::part::{GAP, Part};
use crate::chunk::ChunkError;
use crate::chunk::allowance::Chunks;
use crate::chunk::piece::Piece;
use crate::chunk::sizer::Sizer;

/// Puts neighbouring parts together into chunks of at most `size` units.
pub(super) fn pack(
    text: &str,
    parts: &[Part],
    size: usize,
    sizer: &Sizer<'_>,
) -> Result<Vec<Piece>, ChunkError> {
    let sections = section_sizes(parts);
    let mut chunks = Chunks::new(sizer.allowance);
    let mut spans = Vec::new();
    let mut first = 0;

    while first < parts.len() {
        let mut end = chunk_end(text, parts, &sections, first, size);
        let (mut chunk, mut span) = joined(text, &parts[first..end]);
        // Tokens of a whole are sometimes more than those of its parts.
        while end > first + 1 && sizer.try_size(&chunk)? > size {
            end -= 1;
            (chunk, span) = joined(text, &parts[first..end]);
        }
        chunks.push(&chunk)?;
        spans.push(Some(span));
        first = end;
    }

    let pieces = chunks.into_vec().into_iter().zip(spans);
    Ok(pieces.map(|(text, span)| Piece { text, span }).collect())
}

/// Returns the place after the last part of the chunk that begins with a part.
fn chunk_end(text: &str, parts: &[Part], sections: &[usize], first: usize, size: usize) -> usize {
    let begin = &parts[first];
    let mut taken = begin.headings.size + begin.before.size + begin.size;
    let mut has_text = begin.heading.is_none();

    for place in first + 1..parts.len() {
        let part = &parts[place];
        let gap = gap(text, &parts[place - 1], part).len();
        // What another part adds, and what the chunk would end with then.
        let fits = taken + gap + part.size + part.after.size <= size;
        let begins_anew = part.heading.is_some() && has_text && taken + gap + sections[place] > size;
        if !fits || begins_anew {
            return place;
        }
        taken += gap + part.size;
        has_text |= part.heading.is_none();
    }
    parts.len()
}

/// Returns, for each heading, the size of the section that it begins; for other parts, their own.
fn section_sizes(parts: &[Part]) -> Vec<usize> {
    let mut sizes: Vec<usize> = parts.iter().map(|part| part.size).collect();
    // Headings whose sections go on.
    let mut open: Vec<(u8, usize)> = Vec::new();
    let mut before = 0_usize;

    for (place, part) in parts.iter().enumerate() {
        if let Some(level) = part.heading {
            while open.last().is_some_and(|(outer, _)| *outer >= level) {
                close(&mut open, &mut sizes, before);
            }
            open.push((level, place));
            sizes[place] = before;
        }
        before += part.size + GAP;
    }
    while !open.is_empty() {
        close(&mut open, &mut sizes, before);
    }
    sizes
}

/// Ends the innermost section. Until then, its heading's size is that of all before it.
fn close(open: &mut Vec<(u8, usize)>, sizes: &mut [usize], before: usize) {
    if let Some((_, place)) = open.pop() {
        sizes[place] = (before - sizes[place]).saturating_sub(GAP);
    }
}

/// Returns what stands between two parts: no more than a blank line.
fn gap(text: &str, before: &Part, after: &Part) -> &'static str {
    let between = text.get(before.range.end..after.range.start).unwrap_or_default();
    match between.matches('\n').count() {
        0 if between.is_empty() => "",
        0 => " ",
        1 => "\n",
        _ => "\n\n",
    }
}

/// Returns the chunk of these parts, and its bytes in the text.
fn joined(text: &str, parts: &[Part]) -> (String, Range<usize>) {
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return (String::new(), 0..0) };
    let span = first.range.start..last.range.end;

    let mut chunk = first.headings.text.clone();
    chunk.push_str(&first.before.text);
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            chunk.push_str(gap(text, &parts[place - 1], part));
        }
        chunk.push_str(&text[part.range.clone()]);
    }
    chunk.push_str(&last.after.text);
    (chunk, span)
}
