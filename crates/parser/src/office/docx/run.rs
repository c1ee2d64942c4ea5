//! The text within a paragraph: runs, links, fields, drawings.

use std::rc::Rc;

use crate::ParseError;
use crate::package::Node;

use super::super::block::Block;
use super::super::fields::FieldMeaning;
use super::super::inline::{Inline, Mark};
use super::super::{drawing, fields, math, symbols};
use super::anchors::Anchors;
use super::body::{Reader, is_prompt};
use super::notes::NoteKind;
use super::styles::Look;

/// A paragraph's text, as far as it was read.
pub(super) struct Line {
    /// The pieces of the text, each with its look.
    pub(super) text: Inline,
    /// Text boxes, charts and the like, which come after it.
    pub(super) blocks: Vec<Block>,
    /// The look that the paragraph's style gives its text.
    look: Look,
    /// The target of the link that is open.
    link: Option<Rc<str>>,
}

impl Line {
    /// Returns a line that continues a text.
    pub(super) fn new(look: Look, text: Option<Inline>) -> Self {
        Line { text: text.unwrap_or_default(), blocks: Vec::new(), look, link: None }
    }
}

impl<'p> Reader<'_, 'p> {
    /// Appends the text in an element.
    pub(super) fn inline(&mut self, parent: Node<'p>, line: &mut Line) -> Result<(), ParseError> {
        for node in parent.elements() {
            match node.name() {
                "r" => self.run(node, line)?,
                "hyperlink" => self.hyperlink(node, line)?,
                "fldSimple" => self.simple_field(node, line)?,
                "sdt" if is_prompt(node) => {}
                "sdt" => {
                    if let Some(content) = node.child("sdtContent") {
                        self.inline(content, line)?;
                    }
                }
                "ins" | "moveTo" | "smartTag" | "customXml" | "dir" | "bdo" => self.inline(node, line)?,
                "bookmarkStart" => self.bookmark(node),
                "oMath" | "oMathPara" => self.push(line, Look::default(), &math::text(node)),
                // Deleted and moved text, properties, marks of comments.
                _ => {}
            }
        }
        Ok(())
    }

    fn hyperlink(&mut self, node: Node<'p>, line: &mut Line) -> Result<(), ParseError> {
        let id = node.prefixed_attribute("id").unwrap_or_default();
        let mut url = self.relationships.get(&id).map(|target| target.target.clone()).unwrap_or_default();
        if let Some(anchor) = node.attribute("anchor") {
            if url.is_empty() {
                url = Anchors::link(&anchor);
            } else if !url.contains('#') {
                url = format!("{url}#{anchor}");
            }
        }
        self.linked(node, (!url.is_empty()).then(|| Rc::from(url)), line)
    }

    fn simple_field(&mut self, node: Node<'p>, line: &mut Line) -> Result<(), ParseError> {
        match fields::meaning(&node.attribute("instr").unwrap_or_default()) {
            FieldMeaning::PageNumber => Ok(()),
            FieldMeaning::Text => self.inline(node, line),
            FieldMeaning::Link(url) => self.linked(node, Some(target(&url)), line),
        }
    }

    /// Appends the text in an element as that of a link.
    fn linked(&mut self, node: Node<'p>, url: Option<Rc<str>>, line: &mut Line) -> Result<(), ParseError> {
        let outer = std::mem::replace(&mut line.link, url);
        let result = self.inline(node, line);
        line.link = outer;
        result
    }

    fn run(&mut self, run: Node<'p>, line: &mut Line) -> Result<(), ParseError> {
        let properties = run.child("rPr");
        let own = properties.map(Look::read).unwrap_or_default();
        let named = properties.and_then(|properties| properties.child("rStyle")?.attribute("val"));
        let named = named.map(|id| self.styles.text(&id)).unwrap_or_default();
        let look = own.or(named).or(line.look);

        for node in run.elements() {
            match node.name() {
                "t" => self.push(line, look, &node.text()),
                "instrText" => self.fields.instruct(&node.text()),
                "fldChar" => self.field_sign(node, line, look),
                "tab" | "ptab" => self.push(line, look, "\t"),
                "br" if node.attribute("type").is_some_and(|kind| kind != "textWrapping") => {}
                "br" | "cr" => self.push(line, look, "\n"),
                "noBreakHyphen" => self.push(line, look, "-"),
                "sym" => self.symbol(node, line, look),
                "footnoteReference" => self.note(NoteKind::Footnote, node, line),
                "endnoteReference" => self.note(NoteKind::Endnote, node, line),
                "ruby" => {
                    if let Some(base) = node.child("rubyBase") {
                        self.inline(base, line)?;
                    }
                }
                "drawing" | "pict" | "object" => self.drawing(node, line)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Appends text of this look, unless it is hidden.
    fn push(&mut self, line: &mut Line, look: Look, text: &str) {
        if look.hidden == Some(true) || !self.fields.is_shown() {
            return;
        }
        let on = |value: Option<bool>| value == Some(true);
        let mark = Mark {
            bold: on(look.bold),
            italic: on(look.italic),
            strike: on(look.strike),
            code: on(look.fixed_pitch) && self.fixed_pitch_is_code,
            link: line.link.clone().or_else(|| self.fields.link().map(|url| target(&url))),
        };
        line.text.push(&mark, text);
    }

    fn field_sign(&mut self, node: Node<'_>, line: &mut Line, look: Look) {
        match node.attribute("fldCharType").as_deref() {
            Some("begin") => {
                if let Some(checked) = node.at(&["ffData", "checkBox"]).map(is_checked) {
                    self.push(line, look, if checked { "☒" } else { "☐" });
                }
                self.fields.begin();
            }
            Some("separate") => self.fields.separate(),
            Some("end") => self.fields.end(),
            _ => {}
        }
    }

    fn symbol(&mut self, node: Node<'_>, line: &mut Line, look: Look) {
        let font = node.attribute("font").unwrap_or_default();
        let code = node.attribute("char").and_then(|code| u32::from_str_radix(&code, 16).ok());
        if let Some(letter) = code.and_then(|code| symbols::letter(&font, code)) {
            self.push(line, look, letter.encode_utf8(&mut [0; 4]));
        }
    }

    fn note(&mut self, kind: NoteKind, node: Node<'_>, line: &mut Line) {
        if !self.fields.is_shown() {
            return;
        }
        let label = node.attribute("id").and_then(|id| self.notes.refer(kind, &id));
        if let Some(label) = label {
            line.text.push(&Mark::default(), &format!("[^{label}]"));
        }
    }

    /// Appends what a drawing has to read: text boxes, charts, diagrams, and the text that stands for a picture.
    fn drawing(&mut self, node: Node<'p>, line: &mut Line) -> Result<(), ParseError> {
        for child in node.elements() {
            match child.name() {
                "txbxContent" => {
                    let blocks = self.inner(child)?;
                    line.blocks.extend(blocks);
                }
                "chart" | "relIds" => {
                    let relationships = self.relationships.clone();
                    drawing::read(self.package, &relationships, child, &mut line.blocks)?;
                }
                "docPr" => drawing::picture(child, &mut line.blocks),
                _ => self.drawing(child, line)?,
            }
        }
        Ok(())
    }
}

/// Returns the target of a link that a field says, which is within the document if it begins with `#`.
fn target(url: &Rc<str>) -> Rc<str> {
    match url.strip_prefix('#') {
        Some(anchor) => Rc::from(Anchors::link(anchor)),
        None => url.clone(),
    }
}

/// Returns whether a box to check is checked.
fn is_checked(check_box: Node<'_>) -> bool {
    let state = check_box.child("checked").or_else(|| check_box.child("default"));
    state.is_some_and(|state| state.attribute("val").is_none_or(|value| super::styles::is_on(&value)))
}
