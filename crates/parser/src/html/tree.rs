//! The elements of a page.

use super::tag::Tag;

/// An attribute whose value means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// `alt`: the text in place of an image.
    Alt,
    /// `alttext`: the text of a formula, which is TeX mostly.
    AltText,
    /// `aria-hidden`: `true` if the element is not to be read aloud.
    AriaHidden,
    /// `checked`: the box has a tick.
    Checked,
    /// `class`: names, with spaces between them.
    Class,
    /// `colspan`: the number of columns that a cell takes.
    Colspan,
    /// `content`: the value of a `meta` element.
    Content,
    /// `data-lang` or `data-language`: the language of code.
    DataLanguage,
    /// `encoding`: the form of a formula's annotation, such as `application/x-tex`.
    Encoding,
    /// `epub:type`: the meaning of an element of a book, such as `noteref`.
    EpubType,
    /// `hidden`: the element is not shown.
    Hidden,
    /// `href`: the address that a link leads to.
    Href,
    /// `http-equiv`: the header in whose place a `meta` element stands.
    HttpEquiv,
    /// `id`: the name by which links lead to the element.
    Id,
    /// `lang` or `xml:lang`: the language of the text.
    Lang,
    /// `name`, `property` or `itemprop`: the name of what a `meta` element says.
    Key,
    /// `open`: the details are shown.
    Open,
    /// `role`: the meaning of an element for programs that read aloud.
    Role,
    /// `rowspan`: the number of rows that a cell takes.
    Rowspan,
    /// `start`: the number of a list's first item.
    Start,
    /// `style`: declarations of CSS.
    StyleText,
    /// `type`: the kind of an input, a list or a script.
    Type,
    /// `value`: the number of a list's item, or the content of an input.
    Value,
}

impl Name {
    /// Returns the attribute of this name, which is in lower case.
    pub(super) fn by_name(name: &[u8]) -> Option<Name> {
        Some(match name {
            b"alt" => Name::Alt,
            b"alttext" => Name::AltText,
            b"aria-hidden" => Name::AriaHidden,
            b"checked" => Name::Checked,
            b"class" => Name::Class,
            b"colspan" => Name::Colspan,
            b"content" => Name::Content,
            b"data-lang" | b"data-language" => Name::DataLanguage,
            b"encoding" => Name::Encoding,
            b"epub:type" => Name::EpubType,
            b"hidden" => Name::Hidden,
            b"href" => Name::Href,
            b"http-equiv" => Name::HttpEquiv,
            b"id" => Name::Id,
            b"lang" | b"xml:lang" => Name::Lang,
            b"name" | b"property" | b"itemprop" => Name::Key,
            b"open" => Name::Open,
            b"role" => Name::Role,
            b"rowspan" => Name::Rowspan,
            b"start" => Name::Start,
            b"style" => Name::StyleText,
            b"type" => Name::Type,
            b"value" => Name::Value,
            _ => return None,
        })
    }
}

/// The place of an element, or of a text, in its tree.
pub(super) type Id = u32;

/// The document's place.
pub(super) const ROOT: Id = 0;

const NONE: Id = Id::MAX;

#[derive(Debug, Clone, Copy)]
struct Node {
    tag: Tag,
    /// `true` if it has a block in it, however deep.
    has_block: bool,
    parent: Id,
    first_child: Id,
    last_child: Id,
    next: Id,
    /// Its part of the tree's attributes or, if it is a text, of the tree's text.
    start: usize,
    end: usize,
}

/// Elements and texts, in the order in which they begin.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    attributes: Vec<(Name, Box<str>)>,
    text: String,
}

impl Tree {
    /// Returns a document without content.
    pub(super) fn new() -> Self {
        let mut tree = Tree { nodes: Vec::new(), attributes: Vec::new(), text: String::new() };
        tree.nodes.push(Node::new(Tag::Document, NONE, 0));
        tree
    }

    /// Returns the number of elements and texts.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Appends an element, and returns its place.
    pub(super) fn append(&mut self, parent: Id, tag: Tag, attributes: &mut Vec<(Name, Box<str>)>) -> Id {
        let start = self.attributes.len();
        self.attributes.append(attributes);
        let id = self.link(parent, Node { end: self.attributes.len(), ..Node::new(tag, parent, start) });
        if tag.is_block() {
            self.note_block(parent);
        }
        id
    }

    /// Appends a text.
    pub(super) fn append_text(&mut self, parent: Id, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        let end = self.text.len();

        let last = self.node(parent).map_or(NONE, |node| node.last_child);
        if let Some(node) = self.nodes.get_mut(last as usize)
            && node.tag == Tag::Text
            && node.end == start
        {
            node.end = end;
            return;
        }
        self.link(parent, Node { end, ..Node::new(Tag::Text, parent, start) });
    }

