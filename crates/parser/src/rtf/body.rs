//! Paragraphs, lists, tables, notes and fields.

use pgai_rs_parser_protocol::Page;

use super::group::Paragraph;
use crate::flow::Flow;
use crate::markdown::{one_line, some_text};
use crate::odf::{link, without_page_number};

/// The deepest list; Word's are no deeper.
const MAX_LEVEL: usize = 9;

/// The text of a document that is being read.
#[derive(Debug, Default)]
pub(super) struct Body {
    flow: Flow,
    /// The paragraph that is not yet ended.
    text: String,
    /// The paragraphs that are interrupted by a note or a shape in them.
    outer: Vec<String>,
    /// The marker of the item that is not yet ended.
    pub(super) marker: String,
    /// The distance from the margin at which the text of items begins, by their level.
    indents: Vec<usize>,
    cell: String,
    row: Vec<String>,
    table: Vec<Vec<String>>,
    fields: Vec<Field>,
    notes: usize,
}

/// A field that is being read.
#[derive(Debug, Default)]
struct Field {
    instruction: String,
    /// The place in the paragraph where its result begins, and the number of paragraphs around it.
    begin: Option<(usize, usize)>,
}

impl Body {
    /// Appends text to the paragraph.
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Ends a paragraph; the level is that of its heading, if it is one, and an entry is one of a table of contents.
    pub(super) fn end_paragraph(&mut self, facts: Paragraph, level: Option<usize>, is_entry: bool) {
        if !self.outer.is_empty() {
            self.text.push_str("\n\n");
            return;
        }
        let text = self.take_text();
        let marker = std::mem::take(&mut self.marker);
        if facts.in_table {
            let marker = if text.is_empty() { String::new() } else { with_space(marker.trim()) };
            self.cell.push_str(&format!("{marker}{text}\n"));
            return;
        }
        self.end_table();
        match level {
            _ if is_entry => self.flow.item(0, "-", without_page_number(&text)),
            Some(level) => self.flow.heading(level, &format!("{}{text}", with_space(&label(&marker)))),
            None if facts.is_item || !marker.trim().is_empty() => self.item(facts.level, &marker, &text),
            None => self.flow.paragraph(&text),
        }
    }

    fn item(&mut self, level: usize, marker: &str, text: &str) {
        let level = level.min(MAX_LEVEL);
        self.indents.truncate(level);
        let indent = self.indents.last().copied().unwrap_or(0);
        let label = label(marker);
        let number = label.trim_end_matches(['.', ')']);
        let is_number =
            !number.is_empty() && number.len() < 9 && number.bytes().all(|byte| byte.is_ascii_digit());
        let (marker, text) = match (is_number, label.is_empty()) {
            (true, _) => (format!("{number}."), text.to_owned()),
            (false, true) => ("-".to_owned(), text.to_owned()),
            (false, false) => ("-".to_owned(), format!("{label} {text}")),
        };
        self.indents.resize(level, indent);
        self.indents.push(indent + marker.len() + 1);
        self.flow.item(indent, &marker, &text);
    }

    fn take_text(&mut self) -> String {
        for field in &mut self.fields {
            field.begin = None;
        }
        std::mem::take(&mut self.text).trim_end().to_owned()
    }

    /// Ends a cell, which the text so far is.
    pub(super) fn end_cell(&mut self) {
        let text = self.take_text();
        let marker = std::mem::take(&mut self.marker);
        let cell = std::mem::take(&mut self.cell);
        let marker = if text.is_empty() { String::new() } else { with_space(marker.trim()) };
        self.row.push(format!("{cell}{marker}{text}").trim().to_owned());
    }

    /// Ends a row, which the cells so far are.
    pub(super) fn end_row(&mut self) {
        if !self.row.is_empty() {
            self.table.push(std::mem::take(&mut self.row));
        }
    }

