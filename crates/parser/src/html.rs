//! Web pages, and electronic books made of them.
//!
//! * `encoding`, `build`, `tree`, `tag`: from bytes to elements
//! * `furniture`: elements that are left out
//! * `notes`, `path`: footnotes, and links between pages
//! * `render`, `inline`, `output`: from elements to Markdown
//! * `metadata`: statements of a page about itself
//! * `epub`, `kindle`: books

mod build;
mod encoding;
mod epub;
mod furniture;
mod inline;
mod kindle;
mod metadata;
mod notes;
mod output;
mod path;
mod render;
mod tag;
mod tree;

pub(crate) use encoding::declared as declared_encoding;
pub(crate) use inline::guard;

use crate::{Kind, ParseError, ParsedDocument, Source, charset};
use notes::{HtmlPage, Notes};
use render::{Manner, render};

/// Returns the text of a document of one of these types.
pub(crate) fn read(kind: Kind, source: &Source<'_>) -> Result<ParsedDocument, ParseError> {
    match kind {
        Kind::Epub => return epub::read(source),
        Kind::Kindle => return kindle::read(source),
        _ => {}
    }
    let declared = charset::declared_in(source.content_type).map(str::to_owned);
    let declared = declared.or_else(|| encoding::declared(source.bytes));
    let html = charset::decode(source.bytes, declared.as_deref())?;
    let page = self::page(&html, encoding::is_xhtml(source))?;
    let metadata = metadata::metadata(&page.tree);

    let pages = [page];
    let notes = Notes::collect(&pages);
    let manner = Manner {
        pages: &pages,
        notes: &notes,
        drop_furniture: true,
        is_content: false,
        drop_relative: false,
    };
    let mut text = render(manner, 0);
    if text.is_empty() {
        // A page that is nothing but what others have beside their text.
        text = render(Manner { drop_furniture: false, ..manner }, 0);
    }
    if text.is_empty() {
        return Err(ParseError::Empty(kind.name()));
    }
    Ok(ParsedDocument { metadata, ..ParsedDocument::markdown(text) })
}

/// Returns the Markdown of HTML that is a part of something else, such as an e-mail. It may be empty.
pub(crate) fn fragment(html: &str) -> Result<String, ParseError> {
    let pages = [page(html, false)?];
    let notes = Notes::default();
    let manner = Manner {
        pages: &pages,
        notes: &notes,
        drop_furniture: false,
        is_content: true,
        drop_relative: false,
    };
    Ok(render(manner, 0))
}

fn page(html: &str, is_xml: bool) -> Result<HtmlPage, ParseError> {
    match build::build(html, is_xml) {
        Some(tree) => Ok(HtmlPage { path: String::new(), tree }),
        None => Err(ParseError::TooComplex {
            kind: Kind::Html.name(),
            problem: format!("it has more than {} elements", build::MOST_NODES),
        }),
    }
}
