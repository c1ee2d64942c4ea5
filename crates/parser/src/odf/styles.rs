//! The looks of paragraphs, lists and slides by their styles.

use std::collections::{HashMap, HashSet};

use crate::ParseError;
use crate::package::stream::{Element, Token, Xml};

/// The number of styles that one may be based on in turn. More are a circle.
const MAX_BASES: usize = 32;

/// The role of a paragraph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParagraphRole {
    /// A heading of this level.
    Heading(usize),
    /// A line of code.
    Code,
    /// A paragraph.
    Text,
}

/// The styles of a document.
#[derive(Debug, Default)]
pub(super) struct Styles {
    parents: HashMap<String, String>,
    levels: HashMap<String, usize>,
    /// The levels of lists that are numbered, from 1, by the list style.
    numbered: HashSet<(String, usize)>,
    /// The list styles of paragraph styles.
    lists: HashMap<String, String>,
    /// Styles of slides, or of sheets, that are not shown.
    hidden: HashSet<String>,
}

impl Styles {
    /// Adds the styles of a file.
    pub(super) fn read(&mut self, xml: &mut Xml<'_>) -> Result<(), ParseError> {
        let mut style = String::new();
        let mut list = String::new();
        loop {
            let element = match xml.next()? {
                Token::Open(element) => element,
                Token::End => return Ok(()),
                _ => continue,
            };
            match element.name().as_str() {
                "style:style" => style = self.style(&element),
                "text:list-style" | "text:outline-style" => {
                    list = element.attribute("name").unwrap_or_default();
                }
                "text:list-level-style-number" => self.number(&list, &element),
                "style:drawing-page-properties"
                    if element.attribute("visibility").is_some_and(|value| value == "hidden") =>
                {
                    self.hidden.insert(style.clone());
                }
                "office:body" | "office:master-styles" => xml.skip()?,
                _ => {}
            }
        }
    }

    /// Adds a style, and returns its name.
    fn style(&mut self, element: &Element<'_>) -> String {
        let name = element.attribute("name").unwrap_or_default();
        if element.attribute("family").is_some_and(|family| family == "paragraph") {
            if let Some(parent) = element.attribute("parent-style-name") {
                self.parents.insert(name.clone(), parent);
            }
            if let Some(level @ 1..) = element.number("default-outline-level") {
                self.levels.insert(name.clone(), level);
            }
            if let Some(list) = element.attribute("list-style-name") {
                self.lists.insert(name.clone(), list);
            }
        }
        name
    }

    fn number(&mut self, list: &str, element: &Element<'_>) {
        let has_format = element.attribute("num-format").is_none_or(|format| !format.is_empty());
        if let Some(level) = element.number("level").filter(|_| has_format) {
            self.numbered.insert((list.to_owned(), level));
        }
    }

    /// Returns what a paragraph of this style is.
    pub(super) fn role(&self, style: &str) -> ParagraphRole {
        let mut style = style;
        for _ in 0..MAX_BASES {
            if let Some(level) = self.levels.get(style) {
                return ParagraphRole::Heading(*level);
            }
            if let Some(role) = role_by_name(style) {
                return role;
            }
            let Some(parent) = self.parents.get(style) else { break };
            style = parent;
        }
        ParagraphRole::Text
    }

    /// Returns whether a level of a list is numbered; levels count from 1.
    pub(super) fn is_numbered(&self, list: &str, level: usize) -> bool {
        self.numbered.contains(&(list.to_owned(), level))
    }

    /// Returns whether a slide of this style is hidden.
    pub(super) fn is_hidden(&self, style: &str) -> bool {
        self.hidden.contains(style)
    }
}

/// Returns the role that the names of styles stand for which every program has.
fn role_by_name(style: &str) -> Option<ParagraphRole> {
    let name = style.replace("_20_", " ");
    if name == "Title" {
        return Some(ParagraphRole::Heading(1));
    }
    if let Some(level) = name.strip_prefix("Heading ") {
        return level.parse().ok().filter(|level| (1..=10).contains(level)).map(ParagraphRole::Heading);
    }
    let is_code = matches!(name.as_str(), "Preformatted Text" | "Source Code" | "Source code" | "Code");
    is_code.then_some(ParagraphRole::Code)
}
