//! Paragraphs, headings, items of lists and lines of code, one after the other, that are made into blocks of Markdown.
//!
//! Texts of word processors know no lists and no code: each item and each line is a paragraph of its own.

use pgai_rs_parser_protocol::Page;

use crate::markdown::{Blocks, List, code, one_line, table};

/// Markdown that grows.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    blocks: Blocks,
    /// The list that is not yet ended.
    list: List,
    /// The lines of code that are not yet ended.
    code: Option<String>,
    /// Blocks that follow the one that is being written: footnotes, and text in boxes.
    after: Vec<String>,
    /// `true` if the text is that of a cell, in which there are only lines.
    in_cell: bool,
}

impl Flow {
    /// Returns an empty text of a cell.
    pub(crate) fn in_cell() -> Self {
        Flow { in_cell: true, ..Flow::default() }
    }

    /// Returns whether the text is that of a cell.
    pub(crate) fn is_in_cell(&self) -> bool {
        self.in_cell
    }

    /// Appends a paragraph.
    pub(crate) fn paragraph(&mut self, text: &str) {
        // A bullet that was typed makes an item, too.
        if let Some(item) = text.trim_start().strip_prefix(['•', '●', '▪', '◦', '\u{b7}'])
            && item.starts_with([' ', '\t', '\u{a0}'])
        {
            return self.item(0, "-", item);
        }
        self.end_list();
        self.end_code();
        self.blocks.push(text);
        self.end_block();
    }

    /// Appends a heading.
    pub(crate) fn heading(&mut self, level: usize, title: &str) {
        if self.in_cell {
            return self.paragraph(title);
        }
        self.end_list();
        self.end_code();
        self.blocks.heading(level, title);
        self.end_block();
    }

    /// Appends an item of a list, with its marker such as `-`, as far from the margin as its list.
    pub(crate) fn item(&mut self, indent: usize, marker: &str, text: &str) {
        if text.trim().is_empty() {
            return self.keep();
        }
        self.end_code();
        self.list.item_at(indent, marker, text);
    }

    /// Appends a further paragraph of an item whose text begins that far from the margin.
    pub(crate) fn item_goes_on(&mut self, indent: usize, text: &str) {
        if self.list.is_empty() {
            return self.paragraph(text);
        }
        if text.trim().is_empty() {
            return self.keep();
        }
        self.list.go_on(indent, text);
    }

    /// Appends a line of code.
    pub(crate) fn code_line(&mut self, line: &str) {
        self.end_list();
        let code = self.code.get_or_insert_default();
        code.push_str(line);
        code.push('\n');
    }

    /// Appends a table, of which the first row is the head. In a cell, each of its rows is a line.
    pub(crate) fn table(&mut self, rows: &[Vec<String>]) {
        if !self.in_cell {
            return self.paragraph(&table(rows));
        }
        let lines: Vec<String> = rows.iter().map(|row| one_line(&row.join(" "))).collect();
        self.paragraph(&lines.join("\n"));
    }

    /// Keeps a block until the one that is being written has ended.
    pub(crate) fn after(&mut self, block: String) {
        self.after.push(block);
    }

    /// Notes that what is appended next is the beginning of a page.
    pub(crate) fn page(&mut self, number: u32) {
        self.end_list();
        self.end_code();
        self.end_block();
        self.blocks.page(number);
    }

    /// Returns the text, and the beginnings of its pages.
    pub(crate) fn finish(mut self) -> (String, Vec<Page>) {
        self.end_list();
        self.end_code();
        self.end_block();
        self.blocks.finish()
    }

    /// Ends nothing: an empty paragraph says nothing of what it is between.
    fn keep(&mut self) {
        if self.list.is_empty() && self.code.is_none() {
            self.end_block();
        }
    }

    fn end_list(&mut self) {
        if !self.list.is_empty() {
            self.blocks.push(&self.list.take());
            self.end_block();
        }
    }

    fn end_code(&mut self) {
        if let Some(lines) = self.code.take()
            && !lines.trim().is_empty()
        {
            let lines = lines.trim_matches('\n');
            self.blocks.push(&if self.in_cell { lines.to_owned() } else { code("", lines) });
            self.end_block();
        }
    }

    fn end_block(&mut self) {
        for block in std::mem::take(&mut self.after) {
            self.blocks.push(&block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_and_lines_are_gathered_into_blocks() {
        let mut flow = Flow::default();
        flow.paragraph("before");
        flow.item(0, "-", "one\ntwo");
        flow.item(2, "1.", "deeper");
        flow.item_goes_on(5, "on");
        flow.paragraph("•\ttyped");
        flow.code_line("a");
        flow.code_line("  b");
        flow.after("[^1]: note".to_owned());
        flow.heading(2, "after");

        let expected = "before\n\n- one\n  two\n  1. deeper\n     on\n- typed\n\n```\na\n  b\n```\n\n[^1]: note\n\n## after";
        assert_eq!(flow.finish().0, expected);
    }

    #[test]
    fn a_cell_has_lines_only() {
        let mut flow = Flow::in_cell();
        flow.heading(1, "title");
        flow.table(&[vec!["a".to_owned(), "b".to_owned()]]);
        assert_eq!(flow.finish().0, "title\n\na b");
    }
}
