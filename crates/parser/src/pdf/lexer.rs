//! Content streams: a page's drawing instructions, read one by one.
//!
//! Nothing is kept but the operands of the instruction that is being read, so a stream costs no more than its own
//! bytes however long it is, and nesting costs nothing.

use memchr::memmem;

/// The most operands that an instruction keeps; what comes before is dropped, as viewers do.
const MAX_OPERANDS: usize = 64;
/// The longest array, in elements. Arrays hold the pieces of a line of text.
const MAX_ARRAY: usize = 100_000;

/// An operand of an instruction.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand<'a> {
    /// A number, whole or not.
    Number(f32),
    /// A name, without its slash.
    Name(&'a [u8]),
    /// The bytes of a text, in the encoding of the font.
    Text(Vec<u8>),
    /// The numbers and texts of an array, whatever its nesting.
    Array(Vec<Operand<'a>>),
    /// The source of a dictionary.
    Dictionary(&'a [u8]),
}

/// A reader of a content stream.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    /// Returns a reader at the beginning of a stream.
    pub(super) fn new(data: &'a [u8]) -> Self {
        Lexer { data, at: 0 }
    }

    /// Reads the next instruction: puts its operands in place of those given, and returns its name.
    pub(super) fn next(&mut self, operands: &mut Vec<Operand<'a>>) -> Option<&'a [u8]> {
        operands.clear();
        let mut array: Option<Vec<Operand<'a>>> = None;
        loop {
            let operand = match self.peek_token()? {
                b'[' => {
                    self.at += 1;
                    array.get_or_insert_default();
                    continue;
                }
                b']' => {
                    self.at += 1;
                    match array.take() {
                        Some(items) => Operand::Array(items),
                        None => continue,
                    }
                }
                b'(' => Operand::Text(self.literal()),
                b'<' if self.byte(1) == Some(b'<') => Operand::Dictionary(self.dictionary()),
                b'<' => Operand::Text(self.hexadecimal()),
                b'/' => Operand::Name(self.name()),
                b'+' | b'-' | b'.' | b'0'..=b'9' => Operand::Number(self.number()),
                b')' | b'>' | b'{' | b'}' => {
                    self.at += 1;
                    continue;
                }
                _ => {
                    let word = self.regular();
                    if word == b"true" || word == b"false" || word == b"null" {
                        continue;
                    }
                    return Some(word);
                }
            };
            match &mut array {
                Some(items) if items.len() < MAX_ARRAY => items.push(operand),
                Some(_) => {}
                None => {
                    if operands.len() == MAX_OPERANDS {
                        operands.remove(0);
                    }
                    operands.push(operand);
                }
            }
        }
    }

    /// Skips an image that stands in the stream, after its `BI`.
    pub(super) fn skip_image(&mut self) {
        let rest = self.rest();
        let data = memmem::find(rest, b"ID").map_or(rest.len(), |found| found + 2);
        let mut end = data;
        while let Some(found) = rest.get(end..).and_then(|rest| memmem::find(rest, b"EI")) {
            end += found + 2;
            let before = rest.get(end.wrapping_sub(3)).copied().is_none_or(is_space);
            let after = rest.get(end).copied().is_none_or(is_space);
            if before && after && is_text(rest.get(end..(end + 16).min(rest.len())).unwrap_or_default()) {
                self.at += end;
                return;
            }
        }
        self.at = self.data.len();
    }

    fn rest(&self) -> &'a [u8] {
        self.data.get(self.at..).unwrap_or_default()
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.data.get(self.at + ahead).copied()
    }

    /// Returns the first byte of the next token, after whitespace and comments.
    fn peek_token(&mut self) -> Option<u8> {
        loop {
            match self.byte(0)? {
                byte if is_space(byte) => self.at += 1,
                b'%' => {
                    let end = self.rest().iter().position(|byte| matches!(byte, b'\r' | b'\n'));
                    self.at += end.unwrap_or(self.rest().len());
                }
                byte => return Some(byte),
            }
        }
    }

    fn regular(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let end = rest.iter().position(|byte| is_space(*byte) || is_delimiter(*byte)).unwrap_or(rest.len());
        // A byte that begins nothing is a token of its own.
        let end = end.max(1).min(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn name(&mut self) -> &'a [u8] {
        self.at += 1;
        let rest = self.rest();
        let end = rest.iter().position(|byte| is_space(*byte) || is_delimiter(*byte)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    /// Reads a number as leniently as viewers do: a second sign or dot ends its value, not its token.
    fn number(&mut self) -> f32 {
        let token = self.regular();
        let negative = token.first() == Some(&b'-');
        let mut value = 0.0_f64;
        let mut scale = 0.0_f64;
        for byte in token.iter().skip_while(|byte| matches!(byte, b'-' | b'+')) {
            match byte {
                b'0'..=b'9' if scale == 0.0 => value = value * 10.0 + f64::from(byte - b'0'),
                b'0'..=b'9' => {
                    value += f64::from(byte - b'0') * scale;
                    scale /= 10.0;
                }
                b'.' if scale == 0.0 => scale = 0.1,
                _ => break,
            }
        }
        let value = value.min(1e9) as f32;
        if negative { -value } else { value }
    }

    fn literal(&mut self) -> Vec<u8> {
        self.at += 1;
        let mut depth = 0_usize;
        let mut text = Vec::new();
        while let Some(byte) = self.byte(0) {
            self.at += 1;
            match byte {
                b'(' => depth += 1,
                b')' if depth == 0 => break,
                b')' => depth -= 1,
                b'\\' => {
                    self.escape(&mut text);
                    continue;
                }
                _ => {}
            }
            text.push(byte);
        }
        text
    }

    /// Reads what follows a backslash.
    fn escape(&mut self, text: &mut Vec<u8>) {
        let Some(byte) = self.byte(0) else { return };
        self.at += 1;
        match byte {
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'\r' if self.byte(0) == Some(b'\n') => self.at += 1,
            b'\r' | b'\n' => {}
            b'0'..=b'7' => {
                let mut code = u32::from(byte - b'0');
                for _ in 0..2 {
                    let Some(digit @ b'0'..=b'7') = self.byte(0) else { break };
                    code = code * 8 + u32::from(digit - b'0');
                    self.at += 1;
                }
                text.push((code & 0xff) as u8);
            }
            _ => text.push(byte),
        }
    }

    fn hexadecimal(&mut self) -> Vec<u8> {
        self.at += 1;
        let rest = self.rest();
        let end = memchr::memchr(b'>', rest).unwrap_or(rest.len());
        self.at += end + 1;

        let mut text = Vec::with_capacity(end / 2);
        let mut high = None;
        for byte in rest.iter().take(end) {
            let Some(digit) = (*byte as char).to_digit(16) else { continue };
            match high.take() {
                None => high = Some(digit),
                Some(high) => text.push((high * 16 + digit) as u8),
            }
        }
        if let Some(high) = high {
            text.push((high * 16) as u8);
        }
        text
    }

    /// Reads a dictionary without looking into it.
    fn dictionary(&mut self) -> &'a [u8] {
        let begin = self.at;
        let mut depth = 0_usize;
        while let Some(byte) = self.byte(0) {
            match byte {
                b'(' => {
                    self.literal();
                    continue;
                }
                b'<' if self.byte(1) == Some(b'<') => {
                    depth += 1;
                    self.at += 1;
                }
                b'>' if self.byte(1) == Some(b'>') => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                    if depth == 0 {
                        self.at += 1;
                        break;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        self.data.get(begin..self.at).unwrap_or_default()
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | 12 | 0)
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

/// Returns whether the bytes look like instructions, not like an image.
fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| is_space(*byte) || (b' '..=b'~').contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(data: &[u8]) -> (Vec<Operand<'_>>, &[u8]) {
        let mut operands = Vec::new();
        let name = Lexer::new(data).next(&mut operands).unwrap_or_default();
        (operands, name)
    }

    #[test]
    fn an_instruction_has_its_operands() {
        let (operands, name) = first(b"% a comment\n/F1 -1.50 (a\\(b\\051\\n(c)) <4142 3> Tx");
        assert_eq!(name, b"Tx");
        assert_eq!(
            operands,
            [
                Operand::Name(b"F1"),
                Operand::Number(-1.5),
                Operand::Text(b"a(b)\n(c)".to_vec()),
                Operand::Text(b"AB0".to_vec()),
            ]
        );
    }

    #[test]
    fn arrays_are_flat_and_dictionaries_stay_closed() {
        let (operands, name) = first(b"[(a) [-250 [(b)]] /Artifact <</A (>>) /B <</C 1>> >> BDC");
        assert_eq!(name, b"BDC");
        assert_eq!(operands.len(), 3);
        assert_eq!(operands[2], Operand::Dictionary(b"<</A (>>) /B <</C 1>> >>"));
    }

    #[test]
    fn an_image_in_the_stream_is_skipped() {
        let mut lexer = Lexer::new(b"BI /W 1 ID \x01EI\x02 EI \xff\xfe EI Q");
        let mut operands = Vec::new();
        assert_eq!(lexer.next(&mut operands), Some(b"BI".as_slice()));
        lexer.skip_image();
        assert_eq!(lexer.next(&mut operands), Some(b"Q".as_slice()));
    }
}
