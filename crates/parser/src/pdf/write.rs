//! Writing the blocks of pages as Markdown.

use std::sync::Arc;

use pgai_rs_parser_protocol::Page;

use super::block::{Block, TextBlock, has_leader};
use super::heading::Headings;
use super::line::{Line, in_reading_order};
use super::list::{is_bullet, is_leader, ordinal};
use super::paragraph::{Vocabulary, join};
use super::table::Table;
use crate::markdown::{Blocks, List, code, table};

/// The deepest level of a list.
const DEEPEST: usize = 5;

/// A writer of pages.
pub(super) struct Writer<'a> {
    /// The titles of the document, and their levels.
    pub(super) headings: &'a Headings,
    /// The words of the document, by which words that were parted at the end of a line are joined.
    pub(super) vocabulary: &'a Vocabulary,
    /// The blocks that are written.
    pub(super) blocks: Blocks,
}

/// An open list, and the places of the marks of its levels.
#[derive(Default)]
struct Levels {
    list: List,
    levels: Vec<f32>,
}

impl Writer<'_> {
    /// Writes a page.
    pub(super) fn page(&mut self, number: u32, blocks: &[Block], links: &[Arc<str>]) {
        self.blocks.page(number);
        let mut list = Levels::default();
        let mut contents = String::new();
        for block in blocks {
            let Block::Text(text) = block else {
                self.end(&mut list, &mut contents);
                if let Block::Table(found) = block {
                    self.table(found);
                }
                continue;
            };
            if text.lines.iter().all(has_leader) {
                self.end(&mut list, &mut String::new());
                for line in &text.lines {
                    contents.push_str(&without_leaders(&line.text()));
                    contents.push('\n');
                }
                continue;
            }
            if let Some((mark, item)) = self.item(text, links) {
                self.end(&mut Levels::default(), &mut contents);
                list.push(text.area.left, &mark, &item);
                continue;
            }
            self.end(&mut list, &mut contents);
            self.text(text, links);
        }
        self.end(&mut list, &mut contents);
    }

    /// Writes a table, and notes the pages that begin within it.
    fn table(&mut self, found: &Table) {
        let table = table(&found.rows);
        let mut pages = Vec::with_capacity(found.pages.len());
        // A row is a line, and there is one below the head.
        let mut ends = table.match_indices('\n').map(|(at, _)| at + 1);
        let mut passed = 0;
        for page in &found.pages {
            if let Some(start) = ends.nth(page.start.saturating_sub(passed)) {
                pages.push(Page { number: page.number, start });
            }
            passed = page.start + 1;
        }
        self.blocks.push_with_pages(&table, &pages);
    }

    /// Writes an open list, and open contents.
    fn end(&mut self, list: &mut Levels, contents: &mut String) {
        self.blocks.push(&std::mem::take(list).list.take());
        self.blocks.push(&std::mem::take(contents));
    }

    /// Writes a text as a heading, code or a paragraph.
    fn text(&mut self, text: &TextBlock, links: &[Arc<str>]) {
        if let Some(level) = self.headings.level(text) {
            let title: Vec<String> = text.lines.iter().map(Line::text).collect();
            self.blocks.heading(level, &title.join(" "));
        } else if text.monospace && text.lines.len() > 1 {
            self.blocks.push(&code("", &listing(text)));
        } else {
            self.blocks.push(&self.paragraph(&text.lines, 0, links));
        }
    }

    /// Returns lines as one, without the first words.
    fn paragraph(&self, lines: &[Line], skipped: usize, links: &[Arc<str>]) -> String {
        let mut text = String::new();
        for (place, line) in lines.iter().enumerate() {
            let line = linked(line, if place == 0 { skipped } else { 0 }, links);
            join(&mut text, &line, self.vocabulary);
        }
        text
    }

    /// Returns the mark and the text of an item of a list.
    fn item(&self, text: &TextBlock, links: &[Arc<str>]) -> Option<(String, String)> {
        let first = text.lines.first()?;
        let word = &first.words().next()?.text;
        let bullet = is_bullet(word);
        if text.bold && !bullet || text.monospace || first.words().nth(1).is_none_or(|word| word.glued) {
            return None;
        }
        let mark = match ordinal(word) {
            Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => format!("{number}."),
            Some(_) => return None,
            None if bullet => "-".to_owned(),
            None => return None,
        };
        Some((mark, self.paragraph(&text.lines, 1, links)))
    }
}

