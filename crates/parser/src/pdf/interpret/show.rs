//! Showing text: where its letters stand on the page.

use super::super::font::FontPiece;
use super::super::geometry::{Matrix, length};
use super::super::glyph::{Glyph, Style, along, direction, spelled_out};
use super::super::lexer::Operand;
use super::Interpreter;
use crate::ParseError;

impl Interpreter<'_> {
    /// Shows texts, between which numbers are distances.
    pub(super) fn show_all(&mut self, items: &[Operand<'_>]) -> Result<(), ParseError> {
        let vertical =
            self.state.font.and_then(|font| self.fonts.get(font)).is_some_and(|font| font.vertical);
        for item in items {
            match item {
                Operand::Text(codes) => self.show(codes)?,
                Operand::Number(distance) => {
                    let distance = -distance / 1000.0 * self.state.size;
                    match vertical {
                        true => self.advance(0.0, distance),
                        false => self.advance(distance * self.state.stretch, 0.0),
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn advance(&mut self, x: f32, y: f32) {
        self.text = Matrix([1.0, 0.0, 0.0, 1.0, x, y]).then(self.text);
    }

    fn show(&mut self, codes: &[u8]) -> Result<(), ParseError> {
        let Some(place) = self.state.font else { return Ok(()) };
        let Some(pieces) = self.fonts.pieces(self.backend, self.page, place, codes) else { return Ok(()) };
        let Some((style, em)) = self.fonts.get(place).map(|font| (font.style, font.em)) else {
            return Ok(());
        };
        if pieces.is_empty() && !codes.is_empty() {
            self.painted.unreadable += 1;
        }

        let hidden = self.artifacts.contains(&true);
        for piece in pieces.iter() {
            let width = piece.width / 1000.0 * self.state.size * self.state.stretch;
            let spacing = self.state.letter_spacing * f32::from(piece.codes)
                + self.state.word_spacing * f32::from(piece.spaces);
            if !hidden {
                self.budget.letter()?;
                self.place(piece, width, style, em);
            }
            match piece.downwards {
                Some((down, _)) => self.advance(0.0, down / 1000.0 * self.state.size + spacing),
                None => self.advance(width + spacing * self.state.stretch, 0.0),
            }
        }
        Ok(())
    }

    /// Returns the places on the page where a piece begins and ends.
    fn ends(&self, piece: &FontPiece, width: f32, matrix: Matrix) -> ((f32, f32), (f32, f32)) {
        match piece.downwards {
            None => (matrix.apply(0.0, 0.0), matrix.apply(width, 0.0)),
            Some((down, (x, y))) => {
                let unit = self.state.size / 1000.0;
                let middle = -x * unit + width / 2.0;
                let top = -y * unit + self.state.size * 0.88;
                (matrix.apply(middle, top), matrix.apply(middle, top + down * unit))
            }
        }
    }

    /// Puts the letters of a piece where they stand on the page.
    fn place(&mut self, piece: &FontPiece, width: f32, style: Style, em: f32) {
        let text = piece.text.trim_matches(is_blank);
        if text.is_empty() {
            self.spaced |= !piece.text.is_empty();
            return;
        }
        let matrix =
            Matrix([1.0, 0.0, 0.0, 1.0, 0.0, self.state.rise]).then(self.text).then(self.state.matrix);
        let size = self.state.size.abs() * matrix.height() * em;
        let (start, end) = self.ends(piece, width, matrix);
        if !self.state.clip.has_near(start, 2.0) || !size.is_finite() || size <= 0.0 {
            return;
        }
        let (turn, (dx, dy)) = direction(start, end, matrix);
        let (x, y) = along(turn, start, (dx, dy), self.extent);
        let length = length(end.0 - start.0, end.1 - start.1);
        let middle = ((start.0 + end.0) / 2.0 + dy * size * 0.3, (start.1 + end.1) / 2.0 - dx * size * 0.3);
        let link =
            self.links.iter().rev().find(|(area, _)| area.contains(middle)).map_or(0, |(_, link)| *link);

        let letters: usize = text.chars().map(|letter| spelled_out(letter).map_or(1, str::len)).sum();
        let step = length / letters.max(1) as f32;
        let mut glyph = Glyph {
            letter: ' ',
            x,
            right: x,
            y,
            size,
            style,
            spaced: self.spaced || piece.text.starts_with(is_blank),
            link,
            invisible: self.state.invisible,
        };
        let mut buffer = [0; 4];
        for letter in text.chars() {
            for letter in spelled_out(letter).unwrap_or(letter.encode_utf8(&mut buffer)).chars() {
                glyph.letter = letter;
                glyph.x = glyph.right;
                glyph.right = glyph.x + step;
                self.painted.glyphs[turn as usize].push(glyph);
                glyph.spaced = false;
            }
        }
        self.spaced = piece.text.ends_with(is_blank);
    }
}

fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '\0' | '\u{200b}' | '\u{feff}')
}
