//! Styles of a Word document: what a style says of a paragraph or of a piece of text, with what it inherits.

use std::collections::HashMap;

use crate::package::{Node, Tree};

use super::super::names;

/// The longest chain of styles that inherit from each other. A chain may be a circle.
const LONGEST_CHAIN: usize = 20;

/// The styles, by their ids.
#[derive(Debug, Default)]
pub(super) struct Styles {
    styles: HashMap<String, Style>,
    /// The id of the style of paragraphs that name none.
    default_paragraph: Option<String>,
    /// The language of the text, where no other is said.
    pub(super) language: Option<String>,
    /// `true` if text has a fixed pitch where nothing else is said, so that this makes no code of it.
    pub(super) fixed_pitch: bool,
}

/// A style, without what it inherits.
#[derive(Debug, Default)]
struct Style {
    name: String,
    based_on: Option<String>,
    outline: Option<u8>,
    numbering: Option<NumberingRef>,
    look: Look,
}

/// A paragraph's place in a list, as far as it is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NumberingRef {
    /// The id of the list; 0 takes the paragraph out of the list that its style names.
    pub(super) number: Option<String>,
    /// The level in the list, from 0.
    pub(super) level: Option<usize>,
}

/// The look of text, as far as it is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// `true` if the text is bold; `None` leaves that to the style.
    pub(super) bold: Option<bool>,
    /// `true` if the text is italic; `None` leaves that to the style.
    pub(super) italic: Option<bool>,
    /// `true` if the text is struck through; `None` leaves that to the style.
    pub(super) strike: Option<bool>,
    /// `true` if the text is not shown; `None` leaves that to the style.
    pub(super) hidden: Option<bool>,
    /// `true` if all letters have one width; `None` leaves that to the style.
    pub(super) fixed_pitch: Option<bool>,
}

/// The meaning of a paragraph's style.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ParagraphStyle {
    /// The level of a heading, from 1.
    pub(super) heading: Option<usize>,
    /// The level of an entry of a table of contents, from 1.
    pub(super) contents: Option<usize>,
    /// The kind and the level of a list, from 1, by the style's name alone.
    pub(super) list: Option<(names::List, usize)>,
    /// The place in a list that the style gives.
    pub(super) numbering: Option<NumberingRef>,
    /// `true` if the style, or one that it inherits from, is one of code by its name.
    pub(super) code: bool,
    /// `true` if the style, or one that it inherits from, is one of quotations by its name.
    pub(super) quote: bool,
    /// The look of text that has no style of its own.
    pub(super) look: Look,
}

impl Styles {
    /// Returns the styles of this part.
    pub(super) fn read(tree: &Tree) -> Self {
        let root = tree.root();
        let defaults = root.at(&["docDefaults", "rPrDefault", "rPr"]);
        let language = defaults
            .and_then(|defaults| defaults.child("lang")?.attribute("val"))
            .map(|language| language.trim().to_owned())
            .filter(|language| !language.is_empty() && language != "x-none");
        let mut styles = Styles {
            language,
            fixed_pitch: defaults.is_some_and(|defaults| Look::read(defaults).fixed_pitch == Some(true)),
            ..Styles::default()
        };

        for node in root.elements_named("style") {
            let Some(id) = node.attribute("styleId") else { continue };
            let is_default = node.attribute("default").is_some_and(|value| is_on(&value));
            let style = Style::read(node);
            if is_default && node.attribute("type").is_none_or(|kind| kind == "paragraph") {
                styles.fixed_pitch |= style.look.fixed_pitch == Some(true);
                styles.default_paragraph = Some(id.clone().into_owned());
            }
            styles.styles.insert(id.into_owned(), style);
        }
        styles
    }

    /// Returns the meaning of a paragraph's style; of the default one if it names none.
    pub(super) fn paragraph(&self, id: Option<&str>) -> ParagraphStyle {
        let Some(id) = id.or(self.default_paragraph.as_deref()) else { return ParagraphStyle::default() };
        if !self.styles.contains_key(id) {
            // Some programs write no styles, and the ids of Word's.
            let mut style = ParagraphStyle::default();
            style.add_name(&id.to_lowercase());
            return style;
        }

        let mut style = ParagraphStyle::default();
        let mut outline = None;
        for found in self.chain(id) {
            style.add_name(&found.name);
            outline = outline.or(found.outline);
            style.look = style.look.or(found.look);
            if let Some(numbering) = &found.numbering {
                let inherited = style.numbering.get_or_insert_default();
                inherited.number = inherited.number.take().or_else(|| numbering.number.clone());
                inherited.level = inherited.level.or(numbering.level);
            }
        }

        if let Some(level @ 0..9) = outline {
            style.heading = style.heading.or(Some(usize::from(level) + 1));
        }
        style
    }