impl Levels {
    /// Adds an item whose mark is at this place.
    fn push(&mut self, left: f32, mark: &str, item: &str) {
        while self.levels.len() > 1 && self.levels.last().is_some_and(|level| left < level - 3.0) {
            self.levels.pop();
        }
        if self.levels.last().is_none_or(|level| left > level + 6.0) {
            self.levels.push(left);
        }
        self.list.item(self.levels.len().saturating_sub(1).min(DEEPEST), mark, item);
    }
}

/// Returns a line's text without its first words, in which links are Markdown's.
fn linked(line: &Line, skipped: usize, links: &[Arc<str>]) -> String {
    let mut text = String::new();
    let mut part = String::new();
    let mut open = 0;
    for word in line.words().skip(skipped) {
        if word.link != open {
            push_part(&mut text, &std::mem::take(&mut part), open, links);
            open = word.link;
            if !word.glued && !text.is_empty() {
                text.push(' ');
            }
        } else if !word.glued && !part.is_empty() {
            part.push(' ');
        }
        part.push_str(&word.text);
    }
    push_part(&mut text, &part, open, links);
    in_reading_order(text)
}

/// Appends a part of a line, as a link if it is one and says more than its own target.
fn push_part(text: &mut String, part: &str, link: u16, links: &[Arc<str>]) {
    let target = usize::from(link).checked_sub(1).and_then(|place| links.get(place));
    match target {
        Some(target) if is_target(target) && !says(part, target) => {
            text.push_str(&format!("[{}]({target})", part.replace(['[', ']'], "")));
        }
        _ => text.push_str(part),
    }
}

/// Returns whether a target can stand in Markdown's parentheses.
fn is_target(target: &str) -> bool {
    let plain = |byte: u8| byte > b' ' && byte < 127 && !matches!(byte, b'(' | b')' | b'<' | b'>');
    (4..=1000).contains(&target.len()) && target.contains(':') && target.bytes().all(plain)
}

/// Returns whether a text is, or is a part of, the target itself.
fn says(text: &str, target: &str) -> bool {
    let bare: String = text.split_whitespace().collect();
    bare.is_empty() || (bare.len() >= 8 || bare.len() * 2 > target.len()) && target.contains(bare.as_str())
}

/// Returns an entry of a table of contents without the dots before its page.
fn without_leaders(text: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in text.split(' ') {
        let bare = word.trim_end_matches('.');
        let word = if word.len() - bare.len() > 3 { bare } else { word };
        if word.is_empty() || word == "." || is_leader(word) {
            continue;
        }
        words.push(word);
    }
    words.join(" ")
}

/// Returns lines of code with their indentation, as wide as their letters are.
fn listing(text: &TextBlock) -> String {
    let mut widths: Vec<f32> = Vec::new();
    for word in text.lines.iter().flat_map(Line::words) {
        widths.push((word.right - word.left) / word.text.chars().count().max(1) as f32);
    }
    widths.sort_by(f32::total_cmp);
    let width = widths.get(widths.len() / 2).copied().unwrap_or(1.0).max(0.5);

    let mut listing = String::new();
    let mut last: Option<&Line> = None;
    for line in &text.lines {
        if last.is_some_and(|last| line.y - last.y > 1.8 * line.size) {
            listing.push('\n');
        }
        let mut column = 0;
        for word in line.words() {
            let at = ((word.left - text.area.left) / width).round().clamp(0.0, 200.0) as usize;
            let spaces = if word.glued { 0 } else { at.saturating_sub(column).max(usize::from(column > 0)) };
            listing.push_str(&" ".repeat(spaces));
            listing.push_str(&word.text);
            column += spaces + word.text.chars().count();
        }
        listing.push('\n');
        last = Some(line);
    }
    listing
}
