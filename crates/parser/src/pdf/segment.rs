//! Words, and the segments of lines that are drawn in one go, from letters.

use unicode_normalization::char::compose;

use super::geometry::Area;
use super::glyph::{Glyph, Style, is_ideographic, is_right_to_left};

/// The gap that ends a segment, in sizes of its letters: wider than a justified line's widest spaces.
const SEGMENT_GAP: f32 = 1.05;
/// The gap between words, in sizes of their letters.
const WORD_GAP: f32 = 0.16;

/// A word, or a part of one that differs from the rest.
#[derive(Debug, Clone)]
pub(super) struct Word {
    /// The letters, with those that an accent was drawn on put together.
    pub(super) text: String,
    /// The left end, in points.
    pub(super) left: f32,
    /// The right end, in points.
    pub(super) right: f32,
    /// `true` if it belongs to the word before it.
    pub(super) glued: bool,
    /// `true` if it is raised, as the number of a footnote is.
    pub(super) raised: bool,
    /// The number of the link it belongs to, from 1; 0 if there is none.
    pub(super) link: u16,
}

/// Words on one line, without a wide gap between them.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    /// The words, from left to right.
    pub(super) words: Vec<Word>,
    /// The rectangle around the letters, from their usual height to their usual depth.
    pub(super) area: Area,
    /// The place of its baseline.
    pub(super) y: f32,
    /// The size of the largest letters, in points.
    pub(super) size: f32,
    /// `true` if most letters are bold.
    pub(super) bold: bool,
    /// `true` if most letters are of a font whose letters have one width.
    pub(super) monospace: bool,
}

impl Segment {
    /// Returns the number of letters.
    pub(super) fn letters(&self) -> usize {
        self.words.iter().map(|word| word.text.chars().count()).sum()
    }
}

/// Returns the segments that letters form, in the order in which they are drawn.
pub(super) fn segments(glyphs: Vec<Glyph>) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut open: Vec<Glyph> = Vec::new();
    let mut line = (0.0_f32, 0.0_f32);
    for glyph in glyphs {
        if let Some(last) = open.last()
            && !continues(last, line, &glyph)
        {
            segments.extend(close(std::mem::take(&mut open)));
        }
        if open.is_empty() || glyph.size > line.1 * 1.1 {
            line = (glyph.y, glyph.size);
        }
        open.push(glyph);
    }
    segments.extend(close(open));
    segments
}

/// Returns whether a letter goes on with the segment whose baseline and size these are.
fn continues(last: &Glyph, (y, size): (f32, f32), next: &Glyph) -> bool {
    let size = size.max(next.size);
    let shift = (next.y - y).abs();
    let alike = next.size > 0.85 * size && last.size > 0.85 * size;
    if shift > if alike { 0.32 * size } else { 0.62 * size } {
        return false;
    }

    let gap = next.x - last.right;
    let least = if (next.y - last.y).abs() > 0.05 * size { -1.6 * size } else { -0.55 * size };
    if gap >= least && gap <= SEGMENT_GAP * size {
        return true;
    }
    // Scripts that run to the left may be drawn letter by letter, each left of the one before.
    (is_right_to_left(next.letter) || is_right_to_left(last.letter))
        && (last.x - next.right).abs() <= SEGMENT_GAP * size
}

fn close(mut glyphs: Vec<Glyph>) -> Option<Segment> {
    if glyphs.iter().any(|glyph| is_right_to_left(glyph.letter)) {
        glyphs.sort_by(|a, b| a.x.total_cmp(&b.x));
    }
    let first = *glyphs.first()?;
    let glyphs = with_accents(glyphs);

    let size = glyphs.iter().map(|glyph| glyph.size).fold(0.0, f32::max);
    let tall = |glyph: &&Glyph| glyph.size > 0.85 * size;
    let mut baselines: Vec<f32> = glyphs.iter().filter(tall).map(|glyph| glyph.y).collect();
    baselines.sort_by(f32::total_cmp);
    let y = baselines.get(baselines.len() / 2).copied().unwrap_or(first.y);

    let share = |test: fn(&Style) -> bool| {
        glyphs.iter().filter(|glyph| test(&glyph.style)).count() * 10 > glyphs.len() * 8
    };
    let left = glyphs.iter().map(|glyph| glyph.x).fold(f32::INFINITY, f32::min);
    let right = glyphs.iter().map(|glyph| glyph.right).fold(f32::NEG_INFINITY, f32::max);
    Some(Segment {
        bold: share(|style| style.bold),
        monospace: share(|style| style.monospace),
        words: words(&glyphs, y, size),
        area: Area { left, top: y - 0.8 * size, right, bottom: y + 0.25 * size },
        y,
        size,
    })
}

