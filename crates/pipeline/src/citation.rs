//! The places of chunks in their documents, by which they can be cited.

use std::iter::Peekable;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use crate::chunk::{Allowance, ChunkError, Chunker, Piece};
use crate::config::{Chunking, TextFormat};
use crate::outline::{self, Heading};
use crate::parse::{Page, Parsed};

/// Bytes that a citation takes beside its headings, as a value and as JSON.
const PER_CITATION: u64 = 256;

/// The place of a chunk in its document. What a document has not, such as pages, is left out of its JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Citation {
    /// The page, or the slide, on which it begins, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// The page on which it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_page: Option<u32>,
    /// The headings that it stands under, the outermost first; long ones are cut off.
    #[serde(skip_serializing_if = "is_empty")]
    pub headings: Arc<[String]>,
    /// The number of characters of the document's text before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<usize>,
    /// The number of characters of the document's text before its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<usize>,
}

fn is_empty(headings: &[String]) -> bool {
    headings.is_empty()
}

impl Citation {
    /// Returns the citation as JSON.
    pub fn to_json(&self) -> String {
        // A structure of numbers and texts always has a JSON.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Returns the place of each chunk of a document, in their order.
///
/// ```
/// use pgai_rs_pipeline::chunk::{Allowance, Piece};
/// use pgai_rs_pipeline::citation::citations;
/// use pgai_rs_pipeline::config::TextFormat;
/// use pgai_rs_pipeline::parse::Parsed;
///
/// let parsed = Parsed::plain("# Café\n\nIt is open.".to_owned(), TextFormat::Markdown);
/// let piece = Piece { text: "It is open.".to_owned(), span: Some(9..20) };
/// let found = citations(&parsed, &[piece], Allowance::new(1 << 20, 0))?;
/// assert_eq!(found[0].to_json(), r#"{"headings":["Café"],"start":8,"end":19}"#);
/// # Ok::<(), pgai_rs_pipeline::chunk::ChunkError>(())
/// ```
///
/// # Errors
///
/// If they take more than is allowed.
pub fn citations(
    parsed: &Parsed,
    pieces: &[Piece],
    allowance: Allowance<'_>,
) -> Result<Vec<Citation>, ChunkError> {
    let text = match parsed.format {
        TextFormat::Markdown => parsed.text.as_str(),
        // There are no headings in a text without markup.
        TextFormat::Text => "",
    };
    let mut walk = Walk::new(&parsed.text, outline::headings(text));
    let mut citations = Vec::with_capacity(pieces.len());
    let mut bytes = 0_u64;

    for piece in pieces {
        allowance.check_time()?;
        let citation = walk.citation(piece, &parsed.pages);
        let titles = citation.headings.iter().map(|title| title.len() as u64);
        bytes = bytes.saturating_add(titles.sum::<u64>()).saturating_add(PER_CITATION);
        allowance.check_bytes(bytes)?;
        citations.push(citation);
    }
    Ok(citations)
}

/// Cuts a document, and returns its chunks with their places. A chunker of Markdown makes Markdown of any text, so that
/// headings are found as it finds them.
///
/// # Errors
///
/// Those of the chunker, and of [`citations`].
pub fn cut_cited(
    config: &Chunking,
    chunker: &dyn Chunker,
    parsed: &mut Parsed,
    allowance: Allowance<'_>,
) -> Result<(Vec<Piece>, Vec<Citation>), ChunkError> {
    let pieces = chunker.pieces(&parsed.text, allowance)?;
    if config.reads_markdown() {
        parsed.format = TextFormat::Markdown;
    }
    let citations = citations(parsed, &pieces, allowance)?;
    Ok((pieces, citations))
}

/// A walk through a text, from chunk to chunk.
struct Walk<'a, H: Iterator<Item = Heading>> {
    /// The headings to come.
    headings: Peekable<H>,
    /// The levels and titles of the headings that the last place is under.
    path: Vec<(u8, String)>,
    titles: Arc<[String]>,
    starts: Counter<'a>,
    ends: Counter<'a>,
}

impl<'a, H: Iterator<Item = Heading>> Walk<'a, H> {
    fn new(text: &'a str, headings: H) -> Self {
        let counter = || Counter { text, place: 0, characters: 0 };
        Walk {
            headings: headings.peekable(),
            path: Vec::new(),
            titles: Arc::default(),
            starts: counter(),
            ends: counter(),
        }
    }

