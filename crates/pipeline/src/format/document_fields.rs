//! Placeholders for what a document says of itself, and for where a chunk stands in it.

use pgai_rs_parser_protocol::Metadata;

/// A placeholder that is filled from the document, unless the source has a column of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentField {
    /// The document's title.
    Title,
    /// Its authors.
    Author,
    /// The time at which it was made.
    Created,
    /// The time at which it was last changed.
    Modified,
    /// Its language.
    Language,
    /// The page on which the chunk begins.
    Page,
    /// The headings that the chunk stands under.
    Headings,
}

impl DocumentField {
    /// All of them, with their names in a template.
    pub const ALL: [(&'static str, DocumentField); 7] = [
        ("title", DocumentField::Title),
        ("author", DocumentField::Author),
        ("created", DocumentField::Created),
        ("modified", DocumentField::Modified),
        ("language", DocumentField::Language),
        ("page", DocumentField::Page),
        ("headings", DocumentField::Headings),
    ];

    /// Returns the placeholder of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
    }

    /// Returns whether each chunk has a value of its own.
    pub(crate) fn is_of_chunk(self) -> bool {
        matches!(self, DocumentField::Page | DocumentField::Headings)
    }

    /// Returns the document's value; empty if it says nothing, or if each chunk has a value of its own.
    pub(crate) fn of_document(self, metadata: &Metadata) -> String {
        let value = match self {
            DocumentField::Title => &metadata.title,
            DocumentField::Author => &metadata.author,
            DocumentField::Created => &metadata.created,
            DocumentField::Modified => &metadata.modified,
            DocumentField::Language => &metadata.language,
            DocumentField::Page | DocumentField::Headings => &None,
        };
        value.clone().unwrap_or_default()
    }
}
