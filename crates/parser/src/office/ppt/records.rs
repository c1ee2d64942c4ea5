//! Records, of which a presentation consists: each has a type and bytes, which may be records again.

use super::super::numbers::{long, short, size};

/// The length of a record's head.
const HEAD: usize = 8;

/// A record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    /// The type, one of `kinds` if it is read.
    pub(super) kind: u16,
    /// A number whose meaning depends on the type.
    pub(super) instance: u16,
    /// The content, without the record's head.
    pub(super) bytes: &'a [u8],
}

/// Types of records.
pub(super) mod kinds {
    /// The presentation.
    pub(in super::super) const DOCUMENT: u16 = 0x03e8;
    /// A slide's layout, master and notes.
    pub(in super::super) const SLIDE_ATOM: u16 = 0x03ef;
    /// The beginning of a slide in a list of slides; names its part.
    pub(in super::super) const SLIDE_PERSIST: u16 = 0x03f3;
    /// The manner in which a slide is shown, or that it is skipped.
    pub(in super::super) const SLIDE_SHOW: u16 = 0x03f9;
    /// The shapes of a slide.
    pub(in super::super) const DRAWING: u16 = 0x040c;
    /// The role of a shape, such as that of a title.
    pub(in super::super) const PLACEHOLDER: u16 = 0x0bc3;
    /// The number of a text in the list of slides, in place of the text itself.
    pub(in super::super) const OUTLINE_REFERENCE: u16 = 0x0f9e;
    /// The role of the text that follows.
    pub(in super::super) const TEXT_HEADER: u16 = 0x0f9f;
    /// A text in UTF-16.
    pub(in super::super) const TEXT_CHARS: u16 = 0x0fa0;
    /// The looks of the text before it.
    pub(in super::super) const TEXT_STYLE: u16 = 0x0fa1;
    /// A text in Latin-1.
    pub(in super::super) const TEXT_BYTES: u16 = 0x0fa8;
    /// A list of slides, of masters or of notes.
    pub(in super::super) const SLIDE_LIST: u16 = 0x0ff0;
    /// A time that the presentation was saved.
    pub(in super::super) const USER_EDIT: u16 = 0x0ff5;
    /// The places of parts, by their numbers.
    pub(in super::super) const PERSIST_DIRECTORY: u16 = 0x1772;
    /// The drawing itself: its groups and shapes.
    pub(in super::super) const DRAWING_CONTAINER: u16 = 0xf002;
    /// A group of shapes, whose first one is the group itself.
    pub(in super::super) const GROUP: u16 = 0xf003;
    /// A shape.
    pub(in super::super) const SHAPE: u16 = 0xf004;
    /// The text of a shape.
    pub(in super::super) const TEXT_BOX: u16 = 0xf00d;
    /// The place of a shape, in the coordinates of its group.
    pub(in super::super) const CHILD_ANCHOR: u16 = 0xf00f;
    /// The place of a shape on its slide.
    pub(in super::super) const ANCHOR: u16 = 0xf010;
    /// A shape's data of the presentation's own, such as its role.
    pub(in super::super) const CLIENT_DATA: u16 = 0xf011;
    /// Further properties of a shape.
    pub(in super::super) const MORE_PROPERTIES: u16 = 0xf122;
}

impl<'a> Record<'a> {
    /// Returns the record at a place; its bytes end where those it is in do.
    pub(super) fn at(bytes: &'a [u8], at: usize) -> Option<Self> {
        let length = size(bytes, at.checked_add(4)?)?;
        let start = at.checked_add(HEAD)?;
        let end = start.checked_add(length)?.min(bytes.len());
        Some(Record {
            kind: short(bytes, at + 2)?,
            instance: short(bytes, at)? >> 4,
            bytes: bytes.get(start..end)?,
        })
    }

    /// Returns the records in it.
    pub(super) fn children(self) -> impl Iterator<Item = Record<'a>> {
        records(self.bytes)
    }

    /// Returns the first record in it that is of this type.
    pub(super) fn child(self, kind: u16) -> Option<Record<'a>> {
        self.children().find(|record| record.kind == kind)
    }

    /// Returns the number at a place in it.
    pub(super) fn number(self, at: usize) -> Option<u32> {
        long(self.bytes, at)
    }
}

/// Returns the records that follow each other in these bytes.
pub(super) fn records(bytes: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let record = Record::at(bytes, at)?;
        at += HEAD + record.bytes.len();
        Some(record)
    })
}