    fn citation(&mut self, piece: &Piece, pages: &[Page]) -> Citation {
        let Some(Range { start, end }) = piece.span else { return Citation::default() };
        self.pass_headings(start);
        Citation {
            page: page_of(pages, start),
            last_page: page_of(pages, end.saturating_sub(1)),
            headings: Arc::clone(&self.titles),
            start: Some(self.starts.characters_before(start)),
            end: Some(self.ends.characters_before(end)),
        }
    }

    /// Goes on to the headings that stand before a place or begin there.
    fn pass_headings(&mut self, place: usize) {
        let mut has_passed = false;
        while let Some(heading) = self.headings.next_if(|heading| heading.start <= place) {
            // Those as deep or deeper end.
            self.path.retain(|(level, _)| *level < heading.level);
            self.path.push((heading.level, heading.title));
            has_passed = true;
        }
        if has_passed {
            self.titles = self.path.iter().map(|(_, title)| title.clone()).collect();
        }
    }
}

/// Returns the page on which a place is; `None` if it is before the first.
fn page_of(pages: &[Page], place: usize) -> Option<u32> {
    let after = pages.partition_point(|page| page.start <= place);
    pages[..after].last().map(|page| page.number)
}

/// Counts characters from the beginning of a text, going forward.
struct Counter<'a> {
    text: &'a str,
    place: usize,
    characters: usize,
}

impl Counter<'_> {
    /// Returns the number of characters before a place.
    fn characters_before(&mut self, place: usize) -> usize {
        if place < self.place {
            (self.place, self.characters) = (0, 0);
        }
        self.characters += self.text[self.place..place].chars().count();
        self.place = place;
        self.characters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cited(parsed: &Parsed, pieces: &[Piece]) -> Vec<Citation> {
        citations(parsed, pieces, Allowance::new(1 << 20, 0)).unwrap()
    }

    #[test]
    fn a_chunk_knows_its_pages_and_the_headings_above_it() {
        let text = "# A\n\none\n\n## B\n\ntwo\n\n# C\n\nthree".to_owned();
        let pages = vec![Page { number: 1, start: 0 }, Page { number: 2, start: 16 }];
        let parsed = Parsed { pages, ..Parsed::plain(text.clone(), TextFormat::Markdown) };
        let pieces: Vec<Piece> = ["one\n\n## B\n\ntwo", "# C\n\nthree"]
            .map(|chunk| {
                let start = text.find(chunk).unwrap();
                Piece { text: chunk.to_owned(), span: Some(start..start + chunk.len()) }
            })
            .to_vec();

        let found = cited(&parsed, &pieces);
        assert_eq!((found[0].page, found[0].last_page), (Some(1), Some(2)));
        assert_eq!(&*found[0].headings, ["A"]);
        assert_eq!((found[1].page, &*found[1].headings), (Some(2), ["C".to_owned()].as_slice()));
    }

    #[test]
    fn plain_text_has_neither_pages_nor_headings() {
        let parsed = Parsed::plain("# é, no heading".to_owned(), TextFormat::Text);
        let piece = Piece { text: "no heading".to_owned(), span: Some(6..16) };
        assert_eq!(cited(&parsed, &[piece])[0].to_json(), r#"{"start":5,"end":15}"#);
    }

    #[test]
    fn a_chunk_without_a_place_is_cited_by_nothing() {
        let parsed = Parsed::plain("a".to_owned(), TextFormat::Text);
        let piece = Piece { text: "b".to_owned(), span: None };
        assert_eq!(cited(&parsed, &[piece])[0].to_json(), "{}");
    }

    #[test]
    fn a_citation_takes_no_more_than_is_allowed() {
        let text = format!("# {}\n\n{}", "title ".repeat(40), "a ".repeat(10_000));
        let start = text.find("a a").unwrap();
        let piece = |place: usize| Piece {
            text: "a".to_owned(),
            span: Some(start + 2 * place..start + 2 * place + 1),
        };
        let pieces: Vec<Piece> = (0..10_000).map(piece).collect();
        let parsed = Parsed::plain(text, TextFormat::Markdown);
        let refused = citations(&parsed, &pieces, Allowance::new(1 << 20, 0)).unwrap_err();
        assert_eq!(refused, ChunkError::TooLarge { limit: 1 << 20 });
    }
}
