//! Footnotes and endnotes.

use std::collections::HashMap;
use std::rc::Rc;

use crate::ParseError;
use crate::package::{Node, Package, Relationships, Tree};

/// The part that holds the notes of a kind.
pub(super) struct NotesPart {
    tree: Tree,
    relationships: Rc<Relationships>,
}

impl NotesPart {
    /// Returns the part of this name; `None` if there is none that can be read.
    pub(super) fn read(package: &mut Package<'_>, name: Option<&str>) -> Result<Option<Self>, ParseError> {
        let Some(name) = name else { return Ok(None) };
        let Some(tree) = package.optional_tree(name)? else { return Ok(None) };
        Ok(Some(NotesPart { tree, relationships: Rc::new(package.relationships(name)?) }))
    }
}

/// A kind of note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum NoteKind {
    /// A note that stands at the foot of its page.
    Footnote,
    /// A note that stands at the end of the document.
    Endnote,
}

/// The notes of a document, and those that the text has referred to.
#[derive(Default)]
pub(super) struct Notes<'a> {
    known: HashMap<(NoteKind, String), (Node<'a>, Rc<Relationships>)>,
    /// The labels of those that were referred to.
    labels: HashMap<(NoteKind, String), String>,
    /// Those that are still to be written.
    waiting: Vec<(NoteKind, String)>,
}

impl<'a> Notes<'a> {
    /// Returns the notes of these parts, without the lines that part notes from the text.
    pub(super) fn new(footnotes: Option<&'a NotesPart>, endnotes: Option<&'a NotesPart>) -> Self {
        let mut notes = Notes::default();
        for (kind, part) in [(NoteKind::Footnote, footnotes), (NoteKind::Endnote, endnotes)] {
            let Some(part) = part else { continue };
            for note in part.tree.root().elements().filter(|note| note.attribute("type").is_none()) {
                if let Some(id) = note.attribute("id") {
                    notes.known.insert((kind, id.into_owned()), (note, part.relationships.clone()));
                }
            }
        }
        notes
    }

    /// Returns the label of a note to which the text refers here; `None` if there is no such note.
    pub(super) fn refer(&mut self, kind: NoteKind, id: &str) -> Option<String> {
        let key = (kind, id.trim().to_owned());
        if !self.known.contains_key(&key) {
            return None;
        }
        let next = self.labels.len() + 1;
        if let Some(label) = self.labels.get(&key) {
            return Some(label.clone());
        }
        self.labels.insert(key.clone(), next.to_string());
        self.waiting.push(key);
        Some(next.to_string())
    }

    /// Returns the notes that were referred to since the last time: their labels, and where they are.
    pub(super) fn take_waiting(&mut self) -> Vec<(String, Node<'a>, Rc<Relationships>)> {
        let mut notes = Vec::new();
        for key in std::mem::take(&mut self.waiting) {
            if let Some(label) = self.labels.get(&key)
                && let Some((node, relationships)) = self.known.get(&key)
            {
                notes.push((label.clone(), *node, relationships.clone()));
            }
        }
        notes
    }
}
