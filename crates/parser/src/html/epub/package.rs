//! The package document of a book: its statements about itself, its files, and their order.

use std::collections::HashMap;

use pgai_rs_parser_protocol::Metadata;
use quick_xml::events::{BytesStart, Event};

use super::damaged;
use super::xml::{self, Reader, attribute};
use crate::html::metadata::some_language;
use crate::html::path;
use crate::markdown::one_line;
use crate::package::Package;
use crate::{ParseError, date};

/// The most chapters of a book.
const MOST_CHAPTERS: usize = 50_000;

/// The statements of a package document.
#[derive(Debug, Default)]
pub(super) struct PackageDocument {
    /// The title, the authors and the like.
    pub(super) metadata: Metadata,
    /// Paths of the chapters, in the order of their reading.
    pub(super) chapters: Vec<String>,
    /// The path of the table of contents that is a page.
    pub(super) nav: Option<String>,
    /// The path of the table of contents as older books have it.
    pub(super) ncx: Option<String>,
}

/// Returns the path of the package document.
pub(super) fn find(archive: &mut Package<'_>) -> Result<String, ParseError> {
    if let Some(bytes) = archive.part("META-INF/container.xml")? {
        let text = xml::decode(&bytes)?;
        let mut reader = Reader::new(&text);
        while let Some(event) = reader.next() {
            if let Event::Start(element) | Event::Empty(element) = event
                && element.local_name().as_ref() == b"rootfile"
                && let Some(path) = attribute(&element, "full-path")
            {
                return Ok(path::join("", &path));
            }
        }
    }
    archive.with_ending(".opf").ok_or_else(|| damaged("it has no package document"))
}

/// Returns what the package document of this path says.
pub(super) fn read(archive: &mut Package<'_>, path: String) -> Result<PackageDocument, ParseError> {
    let Some(bytes) = archive.part(&path)? else {
        return Err(damaged("its package document is not there"));
    };
    let text = xml::decode(&bytes)?;
    let mut draft = Draft { path, ..Draft::default() };
    let mut reader = Reader::new(&text);
    // The element whose text is being read, and the text.
    let mut current: Option<(BytesStart<'_>, String)> = None;
    while let Some(event) = reader.next() {
        match event {
            Event::Start(element) => {
                draft.element(&element);
                current = Some((element, String::new()));
            }
            Event::Empty(element) => draft.element(&element),
            Event::End(_) => {
                if let Some((element, text)) = current.take() {
                    draft.statement(&element, &one_line(&text));
                }
            }
            event => {
                if let Some((_, text)) = &mut current {
                    xml::push_text(text, &event);
                }
            }
        }
    }
    draft.finish()
}

#[derive(Debug)]
struct Item {
    path: String,
    is_page: bool,
    is_nav: bool,
    is_ncx: bool,
}

#[derive(Debug)]
struct Creator {
    id: String,
    role: String,
    name: String,
}

/// A package document that is being read.
#[derive(Debug, Default)]
struct Draft {
    path: String,
    metadata: Metadata,
    creators: Vec<Creator>,
    /// Ids of files in their order, and the files.
    order: Vec<String>,
    items: HashMap<String, Item>,
    spine: Vec<String>,
    toc: Option<String>,
}

impl Draft {
    fn element(&mut self, element: &BytesStart<'_>) {
        match element.local_name().as_ref() {
            b"item" => self.item(element),
            b"itemref" if self.spine.len() < MOST_CHAPTERS => {
                self.spine.extend(attribute(element, "idref"));
            }
            b"spine" => self.toc = attribute(element, "toc"),
            _ => {}
        }
    }

    fn item(&mut self, element: &BytesStart<'_>) {
        let (Some(id), Some(href)) = (attribute(element, "id"), attribute(element, "href")) else { return };
        let media_type = attribute(element, "media-type").unwrap_or_default().to_ascii_lowercase();
        let path = path::join(&self.path, &href);
        let ending = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
        let properties = attribute(element, "properties").unwrap_or_default();
        let item = Item {
            is_page: media_type.contains("html")
                || media_type.contains("dtbook")
                || matches!(ending.as_str(), "xhtml" | "html" | "htm"),
            is_nav: properties.split_ascii_whitespace().any(|property| property == "nav"),
            is_ncx: media_type == "application/x-dtbncx+xml",
            path,
        };
        if self.items.insert(id.clone(), item).is_none() {
            self.order.push(id);
        }
    }

    /// Notes a statement of the book about itself.
    fn statement(&mut self, element: &BytesStart<'_>, text: &str) {
        if text.is_empty() {
            return;
        }
        let value = || Some(text.to_owned());
        match element.local_name().as_ref() {
            b"title" if self.metadata.title.is_none() => self.metadata.title = value(),
            b"language" if self.metadata.language.is_none() => self.metadata.language = some_language(text),
            b"creator" => self.creators.push(Creator {
                id: attribute(element, "id").unwrap_or_default(),
                role: attribute(element, "role").unwrap_or_default(),
                name: text.to_owned(),
            }),
            b"date" => match attribute(element, "event").as_deref() {
                Some("modification") => self.metadata.modified = date::iso(text),
                _ if self.metadata.created.is_none() => self.metadata.created = date::iso(text),
                _ => {}
            },
            b"meta" => match attribute(element, "property").as_deref() {
                Some("dcterms:modified") => self.metadata.modified = date::iso(text),
                Some("role") => {
                    let refined = attribute(element, "refines").unwrap_or_default();
                    let refined = refined.trim_start_matches('#');
                    for creator in self.creators.iter_mut().filter(|creator| creator.id == refined) {
                        creator.role = text.to_owned();
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn finish(mut self) -> Result<PackageDocument, ParseError> {
        let is_author = |creator: &&Creator| matches!(creator.role.as_str(), "" | "aut");
        let mut authors: Vec<&str> =
            self.creators.iter().filter(is_author).map(|creator| creator.name.as_str()).collect();
        authors.dedup();
        if !authors.is_empty() {
            self.metadata.author = Some(authors.join(", "));
        }

        let nav = self.items.values().find(|item| item.is_nav).map(|item| item.path.clone());
        let ncx = self.toc.as_ref().and_then(|id| self.items.get(id));
        let ncx = ncx.or_else(|| self.items.values().find(|item| item.is_ncx)).map(|item| item.path.clone());
        // A book without an order is read in that of its files.
        let order = if self.spine.is_empty() { &self.order } else { &self.spine };
        let pages =
            order.iter().filter_map(|id| self.items.get(id)).filter(|item| item.is_page && !item.is_nav);
        let mut chapters: Vec<String> = Vec::new();
        let mut known = std::collections::HashSet::new();
        for page in pages {
            if known.insert(&page.path) {
                chapters.push(page.path.clone());
            }
        }
        if chapters.is_empty() {
            return Err(damaged("its package document names no chapters"));
        }
        Ok(PackageDocument { metadata: self.metadata, chapters, nav, ncx })
    }
}
