//! The blocks of a document that is prose.

use super::super::tree::{Element, Node};
use super::inline::Inline;
use super::names::{ElementRole, role};
use super::{authors, list, table};
use crate::markdown::{Blocks, code, one_line};

/// The deepest indentation of lists and quotations.
const DEEPEST: usize = 10;

/// A writer of the blocks of a document.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// The blocks that are written.
    pub(super) blocks: Blocks,
    /// Footnotes that were referred to, but not written yet.
    notes: Vec<String>,
    /// The number of lists and the like that are around what is being written.
    nesting: usize,
    /// The number of footnotes.
    pub(super) count: usize,
}

impl Writer {
    /// Returns the text.
    pub(super) fn finish(mut self) -> String {
        self.write_notes();
        self.blocks.finish().0
    }

    /// Appends a section, whose title is a heading of this level.
    pub(super) fn section(&mut self, element: &Element, level: usize) {
        self.parts(element, Titles::Headings(level));
        self.write_notes();
    }

    /// Appends the blocks in an element, and paragraphs of what stands between them.
    fn parts(&mut self, element: &Element, titles: Titles) {
        let mut line = Inline::default();
        for child in &element.children {
            match child {
                Node::Text(text) => line.text(text),
                Node::Element(child) if is_left_out(child, element) => {}
                Node::Element(child) if is_block(child) => {
                    self.paragraph(&mut line);
                    self.block(child, element, titles);
                }
                Node::Element(child) => self.inline(child, &mut line),
            }
        }
        self.paragraph(&mut line);
    }

    /// Appends a line of text as a paragraph.
    fn paragraph(&mut self, line: &mut Inline) {
        let text = std::mem::take(line).finish();
        self.blocks.push(&text);
    }

    fn block(&mut self, element: &Element, parent: &Element, titles: Titles) {
        match role(&element.name) {
            ElementRole::Nothing => {}
            ElementRole::Title => self.title(element, parent, titles),
            ElementRole::Info if parent.name.ends_with("step") => self.parts(element, titles),
            ElementRole::Info => self.info(element, titles),
            ElementRole::Section => {
                self.write_notes();
                let level = titles.level() + usize::from(has_title(element) || element.name == "abstract");
                if element.name == "abstract" && element.child("title").is_none() {
                    self.blocks.heading(level, "Abstract");
                }
                self.section(element, level);
            }
            ElementRole::Figure => self.parts(element, Titles::Paragraphs(titles.level())),
            ElementRole::List(numbered) => list::write(self, element, numbered, titles.level()),
            ElementRole::Terms => list::write_terms(self, element, titles.level()),
            ElementRole::Table => table::write(self, element, titles.level()),
            ElementRole::Code => {
                let language =
                    element.attribute("language").or_else(|| element.attribute("lang")).unwrap_or_default();
                self.blocks.push(&code(&one_line(language), element.raw_text().trim_matches('\n')));
            }
            ElementRole::Quote => {
                let quoted = self.nested(element, titles.level());
                let mark = if self.is_deep() { "" } else { "> " };
                let lines = quoted.lines().map(|line| format!("{mark}{line}").trim_end().to_owned());
                self.blocks.push(&lines.collect::<Vec<_>>().join("\n"));
            }
            ElementRole::Verse => {}
            ElementRole::Block if element.elements().any(|child| role(&child.name) == ElementRole::Verse) => {
                self.verses(element)
            }
            ElementRole::Block | ElementRole::Inline => {
                self.parts(element, Titles::Paragraphs(titles.level()).or_headings(element, titles))
            }
        }
    }

    fn title(&mut self, element: &Element, parent: &Element, titles: Titles) {
        let label = parent.child("label").map(Element::text).unwrap_or_default();
        let mut line = Inline::default();
        self.contents(element, &mut line);
        let text = format!("{label} {}", line.finish());
        match titles {
            Titles::Headings(level) => self.blocks.heading(level_of(element).unwrap_or(level), &text),
            Titles::Paragraphs(_) => self.blocks.push(&one_line(&text)),
        }
    }

    /// Appends title, authors and abstract of the document or of a part of it.
    fn info(&mut self, element: &Element, titles: Titles) {
        let level = titles.level();
        let title = ["article-title", "title", "book-title"].iter().find_map(|name| element.descendant(name));
        if let Some(title) = title {
            self.title(title, element, Titles::Headings(level));
            self.blocks.push(&element.descendant("subtitle").map(Element::text).unwrap_or_default());
            self.blocks.push(&authors(element).join(", "));
        }
        for child in element
            .elements()
            .filter(|child| ["abstract", "legalnotice", "annotation"].contains(&child.name.as_str()))
        {
            self.block(child, element, Titles::Headings(level));
        }
    }

