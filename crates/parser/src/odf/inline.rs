//! The content of a paragraph: text, links, notes, and boxes that are anchored in it.

use super::content::Reader;
use crate::ParseError;
use crate::flow::Flow;
use crate::markdown::one_line;
use crate::package::stream::{Element, Token};

/// The most spaces that one element stands for.
const MAX_SPACES: usize = 256;

impl Reader<'_> {
    /// Returns the paragraph that was opened last, up to its end.
    pub(super) fn paragraph(&mut self) -> Result<String, ParseError> {
        let mut text = String::new();
        self.inline(&mut text)?;
        Ok(text.trim_end().to_owned())
    }

    fn inline(&mut self, text: &mut String) -> Result<(), ParseError> {
        loop {
            match self.xml.next()? {
                Token::Text(part) => append_collapsed(text, &part),
                Token::Open(element) => self.inline_element(&element, text)?,
                Token::Close | Token::End => return Ok(()),
            }
        }
    }

    fn inline_element(&mut self, element: &Element<'_>, text: &mut String) -> Result<(), ParseError> {
        match element.name().as_str() {
            "text:s" => {
                let count = element.number("c").unwrap_or(1_usize).min(MAX_SPACES);
                text.push_str(&" ".repeat(count));
                self.xml.skip()?;
            }
            "text:tab" => {
                text.push('\t');
                self.xml.skip()?;
            }
            "text:line-break" => {
                text.push('\n');
                self.xml.skip()?;
            }
            "text:a" => self.link(element, text)?,
            "text:note" => self.note(text)?,
            "draw:text-box" => {
                let flow = if self.flow.is_in_cell() { Flow::in_cell() } else { Flow::default() };
                let boxed = self.nested(flow)?;
                self.flow.after(boxed);
            }
            "text:p" | "text:h" => {
                let line = self.paragraph()?;
                self.flow.after(line);
            }
            "table:table" | "text:list" => self.block(element)?,
            "office:annotation"
            | "text:ruby-text"
            | "svg:title"
            | "svg:desc"
            | "draw:object"
            | "draw:image"
            | "draw:object-ole"
            | "text:tracked-changes"
            | "text:script"
            | "office:binary-data"
            | "office:event-listeners"
            | "draw:enhanced-geometry"
            | "math:math" => self.xml.skip()?,
            _ => self.inline(text)?,
        }
        Ok(())
    }

    /// Appends a link; within the document it is only its text.
    fn link(&mut self, element: &Element<'_>, text: &mut String) -> Result<(), ParseError> {
        let target = element.attribute("href").unwrap_or_default();
        let mut label = String::new();
        self.inline(&mut label)?;
        text.push_str(&link(&label, &target));
        Ok(())
    }

    /// Appends the mark of a note, whose text follows the paragraph.
    fn note(&mut self, text: &mut String) -> Result<(), ParseError> {
        self.notes += 1;
        let number = self.notes;
        loop {
            match self.xml.next()? {
                Token::Open(element) if element.name() == "text:note-body" => {
                    let body = self.nested(Flow::in_cell())?;
                    if !body.is_empty() {
                        text.push_str(&format!("[^{number}]"));
                        self.flow.after(format!("[^{number}]: {}", one_line(&body)));
                    }
                }
                Token::Open(_) => self.xml.skip()?,
                Token::Close | Token::End => return Ok(()),
                Token::Text(_) => {}
            }
        }
    }
}

/// Returns a link in Markdown, or the label alone if the target is within the document or says no more.
pub(crate) fn link(label: &str, target: &str) -> String {
    let target = target.trim();
    let is_within = target.is_empty() || target.starts_with('#') || target.contains(['\n', '<', '>']);
    let trimmed = label.trim();
    if is_within || trimmed.is_empty() || trimmed == target || trimmed.contains('\n') {
        return label.to_owned();
    }
    let target = if target.contains([' ', '(', ')']) { format!("<{target}>") } else { target.to_owned() };
    let begin = label.len() - label.trim_start().len();
    let (before, rest) = label.split_at(begin);
    let behind = rest.get(trimmed.len()..).unwrap_or_default();
    format!("{before}[{trimmed}]({target}){behind}")
}

/// Appends text in which whitespace is one space, and none at the beginning.
fn append_collapsed(text: &mut String, part: &str) {
    for character in part.chars() {
        if matches!(character, ' ' | '\t' | '\n' | '\r') {
            if !text.is_empty() && !text.ends_with([' ', '\n', '\t']) {
                text.push(' ');
            }
        } else {
            text.push(character);
        }
    }
}
