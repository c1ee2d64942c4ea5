//! Blocks of a document, before they are written: paragraphs, items of lists, tables, notes.

use crate::markdown::{self, Blocks, List};

use super::grid::Grid;

/// A block.
#[derive(Debug, Clone)]
pub(super) enum Block {
    /// A heading of a level from 1.
    Heading { level: usize, text: String },
    /// A paragraph of Markdown.
    Paragraph(String),
    /// An item of a list, with its depth from 0, and its sign, such as `-` or `3.`.
    Item { depth: usize, marker: String, text: String },
    /// A line of code.
    Code(String),
    /// A paragraph that is quoted.
    Quote(String),
    /// A table.
    Table(Grid),
    /// A note, with the label by which the text refers to it.
    Note { label: String, text: Vec<Block> },
}

/// Writes blocks.
pub(super) fn write(blocks: Vec<Block>, output: &mut Blocks) {
    let mut writer = Writer { output, run: Run::None, notes: Vec::new() };
    for block in blocks {
        writer.write(block);
    }
    writer.end_run();
}

/// Returns blocks as the lines of a table's cell, or of a note. A table in it is a line a row.
pub(super) fn lines(blocks: Vec<Block>) -> String {
    let mut lines: Vec<String> = Vec::new();
    for block in blocks {
        match block {
            Block::Heading { text, .. } | Block::Paragraph(text) | Block::Quote(text) => lines.push(text),
            Block::Item { depth, marker, text } => {
                lines.push(format!("{}{marker} {text}", "  ".repeat(depth.min(DEEPEST_ITEM))));
            }
            Block::Code(line) => lines.push(line),
            Block::Table(grid) => lines.extend(grid.lines()),
            Block::Note { label, text } => lines.push(format!("[^{label}]: {}", self::lines(text))),
        }
    }
    lines.join("\n")
}

/// The deepest item of a list.
const DEEPEST_ITEM: usize = 9;

/// Blocks that are written together, as they follow each other.
enum Run {
    /// There are no blocks that a next one could join.
    None,
    /// The items of a list.
    List(List),
    /// The lines of code.
    Code(String),
    /// The text of a quotation.
    Quote(String),
}

struct Writer<'a> {
    output: &'a mut Blocks,
    run: Run,
    /// Notes of a list, which come after it.
    notes: Vec<(String, Vec<Block>)>,
}

impl Writer<'_> {
    fn write(&mut self, block: Block) {
        match (&mut self.run, block) {
            (Run::List(list), Block::Item { depth, marker, text }) => list.item(depth, &marker, &text),
            (Run::Code(code), Block::Code(line)) => {
                code.push('\n');
                code.push_str(&line);
            }
            (Run::Quote(quote), Block::Quote(text)) => {
                quote.push_str("\n\n");
                quote.push_str(&text);
            }
            (Run::None, Block::Note { label, text }) => self.write_note(&label, text),
            (_, Block::Note { label, text }) => self.notes.push((label, text)),
            (_, block) => self.begin(block),
        }
    }

    /// Writes a block that continues none.
    fn begin(&mut self, block: Block) {
        self.end_run();
        match block {
            Block::Heading { level, text } => self.output.heading(level, &text),
            Block::Paragraph(text) => self.output.push(&text),
            Block::Table(grid) => self.output.push(&grid.markdown()),
            Block::Note { label, text } => self.write_note(&label, text),
            Block::Code(line) => self.run = Run::Code(line),
            Block::Quote(text) => self.run = Run::Quote(text),
            Block::Item { depth, marker, text } => {
                let mut list = List::default();
                list.item(depth, &marker, &text);
                self.run = Run::List(list);
            }
        }
    }

    fn end_run(&mut self) {
        match std::mem::replace(&mut self.run, Run::None) {
            Run::None => {}
            Run::List(mut list) => self.output.push(&list.take()),
            Run::Code(code) if code.trim().is_empty() => {}
            Run::Code(code) => self.output.push(&markdown::code("", code.trim_start_matches('\n'))),
            Run::Quote(text) => self.output.push(&quoted(&text)),
        }
        for (label, text) in std::mem::take(&mut self.notes) {
            self.write_note(&label, text);
        }
    }

    fn write_note(&mut self, label: &str, text: Vec<Block>) {
        let text = lines(text);
        self.output.push(&format!("[^{label}]: {}", indented(text.trim(), 4)));
    }
}

/// Returns a text whose lines after the first are indented.
fn indented(text: &str, spaces: usize) -> String {
    text.replace('\n', &format!("\n{}", " ".repeat(spaces)))
}

/// Returns a text as a quotation.
pub(super) fn quoted(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("> {line}").trim_end().to_owned()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(blocks: Vec<Block>) -> String {
        let mut output = Blocks::default();
        write(blocks, &mut output);
        output.finish().0
    }

    fn item(depth: usize, marker: &str, text: &str) -> Block {
        Block::Item { depth, marker: marker.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn notes_of_a_list_come_after_it() {
        let note = Block::Note {
            label: "1".into(),
            text: vec![Block::Paragraph("a".into()), Block::Paragraph("b".into())],
        };
        let blocks = vec![item(0, "-", "x[^1]"), note, item(0, "-", "y")];
        assert_eq!(written(blocks), "- x[^1]\n- y\n\n[^1]: a\n    b");
    }

    #[test]
    fn lines_of_code_are_one_block() {
        let code = |line: &str| Block::Code(line.into());
        let blocks =
            vec![code("if x:"), code(""), code("    y"), Block::Quote("a".into()), Block::Quote("b".into())];
        assert_eq!(written(blocks), "```\nif x:\n\n    y\n```\n\n> a\n>\n> b");
    }
}
