//! The first record of a book: how its text is written, and what it says of itself.

use pgai_rs_parser_protocol::Metadata;

use super::damaged;
use super::database::{Database, offset_at, u16_at, u32_at};
use crate::html::metadata::some_language;
use crate::markdown::some_line;
use crate::{ParseError, date};

/// Places in the record, from the header of PalmDOC on, after which that of Mobipocket follows.
const COMPRESSION_AT: usize = 0;
const TEXT_RECORDS_AT: usize = 8;
const PROTECTION_AT: usize = 12;
const MOBI_AT: usize = 16;
const LENGTH_AT: usize = 20;
const ENCODING_AT: usize = 28;
const VERSION_AT: usize = 36;
const NAME_AT: usize = 84;
const NAME_LENGTH_AT: usize = 88;
const EXTENDED_AT: usize = 128;
const FLOWS_AT: usize = 192;
const TRAILERS_AT: usize = 242;

/// The bit that says that more is said, after the header.
const IS_EXTENDED: u32 = 0x40;

/// The length of the shortest header that says what ends the records.
const LONGEST_WITHOUT_TRAILERS: usize = 228;

/// The version of KF8, and the first one whose records have something at their ends.
const KF8: u32 = 8;
const FIRST_WITH_TRAILERS: u32 = 5;

/// Types of what is said after the header.
const AUTHOR: u32 = 100;
const PUBLISHED: u32 = 106;
const NEWER: u32 = 121;
const TITLE: u32 = 503;
const LANGUAGE: u32 = 524;

/// A number that is none.
const NONE: u32 = u32::MAX;

/// The way in which a text is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextCompression {
    /// The bytes are the text's.
    None,
    /// The compression of Palm's documents (a variant of LZ77).
    PalmDoc,
}

/// A book's header.
#[derive(Debug)]
pub(super) struct Header {
    /// The way in which the text's records are packed.
    pub(super) compression: TextCompression,
    /// The number of records that the text has, after the header's.
    pub(super) text_records: usize,
    /// `true` if it is protected (DRM).
    pub(super) is_protected: bool,
    /// The label of the text's encoding.
    pub(super) encoding: &'static str,
    /// The sorts of bytes at the end of each of the text's records.
    pub(super) trailers: Trailers,
    /// The title, the authors and the like.
    pub(super) metadata: Metadata,
    /// The record with the header of the same book in its newer form.
    pub(super) newer: Option<usize>,
    /// The record that says where the text ends in what is unpacked, counted from the header's.
    flows: Option<usize>,
}

impl Header {
    /// Reads the header that this record is.
    pub(super) fn read(database: &Database<'_>, number: usize) -> Result<Header, ParseError> {
        let record = database.record(number).ok_or_else(|| damaged("its header is not there"))?;
        let header = Header::of(record).ok_or_else(|| damaged("its header ends early"))?;
        header.map(|header| header.with_statements(record))
    }

    /// Returns the header without what it says of the book; `None` if the record is too short for one.
    fn of(record: &[u8]) -> Option<Result<Header, ParseError>> {
        let compression = match u16_at(record, COMPRESSION_AT)? {
            1 => TextCompression::None,
            2 => TextCompression::PalmDoc,
            0x4448 => {
                let name = "a Kindle book in the compression HUFF/CDIC".to_owned();
                return Some(Err(ParseError::UnsupportedType(name)));
            }
            _ => return Some(Err(damaged("its compression is unknown"))),
        };
        if record.get(MOBI_AT..LENGTH_AT)? != b"MOBI" {
            return Some(Err(damaged("its header is not one")));
        }
        let version = u32_at(record, VERSION_AT)?;
        let length = offset_at(record, LENGTH_AT)?;
        let has_trailers = length >= LONGEST_WITHOUT_TRAILERS && version >= FIRST_WITH_TRAILERS;
        let flows = u32_at(record, FLOWS_AT).filter(|flows| version == KF8 && *flows != NONE);
        Some(Ok(Header {
            compression,
            text_records: usize::from(u16_at(record, TEXT_RECORDS_AT)?),
            is_protected: u16_at(record, PROTECTION_AT)? != 0,
            encoding: if u32_at(record, ENCODING_AT)? == 65001 { "utf-8" } else { "windows-1252" },
            trailers: Trailers(if has_trailers { u16_at(record, TRAILERS_AT)? } else { 0 }),
            metadata: Metadata::default(),
            newer: None,
            flows: flows.and_then(|flows| usize::try_from(flows).ok()),
        }))
    }

