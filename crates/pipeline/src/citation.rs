//! The places of chunks in their documents, by which they can be cited.

use std::ops::Range;

use serde::Serialize;

use crate::chunk::Piece;
use crate::config::TextFormat;
use crate::outline::{self, Heading};
use crate::parse::{Page, Parsed};

/// The place of a chunk in its document. What a document has not, such as pages, is left out of its JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Citation {
    /// The page, or the slide, on which it begins, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// The page on which it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_page: Option<u32>,
    /// The headings that it stands under, the outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headings: Vec<String>,
    /// The number of characters of the document's text before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<usize>,
    /// The number of characters of the document's text before its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<usize>,
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
/// use pgai_rs_pipeline::chunk::Piece;
/// use pgai_rs_pipeline::citation::citations;
/// use pgai_rs_pipeline::config::TextFormat;
/// use pgai_rs_pipeline::parse::Parsed;
///
/// let parsed = Parsed::plain("# Café\n\nIt is open.".to_owned(), TextFormat::Markdown);
/// let piece = Piece { text: "It is open.".to_owned(), span: Some(9..20) };
/// assert_eq!(citations(&parsed, &[piece])[0].to_json(), r#"{"headings":["Café"],"start":8,"end":19}"#);
/// ```
pub fn citations(parsed: &Parsed, pieces: &[Piece]) -> Vec<Citation> {
    let headings = match parsed.format {
        TextFormat::Markdown => outline::headings(&parsed.text),
        TextFormat::Text => Vec::new(),
    };
    let mut walk = Walk::new(&parsed.text, &headings);
    pieces.iter().map(|piece| walk.citation(piece, &parsed.pages)).collect()
}

/// A walk through a text, from chunk to chunk.
struct Walk<'a> {
    headings: &'a [Heading],
    /// The headings that were come past, and the path of the last of them.
    passed: usize,
    path: outline::Path<'a>,
    starts: Counter<'a>,
    ends: Counter<'a>,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str, headings: &'a [Heading]) -> Self {
        let counter = || Counter { text, place: 0, characters: 0 };
        Walk { headings, passed: 0, path: outline::Path::default(), starts: counter(), ends: counter() }
    }

    fn citation(&mut self, piece: &Piece, pages: &[Page]) -> Citation {
        let Some(Range { start, end }) = piece.span else { return Citation::default() };
        self.pass_headings(start);
        let titles = self.path.headings().iter().map(|heading| heading.title.clone());
        Citation {
            page: page_of(pages, start),
            last_page: page_of(pages, end.saturating_sub(1)),
            headings: titles.collect(),
            start: Some(self.starts.characters_before(start)),
            end: Some(self.ends.characters_before(end)),
        }
    }

    /// Goes on to the headings that stand before a place or begin there.
    fn pass_headings(&mut self, place: usize) {
        while let Some(heading) = self.headings.get(self.passed)
            && heading.range.start <= place
        {
            self.path.enter(heading);
            self.passed += 1;
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

        let found = citations(&parsed, &pieces);
        assert_eq!((found[0].page, found[0].last_page), (Some(1), Some(2)));
        assert_eq!(found[0].headings, ["A"]);
        assert_eq!((found[1].page, found[1].headings.clone()), (Some(2), vec!["C".to_owned()]));
    }

    #[test]
    fn plain_text_has_neither_pages_nor_headings() {
        let parsed = Parsed::plain("# é, no heading".to_owned(), TextFormat::Text);
        let piece = Piece { text: "no heading".to_owned(), span: Some(6..16) };
        assert_eq!(citations(&parsed, &[piece])[0].to_json(), r#"{"start":5,"end":15}"#);
    }

    #[test]
    fn a_chunk_without_a_place_is_cited_by_nothing() {
        let parsed = Parsed::plain("a".to_owned(), TextFormat::Text);
        let piece = Piece { text: "b".to_owned(), span: None };
        assert_eq!(citations(&parsed, &[piece])[0].to_json(), "{}");
    }
}