    fn end_table(&mut self) {
        if !self.cell.trim().is_empty() {
            self.row.push(std::mem::take(&mut self.cell).trim().to_owned());
        }
        self.end_row();
        if !self.table.is_empty() {
            let table = std::mem::take(&mut self.table);
            self.flow.table(&table);
        }
    }

    /// Begins a note or a shape, whose text is one of its own.
    pub(super) fn begin_aside(&mut self) {
        self.outer.push(std::mem::take(&mut self.text));
    }

    /// Ends a note: its text comes after the paragraph, and a reference stands in its place.
    pub(super) fn end_note(&mut self) {
        let note = one_line(&std::mem::replace(&mut self.text, self.outer.pop().unwrap_or_default()));
        if note.is_empty() {
            return;
        }
        self.notes += 1;
        self.text.push_str(&format!("[^{}]", self.notes));
        self.flow.after(format!("[^{}]: {note}", self.notes));
    }

    /// Ends a shape: its text comes after the paragraph.
    pub(super) fn end_shape(&mut self) {
        let text = std::mem::replace(&mut self.text, self.outer.pop().unwrap_or_default());
        self.flow.after(text);
    }

    /// Begins a field within the one that is open.
    pub(super) fn begin_field(&mut self) {
        self.fields.push(Field::default());
    }

    /// Appends to the instruction of the innermost field.
    pub(super) fn instruct(&mut self, text: &str) {
        if let Some(field) = self.fields.last_mut() {
            field.instruction.push_str(text);
        }
    }

    /// Begins the result of the innermost field, which the text from here on is.
    pub(super) fn begin_result(&mut self) {
        let place = (self.text.len(), self.outer.len());
        if let Some(field) = self.fields.last_mut() {
            field.begin = Some(place);
        }
    }

    /// Makes of a field's result what it is: a link, a number of a page, or text.
    pub(super) fn end_result(&mut self) {
        let Some(field) = self.fields.last() else { return };
        let Some((begin, depth)) = field.begin else { return };
        if depth != self.outer.len() || !self.text.is_char_boundary(begin) {
            return;
        }
        let mut words = field.instruction.split_whitespace();
        match words.next().map(str::to_ascii_uppercase).as_deref() {
            Some("PAGE" | "NUMPAGES" | "PAGEREF" | "SECTIONPAGES") => self.text.truncate(begin),
            Some("HYPERLINK") => {
                if let Some(target) = target(&field.instruction) {
                    let label = self.text.split_off(begin);
                    self.text.push_str(&link(&label, &target));
                }
            }
            _ => {}
        }
    }

    /// Ends the innermost field.
    pub(super) fn end_field(&mut self) {
        self.fields.pop();
    }

    /// Returns the text.
    pub(super) fn finish(mut self) -> (String, Vec<Page>) {
        while let Some(outer) = self.outer.pop() {
            let text = std::mem::replace(&mut self.text, outer);
            self.text.push_str(&text);
        }
        if !self.row.is_empty() || !self.cell.trim().is_empty() {
            self.end_cell();
        }
        self.end_table();
        let text = self.take_text();
        self.flow.paragraph(&text);
        self.flow.finish()
    }
}

fn with_space(label: &str) -> String {
    if label.is_empty() { String::new() } else { format!("{label} ") }
}

/// Returns an item's marker, unless it is a bullet.
fn label(marker: &str) -> String {
    let marker = one_line(marker);
    if marker.chars().any(char::is_alphanumeric) && marker != "o" { marker } else { String::new() }
}

/// Returns the target of a link, from the instruction of its field. One within the document has none.
fn target(instruction: &str) -> Option<String> {
    if instruction.contains("\\l ") || instruction.contains("\\l\"") {
        return None;
    }
    let rest = instruction.trim_start().get("HYPERLINK".len()..)?.trim();
    let quoted = rest.split('"').nth(1);
    let target = quoted.or_else(|| rest.split_whitespace().next())?;
    some_text(target.to_owned())
}
