//! Letters, as they stand on a page.

use std::collections::HashMap;

use unpdf::parser::backend::BackendFontInfo;

use super::geometry::{Matrix, length};

/// The look of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Style {
    /// `true` if its lines are heavy.
    pub(super) bold: bool,
    /// `true` if all letters of the font have one width.
    pub(super) monospace: bool,
}

impl Style {
    /// Returns the look of a font's letters, by what the font says and by its name.
    pub(super) fn of_font(info: &BackendFontInfo) -> Style {
        let name = info.base_font.to_ascii_lowercase();
        let named = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
        // Computer Modern and its kin say in letters what others say in words: bx is bold extended, tt typewriter.
        let tex = name.rsplit('+').next().unwrap_or(&name);
        let tex_bold = ["cmb", "sfbx", "ecbx", "lmb", "nimbusromno9l-medi", "cmssbx"];
        let tex_typewriter = ["cmtt", "ectt", "sftt", "cmsltt", "lmtt", "cmitt", "cmvtt"];
        Style {
            bold: info.bold
                || named(&["bold", "black", "heavy"])
                || tex_bold.iter().any(|part| tex.starts_with(part)),
            monospace: info.fixed_pitch
                || named(&["courier", "mono", "consol", "typewriter"])
                || tex_typewriter.iter().any(|part| tex.starts_with(part)),
        }
    }
}

/// The direction of a line of text on the page as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Direction {
    /// It runs to the right: the text is upright.
    Right,
    /// It runs downwards: the text was turned clockwise.
    Down,
    /// It runs to the left: the text stands on its head.
    Left,
    /// It runs upwards: the text was turned counterclockwise.
    Up,
    /// Any other, such as that of a watermark.
    Slanted,
}

/// A letter. Its place is told along its line: x grows in reading direction, y from line to line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glyph {
    /// The character.
    pub(super) letter: char,
    /// The place where it begins, in points.
    pub(super) x: f32,
    /// The place where it ends, in points.
    pub(super) right: f32,
    /// The place of its baseline.
    pub(super) y: f32,
    /// The size of its font as it is shown, in points.
    pub(super) size: f32,
    /// The look of its font.
    pub(super) style: Style,
    /// `true` if there is a space before it.
    pub(super) spaced: bool,
    /// The number of the link it belongs to, from 1; 0 if there is none.
    pub(super) link: u16,
    /// `true` if it is there to be found, but not to be seen.
    pub(super) invisible: bool,
}

/// The part of the font's size within which two letters are at one place.
const SAME_PLACE: f32 = 0.13;

/// The letters of one direction, without those that are drawn over themselves to look bold or to have a shadow.
#[derive(Debug, Default)]
pub(super) struct Glyphs {
    list: Vec<Glyph>,
    places: HashMap<(char, i32, i32), (f32, f32)>,
}

impl Glyphs {
    /// Appends a letter, unless the same one is at this place already.
    pub(super) fn push(&mut self, glyph: Glyph) {
        let grain = (glyph.size * SAME_PLACE).max(0.1);
        let column = (glyph.x / grain).floor() as i32;
        let row = (glyph.y / grain).floor() as i32;
        for near in
            [(column, row), (column - 1, row), (column + 1, row), (column, row - 1), (column, row + 1)]
        {
            if let Some((x, y)) = self.places.get(&(glyph.letter, near.0, near.1))
                && (x - glyph.x).abs() < grain
                && (y - glyph.y).abs() < grain
            {
                return;
            }
        }
        self.places.insert((glyph.letter, column, row), (glyph.x, glyph.y));
        self.list.push(glyph);
    }

    /// Returns the number of letters.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns the letters in the order in which they are drawn. Where there are more that can be seen, those that
    /// can't are left out: they repeat the others.
    pub(super) fn finish(mut self) -> Vec<Glyph> {
        let invisible = self.list.iter().filter(|glyph| glyph.invisible).count();
        if invisible * 2 < self.list.len() {
            self.list.retain(|glyph| !glyph.invisible);
        }
        self.list
    }
}

/// Returns whether a script's words have no spaces between them.
pub(super) fn is_ideographic(letter: char) -> bool {
    matches!(letter,
        '\u{2e80}'..='\u{303f}' | '\u{3040}'..='\u{30ff}' | '\u{3100}'..='\u{312f}' | '\u{31a0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}'
        | '\u{ff00}'..='\u{ff60}' | '\u{20000}'..='\u{323af}')
}

/// Returns whether a letter is of a script that is written from right to left.
pub(super) fn is_right_to_left(letter: char) -> bool {
    matches!(letter, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}')
}

/// Returns the letters that a ligature stands for.
pub(super) fn spelled_out(letter: char) -> Option<&'static str> {
    Some(match letter {
        '\u{fb00}' => "ff",
        '\u{fb01}' => "fi",
        '\u{fb02}' => "fl",
        '\u{fb03}' => "ffi",
        '\u{fb04}' => "ffl",
        '\u{fb05}' | '\u{fb06}' => "st",
        _ => return None,
    })
}

/// Returns the direction of a line, and its unit vector.
pub(super) fn direction(start: (f32, f32), end: (f32, f32), matrix: Matrix) -> (Direction, (f32, f32)) {
    let (mut x, mut y) = (end.0 - start.0, end.1 - start.1);
    if length(x, y) < 1e-3 {
        (x, y) = (matrix.0[0], matrix.0[1]);
    }
    let unit = length(x, y).max(1e-6);
    let (x, y) = (x / unit, y / unit);
    if y.abs() < 0.03 {
        return if x >= 0.0 { (Direction::Right, (1.0, 0.0)) } else { (Direction::Left, (-1.0, 0.0)) };
    }
    if x.abs() < 0.03 {
        return if y >= 0.0 { (Direction::Down, (0.0, 1.0)) } else { (Direction::Up, (0.0, -1.0)) };
    }
    (Direction::Slanted, (x, y))
}

/// Returns a place on the page, as seen by one who turns the page to read the line.
pub(super) fn along(
    turn: Direction,
    (x, y): (f32, f32),
    (dx, dy): (f32, f32),
    (width, height): (f32, f32),
) -> (f32, f32) {
    match turn {
        Direction::Right => (x, y),
        Direction::Down => (y, width - x),
        Direction::Left => (width - x, height - y),
        Direction::Up => (height - y, x),
        Direction::Slanted => (x * dx + y * dy, y * dx - x * dy),
    }
}
