//! Making a tree from the tokens of a part.

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use super::{Content, NONE, Record, Tree, XmlError, text_of};
use crate::nesting::DEEPEST;

/// The largest number of elements and texts: some 200 MB of memory.
const MOST_NODES: usize = 8 << 20;

/// The name of the element that offers the same in several forms.
const ALTERNATIVES: &str = "AlternateContent";

/// Returns the tree of this XML.
pub(super) fn tree(source: String) -> Result<Tree, XmlError> {
    let mut builder = Builder::new();
    builder.read(&source)?;
    Ok(Tree { source, nodes: builder.nodes })
}

/// A tree that grows.
struct Builder {
    nodes: Vec<Record>,
    open: Vec<Open>,
    /// The number of elements open within one that is left out, and itself; 0 if none is.
    skipped: usize,
}

/// An element whose end is still to come.
struct Open {
    node: u32,
    last_child: u32,
    /// `true` if it has no node of its own: what is in it belongs to what it is in.
    transparent: bool,
    /// `true` if it is an `AlternateContent` of which one form was seen.
    chosen: bool,
}

impl Builder {
    fn new() -> Self {
        let document = Record {
            content: Content::Element { name: (0, 0), attributes: (0, 0) },
            first_child: NONE,
            next_sibling: NONE,
        };
        let open = Open { node: 0, last_child: NONE, transparent: false, chosen: false };
        Builder { nodes: vec![document], open: vec![open], skipped: 0 }
    }

    fn read(&mut self, source: &str) -> Result<(), XmlError> {
        if u32::try_from(source.len()).is_err() {
            return Err(XmlError::TooComplex("has more than 4 GB of XML".to_owned()));
        }

        let mut reader = Reader::from_str(source);
        loop {
            let event = reader.read_event();
            let place = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            match event.map_err(|_| XmlError::NotWellFormed(place))? {
                Event::Start(start) => self.start(source, &start)?,
                Event::Empty(start) => {
                    self.start(source, &start)?;
                    self.end();
                }
                Event::End(_) => self.end(),
                Event::Text(text) => self.text(source, &text)?,
                Event::CData(text) => self.text(source, &text)?,
                Event::GeneralRef(reference) => self.reference(&reference)?,
                Event::Eof if self.open.len() == 1 && self.skipped == 0 => return Ok(()),
                Event::Eof => return Err(XmlError::NotWellFormed(place)),
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::DocType(_) => {}
            }
        }
    }

    fn start(&mut self, source: &str, start: &BytesStart<'_>) -> Result<(), XmlError> {
        if self.open.len() + self.skipped >= DEEPEST {
            return Err(XmlError::TooComplex(format!("nests elements more than {DEEPEST} deep")));
        }
        let local = start.local_name();
        let name = text_of(local.as_ref());
        if self.skipped > 0 || self.is_second_choice(name) {
            self.skipped += 1;
            return Ok(());
        }

        let parent_is_alternatives = self.open.last().is_some_and(|open| open.transparent && !open.chosen);
        let transparent =
            name == ALTERNATIVES || (parent_is_alternatives && matches!(name, "Choice" | "Fallback"));
        if transparent {
            let (node, last_child) = self.open.last().map_or((0, NONE), |open| (open.node, open.last_child));
            let is_form = name != ALTERNATIVES;
            if let Some(alternatives) = self.open.last_mut().filter(|_| is_form) {
                alternatives.chosen = true;
            }
            self.open.push(Open { node, last_child, transparent: true, chosen: is_form });
            return Ok(());
        }

        let content = Content::Element {
            name: range(source, name.as_bytes()),
            attributes: range(source, start.attributes_raw()),
        };
        let node = self.append(content)?;
        self.open.push(Open { node, last_child: NONE, transparent: false, chosen: false });
        Ok(())
    }

    /// Returns whether the element is a form of what was already seen in another.
    fn is_second_choice(&self, name: &str) -> bool {
        let Some(open) = self.open.last() else { return false };
        let is_alternatives = open.transparent && open.chosen && self.is_alternatives();
        is_alternatives && matches!(name, "Choice" | "Fallback")
    }

    /// Returns whether the innermost open element is an `AlternateContent`, not one of its forms.
    fn is_alternatives(&self) -> bool {
        let transparent = self.open.iter().rev().take_while(|open| open.transparent).count();
        transparent % 2 == 1
    }

    fn end(&mut self) {
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        // The document itself stays open: the reader refuses an end without its start.
        if self.open.len() < 2 {
            return;
        }
        if let Some(closed) = self.open.pop().filter(|closed| closed.transparent)
            && let Some(outer) = self.open.last_mut()
        {
            outer.last_child = closed.last_child;
        }
    }

    fn text(&mut self, source: &str, text: &[u8]) -> Result<(), XmlError> {
        if self.skipped > 0 || text.is_empty() {
            return Ok(());
        }
        let (start, end) = range(source, text);
        self.append(Content::Text { start, end })?;
        Ok(())
    }

    /// Appends the character that is referred to. Entities that a document defines itself are left out.
    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), XmlError> {
        let character = match &**reference {
            b"amp" => '&',
            b"lt" => '<',
            b"gt" => '>',
            b"quot" => '"',
            b"apos" => '\'',
            _ => match reference.resolve_char_ref() {
                Ok(Some(character)) => character,
                _ => return Ok(()),
            },
        };
        if self.skipped == 0 {
            self.append(Content::Character(character))?;
        }
        Ok(())
    }

    fn append(&mut self, content: Content) -> Result<u32, XmlError> {
        if self.nodes.len() >= MOST_NODES {
            return Err(XmlError::TooComplex(format!("has more than {MOST_NODES} elements and texts")));
        }
        let node = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        self.nodes.push(Record { content, first_child: NONE, next_sibling: NONE });

        if let Some(parent) = self.open.last_mut() {
            let link = match parent.last_child {
                NONE => self.nodes.get_mut(parent.node as usize).map(|parent| &mut parent.first_child),
                last => self.nodes.get_mut(last as usize).map(|last| &mut last.next_sibling),
            };
            if let Some(link) = link {
                *link = node;
            }
            parent.last_child = node;
        }
        Ok(node)
    }
}

/// Returns the place of a part of the source; an empty one if it is not in it.
fn range(source: &str, part: &[u8]) -> (u32, u32) {
    let start = (part.as_ptr() as usize).wrapping_sub(source.as_ptr() as usize);
    let end = start.wrapping_add(part.len());
    match (u32::try_from(start), u32::try_from(end)) {
        (Ok(start), Ok(end)) if end as usize <= source.len() => (start, end),
        _ => (0, 0),
    }
}
