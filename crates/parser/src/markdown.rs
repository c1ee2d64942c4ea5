//! Writing Markdown: blocks, lists, tables, and the places where pages begin.
//!
//! Little is escaped. The text is there to be embedded, searched and quoted, and a backslash before each underscore
//! helps none of these.
//!
//! * In a cell of a table, which [`cell`] alone writes, `|` is `\|`, and the end of a line is `<br>`. Readers give it
//!   cells as they are.
//! * A `<` that would begin a tag is `&lt;` where a format says what is text and what is markup (HTML, Word), but not in
//!   code, nor in formats whose text may be Markdown already.
//! * A fence of code is longer than any in it.

mod list;

use pgai_rs_parser_protocol::Page;

pub(crate) use list::List;

/// The deepest heading of Markdown.
const DEEPEST: usize = 6;

/// Blocks of Markdown, with a blank line between them, and the pages that they are on.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    text: String,
    pages: Vec<Page>,
}

impl Blocks {
    /// Appends a block; whitespace around it and an empty one are left out.
    pub(crate) fn push(&mut self, block: &str) {
        let block = trim_lines(block);
        if block.is_empty() {
            return;
        }
        self.separate();
        self.text.push_str(block);
    }

    /// Appends a block in which pages begin, at these places in it.
    pub(crate) fn push_with_pages(&mut self, block: &str, pages: &[Page]) {
        self.push(block);
        let start = self.text.len().saturating_sub(block.len());
        self.pages.extend(pages.iter().map(|page| Page { start: start + page.start, ..*page }));
    }

    /// Appends a heading. Levels are counted from 1; deeper ones than Markdown has are its deepest.
    pub(crate) fn heading(&mut self, level: usize, title: &str) {
        let title = one_line(title);
        if !title.is_empty() {
            self.push(&format!("{} {title}", "#".repeat(level.clamp(1, DEEPEST))));
        }
    }

    /// Notes that what is pushed next is the beginning of a page, unless that began within what was pushed last.
    pub(crate) fn page(&mut self, number: u32) {
        if self.pages.last().is_some_and(|last| last.number >= number) {
            return;
        }
        let start = if self.text.is_empty() { 0 } else { self.text.len() + 2 };
        // A page without text begins where the next one does; the later says more.
        if self.pages.last().is_some_and(|last| last.start == start) {
            self.pages.pop();
        }
        self.pages.push(Page { number, start });
    }

    /// Returns the text, and the beginnings of its pages.
    pub(crate) fn finish(mut self) -> (String, Vec<Page>) {
        let end = self.text.len();
        self.pages.retain(|page| page.start < end);
        (self.text, self.pages)
    }

    fn separate(&mut self) {
        if !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
    }
}

/// The number of cells up to which a table's shorter rows are filled up. A table may be a million rows long, and one of
/// them a thousand cells wide; readers of Markdown fill up rows themselves.
const FILLED_UP: usize = 1_000_000;

/// Returns a table as GitHub writes it, of which the first row is the head; empty if there is no text in it. Shorter
/// rows are filled up, and rows and columns without any text at the end are left out.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let used =
        |row: &Vec<String>| row.iter().rposition(|cell| !cell.trim().is_empty()).map_or(0, |last| last + 1);
    let width = rows.iter().map(used).max().unwrap_or(0);
    let height = rows.iter().rposition(|row| used(row) > 0).map_or(0, |last| last + 1);
    if width == 0 {
        return String::new();
    }

    let is_filled_up = width.saturating_mul(height) <= FILLED_UP;
    let mut table = Table::default();
    for (place, row) in rows[..height].iter().enumerate() {
        let width = if is_filled_up || place == 0 { width } else { used(row).max(1) };
        for column in 0..width {
            table.cell(row.get(column).map_or("", String::as_str));
        }
        table.end_row();
    }
    table.finish()
}