/// Returns the letters as words.
fn words(glyphs: &[Glyph], y: f32, size: f32) -> Vec<Word> {
    let limit = word_gap(glyphs);
    let mut words: Vec<Word> = Vec::new();
    let mut last: Option<&Glyph> = None;
    for glyph in glyphs {
        let raised = glyph.size < 0.85 * size && glyph.y < y - 0.15 * size;
        let apart = last.is_none_or(|last| is_apart(last, glyph, limit));
        match words.last_mut() {
            Some(word) if !apart && word.raised == raised && word.link == glyph.link => {
                word.text.push(glyph.letter);
                word.left = word.left.min(glyph.x);
                word.right = word.right.max(glyph.right);
            }
            before => {
                let glued = before.is_some() && !apart;
                words.push(Word {
                    text: glyph.letter.to_string(),
                    left: glyph.x,
                    right: glyph.right,
                    glued,
                    raised,
                    link: glyph.link,
                });
            }
        }
        last = Some(glyph);
    }
    words
}

/// Returns whether there is a gap between two letters that parts words.
fn is_apart(last: &Glyph, next: &Glyph, limit: f32) -> bool {
    let size = last.size.min(next.size);
    let gap = next.x - last.right;
    if is_ideographic(last.letter) && is_ideographic(next.letter) {
        return gap > 0.6 * size || (next.spaced && gap > 0.2 * size);
    }
    gap > limit * size || (next.spaced && gap > -0.1 * size)
}

/// Returns the gap that parts words, in sizes: wider where all letters are spaced.
fn word_gap(glyphs: &[Glyph]) -> f32 {
    let mut gaps: Vec<f32> = Vec::with_capacity(glyphs.len());
    for pair in glyphs.windows(2) {
        if let [last, next] = pair
            && !next.spaced
            && last.letter.is_alphabetic()
            && next.letter.is_alphabetic()
        {
            gaps.push((next.x - last.right) / next.size.max(0.1));
        }
    }
    if gaps.len() < 4 {
        return WORD_GAP;
    }
    let middle = gaps.len() / 2;
    let (_, median, _) = gaps.select_nth_unstable_by(middle, f32::total_cmp);
    WORD_GAP.max(*median + 0.12)
}

/// Returns the letters, of which those with an accent that is drawn on its own are one with it.
fn with_accents(glyphs: Vec<Glyph>) -> Vec<Glyph> {
    let mut letters: Vec<Glyph> = Vec::with_capacity(glyphs.len());
    for glyph in glyphs {
        if let Some(last) = letters.last_mut()
            && let Some(both) = accented(last, &glyph)
        {
            last.letter = both;
            last.x = last.x.min(glyph.x);
            last.right = last.right.max(glyph.right);
            continue;
        }
        letters.push(glyph);
    }
    letters
}

/// Returns the letter that an accent and a letter at one place are together.
fn accented(first: &Glyph, second: &Glyph) -> Option<char> {
    let (accent, base) = match (combining(first.letter), combining(second.letter)) {
        (Some(accent), None) => (accent, second),
        (None, Some(accent)) => (accent, first),
        _ => return None,
    };
    let common = first.right.min(second.right) - first.x.max(second.x);
    let narrow = (first.right - first.x).min(second.right - second.x);
    if common < 0.5 * narrow || narrow <= 0.0 {
        return None;
    }
    let letter = match base.letter {
        'ı' => 'i',
        'ȷ' => 'j',
        letter => letter,
    };
    compose(letter, accent)
}

/// Returns the combining form of an accent.
fn combining(letter: char) -> Option<char> {
    Some(match letter {
        '`' | '\u{2cb}' | '\u{300}' => '\u{300}',
        '\u{b4}' | '\u{2ca}' | '\u{301}' => '\u{301}',
        '^' | '\u{2c6}' | '\u{302}' => '\u{302}',
        '~' | '\u{2dc}' | '\u{303}' => '\u{303}',
        '\u{af}' | '\u{2c9}' | '\u{304}' => '\u{304}',
        '\u{2d8}' | '\u{306}' => '\u{306}',
        '\u{2d9}' | '\u{307}' => '\u{307}',
        '\u{a8}' | '\u{308}' => '\u{308}',
        '\u{2da}' | '\u{30a}' => '\u{30a}',
        '\u{2dd}' | '\u{30b}' => '\u{30b}',
        '\u{2c7}' | '\u{30c}' => '\u{30c}',
        '\u{b8}' | '\u{327}' => '\u{327}',
        '\u{2db}' | '\u{328}' => '\u{328}',
        _ => return None,
    })
}
