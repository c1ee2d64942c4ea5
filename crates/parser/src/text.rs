//! Documents that are text: values, notebooks, subtitles, markup and code.
//!
//! Source code, AsciiDoc, Org and LaTeX stay text without markup: a fence around a whole file would be one block that
//! no chunker likes to split, while blank lines between functions are what every chunker looks for.
//!
//! * `front_matter`: Markdown
//! * `rst`: reStructuredText
//! * `notebook`, `subtitles`: notebooks of Jupyter, and what is said in films
//! * `json`, `xml`, `delimited`: values with names, and values in columns
//! * `data`: Markdown for values with names
//! * `terminal`: text as a terminal shows it in the end

mod data;
mod delimited;
mod front_matter;
mod json;
mod notebook;
mod rst;
mod subtitles;
mod terminal;
mod xml;

use crate::{Kind, ParseError, ParsedDocument, Source, charset};

pub(crate) use delimited::is_delimited;

/// Returns the text of a document of one of these types.
pub(crate) fn read(kind: Kind, source: &Source<'_>) -> Result<ParsedDocument, ParseError> {
    let declared = charset::declared_in(source.content_type).or_else(|| match kind {
        Kind::Xml => xml::declared_encoding(source.bytes),
        _ => None,
    });
    let text = with_unix_lines(charset::decode(source.bytes, declared)?);
    if text.trim().is_empty() {
        return Err(ParseError::Empty(kind.name()));
    }

    match kind {
        Kind::Csv | Kind::Tsv => Ok(delimited::read(kind, &text)),
        Kind::Json => json::read(&text),
        Kind::JsonLines => json::read_lines(&text),
        Kind::Notebook => notebook::read(&text),
        Kind::Subtitles => Ok(subtitles::read(&text)),
        Kind::ReStructuredText => rst::read(&text),
        Kind::Xml => xml::read(&text),
        Kind::Markdown => Ok(front_matter::read(&text)),
        _ => Ok(ParsedDocument::plain(text)),
    }
}

/// Returns the text with ends of lines as Unix has them.
fn with_unix_lines(text: String) -> String {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text }
}
