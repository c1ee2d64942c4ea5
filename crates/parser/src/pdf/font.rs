//! Fonts: from the codes of a text to letters and their widths.

use std::collections::HashMap;
use std::rc::Rc;

use unpdf::parser::backend::{BackendFontInfo, DecodedRun, PdfBackend, ResourceScope};

use super::glyph::Style;

/// The most texts whose letters a font remembers: those of TeX are short and recur.
const MEMORY: usize = 4096;
/// The longest text that is worth remembering, in bytes.
const REMEMBERED: usize = 16;
/// The width of a letter whose font doesn't tell it, in thousandths of the font's size.
const USUAL_WIDTH: f32 = 500.0;

/// One or more letters that are drawn together.
#[derive(Debug, Clone)]
pub(super) struct FontPiece {
    /// The letters: mostly one, more for a ligature.
    pub(super) text: Box<str>,
    /// Its width, in thousandths of the font's size.
    pub(super) width: f32,
    /// The number of codes it was written with, each of which is spaced.
    pub(super) codes: u16,
    /// The number of codes that are spaces between words.
    pub(super) spaces: u16,
    /// The way down and the origin, in thousandths of the font's size, if the font writes downwards.
    pub(super) downwards: Option<(f32, (f32, f32))>,
}

/// A font, as a page or a form names it.
#[derive(Debug)]
pub(super) struct Font {
    /// The look of its letters.
    pub(super) style: Style,
    /// `true` if it writes downwards.
    pub(super) vertical: bool,
    /// The height of its letters, in sizes: not 1 in a Type 3 font only.
    pub(super) em: f32,
    remembered: HashMap<Vec<u8>, Rc<[FontPiece]>>,
}

impl Font {
    fn load(
        backend: &dyn PdfBackend,
        scope: ResourceScope,
        name: &[u8],
        info: Option<&BackendFontInfo>,
    ) -> Font {
        let mut em = 1.0;
        if backend.type3_font(scope, name).is_some() {
            let height = backend.font_bounds(scope, name).map_or(1.0, |bounds| bounds.height().abs());
            if height.is_finite() && height > 0.01 {
                em = height;
            }
        }
        Font {
            style: info.map_or(Style::default(), Style::of_font),
            vertical: backend.is_vertical_font(scope, name),
            em,
            remembered: HashMap::new(),
        }
    }

    /// Returns the letters of a text in this font.
    fn pieces(
        &mut self,
        backend: &dyn PdfBackend,
        scope: ResourceScope,
        name: &[u8],
        codes: &[u8],
    ) -> Rc<[FontPiece]> {
        if let Some(pieces) = self.remembered.get(codes) {
            return Rc::clone(pieces);
        }
        let pieces: Rc<[FontPiece]> = cut(&backend.decode_run(scope, name, codes)).into();
        if codes.len() <= REMEMBERED && self.remembered.len() < MEMORY {
            self.remembered.insert(codes.to_vec(), Rc::clone(&pieces));
        }
        pieces
    }
}

/// The number of a form's object; `None` for the page itself.
type Form = Option<(u32, u16)>;

/// The form that uses a font, and its name there.
type Key = (Form, Vec<u8>);

/// The fonts of a page and its forms.
#[derive(Default)]
pub(super) struct Fonts {
    known: Vec<(Key, Font)>,
    names: HashMap<Key, usize>,
    infos: HashMap<Form, Vec<BackendFontInfo>>,
}

impl Fonts {
    /// Returns the place of a font, which is loaded if it is a new one.
    pub(super) fn select(&mut self, backend: &dyn PdfBackend, scope: ResourceScope, name: &[u8]) -> usize {
        let key = (scope.form, name.to_vec());
        if let Some(place) = self.names.get(&key) {
            return *place;
        }
        let infos =
            self.infos.entry(scope.form).or_insert_with(|| backend.page_fonts(scope).unwrap_or_default());
        let info = infos.iter().find(|info| info.name == name);
        let font = Font::load(backend, scope, name, info);
        let place = self.known.len();
        self.known.push((key.clone(), font));
        self.names.insert(key, place);
        place
    }

    /// Returns the font at this place.
    pub(super) fn get(&self, place: usize) -> Option<&Font> {
        self.known.get(place).map(|(_, font)| font)
    }

    /// Returns the letters of a text in the font at this place.
    pub(super) fn pieces(
        &mut self,
        backend: &dyn PdfBackend,
        page: (u32, u16),
        place: usize,
        codes: &[u8],
    ) -> Option<Rc<[FontPiece]>> {
        let ((form, name), font) = self.known.get_mut(place)?;
        let scope = ResourceScope { page, form: *form };
        Some(font.pieces(backend, scope, name, codes))
    }
}

/// Cuts a run into its letters.
fn cut(run: &DecodedRun) -> Vec<FontPiece> {
    let text = run.decoded.text.as_str();
    let glyphs = run.glyphs.as_deref().unwrap_or_default();
    if let Some(clusters) = &run.clusters {
        let mut pieces = Vec::with_capacity(clusters.len());
        for cluster in clusters {
            let part = text.get(cluster.text.clone()).unwrap_or_default();
            pieces.push(piece(part, glyphs.get(cluster.glyphs.clone()).unwrap_or_default()));
        }
        return pieces;
    }

    let letters = text.chars().count();
    let mut buffer = [0; 4];
    if glyphs.len() == letters {
        let pairs = text.chars().zip(glyphs.chunks(1));
        return pairs.map(|(letter, glyph)| piece(letter.encode_utf8(&mut buffer), glyph)).collect();
    }
    // Which letter is whose code is unknown, so each gets the same part of the width.
    let width = match glyphs {
        [] => USUAL_WIDTH,
        glyphs => glyphs.iter().map(|glyph| glyph.width).sum::<f32>() / letters.max(1) as f32,
    };
    text.chars().map(|letter| single(letter, width)).collect()
}

fn single(letter: char, width: f32) -> FontPiece {
    FontPiece {
        text: letter.to_string().into(),
        width,
        codes: 1,
        spaces: u16::from(letter == ' '),
        downwards: None,
    }
}

fn piece(text: &str, glyphs: &[unpdf::parser::backend::GlyphAdvance]) -> FontPiece {
    let spaces = glyphs.iter().filter(|glyph| glyph.is_word_space).count();
    FontPiece {
        text: text.into(),
        width: glyphs.iter().map(|glyph| glyph.width).sum(),
        codes: u16::try_from(glyphs.len()).unwrap_or(u16::MAX),
        spaces: u16::try_from(spaces).unwrap_or(u16::MAX),
        downwards: glyphs.first().and_then(|glyph| glyph.vertical).map(|down| (down.advance, down.origin)),
    }
}
