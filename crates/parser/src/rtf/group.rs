//! The state that holds within a group, and where its text goes.

use super::charset::Charset;

/// The destination of text.
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
    Statement(InfoStatement),
    /// Into the instruction of a field.
    Instruction,
    /// Into the marker of a list's item.
    Marker,
    /// Nowhere, but one of its groups has the text in Unicode.
    TwoForms,
}

/// A statement of a document about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InfoStatement {
    /// The title of the document.
    Title,
    /// The name of the author.
    Author,
    /// The time when the document was made.
    Created,
    /// The time when the document was last saved.
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
    Statement(InfoStatement),
}

/// Facts about a paragraph.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Paragraph {
    /// The number of its style.
    pub(super) style: Option<i32>,
    /// The style that a style is based on.
    pub(super) base: Option<i32>,
    /// The level of the heading that it says itself that it is, from 0.
    pub(super) outline: Option<i32>,
    /// `true` if it is in a cell of a table.
    pub(super) in_table: bool,
    /// `true` if it is an item of a list.
    pub(super) is_item: bool,
    /// The level of the list, from 0.
    pub(super) level: usize,
}

/// A group that is open.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// The destination of the text.
    pub(super) destination: Destination,
    /// The thing that ends with the group.
    pub(super) begun: Option<Begun>,
    /// The charset of bytes that are text.
    pub(super) charset: Charset,
    /// The number of characters that stand for a Unicode character to a reader that knows none.
    pub(super) fallback: usize,
    /// `true` if the text is not shown.
    pub(super) is_hidden: bool,
    /// Facts about the paragraph that the group is in.
    pub(super) paragraph: Paragraph,
    /// `true` if the group's first word may be one that this reader need not know.
    pub(super) is_optional: bool,
}

impl Group {
    /// Returns the outermost group of a document in this charset.
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