    /// Returns the header with what it says of the book, as far as that can be read.
    fn with_statements(mut self, record: &[u8]) -> Header {
        self.metadata.title = self.name(record);
        let is_extended = u32_at(record, EXTENDED_AT).is_some_and(|flags| flags & IS_EXTENDED != 0);
        let length = offset_at(record, LENGTH_AT).unwrap_or_default();
        if is_extended
            && let Some(statements) = record.get(MOBI_AT.saturating_add(length)..)
            && statements.starts_with(b"EXTH")
        {
            let count = u32_at(statements, 8).unwrap_or_default();
            let mut rest = statements.get(12..).unwrap_or_default();
            for _ in 0..count {
                let Some(kind) = u32_at(rest, 0) else { break };
                let Some(size) = offset_at(rest, 4).filter(|size| *size >= 8) else { break };
                let Some(value) = rest.get(8..size) else { break };
                self.state(kind, value);
                rest = rest.get(size..).unwrap_or_default();
            }
        }
        self
    }

    /// Returns the book's name, which stands after the header.
    fn name(&self, record: &[u8]) -> Option<String> {
        let start = offset_at(record, NAME_AT)?;
        let end = start.checked_add(offset_at(record, NAME_LENGTH_AT)?)?;
        self.text(record.get(start..end)?)
    }

    /// Notes something that a book says of itself.
    fn state(&mut self, kind: u32, value: &[u8]) {
        match kind {
            NEWER => {
                let newer = u32_at(value, 0).filter(|newer| *newer != NONE);
                self.newer = newer.and_then(|newer| usize::try_from(newer).ok());
            }
            AUTHOR => {
                let Some(author) = self.text(value) else { return };
                let authors = self.metadata.author.get_or_insert_default();
                if !authors.is_empty() {
                    authors.push_str(", ");
                }
                authors.push_str(&author);
            }
            TITLE => self.metadata.title = self.text(value).or(self.metadata.title.take()),
            PUBLISHED => self.metadata.created = self.text(value).and_then(|time| date::iso(&time)),
            LANGUAGE => self.metadata.language = self.text(value).as_deref().and_then(some_language),
            _ => {}
        }
    }

    /// Returns a text of the header's on one line.
    fn text(&self, bytes: &[u8]) -> Option<String> {
        let encoding = encoding_rs::Encoding::for_label(self.encoding.as_bytes())?;
        some_line(&encoding.decode_without_bom_handling(bytes).0)
    }

    /// Returns where the text ends in what is unpacked; `None` if that is nothing but text.
    pub(super) fn text_end(&self, database: &Database<'_>, first: usize) -> Option<usize> {
        let flows = database.record(first.checked_add(self.flows?)?)?;
        // The end of the first of several parts.
        if flows.starts_with(b"FDST") { offset_at(flows, 16) } else { None }
    }
}

/// The bytes at the end of each record of a text that are none of it: a bit for each sort.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trailers(u16);

impl Trailers {
    /// Returns the text of a record.
    pub(super) fn trimmed(self, record: &[u8]) -> &[u8] {
        let mut text = record;
        for _ in 0..(self.0 >> 1).count_ones() {
            let size = trailer_size(text);
            text = &text[..text.len().saturating_sub(size)];
        }
        // The rest of a character that the next record has, too.
        if self.0 & 1 != 0
            && let Some(last) = text.last()
        {
            let size = usize::from(last & 3) + 1;
            text = &text[..text.len().saturating_sub(size)];
        }
        text
    }
}

/// Returns the size of what ends with it, seven bits a byte, of which the first has the eighth.
fn trailer_size(text: &[u8]) -> usize {
    let last = text.len().saturating_sub(4);
    text[last..].iter().fold(0, |size, byte| {
        let size = if byte & 0x80 != 0 { 0 } else { size };
        size << 7 | usize::from(byte & 0x7f)
    })
}
