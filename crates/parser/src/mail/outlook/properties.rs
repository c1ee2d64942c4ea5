//! Properties of an e-mail, of a recipient, or of an attachment.

use crate::charset::{self, CodePage};
use crate::compound::Compound;
use crate::{ParseError, html};

/// Ids of the properties that tell the encodings of others.
const INTERNET_CODE_PAGE: u16 = 0x3fde;
const MESSAGE_CODE_PAGE: u16 = 0x3ffd;

/// Types of properties.
const BOOLEAN: u16 = 0x000b;
const INTEGER: u16 = 0x0003;
const TIME: u16 = 0x0040;

/// The length of one property in the stream of those that have a fixed length.
const ENTRY: usize = 16;

/// The owner of properties, which decides where they begin.
#[derive(Debug, Clone, Copy)]
pub(super) enum Size {
    /// The e-mail that the file is.
    Message,
    /// An e-mail that is attached.
    EmbeddedMessage,
    /// A recipient, or an attachment.
    Part,
}

/// The properties in one storage.
pub(super) struct Properties<'f, 'a> {
    file: &'f mut Compound<'a>,
    storage: String,
    /// Properties of a fixed length: their types, ids and values.
    fixed: Vec<(u16, u16, u64)>,
}

impl<'f, 'a> Properties<'f, 'a> {
    /// Reads the properties of fixed length in a storage. Others are read when they are asked for.
    pub(super) fn read(file: &'f mut Compound<'a>, storage: &str, size: Size) -> Result<Self, ParseError> {
        let head = match size {
            Size::Message => 32,
            Size::EmbeddedMessage => 24,
            Size::Part => 8,
        };
        let storage = storage.trim_end_matches('/').to_owned();
        let mut properties = Properties { file, storage, fixed: Vec::new() };
        let stream = properties.stream("__properties_version1.0")?.unwrap_or_default();
        for entry in stream.get(head..).unwrap_or_default().chunks_exact(ENTRY) {
            let Some(([tag0, tag1, id0, id1], rest)) = entry.split_first_chunk::<4>() else { continue };
            let Some(value) = rest.get(4..12).and_then(|value| <[u8; 8]>::try_from(value).ok()) else {
                continue;
            };
            let kind = u16::from_le_bytes([*tag0, *tag1]);
            properties.fixed.push((kind, u16::from_le_bytes([*id0, *id1]), u64::from_le_bytes(value)));
        }
        Ok(properties)
    }

    /// Returns the content of a stream; `None` if it is not there.
    fn stream(&mut self, name: &str) -> Result<Option<Vec<u8>>, ParseError> {
        self.file.stream(&format!("{}/{name}", self.storage))
    }

    fn fixed(&self, kind: u16, id: u16) -> Option<u64> {
        self.fixed.iter().find(|(a, b, _)| (*a, *b) == (kind, id)).map(|(_, _, value)| *value)
    }

    /// Returns a number, or 1 for what is true.
    pub(super) fn number(&self, id: u16) -> Option<u32> {
        if let Some(value) = self.fixed(BOOLEAN, id) {
            return Some(u32::from(value & 0xffff != 0));
        }
        self.fixed(INTEGER, id).and_then(|value| u32::try_from(value & 0xffff_ffff).ok())
    }

    /// Returns a time, in ISO 8601.
    pub(super) fn time(&self, id: u16) -> Option<String> {
        const TICKS: u64 = 10_000_000;
        /// The seconds from 1601, where these times begin, to 1970.
        const EPOCH: i64 = 11_644_473_600;
        /// The year 9999's end.
        const LATEST: i64 = 253_402_300_799;

        let seconds = i64::try_from(self.fixed(TIME, id)? / TICKS).ok()? - EPOCH;
        if !(-EPOCH + 1..=LATEST).contains(&seconds) {
            return None;
        }
        Some(mail_parser::DateTime::from_timestamp(seconds).to_rfc3339())
    }

    /// Returns bytes; none if the property is not there.
    pub(super) fn bytes(&mut self, id: u16) -> Result<Vec<u8>, ParseError> {
        Ok(self.stream(&format!("__substg1.0_{id:04X}0102"))?.unwrap_or_default())
    }

    /// Returns a text; empty if the property is not there.
    pub(super) fn text(&mut self, id: u16) -> Result<String, ParseError> {
        if let Some(bytes) = self.stream(&format!("__substg1.0_{id:04X}001F"))? {
            let units = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
            let text: String = char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect();
            return Ok(text.trim_end_matches('\0').to_owned());
        }
        match self.stream(&format!("__substg1.0_{id:04X}001E"))? {
            Some(bytes) => {
                let code_page = self.number(MESSAGE_CODE_PAGE).or_else(|| self.number(INTERNET_CODE_PAGE));
                let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
                let text = charset::decode(bytes, code_page.and_then(label));
                Ok(text.unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned()))
            }
            None => Ok(String::new()),
        }
    }

    /// Returns a page; empty if the property is not there.
    pub(super) fn html(&mut self, id: u16) -> Result<String, ParseError> {
        let bytes = self.bytes(id)?;
        if bytes.is_empty() {
            return self.text(id);
        }
        let declared = self.number(INTERNET_CODE_PAGE).and_then(label).map(str::to_owned);
        charset::decode(&bytes, declared.or_else(|| html::declared_encoding(&bytes)).as_deref())
    }
}

/// Returns the label of a code page.
fn label(code_page: u32) -> Option<&'static str> {
    CodePage::by_number(code_page)?.label()
}
