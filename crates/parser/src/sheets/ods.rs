//! OpenDocument spreadsheets. Their cells hold what they show.

use std::collections::HashSet;

use super::grid::{Book, Cell};
use crate::odf::parts;
use crate::package::Package;
use crate::package::stream::{Element, Token, Xml, utf8};
use crate::{Kind, ParseError};

/// The rows that a sheet may have; LibreOffice's limit, and Excel's.
const MAX_ROWS: u32 = 1_048_576;

/// The most spaces that one element stands for.
const MAX_SPACES: usize = 256;

/// Returns the spreadsheet in these bytes.
pub(super) fn read(kind: Kind, bytes: &[u8]) -> Result<Book, ParseError> {
    let mut package = Package::open(kind.name(), bytes)?;
    parts::refuse_encrypted(&mut package, kind)?;
    let mut book = Book::new(kind);
    book.metadata = parts::metadata(&mut package, kind)?;

    let content = utf8(package.require("content.xml")?);
    let mut xml = Xml::new(kind, &content);
    let mut hidden = HashSet::new();
    loop {
        match xml.next()? {
            Token::Open(element) => match element.name().as_str() {
                "office:automatic-styles" => hidden = hidden_styles(&mut xml)?,
                "office:styles" | "office:scripts" | "office:font-face-decls" => xml.skip()?,
                "table:table" => {
                    let style = element.attribute("style-name").unwrap_or_default();
                    if hidden.contains(&style) {
                        xml.skip()?;
                        continue;
                    }
                    book.begin(&element.attribute("name").unwrap_or_default());
                    SheetReader { xml: &mut xml, book: &mut book, row: 0, column: 0 }.read()?;
                    book.sort();
                }
                "table:tracked-changes" | "table:named-expressions" | "table:database-ranges" => {
                    xml.skip()?
                }
                _ => {}
            },
            Token::End => return Ok(book),
            _ => {}
        }
    }
}

/// Returns the styles of sheets that are hidden.
fn hidden_styles(xml: &mut Xml<'_>) -> Result<HashSet<String>, ParseError> {
    let mut hidden = HashSet::new();
    let mut style = String::new();
    let mut depth = 1;
    while depth > 0 {
        match xml.next()? {
            Token::Open(element) => {
                depth += 1;
                match element.name().as_str() {
                    "style:style" => style = element.attribute("name").unwrap_or_default(),
                    "style:table-properties" if element.attribute("display").as_deref() == Some("false") => {
                        hidden.insert(style.clone());
                    }
                    _ => {}
                }
            }
            Token::Close => depth -= 1,
            Token::End => break,
            Token::Text(_) => {}
        }
    }
    Ok(hidden)
}

/// A sheet that is being read.
struct SheetReader<'s, 'a> {
    xml: &'s mut Xml<'a>,
    book: &'s mut Book,
    row: u32,
    column: usize,
}

impl SheetReader<'_, '_> {
    /// Reads rows and columns, and those in groups, up to the end of the element that was opened last.
    fn read(&mut self) -> Result<(), ParseError> {
        loop {
            match self.xml.next()? {
                Token::Open(element) => match element.name().as_str() {
                    "table:table-column" => self.columns(&element)?,
                    "table:table-row" => self.row(&element)?,
                    "table:table-columns"
                    | "table:table-header-columns"
                    | "table:table-column-group"
                    | "table:table-rows"
                    | "table:table-header-rows"
                    | "table:table-row-group" => self.read()?,
                    _ => self.xml.skip()?,
                },
                Token::Close | Token::End => return Ok(()),
                Token::Text(_) => {}
            }
        }
    }

    fn columns(&mut self, element: &Element<'_>) -> Result<(), ParseError> {
        let count: usize = element.number("number-columns-repeated").unwrap_or(1).max(1);
        let end = self.column.saturating_add(count);
        if is_hidden(element) {
            self.book.hide_columns(self.column, end - 1);
        }
        self.column = end;
        self.xml.skip()
    }