    /// Appends lines that stay lines.
    fn verses(&mut self, element: &Element) {
        let mut lines = Vec::new();
        for child in element.elements() {
            let mut line = Inline::default();
            self.contents(child, &mut line);
            lines.push(line.finish());
        }
        self.blocks.push(&lines.join("\n"));
    }

    /// Returns whether there are so many lists around that another indentation would tell nothing.
    pub(super) fn is_deep(&self) -> bool {
        self.nesting > DEEPEST
    }

    /// Returns the blocks in an element as a text of their own.
    pub(super) fn nested(&mut self, element: &Element, level: usize) -> String {
        let outside = std::mem::take(&mut self.blocks);
        self.nesting += 1;
        self.parts(element, Titles::Paragraphs(level));
        self.nesting -= 1;
        std::mem::replace(&mut self.blocks, outside).finish().0
    }

    /// Appends an element to a line.
    fn inline(&mut self, element: &Element, line: &mut Inline) {
        match element.name.as_str() {
            "footnote" | "fn" => {
                self.count += 1;
                let number = self.count;
                let text = one_line(&self.nested(element, 1));
                self.notes.push(format!("[^{number}]: {text}"));
                line.mark(&format!("[^{number}]"));
            }
            _ => {
                line.open(element);
                self.contents(element, line);
                line.close();
            }
        }
    }

    /// Appends what is in an element to a line, blocks as well.
    pub(super) fn contents(&mut self, element: &Element, line: &mut Inline) {
        // Volume and pages of what is cited help to find it.
        let is_cited = element.name.ends_with("citation");
        for child in &element.children {
            match child {
                Node::Text(text) => line.text(text),
                Node::Element(child) if role(&child.name) == ElementRole::Nothing && !is_cited => {}
                Node::Element(child) => self.inline(child, line),
            }
        }
    }

    fn write_notes(&mut self) {
        for note in std::mem::take(&mut self.notes) {
            self.blocks.push(&note);
        }
    }
}

/// The fate of titles within an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Titles {
    /// They are headings of this level.
    Headings(usize),
    /// They are paragraphs, within a section of this level.
    Paragraphs(usize),
}

impl Titles {
    fn level(self) -> usize {
        match self {
            Titles::Headings(level) | Titles::Paragraphs(level) => level,
        }
    }

    /// Returns headings for the containers that have no title of their own, such as the body of an article.
    fn or_headings(self, element: &Element, outside: Titles) -> Titles {
        const CONTAINERS: &[&str] = &[
            "body",
            "front",
            "back",
            "text",
            "group",
            "main",
            "conbody",
            "taskbody",
            "refbody",
            "refnamediv",
            "dita",
            "titlepage",
            "header",
        ];
        if CONTAINERS.contains(&element.name.as_str()) { outside } else { self }
    }
}

/// Returns whether an element is the label of a title, with which it is written, or the dot of an item of a list.
fn is_left_out(element: &Element, parent: &Element) -> bool {
    element.name == "label"
        && (has_title(parent) || ["•", "-", "–", "*", ""].contains(&element.text().as_str()))
}

/// Returns whether an element is a block, or an unknown one with blocks in it.
fn is_block(element: &Element) -> bool {
    match role(&element.name) {
        ElementRole::Inline => has_block(element),
        _ => true,
    }
}

fn has_block(element: &Element) -> bool {
    !["footnote", "fn"].contains(&element.name.as_str())
        && !element.name.ends_with("citation")
        && element.elements().any(|child| match role(&child.name) {
            ElementRole::Inline => has_block(child),
            ElementRole::Nothing => false,
            _ => true,
        })
}

/// Returns whether a section has a heading.
fn has_title(element: &Element) -> bool {
    element.elements().any(|child| matches!(role(&child.name), ElementRole::Title | ElementRole::Info))
        || element.child("front").is_some()
}

/// Returns the level of a heading of HTML's or OpenDocument's, within what is around it.
fn level_of(element: &Element) -> Option<usize> {
    let told = element.attribute("outline-level").or_else(|| element.name.strip_prefix('h'))?;
    told.parse().ok()
}
