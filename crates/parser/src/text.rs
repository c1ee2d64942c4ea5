//! Documents that are text: values, notebooks, subtitles, markup and code.
//!
//! Source code, AsciiDoc, Org and LaTeX stay text without markup: a fence around a whole file would be one block that
//! no chunker likes to split, while blank lines between functions are what every chunker looks for.

mod data;
mod delimited;
mod front_matter;
mod json;
mod notebook;
mod rst;
mod subtitles;
mod terminal;
mod xml;

use crate::{Kind, ParseError, Parsed, Source, charset, markdown};

pub(crate) use delimited::is_delimited;

/// Returns the text of a document of one of these types.
pub(crate) fn read(kind: Kind, source: &Source<'_>) -> Result<Parsed, ParseError> {
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
        _ => Ok(Parsed::plain(text)),
    }
}

/// Returns a table, or lines if a table would consist of padding: one row may be far wider than the others.
fn bounded_table(rows: &[Vec<String>]) -> String {
    const MOST_PADDING: usize = 10_000;

    let cells: usize = rows.iter().map(Vec::len).sum();
    let widest = rows.iter().map(Vec::len).max().unwrap_or_default();
    if widest.saturating_mul(rows.len()) <= cells.saturating_mul(4).saturating_add(MOST_PADDING) {
        return markdown::table(rows);
    }
    rows.iter().map(|row| markdown::one_line(&row.join(" "))).collect::<Vec<_>>().join("\n")
}

/// Returns the text with ends of lines as Unix has them.
fn with_unix_lines(text: String) -> String {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text }
}
