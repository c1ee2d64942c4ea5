//! The state that holds within a group, and where its text goes.

use super::charset::Charset;

/// Where text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Destination {
    /// Into the paragraph.
    #[default]
    Text,
    /// Nowhere.
    Nowhere,
    /// Into the name of a font.
    Fonts,
    /// Into the name of a style.
    Styles,
    /// Nowhere, but groups in it say something of the document.
    Info,
    /// Into a statement of the document about itself.
    Statement(Statement),
    /// Into the instruction of a field.
    Instruction,
    /// Into the marker of a list's item.
    Marker,
    /// Nowhere, but one of its groups has the text in Unicode.
    TwoForms,
}

/// A statement of a document about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statement {
    Title,
    Author,
    Created,
    Modified,
}

/// Something that ends with its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    /// A footnote or an endnote.
    Note,
    /// The text in a shape.
    Shape,
    /// A field, with its instruction and its result.
    Field,
    /// A field's result.
    FieldResult,
    /// A font's entry in the table of fonts, or a style's in that of styles.
    Entry,
    /// A statement of the document about itself.
    Statement(Statement),
}

/// Facts about a paragraph.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Paragraph {
    pub(super) style: Option<i32>,
    /// The style that a style is based on.
    pub(super) base: Option<i32>,
    /// The level of the heading that it says itself that it is, from 0.
    pub(super) outline: Option<i32>,
    pub(super) in_table: bool,
    pub(super) is_item: bool,
    /// The level of the list, from 0.
    pub(super) level: usize,
}

/// A group that is open.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) destination: Destination,
    pub(super) begun: Option<Begun>,
    pub(super) charset: Charset,
    /// The number of characters that stand for a Unicode character to a reader that knows none.
    pub(super) fallback: usize,
    pub(super) is_hidden: bool,
    pub(super) paragraph: Paragraph,
    /// `true` if the group's first word may be one that this reader need not know.
    pub(super) is_optional: bool,
}

impl Group {
    pub(super) fn new(charset: Charset) -> Self {
        Group {
            destination: Destination::Text,
            begun: None,
            charset,
            fallback: 1,
            is_hidden: false,
            paragraph: Paragraph::default(),
            is_optional: false,
        }
    }

    /// Returns a group within this one.
    pub(super) fn inner(&self) -> Self {
        let destination = match self.destination {
            Destination::TwoForms => Destination::Nowhere,
            destination => destination,
        };
        Group { begun: None, is_optional: false, destination, ..self.clone() }
    }
}
