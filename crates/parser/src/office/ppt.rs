//! Presentations of PowerPoint 97 to 2003.
//!
//! A slide is a page, as in newer ones. Hidden slides, masters, dates, footers and slide numbers are left out; speaker
//! notes follow their slide.
//!
//! * `records`: records, of which all consists
//! * `edits`: the places of the presentation's parts
//! * `slide`: a slide's shapes
//! * `text`: texts, and the levels of their paragraphs

mod edits;
mod records;
mod slide;
mod text;

use std::collections::HashMap;

use pgai_rs_parser_protocol::{Format, Metadata};

use crate::markdown::Blocks;
use crate::{Kind, ParseError, ParsedDocument, Source};

use super::block::{self, Block};
use super::numbers::short;
use super::summary;
use crate::compound::Compound;
use edits::PersistedParts;
use records::{Record, kinds};
use text::Text;

/// Returns the text of an old presentation of PowerPoint's.
pub(super) fn read(source: &Source<'_>) -> Result<ParsedDocument, ParseError> {
    let kind = Kind::Ppt.name();
    let mut file = Compound::open(kind, source.bytes)?;
    let stream = file.stream("/PowerPoint Document")?.ok_or_else(|| file.damaged("it has no slides"))?;
    let current_user = file.stream("/Current User")?.unwrap_or_default();
    let metadata = summary::read(&mut file).metadata;

    let parts = PersistedParts::read(&stream, &current_user)
        .ok_or_else(|| file.damaged("nothing says where its slides are"))?;
    if parts.encrypted {
        return Err(ParseError::Encrypted(kind));
    }
    let document = parts.document().ok_or_else(|| file.damaged("the list of its slides is missing"))?;
    let lists: Vec<Record<'_>> =
        document.children().filter(|record| record.kind == kinds::SLIDE_LIST).collect();
    let slides = entries(&lists, 0);
    let notes: HashMap<u32, u32> =
        entries(&lists, 2).into_iter().map(|entry| (entry.id, entry.part)).collect();

    let mut output = Blocks::default();
    let mut has_deck_title = false;
    let mut budget = Budget { left: stream.len().saturating_mul(MOST_READINGS) };
    for (place, entry) in slides.iter().enumerate() {
        let Some(slide) = parts.get(entry.part).filter(|slide| !is_hidden(*slide)) else { continue };
        budget.take(slide)?;
        let mut blocks = slide::read(slide, &entry.outline)?;
        level(&mut blocks, &mut has_deck_title);
        if let Some(page) = notes_of(slide).and_then(|id| parts.get(*notes.get(&id)?)) {
            budget.take(page)?;
            let text = block::lines(slide::notes(page)?);
            if !text.trim().is_empty() {
                blocks.push(Block::Quote(format!("**Notes:** {}", text.trim())));
            }
        }
        output.page(u32::try_from(place + 1).unwrap_or(u32::MAX));
        block::write(blocks, &mut output);
    }

    let (text, pages) = output.finish();
    let metadata = Metadata { page_count: u32::try_from(slides.len()).ok(), ..metadata };
    Ok(ParsedDocument { text, format: Format::Markdown, pages, metadata })
}

/// The number of times that all of a presentation may be read: its parts may lie upon each other, or be named twice.
const MOST_READINGS: usize = 4;

/// The number of bytes that may still be read.
struct Budget {
    left: usize,
}

impl Budget {
    fn take(&mut self, part: Record<'_>) -> Result<(), ParseError> {
        let left = self.left.checked_sub(part.bytes.len());
        self.left = left.ok_or_else(|| ParseError::TooComplex {
            kind: Kind::Ppt.name(),
            problem: "its slides lie upon each other".to_owned(),
        })?;
        Ok(())
    }
}

/// An entry in a list of slides.
struct Entry {
    part: u32,
    id: u32,
    /// The titles and bodies of the slide.
    outline: Vec<Text>,
}

/// Returns the slides of the list with this number: 0 for slides, 2 for notes.
fn entries(lists: &[Record<'_>], number: u16) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for list in lists.iter().filter(|list| list.instance == number) {
        let records: Vec<Record<'_>> = list.children().collect();
        for group in records.chunk_by(|_, next| next.kind != kinds::SLIDE_PERSIST) {
            let Some(head) = group.first().filter(|head| head.kind == kinds::SLIDE_PERSIST) else { continue };
            if let (Some(part), Some(id)) = (head.number(0), head.number(12)) {
                entries.push(Entry { part, id, outline: Text::read(group.iter().copied()) });
            }
        }
    }
    entries
}

fn is_hidden(slide: Record<'_>) -> bool {
    const HIDDEN: u16 = 4;

    let show = slide.child(kinds::SLIDE_SHOW);
    show.and_then(|show| short(show.bytes, 10)).is_some_and(|flags| flags & HIDDEN != 0)
}

/// Returns the id of a slide's notes.
fn notes_of(slide: Record<'_>) -> Option<u32> {
    slide.child(kinds::SLIDE_ATOM)?.number(16).filter(|id| *id != 0)
}

/// Puts the titles of slides below that of the presentation, if it has one.
fn level(blocks: &mut [Block], has_deck_title: &mut bool) {
    for block in blocks {
        if let Block::Heading { level, .. } = block {
            let is_deck_title = *level == slide::DECK_TITLE && !*has_deck_title;
            *has_deck_title |= is_deck_title;
            *level = if is_deck_title || !*has_deck_title { 1 } else { 2 };
        }
    }
}
