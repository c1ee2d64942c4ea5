//! The interpreter of content streams: from drawing instructions to letters, rules and images.
//!
//! * `show`: where the letters of a text stand

mod show;

use unpdf::parser::backend::{FormXObject, PageId, PaintedXObject, PdfBackend, ResourceScope};

use super::font::Fonts;
use super::geometry::{Area, Matrix};
use super::glyph::Glyphs;
use super::lexer::{Lexer, Operand};
use super::limits::Budget;
use super::path::Path;
use crate::ParseError;

/// The most forms within each other.
const MAX_DEPTH: usize = 12;
/// The most graphics states that are kept.
const MAX_STATES: usize = 512;

/// The content of a page.
#[derive(Debug, Default)]
pub(super) struct Painted {
    /// Its letters, by their directions.
    pub(super) glyphs: [Glyphs; 5],
    /// Its straight lines, along and across.
    pub(super) rules: Vec<Area>,
    /// The number of its images.
    pub(super) images: usize,
    /// The letters and images that can't be read.
    pub(super) unreadable: usize,
}

/// The state that instructions change, and that `q` keeps.
#[derive(Debug, Clone)]
struct State {
    matrix: Matrix,
    font: Option<usize>,
    size: f32,
    letter_spacing: f32,
    word_spacing: f32,
    stretch: f32,
    leading: f32,
    rise: f32,
    invisible: bool,
    /// The part of the page that can be seen.
    clip: Area,
}

/// An interpreter of one page.
pub(super) struct Interpreter<'a> {
    backend: &'a dyn PdfBackend,
    page: PageId,
    /// The size of the page as it is shown.
    extent: (f32, f32),
    links: &'a [(Area, u16)],
    budget: &'a mut Budget,
    fonts: Fonts,
    painted: Painted,
    state: State,
    states: Vec<State>,
    text: Matrix,
    line: Matrix,
    path: Path,
    /// `true` if the parts of the page that are open are furniture, by what a tagged document says.
    artifacts: Vec<bool>,
    spaced: bool,
    /// The forms that are being drawn, each within the one before.
    forms: Vec<(u32, u16)>,
}

impl<'a> Interpreter<'a> {
    /// Returns an interpreter for a page that `shown` maps to the place where it is shown, and whose size there is
    /// `extent`.
    pub(super) fn new(
        backend: &'a dyn PdfBackend,
        page: PageId,
        shown: Matrix,
        extent: (f32, f32),
        links: &'a [(Area, u16)],
        budget: &'a mut Budget,
    ) -> Self {
        let state = State {
            matrix: shown,
            font: None,
            size: 12.0,
            letter_spacing: 0.0,
            word_spacing: 0.0,
            stretch: 1.0,
            leading: 0.0,
            rise: 0.0,
            invisible: false,
            clip: Area { left: 0.0, top: 0.0, right: extent.0, bottom: extent.1 },
        };
        Interpreter {
            backend,
            page,
            extent,
            links,
            budget,
            fonts: Fonts::default(),
            painted: Painted::default(),
            state,
            states: Vec::new(),
            text: Matrix::IDENTITY,
            line: Matrix::IDENTITY,
            path: Path::default(),
            artifacts: Vec::new(),
            spaced: false,
            forms: Vec::new(),
        }
    }

    /// Runs a page's instructions.
    pub(super) fn run(mut self, content: &[u8]) -> Result<Painted, ParseError> {
        self.stream(content, None)?;
        Ok(self.painted)
    }

    fn stream(&mut self, content: &[u8], form: Option<(u32, u16)>) -> Result<(), ParseError> {
        let mut lexer = Lexer::new(content);
        let mut operands = Vec::new();
        while let Some(name) = lexer.next(&mut operands) {
            self.budget.operation()?;
            match name {
                b"BI" => {
                    lexer.skip_image();
                    self.painted.images += 1;
                }
                b"Do" => self.paint(&operands, form)?,
                b"Tf" => self.select_font(&operands, form),
                _ => self.instruction(name, &operands)?,
            }
        }
        Ok(())
    }

