//! Footnotes and endnotes: which links lead to one, and which elements are one.

use std::collections::{HashMap, HashSet};

use super::tag::Tag;
use super::tree::{Id, Name, ROOT, Tree};

/// A page, and the path by which others link to it.
pub(super) struct HtmlPage {
    /// The path in the book; empty if the page is no part of one.
    pub(super) path: String,
    /// The elements of the page.
    pub(super) tree: Tree,
}

/// A place in one of several pages.
type Place = (usize, Id);

/// Notes of pages that belong together.
#[derive(Debug, Default)]
pub(super) struct Notes {
    references: HashMap<Place, String>,
    definitions: HashMap<Place, String>,
    /// Ids of places from which a reference leads to a note, by page.
    sources: HashSet<(usize, String)>,
}

/// The longest text of a reference, in characters.
const LONGEST_LABEL: usize = 8;

/// A link that may lead to a note.
struct Candidate {
    at: Place,
    page: usize,
    fragment: String,
}

impl Notes {
    /// Returns the notes of these pages, to which there are references before them.
    pub(super) fn collect(pages: &[HtmlPage]) -> Notes {
        let mut notes = Notes::default();
        let candidates = candidates(pages);
        if candidates.is_empty() {
            return notes;
        }

        let wanted: HashSet<(usize, &str)> =
            candidates.iter().map(|candidate| (candidate.page, candidate.fragment.as_str())).collect();
        let mut targets: HashMap<(usize, &str), Id> = HashMap::new();
        for (number, page) in pages.iter().enumerate() {
            page.tree.find(ROOT, |id| {
                for name in [Name::Id, Name::Key] {
                    if let Some(value) = page.tree.attribute(id, name)
                        && let Some(key) = wanted.get(&(number, value))
                    {
                        targets.entry(*key).or_insert(id);
                    }
                }
                Some(false)
            });
        }

        let mut used = HashMap::new();
        for candidate in &candidates {
            let target = targets.get(&(candidate.page, candidate.fragment.as_str()));
            let Some(definition) = target.and_then(|id| definition(&pages[candidate.page].tree, *id)) else {
                continue;
            };
            let place = (candidate.page, definition);
            if place > candidate.at {
                notes.add(pages, candidate, place, &mut used);
            }
        }
        notes
    }

    fn add(
        &mut self,
        pages: &[HtmlPage],
        candidate: &Candidate,
        place: Place,
        used: &mut HashMap<String, usize>,
    ) {
        let tree = &pages[candidate.at.0].tree;
        let label = match self.definitions.get(&place) {
            Some(label) => label.clone(),
            None => {
                let label = label(&tree.inner_text(candidate.at.1), self.definitions.len());
                let uses = used.entry(label.clone()).or_default();
                *uses += 1;
                if *uses > 1 { format!("{label}-{uses}") } else { label }
            }
        };
        let mut source = Some(candidate.at.1);
        for _ in 0..3 {
            if let Some(id) = source.and_then(|id| tree.attribute(id, Name::Id)) {
                self.sources.insert((candidate.at.0, id.to_owned()));
            }
            source = source.and_then(|id| tree.parent(id));
        }
        self.definitions.insert(place, label.clone());
        self.references.insert(candidate.at, label);
    }

    /// Returns the label of the note that a link leads to.
    pub(super) fn reference(&self, page: usize, id: Id) -> Option<&str> {
        self.references.get(&(page, id)).map(String::as_str)
    }

    /// Returns the label of the note that an element is.
    pub(super) fn definition(&self, page: usize, id: Id) -> Option<&str> {
        self.definitions.get(&(page, id)).map(String::as_str)
    }

