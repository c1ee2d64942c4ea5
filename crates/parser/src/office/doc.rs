//! Documents of Word before 2007: of Word 97 and later with their structure, of Word 6 and 95 as text and tables.
//!
//! The reader is ours, on `cfb`: the libraries that know the format bring in all of Office, and this one takes what they
//! leave, such as notes, boxes, and the numbers of lists.
//!
//! * `header`: the places of a document's parts
//! * `pieces`, `stories`: the text, which lies scattered, and its parts
//! * `looks`, `styles`, `numbering`: what the document says of its text and paragraphs
//! * `body`: the blocks of a part of the text
//! * `table`: tables, which are paragraphs that say that they are in one
//! * `old`: documents of Word 6 and 95

mod body;
mod header;
mod looks;
mod numbering;
mod old;
mod pieces;
mod stories;
mod styles;
mod table;

use pgai_rs_parser_protocol::Format;

use crate::markdown::Blocks;
use crate::{Kind, ParseError, ParsedDocument, Source};

use super::block::{self, Block};
use super::summary;
use crate::compound::Compound;
use body::Reader;
use header::Streams;
use pieces::{Text, damaged};
use stories::Stories;

/// Returns the text of an old document of Word's.
pub(super) fn read(source: &Source<'_>) -> Result<ParsedDocument, ParseError> {
    let kind = Kind::Doc.name();
    let mut file = Compound::open(kind, source.bytes)?;
    let document = file.stream("/WordDocument")?.ok_or_else(|| damaged("it has no text"))?;
    let header = pieces::header(&document)?;
    if header.encrypted {
        return Err(ParseError::Encrypted(kind));
    }

    let summary = summary::read(&mut file);
    let blocks = if header.is_old() {
        old::read(&document, summary.code_page).ok_or_else(|| damaged("its text is cut off"))?
    } else {
        let table = file.stream(header.table)?.ok_or_else(|| file.damaged("it has no table stream"))?;
        blocks(&header, &Streams { document: &document, table: &table })?
    };

    let mut output = Blocks::default();
    block::write(blocks, &mut output);
    let (text, _) = output.finish();
    Ok(ParsedDocument { text, format: Format::Markdown, pages: Vec::new(), metadata: summary.metadata })
}

/// Returns the blocks of a document of Word 97 or later.
fn blocks(header: &header::Header, streams: &Streams<'_>) -> Result<Vec<Block>, ParseError> {
    let text = Text::read(streams).ok_or_else(|| damaged("the list of its pieces makes no sense"))?;
    let stories = Stories::read(header, streams, text.letters.len())
        .ok_or_else(|| damaged("it has less text than its head says"))?;
    Ok(Reader::new(streams, text, stories).document())
}
