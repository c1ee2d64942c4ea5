//! The head of a document (FIB): where its parts are.

use super::super::numbers::{byte, long, short, size};

/// The places of a document's parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// The version of the format.
    pub(super) version: u16,
    /// `true` if the document is encrypted.
    pub(super) encrypted: bool,
    /// The name of the stream that holds all but the text.
    pub(super) table: &'static str,
    /// The numbers of characters of the text's parts.
    pub(super) lengths: Lengths,
}

/// The numbers of characters of the parts of the text, which follow each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lengths {
    /// The text of the document itself.
    pub(super) main: usize,
    /// The texts of footnotes.
    pub(super) footnotes: usize,
    /// The heads and feet of pages.
    pub(super) headers: usize,
    /// The texts of comments.
    pub(super) comments: usize,
    /// The texts of endnotes.
    pub(super) endnotes: usize,
    /// The texts in boxes of the document itself.
    pub(super) boxes: usize,
}

/// A part of the table stream, by its place in the head.
#[derive(Debug, Clone, Copy)]
pub(super) enum TablePart {
    /// The styles (`STSH`).
    Styles = 1,
    /// The places in the text that refer to footnotes.
    FootnoteReferences = 2,
    /// The places where the text of each footnote begins.
    FootnoteTexts = 3,
    /// The pages that hold the looks of text (`PlcBteChpx`).
    CharacterPages = 12,
    /// The pages that hold the looks of paragraphs (`PlcBtePapx`).
    ParagraphPages = 13,
    /// The pieces in the file that the text consists of (`Clx`).
    Pieces = 33,
    /// The places in the text where shapes are anchored, and the shapes' numbers.
    Shapes = 40,
    /// The places in the text that refer to endnotes.
    EndnoteReferences = 46,
    /// The places where the text of each endnote begins.
    EndnoteTexts = 47,
    /// The places where the text of each box begins.
    BoxTexts = 56,
    /// The definitions of lists.
    Lists = 73,
    /// The lists that paragraphs name, each with its definition.
    ListNumbers = 74,
}

impl Header {
    /// Returns the head of a document; `None` if it has none.
    pub(super) fn read(document: &[u8]) -> Option<Self> {
        let flags = short(document, 0x0a)?;
        let length = |place: usize| size(document, 0x4c + place * 4);
        Some(Header {
            version: short(document, 2)?,
            encrypted: flags & 0x0100 != 0,
            table: if flags & 0x0200 == 0 { "/0Table" } else { "/1Table" },
            lengths: Lengths {
                main: length(0)?,
                footnotes: length(1)?,
                headers: length(2)?,
                comments: length(4)?,
                endnotes: length(5)?,
                boxes: length(6)?,
            },
        })
    }

    /// Returns the place and the length of a part in the table stream.
    pub(super) fn part(document: &[u8], part: TablePart) -> Option<(usize, usize)> {
        let at = 0x9a + part as usize * 8;
        Some((size(document, at)?, size(document, at + 4)?))
    }

    /// Returns whether the document is of a version before Word 97, whose parts lie elsewhere.
    pub(super) fn is_old(&self) -> bool {
        self.version < 0xc1
    }
}

/// The parts of the two streams of a document.
pub(super) struct Streams<'a> {
    /// The stream with the head and the text.
    pub(super) document: &'a [u8],
    /// The stream with all else, `0Table` or `1Table`.
    pub(super) table: &'a [u8],
}

impl<'a> Streams<'a> {
    /// Returns the bytes of a part; none if there is no such part.
    pub(super) fn get(&self, part: TablePart) -> &'a [u8] {
        let found = Header::part(self.document, part).and_then(|(at, length)| {
            let end = at.checked_add(length)?.min(self.table.len());
            self.table.get(at..end)
        });
        found.unwrap_or_default()
    }

    /// Returns the bytes of the table stream from a part on.
    pub(super) fn from(&self, part: TablePart) -> &'a [u8] {
        let at = Header::part(self.document, part).filter(|(_, length)| *length > 0).map(|(at, _)| at);
        at.and_then(|at| self.table.get(at..)).unwrap_or_default()
    }
}

/// A list of places with data of equal size between them (PLC).
#[derive(Debug, Clone, Copy)]
pub(super) struct Plc<'a> {
    bytes: &'a [u8],
    count: usize,
    size: usize,
}

impl<'a> Plc<'a> {
    /// Returns the list in these bytes, with data of this size.
    pub(super) fn new(bytes: &'a [u8], size: usize) -> Self {
        Plc { bytes, count: bytes.len().saturating_sub(4) / (size + 4), size }
    }

    /// Returns the number of data.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Returns a place; there is one more of them than data.
    pub(super) fn place(&self, index: usize) -> Option<usize> {
        (index <= self.count).then(|| size(self.bytes, index * 4))?
    }

    /// Returns the data after a place.
    pub(super) fn data(&self, index: usize) -> Option<&'a [u8]> {
        let start = (self.count + 1) * 4 + index * self.size;
        if index < self.count { self.bytes.get(start..start + self.size) } else { None }
    }
}

/// A change of the look of text or of a paragraph (SPRM): its code and its operand.
pub(super) fn changes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let code = short(bytes, at)?;
        at += 2;
        let (skip, length) = match code >> 13 {
            0 | 1 => (0, 1),
            2 | 4 | 5 => (0, 2),
            3 => (0, 4),
            7 => (0, 3),
            // The two whose length is not the byte before them.
            _ if code == 0xd608 => (2, usize::from(short(bytes, at)?).saturating_sub(1)),
            _ if code == 0xc615 && byte(bytes, at) == Some(255) => (1, tabs(bytes, at + 1)?),
            _ => (1, usize::from(byte(bytes, at)?)),
        };
        let operand = bytes.get(at + skip..at + skip + length)?;
        at += skip + length;
        Some((code, operand))
    })
}

/// Returns the length of a change of many tab stops.
fn tabs(bytes: &[u8], at: usize) -> Option<usize> {
    let deleted = usize::from(byte(bytes, at)?);
    let added = usize::from(byte(bytes, at + 1 + deleted * 4)?);
    Some(2 + deleted * 4 + added * 3)
}

/// Returns the operand as a number.
pub(super) fn operand(bytes: &[u8]) -> u32 {
    match bytes.len() {
        1 => bytes.first().map_or(0, |value| u32::from(*value)),
        2 | 3 => short(bytes, 0).map_or(0, u32::from),
        _ => long(bytes, 0).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_whatever_their_operands_length() {
        let bytes = [0x16, 0x24, 1, 0x08, 0xd6, 3, 0, 9, 9, 0x0b, 0x46, 5, 0, 0x03];
        let found: Vec<(u16, u32)> = changes(&bytes).map(|(code, bytes)| (code, operand(bytes))).collect();
        assert_eq!(found, [(0x2416, 1), (0xd608, 0x0909), (0x460b, 5)]);
    }

    #[test]
    fn lists_of_places_that_are_cut_off_end() {
        let plc = Plc::new(&[0, 0, 0, 0, 5, 0, 0, 0, 7], 2);
        assert_eq!((plc.len(), plc.place(0), plc.data(0)), (0, Some(0), None));
    }
}
