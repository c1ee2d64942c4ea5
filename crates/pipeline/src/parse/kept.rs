//! Texts as they are kept: the text itself, and an outline of all else that the parser found.

use serde::{Deserialize, Serialize};

use super::program::are_within;
use super::{Metadata, Page, Parsed};
use crate::config::TextFormat;

/// The name and the version of the parser, which the worker's own decoding of plain text goes by, too.
pub const PARSER: &str = concat!("pgai_rs_parser ", env!("CARGO_PKG_VERSION"));

/// A text that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptText {
    /// The document as it came from the parser.
    pub parsed: Parsed,
    /// The name and the version of the parser.
    pub parser: String,
}

/// The facts about a text that are kept beside it.
#[derive(Serialize, Deserialize)]
struct Outline {
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    format: TextFormat,
    #[serde(default)]
    metadata: Metadata,
    /// The number of each page, and the bytes of the text before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pages: Vec<(u32, usize)>,
    parser: String,
}

impl Parsed {
    /// Returns all that is known about the text beside itself, as JSON; `None` if there is no JSON of it.
    pub fn outline(&self) -> Option<String> {
        let outline = Outline {
            kind: self.kind.clone(),
            format: self.format,
            metadata: self.metadata.clone(),
            pages: self.pages.iter().map(|page| (page.number, page.start)).collect(),
            parser: PARSER.to_owned(),
        };
        serde_json::to_string(&outline).ok()
    }
}

impl KeptText {
    /// Returns the document of a text and the outline that was kept with it; `None` if the two do not fit, for somebody
    /// has written there.
    pub fn read(text: String, outline: &str) -> Option<KeptText> {
        let Outline { kind, format, metadata, pages, parser } = serde_json::from_str(outline).ok()?;
        let pages: Vec<Page> = pages.into_iter().map(|(number, start)| Page { number, start }).collect();
        let fits = are_within(&pages, &text);
        fits.then_some(KeptText { parsed: Parsed { text, format, kind, pages, metadata }, parser })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Parsed {
        Parsed {
            text: "Größe\n\nWeite".to_owned(),
            format: TextFormat::Markdown,
            kind: Some("pdf".to_owned()),
            pages: vec![Page { number: 1, start: 0 }, Page { number: 2, start: 9 }],
            metadata: Metadata {
                title: Some("A report".to_owned()),
                page_count: Some(2),
                ..Metadata::default()
            },
        }
    }

    #[test]
    fn a_text_is_read_as_it_was_kept() {
        for parsed in [report(), Parsed::plain("notes".to_owned(), TextFormat::Text)] {
            let outline = parsed.outline().unwrap();
            let kept = KeptText::read(parsed.text.clone(), &outline).unwrap();
            assert_eq!(kept, KeptText { parsed, parser: PARSER.to_owned() });
        }
    }

    #[test]
    fn a_text_that_somebody_has_changed_is_none() {
        let outline = report().outline().unwrap();
        for text in ["short", "Größenöl"] {
            assert_eq!(KeptText::read(text.to_owned(), &outline), None, "{text}");
        }
        assert_eq!(KeptText::read(report().text, "{}"), None);
    }
}
