//! Documents of Word 6 and 95: their text, with tables. Their styles are written in a way of their own, and few such
//! documents are left.

use super::super::block::Block;
use super::super::fields::Fields;
use super::super::grid::Grid;
use super::super::inline::{Inline, Mark};
use super::super::numbers::{short, size, slice};
use super::header::Plc;
use super::pieces::pieces;
use crate::charset::CodePage;

/// The letter that ends a cell, and once more a row.
const CELL: char = '\u{7}';

/// The bit that says that the text lies in pieces.
const IN_PIECES: u16 = 4;

/// Returns the blocks of a document whose summary states this code page; `None` if its text is cut off.
pub(super) fn read(document: &[u8], stated: Option<u16>) -> Option<Vec<Block>> {
    let length = size(document, 0x34)?;
    let text = if short(document, 0x0a)? & IN_PIECES != 0 {
        scattered(document, length)?
    } else {
        slice(document, size(document, 0x18)?, length)?.to_vec()
    };
    let by_language = code_page(short(document, 6)?);
    let number = stated.filter(|page| *page != 1200).unwrap_or(by_language);
    Some(blocks(&CodePage::by_number_or_default(number.into()).decode(&text)))
}

/// Returns so many bytes of the text, which lies in pieces.
fn scattered(document: &[u8], length: usize) -> Option<Vec<u8>> {
    let list = slice(document, size(document, 0x160)?, size(document, 0x164)?)?;
    let pieces = Plc::new(pieces(list)?, 8);
    let mut text = Vec::new();
    for index in 0..pieces.len() {
        let count = pieces.place(index + 1)?.checked_sub(pieces.place(index)?)?;
        text.extend_from_slice(slice(document, size(pieces.data(index)?, 2)?, count)?);
        if text.len() > document.len() {
            return None;
        }
    }
    text.truncate(length);
    Some(text)
}

fn blocks(text: &str) -> Vec<Block> {
    let mut output = Vec::new();
    let mut row: Vec<String> = Vec::new();
    let mut table: Option<Grid> = None;
    let mut cell = String::new();
    let mut fields = Fields::default();
    for part in text.split_inclusive(['\r', '\u{c}', CELL]) {
        let text = shown(part, &mut fields);
        if part.ends_with(CELL) {
            cell.push_str(&text);
            if cell.trim().is_empty() && !row.is_empty() {
                let grid = table.get_or_insert_default();
                grid.begin_row();
                row.drain(..).for_each(|cell| grid.cell(cell, 1));
            } else {
                row.push(std::mem::take(&mut cell));
            }
            cell.clear();
            continue;
        }
        if !row.is_empty() {
            cell.push_str(&text);
            cell.push('\n');
            continue;
        }
        output.extend(table.take().map(Block::Table));
        if !text.trim().is_empty() {
            output.push(Block::Paragraph(text));
        }
    }
    output.extend(table.map(Block::Table));
    row.push(cell);
    output.extend(row.into_iter().filter(|cell| !cell.trim().is_empty()).map(Block::Paragraph));
    output
}

/// Returns the text of a paragraph that is shown.
fn shown(part: &str, fields: &mut Fields) -> String {
    let mut text = Inline::default();
    for letter in part.chars() {
        let mut unit = [0; 4];
        match letter {
            '\u{13}' => fields.begin(),
            '\u{14}' => fields.separate(),
            '\u{15}' => fields.end(),
            letter if fields.is_instruction() => fields.instruct(letter.encode_utf8(&mut unit)),
            '\u{b}' => text.push(&Mark::default(), "\n"),
            '\u{1e}' => text.push(&Mark::default(), "-"),
            letter if fields.is_shown() => text.push(&Mark::default(), letter.encode_utf8(&mut unit)),
            _ => {}
        }
    }
    fields.end_paragraph();
    text.plain().trim_end().to_owned()
}

/// Returns the code page of a language.
fn code_page(language: u16) -> u16 {
    match language & 0x3ff {
        0x05 | 0x0e | 0x15 | 0x18 | 0x1a | 0x1b | 0x1c | 0x24 => 1250,
        0x02 | 0x19 | 0x22 | 0x23 | 0x2f => 1251,
        0x08 => 1253,
        0x1f => 1254,
        0x0d => 1255,
        0x01 | 0x29 => 1256,
        0x25..=0x27 => 1257,
        0x1e => 874,
        0x11 => 932,
        0x12 => 949,
        0x04 if language == 0x0804 => 936,
        0x04 => 950,
        _ => 1252,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_tables_and_fields_are_read() {
        let text = "One\r\u{13} PAGE \u{14}7\u{15}Two\u{b}lines\ra\u{7}b\rc\u{7}\u{7}1\u{7}2\u{7}\u{7}End";
        let mut output = crate::markdown::Blocks::default();
        super::super::block::write(blocks(text), &mut output);
        assert_eq!(output.finish().0, "One\n\nTwo\nlines\n\n| a | b<br>c |\n| --- | --- |\n| 1 | 2 |\n\nEnd");
    }
}
