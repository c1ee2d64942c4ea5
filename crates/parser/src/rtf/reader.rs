//! The reader that makes text of tokens.

use super::body::Body;
use super::charset::Charset;
use super::group::{Begun, Destination, Group};
use super::head::Head;
use super::token::{Token, Tokens};
use crate::{Kind, ParseError, ParsedDocument};

/// The deepest that groups may be in each other.
const MAX_DEPTH: usize = 2000;

/// A reader of a document, from the beginning to the end.
pub(super) struct Reader {
    kind: Kind,
    /// The groups that are open, from the outermost.
    pub(super) groups: Vec<Group>,
    /// The text as far as it was read.
    pub(super) body: Body,
    /// The fonts, the styles, and what the document says of itself.
    pub(super) head: Head,
    /// The charset of text in no font, or in one without its own.
    pub(super) charset: Charset,
    /// Bytes that are not yet text: a character may have more than one.
    bytes: Vec<u8>,
    /// `true` if all of these stand in the document as they are.
    is_raw: bool,
    /// The characters that are to be skipped, as a Unicode character stood before them.
    pub(super) skipped: usize,
    /// The first half of a Unicode character of two.
    half: Option<u16>,
    /// The name of a font or a style, or a statement of the document.
    pub(super) name: String,
    /// The number of the font whose entry is being read.
    pub(super) font: i32,
    /// The number of the font of text that names none; -1 if none is said.
    pub(super) default_font: i32,
}

/// Control characters, which no program writes, may stand in a text by accident: so many, or one in so many letters.
const MOST_CONTROLS: usize = 4;
const CONTROLS_PER_LETTER: usize = 50;

impl Reader {
    /// Returns a reader that has read nothing.
    pub(super) fn new(kind: Kind) -> Self {
        Reader {
            kind,
            groups: Vec::new(),
            body: Body::default(),
            head: Head::default(),
            charset: Charset::DEFAULT,
            bytes: Vec::new(),
            is_raw: true,
            skipped: 0,
            half: None,
            name: String::new(),
            font: 0,
            default_font: -1,
        }
    }