    fn row(&mut self, element: &Element<'_>) -> Result<(), ParseError> {
        let count: u32 = element.number("number-rows-repeated").unwrap_or(1).max(1);
        let end = self.row.saturating_add(count).min(MAX_ROWS);
        if is_hidden(element) {
            self.row = end;
            return self.xml.skip();
        }

        let cells = self.cells()?;
        for row in self.row..end {
            // An empty row that is repeated a million times costs nothing.
            for (column, count, text, is_number) in &cells {
                for column in *column..column.saturating_add(*count) {
                    self.book.put(row, Cell { column, text: text.clone(), is_number: *is_number })?;
                }
            }
            if cells.is_empty() {
                break;
            }
        }
        self.row = end;
        Ok(())
    }

    /// Returns the cells of a row that have text: column, number of columns, text, and whether it is a number.
    fn cells(&mut self) -> Result<Vec<(usize, usize, String, bool)>, ParseError> {
        let mut cells = Vec::new();
        let mut column = 0_usize;
        loop {
            match self.xml.next()? {
                Token::Open(element) => {
                    let count: usize = element.number("number-columns-repeated").unwrap_or(1).max(1);
                    if element.name() == "table:table-cell" {
                        let text = self.cell(&element)?;
                        if !text.trim().is_empty() {
                            let kind = element.attribute("value-type").unwrap_or_default();
                            let is_number = matches!(kind.as_str(), "float" | "percentage" | "currency");
                            // A text that fills a row to its end was meant once, or for none.
                            cells.push((column, count.min(16_384), text, is_number));
                        }
                    } else {
                        self.xml.skip()?;
                    }
                    column = column.saturating_add(count);
                }
                Token::Close | Token::End => return Ok(cells),
                Token::Text(_) => {}
            }
        }
    }

    /// Returns what a cell shows.
    fn cell(&mut self, element: &Element<'_>) -> Result<String, ParseError> {
        let mut text = String::new();
        let mut has_text = false;
        loop {
            match self.xml.next()? {
                Token::Open(element) if element.name() == "text:p" => {
                    if has_text {
                        text.push('\n');
                    }
                    has_text = true;
                    self.line(&mut text)?;
                }
                Token::Open(_) => self.xml.skip()?,
                Token::Close | Token::End => break,
                Token::Text(_) => {}
            }
        }
        if has_text {
            return Ok(text);
        }
        // Some programs write values only.
        for name in ["string-value", "date-value", "time-value", "boolean-value", "value"] {
            if let Some(value) = element.attribute(name) {
                return Ok(value);
            }
        }
        Ok(text)
    }

    /// Appends a paragraph of a cell.
    fn line(&mut self, text: &mut String) -> Result<(), ParseError> {
        loop {
            match self.xml.next()? {
                Token::Text(part) => text.push_str(&part),
                Token::Open(element) => match element.name().as_str() {
                    "text:s" => {
                        let count = element.number("c").unwrap_or(1_usize).min(MAX_SPACES);
                        text.push_str(&" ".repeat(count));
                        self.xml.skip()?;
                    }
                    "text:tab" => {
                        text.push(' ');
                        self.xml.skip()?;
                    }
                    "text:line-break" => {
                        text.push('\n');
                        self.xml.skip()?;
                    }
                    "text:a" => {
                        let target = element.attribute("href").unwrap_or_default();
                        let mut label = String::new();
                        self.line(&mut label)?;
                        text.push_str(&crate::odf::link(&label, &target));
                    }
                    "text:ruby-text" | "office:annotation" => self.xml.skip()?,
                    _ => self.line(text)?,
                },
                Token::Close | Token::End => return Ok(()),
            }
        }
    }
}

/// Returns whether a row or a column is not shown.
fn is_hidden(element: &Element<'_>) -> bool {
    element.attribute("visibility").is_some_and(|value| value == "collapse" || value == "filter")
}
