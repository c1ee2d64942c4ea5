//! The files of an Excel workbook beside its sheets: strings and formats.

use std::rc::Rc;

use super::super::shown::Formats;
use crate::ParseError;
use crate::package::stream::{Token, Xml};

/// Returns the strings that cells share.
pub(super) fn shared_strings(xml: &mut Xml<'_>) -> Result<Vec<Rc<str>>, ParseError> {
    let mut strings = Vec::new();
    loop {
        match xml.next()? {
            Token::Open(element) if element.local() == "si" => strings.push(rich_text(xml)?.into()),
            Token::End => return Ok(strings),
            _ => {}
        }
    }
}

/// Returns the text of the element that was opened last: of its runs, without their readings in another script.
pub(super) fn rich_text(xml: &mut Xml<'_>) -> Result<String, ParseError> {
    let mut text = String::new();
    let mut depth = 1;
    while depth > 0 {
        match xml.next()? {
            Token::Open(element) => match element.local().as_str() {
                "t" => text.push_str(&unescape(xml.text()?)),
                "rPh" => xml.skip()?,
                _ => depth += 1,
            },
            Token::Close => depth -= 1,
            Token::End => break,
            Token::Text(_) => {}
        }
    }
    Ok(text)
}

/// Returns a string without the escapes `_xHHHH_`, in which Excel writes what XML has not.
pub(super) fn unescape(text: String) -> String {
    if !text.contains("_x") {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(place) = rest.find("_x") {
        let (before, escape) = rest.split_at(place);
        plain.push_str(before);
        let code = escape.get(2..6).filter(|_| escape.get(6..7) == Some("_"));
        match code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32) {
            Some(character) => {
                if character >= ' ' || character == '\n' || character == '\t' {
                    plain.push(character);
                }
                rest = escape.get(7..).unwrap_or_default();
            }
            None => {
                plain.push_str("_x");
                rest = escape.get(2..).unwrap_or_default();
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// Reads the number formats of cells, by their styles.
pub(super) fn read_formats(xml: &mut Xml<'_>, formats: &mut Formats) -> Result<(), ParseError> {
    let mut in_cells = false;
    loop {
        match xml.next()? {
            Token::Open(element) => match element.local().as_str() {
                "numFmt" => {
                    if let (Some(number), Some(code)) =
                        (element.number("numFmtId"), element.attribute("formatCode"))
                    {
                        formats.add_code(number, code);
                    }
                }
                name @ ("cellXfs" | "cellStyleXfs" | "dxfs" | "cellStyles") => in_cells = name == "cellXfs",
                "xf" if in_cells => formats.add_style(element.number("numFmtId").unwrap_or(0)),
                _ => {}
            },
            Token::End => return Ok(()),
            _ => {}
        }
    }
}
