//! Electronic books: chapters that are web pages, in the order of their reading.

mod contents;
mod encryption;
mod package;
mod xml;

use super::notes::{HtmlPage, Notes};
use super::render::{Manner, render};
use super::tree::{ROOT, Tree};
use super::{build, encoding};
use crate::package::Package;
use crate::{Kind, ParseError, ParsedDocument, Source, charset};
use contents::{Contents, ContentsEntry};

/// The largest file of a book that is read, in bytes.
const LARGEST: u64 = 32 << 20;

/// The most bytes of all files that are read.
const MOST: u64 = 128 << 20;

/// Returns the text of a book.
pub(super) fn read(source: &Source<'_>) -> Result<ParsedDocument, ParseError> {
    let mut archive = Package::open(Kind::Epub.name(), source.bytes)?.within(LARGEST, MOST);
    let path = package::find(&mut archive)?;
    let package = package::read(&mut archive, path)?;
    if encryption::hides(&mut archive, &package.chapters)? {
        return Err(ParseError::Encrypted(Kind::Epub.name()));
    }

    let contents = Contents::read(&mut archive, &package)?;
    let pages = chapters(&mut archive, &package.chapters)?;
    let notes = Notes::collect(&pages);
    let manner =
        Manner { pages: &pages, notes: &notes, drop_furniture: true, is_content: true, drop_relative: true };
    let mut text = String::new();
    for (number, page) in pages.iter().enumerate() {
        let chapter = render(manner, number);
        let chapter = match contents.entry(&page.path) {
            Some(entry) if !has_heading(&page.tree) => entitled(entry, chapter),
            _ => chapter,
        };
        if !chapter.is_empty() && !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(&chapter);
    }
    if text.is_empty() {
        return Err(ParseError::Empty(Kind::Epub.name()));
    }
    Ok(ParsedDocument { metadata: package.metadata, ..ParsedDocument::markdown(text) })
}

/// Returns the chapters that are there.
fn chapters(archive: &mut Package<'_>, paths: &[String]) -> Result<Vec<HtmlPage>, ParseError> {
    let mut pages: Vec<HtmlPage> = Vec::new();
    let mut nodes = 0;
    for path in paths {
        let Some(bytes) = archive.part(path)? else { continue };
        let declared = encoding::declared(&bytes);
        let html = charset::decode(&bytes, declared.as_deref())?;
        let tree = build::build(&html, true).filter(|tree| nodes + tree.len() <= build::MOST_NODES);
        let Some(tree) = tree else {
            return Err(too_complex(format!("it has more than {} elements", build::MOST_NODES)));
        };
        nodes += tree.len();
        pages.push(HtmlPage { path: path.clone(), tree });
    }
    if pages.is_empty() {
        return Err(damaged("none of its chapters is there"));
    }
    Ok(pages)
}

/// Returns whether there is a heading in a chapter.
fn has_heading(tree: &Tree) -> bool {
    let is_heading = |id| tree.tag(id).heading().is_some() && !tree.inner_text(id).trim().is_empty();
    tree.find(ROOT, |id| Some(is_heading(id))).is_some()
}

/// Returns a chapter with the heading that the table of contents has for it. If its first paragraph says the same, that
/// becomes the heading.
fn entitled(entry: &ContentsEntry, chapter: String) -> String {
    let letters =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let (first, rest) = chapter.split_once("\n\n").unwrap_or((&chapter, ""));
    let first: String = letters(first);
    let title: String = letters(&entry.title);
    if first.is_empty() && rest.is_empty() {
        return chapter;
    }
    let body = if first == title { rest } else { &chapter };
    format!("{} {}\n\n{body}", &"######"[..entry.level.clamp(1, 6)], entry.title).trim_end().to_owned()
}

fn damaged(problem: &str) -> ParseError {
    ParseError::Damaged { kind: Kind::Epub.name(), problem: problem.to_owned() }
}

fn too_complex(problem: String) -> ParseError {
    ParseError::TooComplex { kind: Kind::Epub.name(), problem }
}
