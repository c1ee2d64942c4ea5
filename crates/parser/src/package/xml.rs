//! The XML of a part as a tree, which takes little more memory than its text.
//!
//! Names are compared without their prefixes, which each program chooses for itself. Where a part offers the same in a
//! newer and an older form (`mc:AlternateContent`), the tree has the first that it offers alone.

use std::borrow::Cow;

use encoding_rs::Encoding;
use quick_xml::escape::unescape;
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

/// The deepest nesting. Readers call themselves for what is within, and each level takes from the stack.
const DEEPEST: usize = 256;

/// The largest number of elements and texts: some 200 MB of memory.
const MOST_NODES: usize = 8 << 20;

/// The name of the element that offers the same in several forms.
const ALTERNATIVES: &str = "AlternateContent";

/// No node.
const NONE: u32 = u32::MAX;

/// The reason why there is no tree.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum XmlError {
    /// The XML breaks off, or its ends don't meet. Holds the place, in bytes.
    NotWellFormed(usize),
    /// There is too much of something. Holds words for it.
    TooComplex(String),
}

/// The elements and texts of an XML document.
#[derive(Debug)]
pub(crate) struct Tree {
    source: String,
    nodes: Vec<Record>,
}

/// An element or a text. The ranges are places in the source.
#[derive(Debug, Clone, Copy)]
struct Record {
    content: Content,
    first_child: u32,
    next_sibling: u32,
}

#[derive(Debug, Clone, Copy)]
enum Content {
    /// An element: the ranges of its name without its prefix, and of its attributes.
    Element { name: (u32, u32), attributes: (u32, u32) },
    /// A text as it stands in the source.
    Text { start: u32, end: u32 },
    /// A reference to a character.
    Character(char),
}

impl Tree {
    /// Returns the tree of this XML.
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, XmlError> {
        let mut builder = Builder::new(decode(bytes));
        builder.run()?;
        Ok(Tree { source: builder.source, nodes: builder.nodes })
    }

    /// Returns the outermost element; one without a name if there is none.
    pub(crate) fn root(&self) -> Node<'_> {
        Node { tree: self, id: 0 }.elements().next().unwrap_or(Node { tree: self, id: 0 })
    }
}

/// Returns the XML as text, whatever its encoding.
fn decode(bytes: Vec<u8>) -> String {
    if let Some((encoding, _)) = Encoding::for_bom(&bytes) {
        return encoding.decode_with_bom_removal(&bytes).0.into_owned();
    }
    if let Some(encoding) = declared(&bytes) {
        return encoding.decode_without_bom_handling(&bytes).0.into_owned();
    }
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

/// Returns the encoding that the XML declares, if it is another than UTF-8.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes.get(..bytes.len().min(128))?;
    if !head.starts_with(b"<?xml") {
        return None;
    }
    let head = String::from_utf8_lossy(head);
    let (declaration, _) = head.split_once("?>")?;
    let (_, value) = declaration.split_once("encoding")?;
    let label = value.split(['"', '\'']).nth(1)?;
    Encoding::for_label(label.as_bytes())
        .filter(|encoding| *encoding != encoding_rs::UTF_8 && encoding.is_ascii_compatible())
}

/// A tree that grows.
struct Builder {
    source: String,
    nodes: Vec<Record>,
    open: Vec<Open>,
    /// The number of elements open within one that is left out, and itself; 0 if none is.
    skipped: usize,
}

/// An element whose end is still to come.
struct Open {
    node: u32,
    last_child: u32,
    /// Whether it has no node of its own: what is in it belongs to what it is in.
    transparent: bool,
    /// Whether it is an `AlternateContent` of which one form was seen.
    chosen: bool,
}

impl Builder {
    fn new(source: String) -> Self {
        let document = Record {
            content: Content::Element { name: (0, 0), attributes: (0, 0) },
            first_child: NONE,
            next_sibling: NONE,
        };
        let open = Open { node: 0, last_child: NONE, transparent: false, chosen: false };
        Builder { source, nodes: vec![document], open: vec![open], skipped: 0 }
    }

