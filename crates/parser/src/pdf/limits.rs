//! Limits of what one document may cost.

use crate::{Kind, ParseError};

/// The most instructions of all pages together.
const MAX_OPERATIONS: usize = 100_000_000;
/// The most letters of all pages together; a page of a book has some 3000.
const MAX_LETTERS: usize = 25_000_000;
/// The most forms and images that are drawn.
const MAX_FORMS: usize = 500_000;
/// The most bytes of forms that are drawn, each as often as it is.
const MAX_BYTES: usize = 4 << 30;

/// The account of what a document has cost.
#[derive(Debug, Default)]
pub(super) struct Budget {
    operations: usize,
    letters: usize,
    forms: usize,
    bytes: usize,
}

impl Budget {
    /// Counts an instruction. Errors if there were too many.
    pub(super) fn operation(&mut self) -> Result<(), ParseError> {
        charge(&mut self.operations, 1, MAX_OPERATIONS, "drawing instructions")
    }

    /// Counts a letter. Errors if there were too many.
    pub(super) fn letter(&mut self) -> Result<(), ParseError> {
        charge(&mut self.letters, 1, MAX_LETTERS, "letters")
    }

    /// Counts a form or an image that is drawn. Errors if there were too many.
    pub(super) fn form(&mut self) -> Result<(), ParseError> {
        charge(&mut self.forms, 1, MAX_FORMS, "images and forms")
    }

    /// Counts the bytes of a form that is drawn. Errors if there were too many.
    pub(super) fn bytes(&mut self, bytes: usize) -> Result<(), ParseError> {
        charge(&mut self.bytes, bytes, MAX_BYTES, "bytes in forms")
    }
}

fn charge(account: &mut usize, amount: usize, most: usize, what: &str) -> Result<(), ParseError> {
    *account = account.saturating_add(amount);
    if *account > most {
        return Err(too_complex(format!("it has more than {most} {what}")));
    }
    Ok(())
}

/// Returns the error of a document that costs too much.
pub(super) fn too_complex(problem: String) -> ParseError {
    ParseError::TooComplex { kind: Kind::Pdf.name(), problem }
}