    /// Returns the look that a style of text gives it.
    pub(super) fn text(&self, id: &str) -> Look {
        let mut look = Look::default();
        for style in self.chain(id) {
            look = look.or(style.look);
            if names::is_code(&style.name) {
                look.fixed_pitch = look.fixed_pitch.or(Some(true));
            }
        }
        look
    }

    /// Returns a style, and those that it inherits from.
    fn chain(&self, id: &str) -> impl Iterator<Item = &Style> {
        let mut next = self.styles.get(id);
        std::iter::from_fn(move || {
            let style = next?;
            next = style.based_on.as_ref().and_then(|id| self.styles.get(id));
            Some(style)
        })
        .take(LONGEST_CHAIN)
    }
}

impl ParagraphStyle {
    /// Notes what the name of the style says, or of one that it inherits from.
    fn add_name(&mut self, name: &str) {
        self.heading = self.heading.or_else(|| names::heading(name));
        self.contents = self.contents.or_else(|| names::contents(name));
        self.list = self.list.or_else(|| names::list(name));
        self.code |= names::is_code(name);
        self.quote |= names::is_quote(name);
    }
}

impl Style {
    fn read(node: Node<'_>) -> Self {
        let value = |name: &str| node.child(name)?.attribute("val");
        let paragraph = node.child("pPr");
        Style {
            name: value("name").unwrap_or_default().trim().to_lowercase(),
            based_on: value("basedOn").map(|id| id.into_owned()),
            outline: paragraph.and_then(|paragraph| paragraph.child("outlineLvl")?.number("val")),
            numbering: paragraph.and_then(NumberingRef::read),
            look: node.child("rPr").map(Look::read).unwrap_or_default(),
        }
    }
}

impl NumberingRef {
    /// Returns the list that properties of a paragraph name.
    pub(super) fn read(properties: Node<'_>) -> Option<Self> {
        let node = properties.child("numPr")?;
        let number = node.child("numId").and_then(|number| number.attribute("val"));
        let level = node.child("ilvl").and_then(|level| level.number("val"));
        Some(NumberingRef { number: number.map(|number| number.into_owned()), level })
    }
}

/// Returns whether a property is switched on; `None` if it is not there.
fn toggle(properties: Node<'_>, name: &str) -> Option<bool> {
    let property = properties.child(name)?;
    Some(property.attribute("val").is_none_or(|value| is_on(&value)))
}

impl Look {
    /// Returns the look that properties of a piece of text say.
    pub(super) fn read(properties: Node<'_>) -> Self {
        let fonts = properties.child("rFonts").and_then(|fonts| fonts.attribute("ascii"));
        Look {
            bold: toggle(properties, "b"),
            italic: toggle(properties, "i"),
            strike: toggle(properties, "strike").or_else(|| toggle(properties, "dstrike")),
            hidden: toggle(properties, "vanish"),
            fixed_pitch: fonts.map(|font| names::is_fixed_pitch(&font)),
        }
    }

    /// Returns this look, and where it says nothing, another.
    pub(super) fn or(self, other: Look) -> Look {
        Look {
            bold: self.bold.or(other.bold),
            italic: self.italic.or(other.italic),
            strike: self.strike.or(other.strike),
            hidden: self.hidden.or(other.hidden),
            fixed_pitch: self.fixed_pitch.or(other.fixed_pitch),
        }
    }
}

/// Returns whether the value of a switch says yes.
pub(super) fn is_on(value: &str) -> bool {
    !matches!(value.trim(), "0" | "false" | "off" | "none")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn styles(xml: &str) -> Styles {
        Styles::read(&Tree::parse(format!("<w:styles>{xml}</w:styles>").into_bytes()).unwrap())
    }

    #[test]
    fn an_outline_level_is_inherited_and_may_be_taken_back() {
        let styles = styles(
            "<w:style w:styleId='a'><w:name w:val='Chapter'/><w:pPr><w:outlineLvl w:val='1'/></w:pPr></w:style>\
             <w:style w:styleId='b'><w:name w:val='Mine'/><w:basedOn w:val='a'/></w:style>\
             <w:style w:styleId='c'><w:name w:val='Body'/><w:basedOn w:val='a'/>\
             <w:pPr><w:outlineLvl w:val='9'/></w:pPr></w:style>",
        );
        assert_eq!(styles.paragraph(Some("b")).heading, Some(2));
        assert_eq!(styles.paragraph(Some("c")).heading, None);
        assert_eq!(styles.paragraph(Some("Heading3")).heading, Some(3));
    }

    #[test]
    fn styles_in_a_circle_end() {
        let styles = styles(
            "<w:style w:styleId='a'><w:basedOn w:val='b'/></w:style>\
             <w:style w:styleId='b'><w:basedOn w:val='a'/></w:style>",
        );
        assert_eq!(styles.paragraph(Some("a")), ParagraphStyle::default());
    }
}
