//! The records of a stream.

use super::super::bytes::Bytes;

/// A record that continues the one before it.
const CONTINUE: u16 = 0x3c;

/// A record: its type, and its content, in more than one part if others continue it.
pub(super) struct Record<'a> {
    /// The type.
    pub(super) kind: u16,
    /// The content: its own, and that of each record that continues it.
    pub(super) parts: Vec<Bytes<'a>>,
}

impl<'a> Record<'a> {
    /// Returns the first part of the content.
    pub(super) fn content(&self) -> Bytes<'a> {
        self.parts.first().copied().unwrap_or(Bytes(&[]))
    }
}

/// The records of a stream, from the beginning to the end.
pub(super) struct Records<'a> {
    rest: Bytes<'a>,
    length: usize,
}

impl<'a> Records<'a> {
    /// Returns the records of a stream, at its beginning.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Records { rest: Bytes(bytes), length: bytes.len() }
    }

    /// Returns the number of bytes that were read.
    pub(super) fn read(&self) -> usize {
        self.length - self.rest.0.len()
    }

    fn one(&mut self) -> Option<(u16, Bytes<'a>)> {
        let kind = self.rest.u16()?;
        let length = self.rest.u16()?;
        Some((kind, Bytes(self.rest.take(usize::from(length))?)))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let (kind, content) = self.one()?;
        let mut parts = vec![content];
        loop {
            let before = self.rest;
            match self.one() {
                Some((CONTINUE, content)) => parts.push(content),
                _ => {
                    self.rest = before;
                    return Some(Record { kind, parts });
                }
            }
        }
    }
}
