//! Texts: their letters, their roles, and the levels of their paragraphs.

use super::super::block::Block;
use super::super::inline::{Inline, Mark};
use super::super::numbers::{long, short, utf16};
use super::records::{Record, kinds};

/// A text.
#[derive(Debug, Clone, Default)]
pub(super) struct Text {
    role: u32,
    letters: String,
    paragraphs: Vec<Run>,
}

/// A run of paragraphs that look alike.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// The number of letters.
    length: usize,
    level: usize,
    /// `true` if they have bullets; `None` if that is not said.
    bullet: Option<bool>,
}

impl Text {
    /// Returns the texts that records say, each of which begins with its role.
    pub(super) fn read<'a>(records: impl Iterator<Item = Record<'a>>) -> Vec<Text> {
        let mut texts: Vec<Text> = Vec::new();
        for record in records {
            if record.kind == kinds::TEXT_HEADER {
                texts.push(Text { role: record.number(0).unwrap_or(4), ..Text::default() });
                continue;
            }
            let Some(text) = texts.last_mut() else { continue };
            match record.kind {
                kinds::TEXT_CHARS => text.letters = utf16(record.bytes),
                kinds::TEXT_BYTES => {
                    text.letters = record.bytes.iter().map(|byte| char::from(*byte)).collect()
                }
                kinds::TEXT_STYLE => {
                    text.paragraphs = paragraphs(record.bytes, text.letters.encode_utf16().count())
                }
                _ => {}
            }
        }
        texts
    }

    /// Returns whether it is the title of a slide.
    pub(super) fn is_title(&self) -> bool {
        matches!(self.role, 0 | 6)
    }

    /// Returns whether it is a title in the middle of its slide.
    pub(super) fn is_center_title(&self) -> bool {
        self.role == 6
    }

    /// Returns whether it is speaker notes.
    pub(super) fn is_notes(&self) -> bool {
        self.role == 2
    }

    /// Returns whether the paragraphs have bullets where nothing is said.
    fn has_bullets(&self) -> bool {
        matches!(self.role, 1 | 7 | 8)
    }

    /// Returns the text on one line.
    pub(super) fn line(&self) -> String {
        crate::markdown::one_line(&clean(&self.letters))
    }

    /// Appends the paragraphs.
    pub(super) fn write(&self, output: &mut Vec<Block>) {
        let mut at = 0;
        for paragraph in self.letters.split('\r') {
            let (level, bullet) = self.look(at);
            at += paragraph.encode_utf16().count() + 1;
            let text = clean(paragraph);
            // An asterisk alone stands for the number of a slide.
            if text.trim().is_empty() || text.trim() == "*" {
                continue;
            }
            output.push(if bullet {
                Block::Item { depth: level, marker: "-".to_owned(), text }
            } else {
                Block::Paragraph(text)
            });
        }
    }

    /// Returns the level of the paragraph at a place, and whether it has a bullet.
    fn look(&self, at: usize) -> (usize, bool) {
        let mut end = 0usize;
        for run in &self.paragraphs {
            end = end.saturating_add(run.length);
            if at < end {
                return (run.level.min(8), run.bullet.unwrap_or(self.has_bullets()));
            }
        }
        (0, self.has_bullets())
    }
}

/// Returns a text without the letters that no text has.
fn clean(text: &str) -> String {
    let mut inline = Inline::default();
    inline.push(&Mark::default(), &text.replace(['\u{b}', '\u{2028}'], "\n").replace('\r', " "));
    inline.markdown()
}

/// Returns the runs of paragraphs of a text of this many letters.
fn paragraphs(bytes: &[u8], letters: usize) -> Vec<Run> {
    let mut runs = Vec::new();
    let (mut at, mut covered) = (0, 0usize);
    while covered <= letters {
        let Some((run, next)) = paragraph(bytes, at) else { break };
        covered = covered.saturating_add(run.length.max(1));
        runs.push(run);
        at = next;
    }
    runs
}

/// Returns a run of paragraphs, and where the next one begins.
fn paragraph(bytes: &[u8], at: usize) -> Option<(Run, usize)> {
    let length = usize::try_from(long(bytes, at)?).ok()?;
    let level = usize::from(short(bytes, at + 4)?);
    let mask = long(bytes, at + 6)?;
    let mut at = at + 10;
    let has = |bits: u32| mask & bits != 0;

    let mut bullet = None;
    if has(0x0f) {
        let flags = short(bytes, at)?;
        bullet = has(0x01).then_some(flags & 1 != 0);
        at += 2;
    }
    // The sign, its font, its size, its colour; then the alignment and the spaces, the margins, and the tabs' distance.
    for (bit, size) in
        [(7, 2), (4, 2), (6, 2), (5, 4), (11, 2), (12, 2), (13, 2), (14, 2), (8, 2), (10, 2), (15, 2)]
    {
        at += if has(1 << bit) { size } else { 0 };
    }
    if has(1 << 20) {
        at += 2 + usize::from(short(bytes, at)?) * 4;
    }
    at += if has(1 << 16) { 2 } else { 0 };
    at += if has(0x000e_0000) { 2 } else { 0 };
    at += if has(1 << 21) { 2 } else { 0 };
    Some((Run { length, level, bullet }, at))
}
