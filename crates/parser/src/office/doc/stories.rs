//! The parts of the text: the main one, notes, and boxes. Headers and comments are not read.

use std::collections::HashMap;
use std::ops::Range;

use super::super::numbers::long;
use super::header::{Header, Plc, Streams, TablePart};

/// The parts of the text, by the places of their letters.
#[derive(Debug, Default)]
pub(super) struct Stories {
    /// The text of the document itself.
    pub(super) main: Range<usize>,
    /// Notes, by the places in the main text that refer to them.
    pub(super) notes: HashMap<usize, Range<usize>>,
    /// Boxes, by the numbers of their shapes.
    pub(super) boxes: HashMap<u32, Range<usize>>,
    /// The numbers of shapes, by the places in the main text at which they are anchored.
    pub(super) shapes: HashMap<usize, u32>,
}

impl Stories {
    /// Returns the parts of a text of this many letters; `None` if it has fewer than its head says.
    pub(super) fn read(header: &Header, streams: &Streams<'_>, letters: usize) -> Option<Self> {
        let lengths = header.lengths;
        if lengths.main > letters {
            return None;
        }

        let mut stories = Stories { main: 0..lengths.main, ..Stories::default() };
        let footnotes = lengths.main..lengths.main.saturating_add(lengths.footnotes).min(letters);
        stories.add_notes(streams, TablePart::FootnoteReferences, TablePart::FootnoteTexts, &footnotes);

        let start =
            footnotes.end.saturating_add(lengths.headers).saturating_add(lengths.comments).min(letters);
        let endnotes = start..start.saturating_add(lengths.endnotes).min(letters);
        stories.add_notes(streams, TablePart::EndnoteReferences, TablePart::EndnoteTexts, &endnotes);

        let boxes = endnotes.end..endnotes.end.saturating_add(lengths.boxes).min(letters);
        stories.add_boxes(streams, &boxes);
        Some(stories)
    }

    fn add_notes(
        &mut self,
        streams: &Streams<'_>,
        references: TablePart,
        texts: TablePart,
        story: &Range<usize>,
    ) {
        let references = Plc::new(streams.get(references), 2);
        let texts = Plc::new(streams.get(texts), 0);
        let mut reached = story.start;
        for index in 0..references.len() {
            if let Some(place) = references.place(index)
                && let Some(range) = within(story, texts.place(index), texts.place(index + 1))
                && range.start >= reached
            {
                // Notes that lie upon each other would be read again and again.
                reached = range.end;
                self.notes.insert(place, range);
            }
        }
    }

    fn add_boxes(&mut self, streams: &Streams<'_>, story: &Range<usize>) {
        let texts = Plc::new(streams.get(TablePart::BoxTexts), 22);
        let mut reached = story.start;
        for index in 0..texts.len() {
            if let Some(shape) = texts.data(index).and_then(|data| long(data, 14))
                && let Some(range) = within(story, texts.place(index), texts.place(index + 1))
                && range.start >= reached
            {
                reached = range.end;
                self.boxes.insert(shape, range);
            }
        }
        let shapes = Plc::new(streams.get(TablePart::Shapes), 26);
        for index in 0..shapes.len() {
            if let (Some(place), Some(shape)) =
                (shapes.place(index), shapes.data(index).and_then(|data| long(data, 0)))
            {
                self.shapes.insert(place, shape);
            }
        }
    }
}

/// Returns the range between two places of a part of the text.
fn within(story: &Range<usize>, start: Option<usize>, end: Option<usize>) -> Option<Range<usize>> {
    let start = story.start.checked_add(start?)?;
    let end = story.start.checked_add(end?)?.min(story.end);
    (start < end).then_some(start..end)
}
