//! The records that hold for a whole workbook.

use std::rc::Rc;

use super::super::format::Epoch;
use super::super::shown::Formats;
use super::record::{Record, Records};
use super::strings::{TextEncoding, shared};
use super::{Kind, ParseError, damaged};
use crate::charset::CodePage;

/// A sheet that the workbook lists.
pub(super) struct ListedSheet {
    /// The name on its tab.
    pub(super) name: String,
    /// The place in the stream where it begins.
    pub(super) place: usize,
    /// `true` if it is not hidden.
    pub(super) is_shown: bool,
}

/// The facts that hold for a whole workbook.
pub(super) struct Globals {
    /// The sheets, in the order of their tabs.
    pub(super) sheets: Vec<ListedSheet>,
    /// The texts that cells refer to, by their numbers.
    pub(super) strings: Vec<Rc<str>>,
    /// The formats of numbers.
    pub(super) formats: Formats,
    /// The encoding of texts in records.
    pub(super) texts: TextEncoding,
}

impl Globals {
    /// Reads the records up to the first sheet. Errors if they are not a workbook's, or if it is encrypted.
    pub(super) fn read(kind: Kind, mut records: Records<'_>) -> Result<Self, ParseError> {
        const BEGIN: u16 = 0x809;
        const END: u16 = 0x0a;
        const PASSWORD: u16 = 0x2f;

        let begin = records.next().filter(|record| record.kind == BEGIN);
        let version = begin.and_then(|record| record.content().u16());
        let texts = match version {
            Some(0x600) => TextEncoding::Unicode,
            Some(_) => TextEncoding::CodePage(CodePage::DEFAULT),
            None => return Err(damaged(kind, "it does not begin as a workbook")),
        };

        let formats = Formats::default();
        let mut globals = Globals { sheets: Vec::new(), strings: Vec::new(), formats, texts };
        let mut styles = Vec::new();
        for record in records {
            match record.kind {
                PASSWORD => return Err(ParseError::Encrypted(kind.name())),
                END => {
                    // A style may come before the code of its format.
                    styles.into_iter().for_each(|number| globals.formats.add_style(number));
                    return Ok(globals);
                }
                _ => globals.take(record, &mut styles),
            }
        }
        Err(damaged(kind, "it ends too early"))
    }

    fn take(&mut self, record: Record<'_>, styles: &mut Vec<u32>) {
        let mut content = record.content();
        match record.kind {
            0x22 if content.u16() == Some(1) => self.formats.epoch = Epoch::Of1904,
            0x42 => {
                if let (TextEncoding::CodePage(_), Some(number)) = (self.texts, content.u16()) {
                    self.texts = TextEncoding::CodePage(code_page(number));
                }
            }
            0x85 => self.sheets.extend(sheet(&record, self.texts)),
            0xe0 => {
                _ = content.u16();
                styles.push(u32::from(content.u16().unwrap_or(0)));
            }
            0xfc => self.strings = shared(record.parts),
            0x41e => {
                let number = content.u16();
                if let (Some(number), Some(code)) = (number, format_code(&mut content, self.texts)) {
                    self.formats.add_code(u32::from(number), code);
                }
            }
            _ => {}
        }
    }
}

fn format_code(content: &mut super::super::bytes::Bytes<'_>, texts: TextEncoding) -> Option<String> {
    let length = match texts {
        TextEncoding::Unicode => usize::from(content.u16()?),
        TextEncoding::CodePage(_) => usize::from(content.u8()?),
    };
    texts.read(content, length)
}

/// Returns a sheet with cells; charts and macros have sheets of their own.
fn sheet(record: &Record<'_>, texts: TextEncoding) -> Option<ListedSheet> {
    let mut content = record.content();
    let place = content.u32()? as usize;
    let is_shown = content.u8()? & 3 == 0;
    let has_cells = content.u8()? == 0;
    let length = usize::from(content.u8()?);
    let name = texts.read(&mut content, length)?;
    has_cells.then_some(ListedSheet { name, place, is_shown })
}

/// Returns the code page of this number: those that Excel has beside all others are of the Macintosh and of Windows.
fn code_page(number: u16) -> CodePage {
    const MACINTOSH: u16 = 0x8000;

    CodePage::by_number_or_default(if number == MACINTOSH { 10000 } else { number.into() })
}
