//! Escapes: a backslash and what follows it.

use super::{ClassItem, PatternError, Translator};

/// Python's `\w`, without the brackets: `str.isalnum()` or an underscore.
const WORD: &str = r"\p{L}\p{N}_";
/// Python's `\s`, without the brackets: `str.isspace()`.
const SPACE: &str = r"\s\x1c-\x1f";
const WORD_BOUNDARY: &str = r"(?:(?<=[\p{L}\p{N}_])(?![\p{L}\p{N}_])|(?<![\p{L}\p{N}_])(?=[\p{L}\p{N}_]))";
const NO_WORD_BOUNDARY: &str = r"(?:(?<=[\p{L}\p{N}_])(?=[\p{L}\p{N}_])|(?<![\p{L}\p{N}_])(?![\p{L}\p{N}_]))";

impl Translator<'_> {
    /// An escape outside of a class.
    pub(super) fn escape(&mut self) -> Result<(), PatternError> {
        let Some(c) = self.next() else {
            return Err(self.error("bad escape (end of pattern)"));
        };

        match c {
            'A' => self.out.push_str(r"\A"),
            'Z' => self.out.push_str(r"\z"),
            'b' => self.out.push_str(WORD_BOUNDARY),
            'B' => self.out.push_str(NO_WORD_BOUNDARY),
            '1'..='9' => self.back_reference(c)?,
            _ => match self.class_escape(c)? {
                ClassItem::One(c) => self.literal(c),
                ClassItem::Set(set) => {
                    self.out.push('[');
                    self.out.push_str(&set);
                    self.out.push(']');
                }
            },
        }
        Ok(())
    }

    /// A back-reference, or an octal escape if three octal digits follow.
    fn back_reference(&mut self, first: char) -> Result<(), PatternError> {
        let mut digits = String::from(first);
        if let Some(&second) = self.rest.peek().filter(|c| c.is_ascii_digit()) {
            digits.push(second);
            self.next();
            // Three octal digits are a character.
            if let Some(&third) = self.rest.peek().filter(|c| c.is_digit(8))
                && digits.chars().all(|c| c.is_digit(8))
            {
                self.next();
                digits.push(third);
                let c = self.octal(&digits)?;
                self.literal(c);
                return Ok(());
            }
        }

        match digits.parse::<usize>() {
            Ok(group) if group <= self.groups => self.out.push_str(&format!(r"(?:\{group})")),
            _ => return Err(self.error(format!("invalid group reference {digits}"))),
        }
        Ok(())
    }

    fn octal(&self, digits: &str) -> Result<char, PatternError> {
        u8::from_str_radix(digits, 8)
            .map(char::from)
            .map_err(|_| self.error(format!(r"octal escape value \{digits} outside of range 0-0o377")))
    }

    /// An escape that means the same in a class and outside of it; `c` follows the backslash.
    pub(super) fn class_escape(&mut self, c: char) -> Result<ClassItem, PatternError> {
        let one = match c {
            's' => return Ok(ClassItem::Set(SPACE.to_owned())),
            'S' => return Ok(ClassItem::Set(format!("[^{SPACE}]"))),
            'w' => return Ok(ClassItem::Set(WORD.to_owned())),
            'W' => return Ok(ClassItem::Set(format!("[^{WORD}]"))),
            'd' | 'D' => return Ok(ClassItem::Set(format!(r"\{c}"))),
            'p' | 'P' => return self.property(c).map(ClassItem::Set),
            'a' => '\x07',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'x' => self.hex(c, 2)?,
            'u' => self.hex(c, 4)?,
            'U' => self.hex(c, 8)?,
            '0' => self.short_octal(c, 2)?,
            _ if c.is_ascii_alphabetic() => return Err(self.error(format!(r"bad escape \{c}"))),
            _ => c,
        };
        Ok(ClassItem::One(one))
    }

    /// An octal escape of `first` and at most `more` digits.
    pub(super) fn short_octal(&mut self, first: char, more: usize) -> Result<char, PatternError> {
        let mut digits = String::from(first);
        for _ in 0..more {
            match self.rest.peek() {
                Some(&digit) if digit.is_digit(8) => digits.push(digit),
                _ => break,
            }
            self.next();
        }
        self.octal(&digits)
    }

    fn hex(&mut self, kind: char, length: usize) -> Result<char, PatternError> {
        let digits: String = self.rest.clone().take(length).take_while(char::is_ascii_hexdigit).collect();
        let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == length);
        let Some(c) = code.and_then(char::from_u32) else {
            return Err(self.error(format!(r"incomplete or bad escape \{kind}{digits}")));
        };
        self.take_text(&digits);
        Ok(c)
    }

    /// `\p{…}`, which Python's `re` lacks: an extension.
    fn property(&mut self, kind: char) -> Result<String, PatternError> {
        if !self.take('{') {
            return Err(self.error(format!(r"bad escape \{kind}")));
        }
        Ok(format!(r"\{kind}{{{}}}", self.take_until('}')?))
    }
}
