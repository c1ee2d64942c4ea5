//! Texts in records.

use std::rc::Rc;

use super::super::bytes::Bytes;
use crate::charset::CodePage;

/// The encodings of a version: those since 1997 have Unicode.
#[derive(Clone, Copy)]
pub(super) enum TextEncoding {
    /// One or two bytes a character, as each text says.
    Unicode,
    /// The bytes of a code page.
    CodePage(CodePage),
}

impl TextEncoding {
    /// Returns a text of so many characters.
    pub(super) fn read(self, content: &mut Bytes<'_>, length: usize) -> Option<String> {
        match self {
            TextEncoding::Unicode => {
                let flags = content.u8()?;
                if flags & 8 != 0 {
                    content.u16()?;
                }
                if flags & 4 != 0 {
                    content.u32()?;
                }
                characters(content, length, flags)
            }
            TextEncoding::CodePage(code_page) => {
                let length = length.min(content.0.len());
                Some(code_page.decode(content.take(length)?).into_owned())
            }
        }
    }
}

fn characters(content: &mut Bytes<'_>, length: usize, flags: u8) -> Option<String> {
    if flags & 1 != 0 {
        return content.utf16(length);
    }
    Some(content.take(length)?.iter().map(|byte| char::from(*byte)).collect())
}

/// The parts of a record of texts, in each of which a text may go on.
struct Parts<'a> {
    current: Bytes<'a>,
    rest: std::vec::IntoIter<Bytes<'a>>,
}

impl Parts<'_> {
    /// Goes on to the next part if this one is at its end.
    fn settle(&mut self) -> Option<()> {
        while self.current.0.is_empty() {
            self.current = self.rest.next()?;
        }
        Some(())
    }

    fn skip(&mut self, mut count: usize) -> Option<()> {
        while count > 0 {
            self.settle()?;
            let here = count.min(self.current.0.len());
            self.current.take(here)?;
            count -= here;
        }
        Some(())
    }

    /// Returns the next text.
    fn text(&mut self) -> Option<String> {
        self.settle()?;
        let mut left = usize::from(self.current.u16()?);
        let mut flags = self.current.u8()?;
        let runs = if flags & 8 != 0 { usize::from(self.current.u16()?) } else { 0 };
        let extra = if flags & 4 != 0 { self.current.u32()? as usize } else { 0 };

        let mut text = String::new();
        while left > 0 {
            if self.current.0.is_empty() {
                self.settle()?;
                // A text that goes on says again how.
                flags = (flags & !1) | (self.current.u8()? & 1);
            }
            let width = if flags & 1 != 0 { 2 } else { 1 };
            let here = left.min(self.current.0.len() / width);
            if here == 0 {
                return None;
            }
            text.push_str(&characters(&mut self.current, here, flags)?);
            left -= here;
        }
        self.skip(runs * 4)?;
        self.skip(extra)?;
        Some(text)
    }
}

/// Returns the texts that cells share.
pub(super) fn shared(parts: Vec<Bytes<'_>>) -> Vec<Rc<str>> {
    let mut rest = parts.into_iter();
    let Some(mut current) = rest.next() else { return Vec::new() };
    if current.u32().is_none() || current.u32().is_none() {
        return Vec::new();
    }
    let mut parts = Parts { current, rest };
    let mut texts = Vec::new();
    while let Some(text) = parts.text() {
        texts.push(text.into());
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_goes_on_in_the_next_part_with_another_width() {
        let first = b"\x02\0\0\0\x02\0\0\0\x04\0\x00ab";
        let second = b"\x01c\0d\0\x01\0\x01\xac\x20";
        let texts = shared(vec![Bytes(first), Bytes(second)]);
        assert_eq!(texts.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["abcd", "€"]);
    }
}