    /// Returns whether an element of a note only leads back to where it belongs, or repeats its label.
    pub(super) fn is_way_back(&self, pages: &[HtmlPage], page: usize, id: Id) -> bool {
        let Some(HtmlPage { path, tree }) = pages.get(page) else { return false };
        if self.definitions.is_empty() {
            return false;
        }
        if tree.tag(id) == Tag::A {
            let leads_back = |word: &str| word.to_ascii_lowercase().contains("back");
            if tree.any_word(id, Name::Class, leads_back)
                || tree.any_word(id, Name::Role, leads_back)
                || tree.inner_text(id).trim().chars().all(|c| "↩↵⤴↑^⏎\u{fe0e}\u{fe0f}".contains(c))
            {
                return true;
            }
            let href = tree.attribute(id, Name::Href).unwrap_or_default();
            return resolve(pages, page, path, href)
                .is_some_and(|(page, fragment)| self.sources.contains(&(page, fragment)));
        }
        tree.any_word(id, Name::Class, |word| {
            word.contains("backlink") || word == "label" || word == "fn-bracket"
        })
    }
}

/// Returns the links that may lead to a note, with the page and the id that they lead to.
fn candidates(pages: &[HtmlPage]) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for (number, HtmlPage { path, tree }) in pages.iter().enumerate() {
        tree.find(ROOT, |id| {
            if tree.tag(id) == Tag::A
                && let Some(href) = tree.attribute(id, Name::Href)
                && looks_like_reference(tree, id)
                && let Some((page, fragment)) = resolve(pages, number, path, href)
            {
                candidates.push(Candidate { at: (number, id), page, fragment });
            }
            Some(false)
        });
    }
    candidates
}

/// Returns whether a link looks as if it leads to a note: it says so, or it is a short text that is raised.
fn looks_like_reference(tree: &Tree, id: Id) -> bool {
    for name in [Name::EpubType, Name::Role, Name::Class] {
        if tree.any_word(id, name, names_reference) {
            return true;
        }
    }
    let is_raised = tree.parent(id).is_some_and(|parent| tree.tag(parent) == Tag::Sup)
        || tree.children(id).any(|child| tree.tag(child) == Tag::Sup);
    is_raised && tree.inner_text(id).trim().chars().take(LONGEST_LABEL + 1).count() <= LONGEST_LABEL
}

/// Returns whether a word of an attribute names a reference to a note, and not the way back from one.
fn names_reference(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    let is_note = word.contains("noteref") || word.contains("footnote") || word.contains("fnref");
    is_note && !word.contains("back")
}

/// Returns the page and the id that a link leads to, if it is one of these pages.
fn resolve(pages: &[HtmlPage], page: usize, path: &str, href: &str) -> Option<(usize, String)> {
    let (file, fragment) = href.split_once('#')?;
    if fragment.is_empty() {
        return None;
    }
    let page = match file {
        "" => page,
        _ if pages.len() == 1 => return None,
        file => {
            let path = super::path::join(path, file);
            pages.iter().position(|page| page.path == path)?
        }
    };
    Some((page, super::path::decode(fragment)))
}

/// Returns the element that is the note of which this is the target: it itself, or the block that it begins.
fn definition(tree: &Tree, target: Id) -> Option<Id> {
    use Tag::{A, Aside, Dd, Div, Dt, Li, P, Section, Span, Sup, Table, Tr};
    let mut at = target;
    loop {
        match tree.tag(at) {
            Li | Aside | P | Div | Dd | Table | Tr | Section => return Some(at),
            // The note's label, as a term that the note defines.
            Dt => return tree.next_element(at).filter(|next| tree.tag(*next) == Dd),
            A | Span => {}
            Sup if at != target => {}
            _ => return None,
        }
        let parent = tree.parent(at)?;
        let is_blank = |id: &Id| tree.tag(*id) == Tag::Text && tree.text(*id).trim().is_empty();
        if tree.children(parent).find(|id| !is_blank(id)) != Some(at) {
            return None;
        }
        at = parent;
    }
}

/// Returns a label of a note by the text that refers to it, without brackets around it.
fn label(text: &str, others: usize) -> String {
    let label: String = text.chars().filter(|c| c.is_alphanumeric() || "*†‡§-_".contains(*c)).collect();
    match label.chars().count() {
        1..=LONGEST_LABEL => label,
        _ => (others + 1).to_string(),
    }
}
