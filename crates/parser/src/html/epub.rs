//! Electronic books.
use crate::{ParseError, Parsed, Source};
pub(super) fn read(_source: &Source<'_>) -> Result<Parsed, ParseError> {
    Err(ParseError::Empty("an EPUB"))
}