/// Returns a table, or lines if a table would consist of padding: one row may be far wider than the others.
pub(crate) fn table_or_lines(rows: &[Vec<String>]) -> String {
    const MOST_PADDING: usize = 10_000;

    let cells: usize = rows.iter().map(Vec::len).sum();
    let widest = rows.iter().map(Vec::len).max().unwrap_or_default();
    if widest.saturating_mul(rows.len()) <= cells.saturating_mul(4).saturating_add(MOST_PADDING) {
        return table(rows);
    }
    rows.iter().map(|row| one_line(&row.join(" "))).collect::<Vec<_>>().join("\n")
}

/// A table that is written cell by cell.
#[derive(Debug, Default)]
pub(crate) struct Table {
    text: String,
    /// The number of cells of the row that is not yet ended.
    width: usize,
    has_head: bool,
}

impl Table {
    /// Appends a cell to the row.
    pub(crate) fn cell(&mut self, text: &str) {
        self.text.push_str("| ");
        self.text.push_str(&cell(text));
        self.text.push(' ');
        self.width += 1;
    }

    /// Ends the row. The first is the head.
    pub(crate) fn end_row(&mut self) {
        self.text.push_str("|\n");
        let width = std::mem::take(&mut self.width);
        if !self.has_head {
            self.has_head = true;
            self.text.push_str(&"| --- ".repeat(width));
            self.text.push_str("|\n");
        }
    }

    /// Returns the table.
    pub(crate) fn finish(mut self) -> String {
        self.text.truncate(self.text.trim_end().len());
        self.text
    }
}

/// Returns the content of a cell on one line, in which no bar ends it early.
pub(crate) fn cell(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for part in text.lines().map(str::trim).filter(|part| !part.is_empty()) {
        if !line.is_empty() {
            line.push_str("<br>");
        }
        line.push_str(&part.replace('|', "\\|"));
    }
    line
}

/// Returns a block of code, in a fence that is longer than any in it.
pub(crate) fn code(language: &str, code: &str) -> String {
    let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}", code.trim_end_matches(['\n', '\r']))
}

/// Returns a text on one line, with single spaces.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns a text on one line, with single spaces; `None` if there is nothing but space.
pub(crate) fn some_line(text: &str) -> Option<String> {
    some_text(one_line(text))
}

/// Returns a text; `None` if it is empty.
pub(crate) fn some_text(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Returns a text without blank lines around it. The indentation of its first line stays.
fn trim_lines(text: &str) -> &str {
    let text = text.trim_end();
    let blank = text.len() - text.trim_start().len();
    let line = text[..blank].rfind('\n').map_or(0, |end| end + 1);
    &text[line..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn blocks_are_a_blank_line_apart_and_know_their_pages() {
        let mut blocks = Blocks::default();
        blocks.page(1);
        blocks.heading(2, " A \n title ");
        blocks.push("\n\n    indented\n");
        blocks.page(2);
        blocks.push("  \n");
        blocks.page(3);
        blocks.push("the end");
        blocks.page(4);

        let (text, pages) = blocks.finish();
        assert_eq!(text, "## A title\n\n    indented\n\nthe end");
        assert_eq!(pages, [Page { number: 1, start: 0 }, Page { number: 3, start: 26 }]);
        assert_eq!(&text[26..], "the end");
    }

    #[test]
    fn a_table_has_a_head_and_cells_that_stay_in_it() {
        let text = table(&rows(&[&["a", "b|c", ""], &["one\ntwo"], &["", ""]]));
        assert_eq!(text, "| a | b\\|c |\n| --- | --- |\n| one<br>two |  |");
        assert_eq!(table(&rows(&[&["", " "]])), "");
    }

    #[test]
    fn a_long_table_with_one_wide_row_costs_what_is_in_it() {
        let mut long = vec![vec!["x".to_owned()]; 100_000];
        long.push(vec!["y".to_owned(); 1000]);
        let text = table(&long);
        assert!(text.len() < 1_000_000, "{}", text.len());
        assert!(text.ends_with(" y |"));
    }

    #[test]
    fn a_fence_is_longer_than_those_in_the_code() {
        assert_eq!(code("sh", "echo\n"), "```sh\necho\n```");
        assert_eq!(code("", "```\n"), "````\n```\n````");
    }
}
