//! Documents and presentations of Microsoft Office.
//!
//! Headers, footers, page numbers and comments are left out, and so is hidden text: a document's text is what its
//! author wants to be read in it. Changes that were tracked are taken as accepted. Notes come after the block that
//! refers to them. A document of Word's has no pages until something lays it out, so its text has none.
//!
//! The readers are ours. What there is in libraries takes headers and comments for text, or loses lists, or refuses a
//! document for one link; and a reader that walks the XML is small.
//!
//! * `docx`: documents of Word since 2007
//! * `doc`, `ppt`: documents of Word and presentations of PowerPoint before 2007
//! * `summary`, `numbers`: what old files say of themselves, and numbers in them
//! * `pptx`: presentations of PowerPoint since 2007
//! * `order`: the order in which a person reads what stands on a slide
//! * `block`, `grid`, `inline`: blocks, tables, and the text within blocks, before they are written
//! * `drawing`, `math`, `symbols`: charts, diagrams, formulas, and fonts of pictures
//! * `fields`, `lists`: what Word computes, and how far lists have come
//! * `names`, `numerals`: names of styles, and numbers as lists write them

mod block;
mod doc;
mod docx;
mod drawing;
mod fields;
mod grid;
mod inline;
mod lists;
mod math;
mod names;
mod numbers;
mod numerals;
mod order;
mod ppt;
mod pptx;
mod summary;
mod symbols;

use crate::{Kind, ParseError, ParsedDocument, Source};

/// Returns the text of a document of one of these types.
pub(crate) fn read(kind: Kind, source: &Source<'_>) -> Result<ParsedDocument, ParseError> {
    match kind {
        Kind::Ppt => ppt::read(source),
        Kind::Docx => docx::read(source),
        Kind::Pptx => pptx::read(source),
        Kind::Doc => doc::read(source),
        _ => Err(ParseError::UnsupportedType(kind.name().to_owned())),
    }
}
