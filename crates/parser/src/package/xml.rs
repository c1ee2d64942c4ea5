//! The XML of a part as a tree, which takes little more memory than its text.
//!
//! Names are compared without their prefixes, which each program chooses for itself. Where a part offers the same in a
//! newer and an older form (`mc:AlternateContent`), the tree has the first that it offers alone.
//!
//! * `encoding`: a part as text
//! * `build`: making a tree

mod build;
mod encoding;

use std::borrow::Cow;

use quick_xml::escape::unescape;
use quick_xml::events::attributes::Attributes;

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
        build::tree(encoding::decode(bytes))
    }

    /// Returns the outermost element; one without a name if there is none.
    pub(crate) fn root(&self) -> Node<'_> {
        Node { tree: self, id: 0 }.elements().next().unwrap_or(Node { tree: self, id: 0 })
    }
}

/// Returns the text of bytes that are a part of a text.
fn text_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
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
