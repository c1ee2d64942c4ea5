//! The elements of an XML document.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::entities::Entities;
use crate::nesting::DEEPEST;
use crate::{Kind, ParseError};

/// The most elements and texts; each takes up memory even if it is empty.
const MOST_NODES: usize = 4 << 20;

/// An element.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Element {
    /// Its name, without the prefix of a namespace.
    pub(super) name: String,
    /// The names of its attributes, without prefixes, and their values. Namespaces are left out.
    pub(super) attributes: Vec<(String, String)>,
    /// The elements and texts in it.
    pub(super) children: Vec<Node>,
}

/// A part of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// Another element.
    Element(Element),
    /// A text.
    Text(String),
}

impl Element {
    /// Returns the elements in this one.
    pub(super) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|child| match child {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// Returns the first element of this name in this one.
    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.elements().find(|element| element.name == name)
    }

    /// Returns the first element of this name below this one, at whatever depth.
    pub(super) fn descendant(&self, name: &str) -> Option<&Element> {
        self.elements().find_map(
            |element| {
                if element.name == name { Some(element) } else { element.descendant(name) }
            },
        )
    }

    /// Returns the value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns all text below this element, as it is written.
    pub(super) fn raw_text(&self) -> String {
        let mut text = String::new();
        self.collect_text(&mut text);
        text
    }

    /// Returns all text below this element on one line.
    pub(super) fn text(&self) -> String {
        crate::markdown::one_line(&self.raw_text())
    }

    fn collect_text(&self, out: &mut String) {
        for child in &self.children {
            match child {
                Node::Text(text) => out.push_str(text),
                Node::Element(element) => element.collect_text(out),
            }
        }
    }

    fn push_text(&mut self, more: &str) {
        match self.children.last_mut() {
            Some(Node::Text(text)) => text.push_str(more),
            _ => self.children.push(Node::Text(more.to_owned())),
        }
    }
}

/// Returns the root of a document.
pub(super) fn parse(text: &str) -> Result<Element, ParseError> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().allow_dangling_amp = true;
    reader.config_mut().expand_empty_elements = true;

    let mut entities = Entities::default();
    // The first stands for the document.
    let mut open = vec![Element::default()];
    let mut nodes = 0_usize;
    loop {
        let event =
            reader.read_event().map_err(|error| damaged(&error.to_string(), reader.error_position()))?;
        nodes += 1;
        if nodes > MOST_NODES || open.len() > DEEPEST {
            let problem = if nodes > MOST_NODES {
                "it has too many elements"
            } else {
                "its elements are nested too deeply"
            };
            return Err(ParseError::TooComplex { kind: Kind::Xml.name(), problem: problem.to_owned() });
        }
        let Some(inner) = open.last_mut() else { break };
        match event {
            Event::Start(start) => open.push(element(&start, &entities)),
            Event::End(_) => close(&mut open),
            Event::Text(text) => inner.push_text(&text.decode().unwrap_or_default()),
            Event::CData(text) => inner.push_text(&text.decode().unwrap_or_default()),
            Event::GeneralRef(reference) => {
                entities.push(&reference.decode().unwrap_or_default(), |text| inner.push_text(text))
            }
            Event::DocType(doctype) => entities.declare(&doctype.decode().unwrap_or_default()),
            Event::Eof => break,
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    root(open, reader.buffer_position())
}

/// Returns the only element of the document, of which none is open.
fn root(open: Vec<Element>, position: u64) -> Result<Element, ParseError> {
    let mut open = open.into_iter();
    let (Some(document), None) = (open.next(), open.next()) else {
        return Err(damaged("it ends within an element", position));
    };
    let root = document.children.into_iter().find_map(|child| match child {
        Node::Element(element) => Some(element),
        Node::Text(_) => None,
    });
    root.ok_or_else(|| damaged("it has no element", position))
}

fn close(open: &mut Vec<Element>) {
    if let Some(closed) = open.pop()
        && let Some(parent) = open.last_mut()
    {
        parent.children.push(Node::Element(closed));
    }
}

fn element(start: &BytesStart<'_>, entities: &Entities) -> Element {
    let mut element = Element { name: text(start.local_name().into_inner()), ..Element::default() };
    for attribute in start.attributes().with_checks(false).flatten() {
        let is_namespace = attribute.key.as_namespace_binding().is_some();
        if !is_namespace {
            let value = entities.resolved(&text(&attribute.value));
            element.attributes.push((text(attribute.key.local_name().into_inner()), value));
        }
    }
    element
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns the error of a damaged document. Messages of the library's quote names of elements, which are content.
fn damaged(problem: &str, position: u64) -> ParseError {
    let problem = problem.split(['`', ':', '\'']).next().unwrap_or_default().trim();
    ParseError::Damaged { kind: Kind::Xml.name(), problem: format!("{problem}, at byte {position}") }
}
