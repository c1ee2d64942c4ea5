//! The blocks of a document.

use pgai_rs_parser_protocol::Page;

use super::styles::{ParagraphRole, Styles};
use crate::ParseError;
use crate::flow::Flow;
use crate::package::stream::{Element, Token, Xml};

/// The cells that all tables of a document may have, those among them that are repeated and empty ones.
pub(super) const MAX_CELLS: usize = 1_000_000;

/// A reader of content, from the beginning to the end.
pub(super) struct Reader<'a> {
    /// The elements that are still to be read.
    pub(super) xml: Xml<'a>,
    /// The styles, by their names.
    pub(super) styles: Styles,
    /// The text as far as it is written.
    pub(super) flow: Flow,
    /// The lists that are open, from the outermost.
    lists: Vec<List>,
    /// `true` if what is read is a table of contents or an index.
    in_index: bool,
    /// The number of footnotes so far.
    pub(super) notes: usize,
    /// The cells that tables may still have.
    pub(super) cells: usize,
}

/// A list that is being read.
struct List {
    style: String,
    /// The number of the next item, if it has one.
    next: Option<u64>,
    indent: usize,
    /// `true` if a paragraph of the item was read.
    has_begun: bool,
}

impl<'a> Reader<'a> {
    /// Returns a reader that has read nothing.
    pub(super) fn new(xml: Xml<'a>, styles: Styles) -> Self {
        let flow = Flow::default();
        Reader { xml, styles, flow, lists: Vec::new(), in_index: false, notes: 0, cells: MAX_CELLS }
    }

    /// Returns the text, and the beginnings of its slides.
    pub(super) fn finish(self) -> (String, Vec<Page>) {
        self.flow.finish()
    }

    /// Reads a text document.
    pub(super) fn body(&mut self) -> Result<(), ParseError> {
        loop {
            match self.xml.next()? {
                Token::Open(element) => match element.name().as_str() {
                    "office:text" => self.blocks()?,
                    "office:automatic-styles" | "office:styles" | "office:scripts" => self.xml.skip()?,
                    _ => {}
                },
                Token::End => return Ok(()),
                _ => {}
            }
        }
    }

    /// Reads the blocks of the element that was opened last, up to its end.
    pub(super) fn blocks(&mut self) -> Result<(), ParseError> {
        loop {
            match self.xml.next()? {
                Token::Open(element) => self.block(&element)?,
                Token::Close | Token::End => return Ok(()),
                Token::Text(_) => {}
            }
        }
    }

    /// Reads an element that is a block, or has some in it.
    pub(super) fn block(&mut self, element: &Element<'_>) -> Result<(), ParseError> {
        match element.name().as_str() {
            "text:h" => {
                let level = element.number("outline-level").unwrap_or(1);
                let title = self.paragraph()?;
                self.put_heading(level, &title);
            }
            "text:p" => {
                let style = element.attribute("style-name").unwrap_or_default();
                let text = self.paragraph()?;
                self.put(&style, &text);
            }
            "text:list" => self.list(element)?,
            "table:table" => self.table()?,
            "text:table-of-content"
            | "text:alphabetical-index"
            | "text:illustration-index"
            | "text:table-index"
            | "text:bibliography"
            | "text:user-index"
            | "text:object-index" => {
                let outer = std::mem::replace(&mut self.in_index, true);
                self.blocks()?;
                self.in_index = outer;
            }
            name if is_left_out(name) => self.xml.skip()?,
            // Sections, frames, groups, shapes: what is in them is what they are.
            _ => self.blocks()?,
        }
        Ok(())
    }

    /// Reads the blocks of the element that was opened last, and returns them as a text of their own.
    pub(super) fn nested(&mut self, flow: Flow) -> Result<String, ParseError> {
        let outer = std::mem::replace(&mut self.flow, flow);
        let lists = std::mem::take(&mut self.lists);
        self.blocks()?;
        self.lists = lists;
        Ok(std::mem::replace(&mut self.flow, outer).finish().0)
    }

    fn put_heading(&mut self, level: usize, title: &str) {
        if let Some(list) = self.lists.last_mut() {
            list.has_begun = true;
        }
        self.flow.heading(level, title);
    }

