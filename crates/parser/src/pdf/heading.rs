//! Headings: lines that are larger or bolder than the text, or that the outline names.

use std::collections::{HashMap, HashSet};

use unpdf::parser::backend::{PdfBackend, RawOutlineItem};

use super::block::TextBlock;
use super::line::Line;
use super::list::{is_bullet, is_section_number};
use super::page::PdfPage;

/// The size from which a line is larger than the text, in sizes of the text.
const LARGER: f32 = 1.13;
/// The longest heading, in lines and in letters.
const MAX_LINES: usize = 4;
const MAX_LETTERS: usize = 200;
/// The most entries of an outline that are looked at.
const MAX_ENTRIES: usize = 50_000;

/// The look of a heading: its size in halves of a point, and whether it is bold.
type Look = (i32, bool);

/// The facts known of a document's headings.
#[derive(Debug, Default)]
pub(super) struct Headings {
    /// The size of the text.
    body: f32,
    /// `true` if the text is bold, too.
    body_bold: bool,
    /// The titles of the outline, in small letters and without what is not one.
    titles: HashSet<String>,
    /// The levels of looks.
    levels: HashMap<Look, usize>,
}

impl Headings {
    /// Returns what the lines and the outline of a document tell of its headings.
    pub(super) fn of(pages: &[PdfPage], backend: &dyn PdfBackend) -> Headings {
        let mut sizes: HashMap<i32, usize> = HashMap::new();
        let (mut letters, mut bold) = (0, 0);
        for line in pages.iter().flat_map(|page| &page.lines) {
            for cell in &line.cells {
                let count = cell.letters();
                *sizes.entry(halves(cell.size)).or_default() += count;
                letters += count;
                bold += if cell.bold { count } else { 0 };
            }
        }
        let body =
            sizes.into_iter().max_by_key(|(size, count)| (*count, -*size)).map_or(20, |(size, _)| size);
        let mut titles = HashSet::new();
        collect(&backend.outline().unwrap_or_default(), &mut titles);
        Headings { body: body as f32 / 2.0, body_bold: bold * 2 > letters, titles, levels: HashMap::new() }
    }

    /// Returns the size of most letters.
    pub(super) fn body(&self) -> f32 {
        self.body
    }

    /// Returns whether the outline names a line.
    pub(super) fn is_title(&self, line: &Line) -> bool {
        !self.titles.is_empty() && line.size >= 0.85 * self.body && self.titles.contains(&key(&line.text()))
    }

    /// Ranks the looks of the headings among these texts: the larger the look, the higher its level.
    pub(super) fn rank<'a>(&mut self, texts: impl Iterator<Item = &'a TextBlock>) {
        let mut looks: Vec<Look> = texts
            .filter(|text| self.is_heading(text))
            .map(look)
            .collect::<HashSet<_>>()
            .into_iter()
            .collect();
        looks.sort_unstable_by(|a, b| b.cmp(a));
        let mut level = 0;
        let mut last: Option<Look> = None;
        for look in looks {
            // Sizes that differ by rounding are one.
            if last.is_none_or(|last| last.0 - look.0 > 1 || last.1 != look.1) {
                level += 1;
            }
            last = Some(look);
            self.levels.insert(look, level);
        }
    }

    /// Returns the level of a heading, from 1; `None` if it is none.
    pub(super) fn level(&self, text: &TextBlock) -> Option<usize> {
        self.is_heading(text).then(|| self.levels.get(&look(text)).copied().unwrap_or(2).min(6))
    }

    fn is_heading(&self, text: &TextBlock) -> bool {
        if text.lines.len() > MAX_LINES || text.monospace && text.size < self.body * LARGER {
            return false;
        }
        let words: Vec<String> = text.lines.iter().map(Line::text).collect();
        let title = words.join(" ");
        if title.chars().count() > MAX_LETTERS || !title.chars().any(char::is_alphabetic) {
            return false;
        }
        if self.titles.contains(&key(&title)) && text.size >= 0.85 * self.body {
            return true;
        }

        let first = title.split(' ').next().unwrap_or_default();
        let is_sentence = title.ends_with(['.', ',', ';', '。']) && title.split(' ').count() > 2;
        if is_bullet(first)
            || is_sentence
            || title.chars().filter(|letter| letter.is_alphabetic()).count() < 3
        {
            return false;
        }
        if text.size >= self.body * LARGER {
            return true;
        }
        let numbered = is_section_number(first) && title.split(' ').count() > 1;
        let capital = title
            .chars()
            .find(|letter| letter.is_alphanumeric())
            .is_some_and(|letter| !letter.is_lowercase());
        text.bold
            && !self.body_bold
            && capital
            && text.size >= if numbered { 0.88 } else { 0.97 } * self.body
            && text.lines.len() <= 2
            && !title.ends_with([':', '-', '!'])
            && title.split(' ').count() <= if numbered { 18 } else { 12 }
    }
}

fn look(text: &TextBlock) -> Look {
    (halves(text.size), text.bold)
}

fn halves(size: f32) -> i32 {
    (size * 2.0).round() as i32
}

/// Adds the titles of an outline.
fn collect(items: &[RawOutlineItem], titles: &mut HashSet<String>) {
    let mut open: Vec<&RawOutlineItem> = items.iter().collect();
    while let Some(item) = open.pop() {
        if titles.len() >= MAX_ENTRIES {
            return;
        }
        let title = key(&item.title);
        if title.chars().count() > 2 {
            titles.insert(title);
        }
        open.extend(&item.children);
    }
}

/// Returns a title in small letters, without its number and its spaces, as the outline and the page may differ in them.
fn key(title: &str) -> String {
    let words: Vec<&str> = title.split_whitespace().collect();
    let numbered = words.len() > 1
        && words.first().is_some_and(|first| is_section_number(first.trim_end_matches([':', ')'])));
    let named = |word: &&str| ["chapter", "appendix", "section"].contains(&word.to_lowercase().as_str());
    let skipped = if words.len() > 2 && words.first().is_some_and(named) { 2 } else { usize::from(numbered) };
    let rest = words.get(skipped..).unwrap_or_default().concat();
    rest.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