    fn run(&mut self) -> Result<(), XmlError> {
        let source = std::mem::take(&mut self.source);
        let result = self.read(&source);
        self.source = source;
        result
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

/// Returns the text of bytes that are a part of a text.
fn text_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
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

/// An element or a text of a tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'a> {
    tree: &'a Tree,
    id: u32,
}

impl<'a> Node<'a> {
    fn record(self) -> Option<&'a Record> {
        self.tree.nodes.get(self.id as usize)
    }

    /// Returns the element's name without its prefix; an empty one for a text.
    pub(crate) fn name(self) -> &'a str {
        match self.record().map(|record| record.content) {
            Some(Content::Element { name: (start, end), .. }) => self.slice(start, end),
            _ => "",
        }
    }

    /// Returns the elements and texts in it.
    pub(crate) fn children(self) -> impl Iterator<Item = Node<'a>> {
        let mut next = self.record().map_or(NONE, |record| record.first_child);
        std::iter::from_fn(move || {
            let node = Node { tree: self.tree, id: next };
            next = node.record()?.next_sibling;
            Some(node)
        })
    }

    /// Returns the elements in it.
    pub(crate) fn elements(self) -> impl Iterator<Item = Node<'a>> {
        self.children().filter(|node| !node.name().is_empty())
    }

    /// Returns the elements in it that have this name.
    pub(crate) fn elements_named(self, name: &'static str) -> impl Iterator<Item = Node<'a>> {
        self.children().filter(move |node| node.name() == name)
    }

    /// Returns the first element in it that has this name.
    pub(crate) fn child(self, name: &str) -> Option<Node<'a>> {
        self.children().find(|node| node.name() == name)
    }

    /// Returns the element at the end of a path of names.
    pub(crate) fn at(self, path: &[&str]) -> Option<Node<'a>> {
        path.iter().try_fold(self, |node, name| node.child(name))
    }

    /// Returns all elements below it, in the order of the document.
    pub(crate) fn descendants(self) -> impl Iterator<Item = Node<'a>> {
        let mut open: Vec<u32> = self.record().map(|record| record.first_child).into_iter().collect();
        std::iter::from_fn(move || {
            loop {
                let node = Node { tree: self.tree, id: open.pop()? };
                let Some(record) = node.record() else { continue };
                open.push(record.next_sibling);
                open.push(record.first_child);
                if !node.name().is_empty() {
                    return Some(node);
                }
            }
        })
    }

    /// Returns the first element below it that has this name.
    pub(crate) fn descendant(self, name: &str) -> Option<Node<'a>> {
        self.descendants().find(|node| node.name() == name)
    }

    /// Returns the value of the attribute of this name, whatever its prefix.
    pub(crate) fn attribute(self, name: &str) -> Option<Cow<'a, str>> {
        self.find_attribute(|key| key.rsplit(':').next() == Some(name))
    }

    /// Returns the value of the attribute of this name that has a prefix, as the ids of relationships do.
    pub(crate) fn prefixed_attribute(self, name: &str) -> Option<Cow<'a, str>> {
        self.find_attribute(|key| key.split_once(':').is_some_and(|(_, local)| local == name))
    }

    fn find_attribute(self, matches: impl Fn(&str) -> bool) -> Option<Cow<'a, str>> {
        let Some(Content::Element { attributes: (start, end), .. }) =
            self.record().map(|record| record.content)
        else {
            return None;
        };
        // Whether a name comes twice is not asked: that takes quadratic time.
        let mut attributes = Attributes::new(self.slice(start, end), 0);
        attributes.with_checks(false);
        let found = attributes.flatten().find(|attribute| matches(text_of(attribute.key.as_ref())))?;
        match found.value {
            Cow::Borrowed(value) => {
                let value = text_of(value);
                Some(unescape(value).unwrap_or(Cow::Borrowed(value)))
            }
            Cow::Owned(value) => String::from_utf8(value).ok().map(Cow::Owned),
        }
    }

    /// Returns the attribute's value as a number.
    pub(crate) fn number<N: std::str::FromStr>(self, name: &str) -> Option<N> {
        self.attribute(name)?.trim().parse().ok()
    }

    /// Returns the texts in it, or of it, without those of the elements in it.
    pub(crate) fn text(self) -> Cow<'a, str> {
        let mut texts = self.children().filter(|node| node.name().is_empty());
        let Some(first) = texts.next() else { return Cow::Borrowed("") };
        let mut text = first.own_text();
        for next in texts {
            text.to_mut().push_str(&next.own_text());
        }
        text
    }

    fn own_text(self) -> Cow<'a, str> {
        match self.record().map(|record| record.content) {
            Some(Content::Text { start, end }) => Cow::Borrowed(self.slice(start, end)),
            Some(Content::Character(character)) => Cow::Owned(character.to_string()),
            _ => Cow::Borrowed(""),
        }
    }

    fn slice(self, start: u32, end: u32) -> &'a str {
        self.tree.source.get(start as usize..end as usize).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(xml: &str) -> Result<Tree, XmlError> {
        Tree::parse(xml.as_bytes().to_vec())
    }

    #[test]
    fn elements_are_found_by_their_names_without_prefixes() {
        let tree = tree("<w:a x:id='1' id='2'><w:b>one &amp; <c/>t&#119;o</w:b><w:b/></w:a>").unwrap();
        let root = tree.root();
        assert_eq!(root.name(), "a");
        assert_eq!(root.child("b").unwrap().text(), "one & two");
        assert_eq!(root.elements_named("b").count(), 2);
        assert_eq!(root.attribute("id").unwrap(), "1");
        assert_eq!(root.prefixed_attribute("id").unwrap(), "1");
        let names: Vec<&str> = root.descendants().map(Node::name).collect();
        assert_eq!(names, ["b", "c", "b"]);
    }

    #[test]
    fn of_several_forms_of_the_same_the_first_counts() {
        let form = "<mc:AlternateContent><mc:Choice><b/><c/></mc:Choice><mc:Choice><x/></mc:Choice>\
                    <mc:Fallback><y><z/></y></mc:Fallback></mc:AlternateContent>";
        let tree = tree(&format!("<r><a/>{form}<d/>{form}</r>")).unwrap();
        let names: Vec<&str> = tree.root().descendants().map(Node::name).collect();
        assert_eq!(names, ["a", "b", "c", "d", "b", "c"]);
    }

    #[test]
    fn forms_may_be_within_forms() {
        let inner = "<AlternateContent><Choice><a/></Choice><Fallback><x/></Fallback></AlternateContent>";
        let tree = tree(&format!(
            "<r><AlternateContent><Choice>{inner}<b/></Choice><Fallback>{inner}</Fallback></AlternateContent><c/></r>"
        ));
        let names: Vec<String> =
            tree.unwrap().root().descendants().map(|node| node.name().to_owned()).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn encodings_other_than_utf_8_are_read() {
        let mut utf16 = vec![0xff, 0xfe];
        utf16.extend("<a>\u{e9}</a>".encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(Tree::parse(utf16).unwrap().root().text(), "\u{e9}");
        let latin = b"<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><a>\xe9</a>".to_vec();
        assert_eq!(Tree::parse(latin).unwrap().root().text(), "\u{e9}");
    }

    #[test]
    fn xml_that_breaks_off_is_not_well_formed() {
        assert!(matches!(tree("<a><b></b>"), Err(XmlError::NotWellFormed(_))));
        assert!(matches!(tree("<a></b>"), Err(XmlError::NotWellFormed(_))));
    }

    #[test]
    fn entities_of_the_document_are_not_resolved() {
        let tree = tree("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>1&x;2</a>").unwrap();
        assert_eq!(tree.root().text(), "12");
    }

    #[test]
    fn nesting_has_a_limit() {
        let deep = "<a>".repeat(100_000);
        assert!(matches!(tree(&deep), Err(XmlError::TooComplex(_))));
    }

    #[test]
    fn a_hundred_thousand_attributes_are_read_in_one_go() {
        let attributes: String = (0..100_000).map(|number| format!(" a{number}='x'")).collect();
        let tree = tree(&format!("<a{attributes} z='1'/>")).unwrap();
        assert_eq!(tree.root().attribute("z").unwrap(), "1");
    }
}
