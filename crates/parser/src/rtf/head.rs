//! The head of a document, before its text: fonts, styles, and what it says of itself.

use std::collections::{HashMap, HashSet};

use pgai_rs_parser_protocol::Metadata;

use super::charset::Charset;
use super::group::InfoStatement;
use crate::markdown::some_text;

/// The fonts and the styles of a document, and its statements about itself.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// The charsets of fonts that have one of their own.
    pub(super) charsets: HashMap<i32, Charset>,
    /// The levels of the styles that are headings, from 1.
    pub(super) levels: HashMap<i32, usize>,
    /// The styles of entries of a table of contents.
    pub(super) entries: HashSet<i32>,
    /// The title, the authors and the like.
    pub(super) metadata: Metadata,
    /// The time that a statement of the document is telling.
    pub(super) time: Time,
}

/// A point in time, part by part.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Time {
    /// The year; 0 if it is not told.
    pub(super) year: i32,
    /// The month, from 1; 0 if it is not told.
    pub(super) month: i32,
    /// The day of the month, from 1; 0 if it is not told.
    pub(super) day: i32,
    /// The hour, from 0 to 23.
    pub(super) hour: i32,
    /// The minute, from 0 to 59.
    pub(super) minute: i32,
}

impl Time {
    /// Returns the time in ISO 8601; `None` if there is none.
    fn iso(self) -> Option<String> {
        let Time { year, month, day, hour, minute } = self;
        let is_date = (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        let is_time = (0..24).contains(&hour) && (0..60).contains(&minute);
        (is_date && is_time).then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}"))
    }
}

impl Head {
    /// Keeps a statement of the document about itself.
    pub(super) fn state(&mut self, statement: InfoStatement, text: &str) {
        let text = some_text(text.trim().to_owned());
        let time = std::mem::take(&mut self.time).iso();
        match statement {
            InfoStatement::Title => self.metadata.title = text,
            InfoStatement::Author => self.metadata.author = text,
            InfoStatement::Created => self.metadata.created = time,
            InfoStatement::Modified => self.metadata.modified = time,
        }
    }

    /// Keeps a style, by its number, its name, the level of its outline, from 0, and the style that it is based on.
    pub(super) fn style(&mut self, number: i32, name: &str, outline: Option<i32>, base: Option<i32>) {
        let name = name.trim().trim_end_matches(';').split([';', ',']).next().unwrap_or_default();
        let name = name.trim().to_ascii_lowercase();
        if name.strip_prefix("toc ").is_some_and(|level| level.parse::<u8>().is_ok()) {
            self.entries.insert(number);
            return;
        }

        let level = match (level_by_name(&name), outline.and_then(|level| usize::try_from(level).ok())) {
            (Some(level), _) => Some(level),
            (None, Some(outline)) => (outline < 9).then_some(outline + 1),
            (None, None) => base.and_then(|base| self.levels.get(&base).copied()),
        };
        if let Some(level) = level {
            self.levels.insert(number, level);
        }
    }
}

/// Returns the level of the heading that a style's name stands for, such as "heading 1".
fn level_by_name(name: &str) -> Option<usize> {
    if name == "title" {
        return Some(1);
    }
    let (_, level) = name.rsplit_once("heading")?;
    level.trim().parse().ok().filter(|level| (1..=9).contains(level))
}
