//! The looks of text and of paragraphs: pages of 512 bytes say from which place to which one is.

use super::super::numbers::{byte, short, size};
use super::header::{Plc, Streams, TablePart, changes, operand};

/// The size of a page.
const PAGE: usize = 512;

/// The changes of looks, by the places of the text that they are for.
pub(super) struct Looks<'a> {
    /// Beginnings, ends and changes, in the order of their beginnings.
    ranges: Vec<(u32, u32, &'a [u8])>,
}

impl<'a> Looks<'a> {
    /// Returns the looks of paragraphs. The changes begin with the number of the style.
    pub(super) fn of_paragraphs(streams: &Streams<'a>) -> Self {
        Looks::read(streams, TablePart::ParagraphPages, 13, |page, at| {
            let words = usize::from(byte(page, at)?);
            let (start, length) = match words {
                0 => (at + 2, usize::from(byte(page, at + 1)?) * 2),
                words => (at + 1, words * 2 - 1),
            };
            page.get(start..(start + length).min(page.len()))
        })
    }

    /// Returns the looks of text.
    pub(super) fn of_text(streams: &Streams<'a>) -> Self {
        Looks::read(streams, TablePart::CharacterPages, 1, |page, at| {
            let length = usize::from(byte(page, at)?);
            page.get(at + 1..(at + 1 + length).min(page.len()))
        })
    }

    fn read(
        streams: &Streams<'a>,
        part: TablePart,
        entry: usize,
        found: impl Fn(&'a [u8], usize) -> Option<&'a [u8]>,
    ) -> Self {
        let pages = Plc::new(streams.get(part), 4);
        let mut ranges = Vec::new();
        // There are no more pages than fit into the document: one that is named twice is read once too often.
        for index in 0..pages.len().min(streams.document.len() / PAGE) {
            let page = pages.data(index).and_then(|data| {
                let start = (size(data, 0)? & 0x3f_ffff).checked_mul(PAGE)?;
                streams.document.get(start..start.checked_add(PAGE)?)
            });
            let Some(page) = page else { continue };
            let count = page.last().map_or(0, |count| usize::from(*count));
            for run in 0..count {
                let places =
                    (size(page, run * 4), size(page, run * 4 + 4), byte(page, (count + 1) * 4 + run * entry));
                let (Some(start), Some(end), Some(at)) = places else { continue };
                let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end)) else { continue };
                let at = usize::from(at) * 2;
                let bytes = if at == 0 { None } else { found(page, at) };
                ranges.push((start, end, bytes.unwrap_or_default()));
            }
        }
        ranges.sort_by_key(|(start, _, _)| *start);
        Looks { ranges }
    }

    /// Returns the changes for the text at a place, and where they end.
    pub(super) fn at(&self, place: u32) -> (&'a [u8], u32) {
        let next = self.ranges.partition_point(|(start, _, _)| *start <= place);
        match next.checked_sub(1).and_then(|last| self.ranges.get(last)) {
            Some((_, end, changes)) if place < *end => (changes, *end),
            _ => (&[], self.ranges.get(next).map_or(u32::MAX, |(start, _, _)| *start)),
        }
    }
}

/// The things that a paragraph's look says of its place in the document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Paragraph {
    /// The number of its style.
    pub(super) style: u16,
    /// The outline's level, from 0; 9 is body text.
    pub(super) outline: Option<u8>,
    /// The number of its list, from 1; 0 takes it out of the list that its style names.
    pub(super) list: Option<u16>,
    /// The level in the list, from 0.
    pub(super) level: Option<u8>,
    /// The number of tables that it is in.
    pub(super) tables: u32,
    /// `true` if it is the mark at the end of a row of an outermost table.
    pub(super) ends_row: bool,
    /// `true` if it ends a cell of a table within a table.
    pub(super) ends_inner_cell: bool,
    /// `true` if it is the mark at the end of a row of a table within a table.
    pub(super) ends_inner_row: bool,
    /// The edges of the cells of the row that ends with it.
    pub(super) edges: Vec<i16>,
}

impl Paragraph {
    /// Returns the place of a paragraph by its look, which begins with the number of its style.
    pub(super) fn read(look: &[u8]) -> Self {
        let mut paragraph = Paragraph { style: short(look, 0).unwrap_or(0), ..Paragraph::default() };
        paragraph.apply(look.get(2..).unwrap_or_default());
        paragraph
    }

    /// Applies changes.
    pub(super) fn apply(&mut self, bytes: &[u8]) {
        for (code, bytes) in changes(bytes) {
            let value = operand(bytes);
            match code {
                0x4600 => self.style = u16::try_from(value).unwrap_or(0),
                0x2640 => self.outline = u8::try_from(value).ok(),
                0x460b => self.list = u16::try_from(value).ok(),
                0x260a => self.level = u8::try_from(value).ok(),
                0x2416 => self.tables = self.tables.max(value.min(1)),
                0x6649 => self.tables = value.min(100),
                0x2417 => self.ends_row = value == 1,
                0x244b => self.ends_inner_cell = value == 1,
                0x244c => self.ends_inner_row = value == 1,
                0xd608 => self.edges = edges(bytes),
                _ => {}
            }
        }
    }
}

/// Returns the edges of a row's cells.
fn edges(bytes: &[u8]) -> Vec<i16> {
    let count = usize::from(byte(bytes, 0).unwrap_or(0)) + 1;
    let edge = |place: usize| short(bytes, 1 + place * 2).map(|edge| i16::from_le_bytes(edge.to_le_bytes()));
    (0..count).map_while(edge).collect()
}

/// The look of text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Character {
    /// `true` if the text is bold.
    pub(super) bold: bool,
    /// `true` if the text is italic.
    pub(super) italic: bool,
    /// `true` if the text is struck through.
    pub(super) strike: bool,
    /// `true` if the text is not shown.
    pub(super) hidden: bool,
    /// `true` if the text was deleted while changes were tracked.
    pub(super) deleted: bool,
    /// `true` if signs such as that of a note stand for themselves.
    pub(super) special: bool,
    /// The letter of a font of pictures.
    pub(super) symbol: Option<u16>,
}

impl Character {
    /// Returns the look that these changes make.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut look = Character::default();
        for (code, bytes) in changes(bytes) {
            // 128 is what the style says, 129 is the contrary; the styles of text that is bold are of headings.
            let on = matches!(operand(bytes), 1 | 129);
            match code {
                0x0835 => look.bold = on,
                0x0836 => look.italic = on,
                0x0837 => look.strike = on,
                0x083c => look.hidden = on,
                0x0800 => look.deleted = on,
                0x0855 => look.special = on,
                0x6a09 => look.symbol = short(bytes, 2),
                _ => {}
            }
        }
        look
    }
}