    /// Appends a paragraph as what it is by its style and its place.
    fn put(&mut self, style: &str, text: &str) {
        if self.in_index {
            return self.flow.item(0, "-", without_page_number(text));
        }
        match self.styles.role(style) {
            ParagraphRole::Heading(level) => self.put_heading(level, text),
            ParagraphRole::Code if self.lists.is_empty() => self.flow.code_line(text),
            _ => self.put_text(text),
        }
    }

    fn put_text(&mut self, text: &str) {
        let Some(list) = self.lists.last_mut() else {
            return self.flow.paragraph(text);
        };
        if text.trim().is_empty() {
            return;
        }
        let marker = list.next.map_or_else(|| "-".to_owned(), |number| format!("{number}."));
        if list.has_begun {
            let indent = list.indent + marker.len() + 1;
            return self.flow.item_goes_on(indent, text);
        }
        list.has_begun = true;
        let indent = list.indent;
        self.flow.item(indent, &marker, text);
    }

    fn list(&mut self, element: &Element<'_>) -> Result<(), ParseError> {
        let outer = self.lists.last();
        let own = element.attribute("style-name");
        let style = own.or_else(|| outer.map(|list| list.style.clone())).unwrap_or_default();
        let indent = outer.map_or(0, List::content);
        let is_numbered = self.styles.is_numbered(&style, self.lists.len() + 1);
        self.lists.push(List { style, next: is_numbered.then_some(1), indent, has_begun: false });
        self.items()?;
        self.lists.pop();
        Ok(())
    }

    fn items(&mut self) -> Result<(), ParseError> {
        loop {
            match self.xml.next()? {
                Token::Open(element) => match element.name().as_str() {
                    "text:list-item" => {
                        self.begin_item(element.number("start-value"));
                        self.blocks()?;
                        self.end_item();
                    }
                    "text:list-header" => {
                        self.begin_item(None);
                        self.blocks()?;
                    }
                    _ => self.xml.skip()?,
                },
                Token::Close | Token::End => return Ok(()),
                Token::Text(_) => {}
            }
        }
    }

    fn begin_item(&mut self, start: Option<u64>) {
        let Some(list) = self.lists.last_mut() else { return };
        list.has_begun = false;
        if list.next.is_some() && start.is_some() {
            list.next = start;
        }
    }

    /// Counts an item, unless it only held a deeper list.
    fn end_item(&mut self) {
        let Some(list) = self.lists.last_mut().filter(|list| list.has_begun) else { return };
        list.next = list.next.map(|number| number.saturating_add(1));
    }
}

impl List {
    /// Returns how far from the margin the text of its items begins; that of an item that only holds a list does not.
    fn content(&self) -> usize {
        let marker = self.next.map_or(1, |number| number.to_string().len() + 1);
        if self.has_begun { self.indent + marker + 1 } else { self.indent }
    }
}

/// Returns whether an element has nothing that belongs to the text.
fn is_left_out(name: &str) -> bool {
    matches!(
        name,
        "text:tracked-changes"
            | "office:annotation"
            | "office:forms"
            | "office:event-listeners"
            | "office:dde-source"
            | "text:sequence-decls"
            | "text:variable-decls"
            | "text:user-field-decls"
            | "text:dde-connection-decls"
            | "text:alphabetical-index-source"
            | "text:table-of-content-source"
            | "text:illustration-index-source"
            | "text:table-index-source"
            | "text:bibliography-source"
            | "text:user-index-source"
            | "text:object-index-source"
            | "svg:title"
            | "svg:desc"
            | "draw:image"
            | "draw:object"
            | "draw:object-ole"
            | "draw:glue-point"
            | "draw:enhanced-geometry"
            | "draw:image-map"
            | "office:binary-data"
            | "math:math"
            | "anim:par"
            | "presentation:animations"
    )
}

/// Returns an entry of an index without the number of the page behind its last tab.
pub(crate) fn without_page_number(text: &str) -> &str {
    match text.rsplit_once('\t') {
        Some((entry, number)) if number.chars().all(|letter| letter.is_ascii_alphanumeric()) => entry,
        _ => text,
    }
}
