//! Footnotes: a raised number in the text, and a small text with the same one at the foot of its page.
//!
//! They become notes of Markdown only where the layout leaves no doubt. A number that is raised twice on a page may be
//! an exponent, and stays as it is.

use std::collections::HashMap;

use super::block::{Block, TextBlock};
use super::heading::Headings;
use super::line::Line;
use super::segment::Word;

/// The largest size of a note, as a part of the size of most text.
const SMALL: f32 = 0.95;

/// The part of a page's height below which its notes stand.
const FOOT: f32 = 0.5;

/// The most digits of a note's number.
const LONGEST: usize = 3;

/// Marks footnotes, page after page.
pub(super) struct Footnotes<'a> {
    headings: &'a Headings,
    /// The number of times that each label stands in the document so far.
    used: HashMap<String, usize>,
}

impl<'a> Footnotes<'a> {
    /// Returns a marker that has seen no page.
    pub(super) fn new(headings: &'a Headings) -> Self {
        Footnotes { headings, used: HashMap::new() }
    }

    /// Marks the footnotes of a page, whose blocks are in the order of their reading.
    pub(super) fn mark(&mut self, blocks: &mut Vec<Block>, height: f32) {
        let first = blocks.iter().rposition(|block| !self.is_note(block, height)).map_or(0, |last| last + 1);
        let notes: Vec<Block> = blocks.split_off(first).into_iter().flat_map(parted).collect();
        let mut marked = Vec::with_capacity(notes.len());
        for mut note in notes {
            if let Block::Text(text) = &mut note
                && let Some(number) = number_of(text)
                && let Some(reference) = self.reference(blocks, &number)
            {
                let uses = self.used.entry(number.clone()).or_default();
                *uses += 1;
                let label = if *uses > 1 { format!("{number}-{uses}") } else { number };
                reference.text = format!("[^{label}]");
                reference.link = 0;
                define(text, &label);
            }
            marked.push(note);
        }
        blocks.append(&mut marked);
    }

    /// Returns whether a block is of the small text at the foot of a page.
    fn is_note(&self, block: &Block, height: f32) -> bool {
        let Block::Text(text) = block else { return false };
        text.size < SMALL * self.headings.body() && text.area.top > FOOT * height && !text.monospace
    }

    /// Returns the only raised number of the text that is this one.
    fn reference<'b>(&self, blocks: &'b mut [Block], number: &str) -> Option<&'b mut Word> {
        let mut found = None;
        for block in blocks {
            let Block::Text(text) = block else { continue };
            let is_text = text.size >= SMALL * self.headings.body() && self.headings.level(text).is_none();
            for line in &mut text.lines {
                let mut before = false;
                for word in line.cells.iter_mut().flat_map(|cell| &mut cell.words) {
                    let is_reference = word.raised && word.text == number;
                    if is_reference && (found.is_some() || !before || !word.glued || !is_text) {
                        return None;
                    }
                    before = word.text.ends_with(|letter: char| !letter.is_numeric());
                    if is_reference {
                        found = Some(word);
                    }
                }
            }
        }
        found
    }
}

/// Returns the notes that a block of small text is: each begins with a raised number.
fn parted(block: Block) -> Vec<Block> {
    let Block::Text(text) = block else { return vec![block] };
    let mut notes: Vec<TextBlock> = Vec::new();
    let (size, bold, monospace) = (text.size, text.bold, text.monospace);
    for line in text.lines {
        match notes.last_mut() {
            Some(note) if number_in(&line).is_none() => {
                note.area = note.area.union(&line.area);
                note.lines.push(line);
            }
            _ => notes.push(TextBlock { area: line.area, lines: vec![line], size, bold, monospace }),
        }
    }
    notes.into_iter().map(Block::Text).collect()
}

/// Returns the number that a note begins with, if it has a text as well.
fn number_of(text: &TextBlock) -> Option<String> {
    let first = text.lines.first()?;
    let number = number_in(first)?;
    first.words().skip(1).any(|word| word.text.contains(char::is_alphabetic)).then_some(number)
}

/// Returns the raised number that a line begins with.
fn number_in(line: &Line) -> Option<String> {
    let first = line.words().next()?;
    let is_number =
        (1..=LONGEST).contains(&first.text.len()) && first.text.bytes().all(|byte| byte.is_ascii_digit());
    (first.raised && is_number).then(|| first.text.clone())
}

/// Writes the label of a note for its number.
fn define(text: &mut TextBlock, label: &str) {
    let Some(line) = text.lines.first_mut() else { return };
    let mut words = line.cells.iter_mut().flat_map(|cell| &mut cell.words);
    if let Some(number) = words.next() {
        number.text = format!("[^{label}]:");
        number.link = 0;
    }
    if let Some(next) = words.next() {
        next.glued = false;
    }
}
