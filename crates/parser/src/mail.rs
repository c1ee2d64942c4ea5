//! E-mails, with what is attached to them.
//!
//! * `letter`: an e-mail, and how it is written
//! * `internet`, `plain`: e-mails as they are sent
//! * `outlook`: e-mails as Outlook saves them
//! * `uuencode`: files within a text
//! * `attachment`: what is attached, and how much of it is read

mod attachment;
mod internet;
mod letter;
mod outlook;
mod plain;
mod uuencode;

use crate::{Kind, ParseError, ParsedDocument, Source};
use attachment::AttachmentBudget;

/// Returns the text of a document of one of these types.
pub(crate) fn read(kind: Kind, source: &Source<'_>) -> Result<ParsedDocument, ParseError> {
    let mut budget = AttachmentBudget::new();
    let letter = match kind {
        Kind::OutlookEmail => outlook::read(source.bytes, &mut budget)?,
        _ => internet::read(source.bytes, &mut budget)?,
    };

    let metadata = letter.metadata();
    let text = letter.write(1, &mut budget);
    if text.is_empty() {
        return Err(if letter.is_encrypted { ParseError::Encrypted } else { ParseError::Empty }(kind.name()));
    }
    Ok(ParsedDocument { metadata, ..ParsedDocument::markdown(text) })
}
