//! The table of contents of a book: titles of chapters that have none in their text.

use std::collections::HashMap;

use quick_xml::events::Event;

use super::package::PackageDocument;
use super::xml::{self, Reader, attribute};
use crate::ParseError;
use crate::html::tag::Tag;
use crate::html::tree::{Id, Name, ROOT, Tree};
use crate::html::{build, path};
use crate::markdown::one_line;
use crate::package::Package;

/// The longest title, in bytes.
const LONGEST: usize = 500;

/// A chapter's title, and its depth in the table, from 1.
#[derive(Debug)]
pub(super) struct ContentsEntry {
    /// The text of the link that leads to the chapter.
    pub(super) title: String,
    /// The depth, from 1.
    pub(super) level: usize,
}

/// Titles of chapters, by their paths.
#[derive(Debug, Default)]
pub(super) struct Contents {
    entries: HashMap<String, ContentsEntry>,
}

impl Contents {
    /// Returns a book's table of contents; empty if it has none that can be read.
    pub(super) fn read(archive: &mut Package<'_>, package: &PackageDocument) -> Result<Contents, ParseError> {
        let mut contents = Contents::default();
        if let Some(path) = &package.nav
            && let Some(bytes) = archive.part(path)?
            && let Some(tree) = build::build(&xml::decode(&bytes)?, true)
        {
            contents.take_nav(path, &tree);
        }
        if contents.entries.is_empty()
            && let Some(path) = &package.ncx
            && let Some(bytes) = archive.part(path)?
        {
            contents.take_ncx(path, &xml::decode(&bytes)?);
        }
        Ok(contents)
    }

    /// Returns the first entry of a chapter.
    pub(super) fn entry(&self, path: &str) -> Option<&ContentsEntry> {
        self.entries.get(path)
    }

    fn add(&mut self, from: &str, link: &str, title: &str, level: usize) {
        let title = one_line(title);
        if !title.is_empty() && title.len() <= LONGEST {
            self.entries
                .entry(path::join(from, link))
                .or_insert(ContentsEntry { title, level: level.max(1) });
        }
    }

    fn take_nav(&mut self, from: &str, tree: &Tree) {
        let top = tree.find(ROOT, |id| Some(is_contents(tree, id))).unwrap_or(ROOT);
        tree.find(top, |id| {
            if tree.tag(id) == Tag::A
                && let Some(link) = tree.attribute(id, Name::Href)
            {
                self.add(from, link, &tree.inner_text(id), level(tree, id, top));
            }
            Some(false)
        });
    }

    fn take_ncx(&mut self, from: &str, text: &str) {
        let mut reader = Reader::new(text);
        let mut level: usize = 0;
        let mut title = String::new();
        let mut is_title = false;
        while let Some(event) = reader.next() {
            match &event {
                Event::Start(element) | Event::Empty(element) => match element.local_name().as_ref() {
                    b"navPoint" => {
                        level += 1;
                        title.clear();
                    }
                    b"text" => is_title = true,
                    b"content" => {
                        let link = attribute(element, "src").unwrap_or_default();
                        self.add(from, &link, &title, level);
                    }
                    _ => {}
                },
                Event::End(element) => match element.local_name().as_ref() {
                    b"navPoint" => level = level.saturating_sub(1),
                    b"text" => is_title = false,
                    _ => {}
                },
                event if is_title && level > 0 => xml::push_text(&mut title, event),
                _ => {}
            }
        }
    }
}

/// Returns whether an element is a book's table of contents.
fn is_contents(tree: &Tree, id: Id) -> bool {
    tree.tag(id) == Tag::Nav && tree.any_word(id, Name::EpubType, |word| word == "toc")
}

/// Returns the number of lists that an element is in, below another one.
fn level(tree: &Tree, id: Id, top: Id) -> usize {
    let mut level = 0;
    let mut at = Some(id);
    while let Some(id) = at.filter(|id| *id != top) {
        level += usize::from(tree.tag(id) == Tag::Ol);
        at = tree.parent(id);
    }
    level
}
