//! Tables.

use super::content::{MAX_CELLS, Reader};
use crate::ParseError;
use crate::flow::Flow;
use crate::package::stream::{Element, Token};

/// The columns that a table may have.
const MAX_COLUMNS: usize = 4096;

impl Reader<'_> {
    /// Reads the table that was opened last.
    pub(super) fn table(&mut self) -> Result<(), ParseError> {
        let mut rows = Vec::new();
        self.rows(&mut rows)?;
        self.flow.table(&rows);
        Ok(())
    }

    /// Reads rows, and those in groups of rows.
    fn rows(&mut self, rows: &mut Vec<Vec<String>>) -> Result<(), ParseError> {
        loop {
            match self.xml.next()? {
                Token::Open(element) => match element.name().as_str() {
                    "table:table-row" => self.row(&element, rows)?,
                    "table:table-rows" | "table:table-header-rows" | "table:table-row-group" => {
                        self.rows(rows)?;
                    }
                    _ => self.xml.skip()?,
                },
                Token::Close | Token::End => return Ok(()),
                Token::Text(_) => {}
            }
        }
    }

    fn row(&mut self, element: &Element<'_>, rows: &mut Vec<Vec<String>>) -> Result<(), ParseError> {
        let repeated: usize = element.number("number-rows-repeated").unwrap_or(1);
        let mut cells: Vec<String> = Vec::new();
        loop {
            match self.xml.next()? {
                Token::Open(element) => match element.name().as_str() {
                    "table:table-cell" => {
                        let text = self.nested(Flow::in_cell())?;
                        self.repeat(&element, &text, &mut cells)?;
                    }
                    "table:covered-table-cell" => {
                        self.xml.skip()?;
                        self.repeat(&element, "", &mut cells)?;
                    }
                    _ => self.xml.skip()?,
                },
                Token::Close | Token::End => break,
                Token::Text(_) => {}
            }
        }

        // Only text is worth repeating: empty rows and columns at the end are how a page is filled.
        cells.truncate(cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1));
        if cells.is_empty() {
            return Ok(());
        }
        for _ in 1..repeated {
            self.count(cells.len())?;
            rows.push(cells.clone());
        }
        rows.push(cells);
        Ok(())
    }

    fn repeat(
        &mut self,
        element: &Element<'_>,
        text: &str,
        cells: &mut Vec<String>,
    ) -> Result<(), ParseError> {
        let repeated: usize = element.number("number-columns-repeated").unwrap_or(1);
        let repeated = repeated.min(MAX_COLUMNS.saturating_sub(cells.len()));
        self.count(repeated)?;
        cells.resize(cells.len() + repeated, text.to_owned());
        Ok(())
    }

    fn count(&mut self, cells: usize) -> Result<(), ParseError> {
        let Some(left) = self.cells.checked_sub(cells) else {
            return Err(self.xml.too_complex(&format!("its tables have more than {MAX_CELLS} cells")));
        };
        self.cells = left;
        Ok(())
    }
}