    fn instruction(&mut self, name: &[u8], operands: &[Operand<'_>]) -> Result<(), ParseError> {
        match name {
            b"q" if self.states.len() < MAX_STATES => self.states.push(self.state.clone()),
            b"Q" => self.state = self.states.pop().unwrap_or_else(|| self.state.clone()),
            b"cm" => {
                if let Some(matrix) = matrix(operands) {
                    self.state.matrix = matrix.then(self.state.matrix);
                }
            }
            b"BT" => {
                self.text = Matrix::IDENTITY;
                self.line = Matrix::IDENTITY;
            }
            b"BMC" | b"BDC" => self.artifacts.push(is_furniture(operands)),
            b"EMC" => drop(self.artifacts.pop()),
            b"m" | b"l" | b"re" | b"h" | b"c" | b"v" | b"y" => {
                let numbers: Vec<f32> = operands.iter().filter_map(number_of).collect();
                self.path.add(name, &numbers, self.state.matrix);
            }
            b"W" | b"W*" => self.path.clips = true,
            b"S" | b"s" | b"B" | b"B*" | b"b" | b"b*" | b"f" | b"F" | b"f*" | b"n" => self.end_path(name),
            _ => return self.text_instruction(name, operands),
        }
        Ok(())
    }

    /// Draws the path, and begins a new one.
    fn end_path(&mut self, name: &[u8]) {
        if let Some(area) = self.path.clipped() {
            self.state.clip = self.state.clip.intersection(&area);
        }
        match name {
            b"n" => {}
            b"f" | b"F" | b"f*" => self.path.fill(&self.state.clip, &mut self.painted.rules),
            _ => self.path.stroke(&self.state.clip, &mut self.painted.rules),
        }
        self.path.clear();
    }

    fn text_instruction(&mut self, name: &[u8], operands: &[Operand<'_>]) -> Result<(), ParseError> {
        let number = |place: usize| operands.get(place).and_then(number_of).unwrap_or(0.0);
        match name {
            b"Tc" => self.state.letter_spacing = number(0),
            b"Tw" => self.state.word_spacing = number(0),
            b"Tz" => self.state.stretch = number(0) / 100.0,
            b"TL" => self.state.leading = number(0),
            b"Ts" => self.state.rise = number(0),
            b"Tr" => self.state.invisible = matches!(number(0) as i32, 3 | 7),
            b"Td" => self.next_line(number(0), number(1)),
            b"TD" => {
                self.state.leading = -number(1);
                self.next_line(number(0), number(1));
            }
            b"T*" => self.next_line(0.0, -self.state.leading),
            b"Tm" => {
                if let Some(matrix) = matrix(operands) {
                    self.line = matrix;
                    self.text = matrix;
                }
            }
            b"Tj" => self.show_all(operands)?,
            b"TJ" => {
                if let Some(Operand::Array(items)) = operands.first() {
                    self.show_all(items)?;
                }
            }
            b"'" => {
                self.next_line(0.0, -self.state.leading);
                self.show_all(operands)?;
            }
            b"\"" => {
                self.state.word_spacing = number(0);
                self.state.letter_spacing = number(1);
                self.next_line(0.0, -self.state.leading);
                self.show_all(operands.get(2..).unwrap_or_default())?;
            }
            _ => {}
        }
        Ok(())
    }

    fn next_line(&mut self, x: f32, y: f32) {
        self.line = Matrix([1.0, 0.0, 0.0, 1.0, x, y]).then(self.line);
        self.text = self.line;
    }

    fn select_font(&mut self, operands: &[Operand<'_>], form: Option<(u32, u16)>) {
        if let Some(Operand::Name(name)) = operands.first() {
            let scope = ResourceScope { page: self.page, form };
            self.state.font = Some(self.fonts.select(self.backend, scope, name));
        }
        if let Some(size) = operands.get(1).and_then(number_of) {
            self.state.size = size;
        }
    }

    /// Paints an image, or the content of a form.
    fn paint(&mut self, operands: &[Operand<'_>], form: Option<(u32, u16)>) -> Result<(), ParseError> {
        let Some(Operand::Name(name)) = operands.first() else { return Ok(()) };
        self.budget.form()?;
        match self.backend.xobject(ResourceScope { page: self.page, form }, name) {
            Some(PaintedXObject::Image) => self.painted.images += 1,
            Some(PaintedXObject::Form(inner)) if self.forms.len() < MAX_DEPTH => self.paint_form(inner)?,
            _ => {}
        }
        Ok(())
    }

    /// Runs a form's instructions, unless they are running already.
    fn paint_form(&mut self, form: FormXObject) -> Result<(), ParseError> {
        if self.forms.contains(&form.id) {
            return Ok(());
        }
        let Some(content) = form.content else {
            self.painted.unreadable += 1;
            return Ok(());
        };
        self.budget.bytes(content.len())?;
        let state = self.state.clone();
        let states = std::mem::take(&mut self.states);
        let artifacts = self.artifacts.len();
        self.forms.push(form.id);

        self.state.matrix = Matrix(form.matrix).then(self.state.matrix);
        if let Some(bounds) = form.bbox {
            let area = self.state.matrix.area((bounds.llx, bounds.lly), (bounds.urx, bounds.ury));
            self.state.clip = self.state.clip.intersection(&area);
        }
        self.stream(&content, Some(form.id))?;

        self.forms.pop();
        self.state = state;
        self.states = states;
        self.artifacts.truncate(artifacts);
        Ok(())
    }
}

fn number_of(operand: &Operand<'_>) -> Option<f32> {
    match operand {
        Operand::Number(number) => Some(*number),
        _ => None,
    }
}

fn matrix(operands: &[Operand<'_>]) -> Option<Matrix> {
    let mut numbers = [0.0; 6];
    for (place, number) in numbers.iter_mut().enumerate() {
        *number = operands.get(place).and_then(number_of)?;
    }
    Some(Matrix(numbers))
}

/// Returns whether a tagged document says of a part of its page that it is a running head, a foot or a page number.
fn is_furniture(operands: &[Operand<'_>]) -> bool {
    match operands {
        [Operand::Name(b"Artifact"), Operand::Dictionary(source)] => {
            memchr::memmem::find(source, b"Pagination").is_some()
        }
        _ => false,
    }
}
