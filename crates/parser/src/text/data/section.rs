//! Values as the sections of a document.

use crate::markdown::Blocks;

use super::{Data, list, table};

/// The deepest heading of Markdown. What is below it is written as a list.
const DEEPEST: usize = 6;

/// Names of the values by which a thing is called, the better first.
const TITLES: &[&str] = &["title", "name", "headline", "heading", "subject", "question", "label"];

/// The longest text that is a heading.
const LONGEST_TITLE: usize = 150;

/// A writer of values.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    blocks: Blocks,
}

impl Writer {
    /// Returns the text.
    pub(crate) fn finish(self) -> String {
        self.blocks.finish().0
    }

    /// Appends a value that is a whole document, under its title.
    pub(crate) fn document(&mut self, value: &Data) {
        match value {
            Data::Object(members) => self.titled(members, 1),
            other => self.value(other, 1),
        }
    }

    /// Appends a value that is one of many documents: a block of its own.
    pub(crate) fn record(&mut self, value: &Data) {
        match value {
            Data::Object(members) if has_long(members) => self.titled(members, 1),
            Data::Object(members) => self.members(members, None, 2),
            other => self.value(other, 2),
        }
    }

    /// Appends a line that could not be read.
    pub(crate) fn line(&mut self, line: &str) {
        self.blocks.push(line);
    }

    fn value(&mut self, value: &Data, level: usize) {
        match value {
            Data::Nothing => {}
            Data::Scalar(text) => self.blocks.push(text),
            Data::List(items) => self.items(items, level),
            Data::Object(members) => self.members(members, None, level),
        }
    }

    /// Appends a heading with the name of a thing, and below it what is in it.
    fn titled(&mut self, members: &[(String, Data)], level: usize) {
        match title(members) {
            Some((place, title)) => {
                self.blocks.heading(level, title);
                self.members(members, Some(place), level + 1);
            }
            None => self.members(members, None, level + 1),
        }
    }

    /// Appends what is short as a list, and below it a section for each of the others. The one at this place is left
    /// out, as it was the heading.
    fn members(&mut self, members: &[(String, Data)], without: Option<usize>, level: usize) {
        let others = members.iter().enumerate().filter(|(place, _)| Some(*place) != without);
        let (short, long): (Vec<_>, Vec<_>) =
            others.map(|(_, member)| member).partition(|(_, value)| level > DEEPEST || list::fits(value));

        let mut lines = String::new();
        for member in short {
            list::write_members(&mut lines, std::slice::from_ref(member), 0);
        }
        self.blocks.push(&lines);

        for (name, value) in long {
            if !value.is_empty() {
                self.blocks.heading(level, name);
                self.value(value, level + 1);
            }
        }
    }

    fn items(&mut self, items: &[Data], level: usize) {
        if let Some(table) = table::of(items) {
            self.blocks.push(&table);
            return;
        }
        if level > DEEPEST || items.iter().all(list::fits) {
            let mut lines = String::new();
            list::write_items(&mut lines, items, 0);
            self.blocks.push(&lines);
            return;
        }
        for (place, item) in items.iter().enumerate() {
            match item {
                Data::Object(members) if title(members).is_some() => self.titled(members, level),
                other => {
                    if place > 0 && !matches!(other, Data::Scalar(_)) {
                        self.blocks.push("---");
                    }
                    self.value(other, level);
                }
            }
        }
    }
}

/// Returns whether one of the values needs a section of its own.
fn has_long(members: &[(String, Data)]) -> bool {
    members.iter().any(|(_, value)| !list::fits(value))
}

/// Returns the value that a thing is called by, and its place.
fn title(members: &[(String, Data)]) -> Option<(usize, &str)> {
    for wanted in TITLES {
        for (place, (name, value)) in members.iter().enumerate() {
            if name.eq_ignore_ascii_case(wanted)
                && let Some(text) = value.as_short(LONGEST_TITLE).filter(|text| !text.is_empty())
            {
                return Some((place, text));
            }
        }
    }
    None
}