    fn link(&mut self, parent: Id, node: Node) -> Id {
        let id = Id::try_from(self.nodes.len()).unwrap_or(NONE);
        self.nodes.push(node);
        let last = self.node(parent).map_or(NONE, |node| node.last_child);
        if let Some(last) = self.nodes.get_mut(last as usize) {
            last.next = id;
        }
        if let Some(parent) = self.nodes.get_mut(parent as usize) {
            parent.last_child = id;
            if parent.first_child == NONE {
                parent.first_child = id;
            }
        }
        id
    }

    fn note_block(&mut self, mut within: Id) {
        while let Some(node) = self.nodes.get_mut(within as usize)
            && !node.has_block
        {
            node.has_block = true;
            within = node.parent;
        }
    }

    fn node(&self, id: Id) -> Option<&Node> {
        self.nodes.get(id as usize)
    }

    /// Returns the name of an element.
    pub(super) fn tag(&self, id: Id) -> Tag {
        self.node(id).map_or(Tag::Other, |node| node.tag)
    }

    /// Returns whether an element is a block, or has one in it.
    pub(super) fn is_block(&self, id: Id) -> bool {
        self.node(id).is_some_and(|node| node.has_block || node.tag.is_block())
    }

    /// Returns the element that this one is in.
    pub(super) fn parent(&self, id: Id) -> Option<Id> {
        self.node(id).map(|node| node.parent).filter(|parent| *parent != NONE)
    }

    /// Returns what follows an element in the one that both are in, without texts.
    pub(super) fn next_element(&self, id: Id) -> Option<Id> {
        let mut next = self.node(id)?.next;
        while self.node(next)?.tag == Tag::Text {
            next = self.node(next)?.next;
        }
        Some(next)
    }

    /// Returns what is directly in an element.
    pub(super) fn children(&self, id: Id) -> Children<'_> {
        Children { tree: self, next: self.node(id).map_or(NONE, |node| node.first_child) }
    }

    /// Returns the text of a text; that of an element is empty.
    pub(super) fn text(&self, id: Id) -> &str {
        match self.node(id) {
            Some(node) if node.tag == Tag::Text => self.text.get(node.start..node.end).unwrap_or_default(),
            _ => "",
        }
    }

    /// Returns the value of an element's attribute.
    pub(super) fn attribute(&self, id: Id, name: Name) -> Option<&str> {
        let node = self.node(id).filter(|node| node.tag != Tag::Text)?;
        let attributes = self.attributes.get(node.start..node.end)?;
        attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
    }

    /// Returns whether one of the words of an attribute fulfils a condition.
    pub(super) fn any_word(&self, id: Id, name: Name, is_meant: impl Fn(&str) -> bool) -> bool {
        self.attribute(id, name).is_some_and(|value| value.split_ascii_whitespace().any(is_meant))
    }

    /// Returns whether an element, or an element in it, fulfils a condition. Elements are asked in their order; below
    /// one that `enter` refuses none is.
    pub(super) fn find(&self, top: Id, mut is_meant: impl FnMut(Id) -> Option<bool>) -> Option<Id> {
        let mut at = top;
        loop {
            let verdict = is_meant(at);
            if verdict == Some(true) {
                return Some(at);
            }
            let first = self.node(at).map_or(NONE, |node| node.first_child);
            at = if verdict.is_some() && first != NONE { first } else { self.after(top, at)? };
        }
    }

    /// Returns what follows an element and all in it, within another one.
    fn after(&self, top: Id, mut at: Id) -> Option<Id> {
        while at != top {
            let node = self.node(at)?;
            if node.next != NONE {
                return Some(node.next);
            }
            at = node.parent;
        }
        None
    }

    /// Returns all text in an element.
    pub(super) fn inner_text(&self, top: Id) -> String {
        let mut text = String::new();
        self.find(top, |id| {
            text.push_str(self.text(id));
            Some(false)
        });
        text
    }
}

impl Node {
    fn new(tag: Tag, parent: Id, start: usize) -> Self {
        Node {
            tag,
            has_block: false,
            parent,
            first_child: NONE,
            last_child: NONE,
            next: NONE,
            start,
            end: start,
        }
    }
}

/// The nodes directly in an element.
pub(super) struct Children<'t> {
    tree: &'t Tree,
    next: Id,
}

impl Iterator for Children<'_> {
    type Item = Id;

    fn next(&mut self) -> Option<Id> {
        let node = self.tree.node(self.next)?;
        let id = self.next;
        self.next = node.next;
        Some(id)
    }
}
