//! Rich Text Format.

use crate::{Kind, ParseError, Parsed, Source};

/// Returns the text of a document of one of these types.
pub(crate) fn read(kind: Kind, _source: &Source<'_>) -> Result<Parsed, ParseError> {
    Err(ParseError::UnsupportedType(kind.name().to_owned()))
}