    /// Reads a document.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), ParseError> {
        let mut began = false;
        let (mut letters, mut controls) = (0_usize, 0_usize);
        for token in Tokens::new(bytes) {
            match token {
                Token::Byte(byte) => {
                    letters += 1;
                    controls += usize::from(byte.is_ascii_control() && !byte.is_ascii_whitespace());
                    self.byte(byte, true);
                }
                Token::Hex(byte) => self.byte(byte, false),
                token => self.mark(token)?,
            }
            // What follows the last group is no part of the document.
            if began && self.groups.is_empty() {
                break;
            }
            began = true;
        }
        // Some programs forget the last brace, but none more than that.
        if self.groups.len() > 1 {
            return Err(self.damaged("it ends within a group"));
        }
        if controls > MOST_CONTROLS && controls * CONTROLS_PER_LETTER > letters {
            return Err(self.damaged("it has bytes that no text has"));
        }
        self.flush();
        Ok(())
    }

    fn damaged(&self, problem: &str) -> ParseError {
        ParseError::Damaged { kind: self.kind.name(), problem: problem.to_owned() }
    }

    /// Returns the document.
    pub(super) fn finish(self) -> ParsedDocument {
        let (text, pages) = self.body.finish();
        ParsedDocument { pages, metadata: self.head.metadata, ..ParsedDocument::markdown(text) }
    }

    fn mark(&mut self, token: Token<'_>) -> Result<(), ParseError> {
        if !matches!(token, Token::Word("u", _)) {
            self.half = None;
        }
        self.flush();
        match token {
            Token::Open => {
                self.skipped = 0;
                return self.open();
            }
            Token::Close => {
                self.skipped = 0;
                self.close();
            }
            Token::Symbol(symbol) => {
                if !self.skips() {
                    self.symbol(symbol);
                }
            }
            Token::Word(name, number) => self.word(name, number),
            Token::Byte(_) | Token::Hex(_) => {}
        }
        Ok(())
    }

    /// Returns whether what comes is to be skipped, and counts it.
    fn skips(&mut self) -> bool {
        let skips = self.skipped > 0;
        self.skipped = self.skipped.saturating_sub(1);
        skips
    }

    fn byte(&mut self, byte: u8, is_raw: bool) {
        if self.skips() {
            return;
        }
        self.half = None;
        let goes_nowhere = self.group().is_none_or(|group| group.destination == Destination::Nowhere);
        if !goes_nowhere {
            self.bytes.push(byte);
            self.is_raw &= is_raw;
        }
    }

    fn open(&mut self) -> Result<(), ParseError> {
        if self.groups.len() >= MAX_DEPTH {
            let problem = format!("its groups are nested more than {MAX_DEPTH} levels deep");
            return Err(ParseError::TooComplex { kind: self.kind.name(), problem });
        }
        let mut group = self.groups.last().map_or_else(|| Group::new(self.charset), Group::inner);
        // An entry of these tables is a group, too.
        if matches!(group.destination, Destination::Fonts | Destination::Styles) {
            let is_entry = self.group().is_some_and(|outer| outer.begun.is_none());
            group.begun = is_entry.then_some(Begun::Entry);
            if is_entry {
                self.name.clear();
                group.paragraph = Default::default();
            }
        }
        self.groups.push(group);
        Ok(())
    }

    fn close(&mut self) {
        let Some(group) = self.groups.pop() else { return };
        match group.begun {
            Some(Begun::Note) => self.body.end_note(),
            Some(Begun::Shape) => self.body.end_shape(),
            Some(Begun::Field) => self.body.end_field(),
            Some(Begun::FieldResult) => self.body.end_result(),
            Some(Begun::Statement(statement)) => {
                let text = std::mem::take(&mut self.name);
                self.head.state(statement, &text);
            }
            Some(Begun::Entry) if group.destination == Destination::Styles => {
                let name = std::mem::take(&mut self.name);
                let number = group.paragraph.style.unwrap_or(0);
                self.head.style(number, &name, group.paragraph.outline, group.paragraph.base);
            }
            Some(Begun::Entry) | None => {}
        }
    }

    /// Returns the innermost group that is open.
    pub(super) fn group(&self) -> Option<&Group> {
        self.groups.last()
    }

    /// Makes text of the bytes that were read.
    fn flush(&mut self) {
        if self.bytes.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.bytes);
        let is_raw = std::mem::replace(&mut self.is_raw, true);
        let charset = self.group().map_or(self.charset, |group| group.charset);
        // Bytes beyond ASCII are not allowed as they are; who writes them writes UTF-8, mostly.
        match std::str::from_utf8(&bytes) {
            Ok(text) if is_raw && charset != Charset::Symbol => self.text(text),
            _ => self.text(&charset.decode(&bytes)),
        }
    }

    /// Puts text where it belongs.
    pub(super) fn text(&mut self, text: &str) {
        let Some(group) = self.group().filter(|group| !group.is_hidden) else { return };
        match group.destination {
            Destination::Text => self.body.push(text),
            Destination::Fonts | Destination::Styles | Destination::Statement(_) => self.name.push_str(text),
            Destination::Instruction => self.body.instruct(text),
            Destination::Marker => self.body.marker.push_str(text),
            Destination::Nowhere | Destination::Info | Destination::TwoForms => {}
        }
    }

    /// Puts a character of Unicode, of which a number may be a half only.
    pub(super) fn unicode(&mut self, number: i32) {
        let unit = (number & 0xffff) as u16;
        let half = self.half.take();
        let units = [half.unwrap_or(unit), unit];
        let units = if half.is_some() { &units[..] } else { &units[1..] };
        if half.is_none() && (0xd800..0xdc00).contains(&unit) {
            self.half = Some(unit);
        } else if (0xf020..=0xf0ff).contains(&unit) {
            // Fonts of symbols have their characters here.
            self.text(super::charset::symbol((unit & 0xff) as u8).encode_utf8(&mut [0; 4]));
        } else {
            let text: String = char::decode_utf16(units.iter().copied()).filter_map(Result::ok).collect();
            self.text(&text);
        }
        self.skipped = self.group().map_or(1, |group| group.fallback);
    }
}
