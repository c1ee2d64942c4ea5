//! Texts and presentations of OpenDocument: XML files in a zip archive.
//!
//! Left out on purpose: comments, deletions that are tracked, page headers and footers, which no file of the content
//! has, slides that are hidden, and the fields of slides for their number, date and footer. A slide's notes follow it
//! as a quotation.
//!
//! * [`parts`]: who wrote a document, and whether it is encrypted
//! * `styles`: what paragraphs and lists are by their styles
//! * `content`: blocks; `inline`: what is in a paragraph; `table`: tables; `slides`: presentations

mod content;
mod inline;
pub(crate) mod parts;
mod slides;
mod styles;
mod table;

use crate::package::Package;
use crate::package::stream::{Xml, utf8};
use crate::{Kind, ParseError, ParsedDocument, Source};
use content::Reader;
pub(crate) use content::without_page_number;
pub(crate) use inline::link;
use styles::Styles;

/// Returns the text of a document of one of these types.
pub(crate) fn read(kind: Kind, source: &Source<'_>) -> Result<ParsedDocument, ParseError> {
    let mut package = Package::open(kind.name(), source.bytes)?;
    parts::refuse_encrypted(&mut package, kind)?;
    let mut metadata = parts::metadata(&mut package, kind)?;

    let mut styles = Styles::default();
    if let Some(xml) = package.part("styles.xml")? {
        styles.read(&mut Xml::new(kind, &utf8(xml)))?;
    }
    let content = utf8(package.require("content.xml")?);
    styles.read(&mut Xml::new(kind, &content))?;

    let mut reader = Reader::new(Xml::new(kind, &content), styles);
    if kind == Kind::Odp {
        metadata.page_count = Some(reader.slides()?);
    } else {
        reader.body()?;
    }
    let (text, pages) = reader.finish();
    if text.is_empty() {
        return Err(ParseError::Empty(kind.name()));
    }
    Ok(ParsedDocument { pages, metadata, ..ParsedDocument::markdown(text) })
}
