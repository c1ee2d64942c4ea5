//! A page's statements about itself.

use pgai_rs_parser_protocol::Metadata;

use super::tag::Tag;
use super::tree::{Id, Name, ROOT, Tree};
use crate::date;
use crate::markdown::some_line;

/// Names of what pages say, the best first.
const TITLES: &[&str] = &["citation_title", "dc.title", "dcterms.title", "og:title", "twitter:title"];
const AUTHORS: &[&str] =
    &["author", "citation_author", "dc.creator", "dcterms.creator", "article:author", "og:article:author"];
const CREATED: &[&str] = &[
    "article:published_time",
    "og:article:published_time",
    "datepublished",
    "citation_publication_date",
    "dcterms.created",
    "dcterms.issued",
    "dc.date.issued",
    "dc.date",
    "pubdate",
    "date",
];
const MODIFIED: &[&str] = &[
    "article:modified_time",
    "og:updated_time",
    "datemodified",
    "dcterms.modified",
    "dc.date.modified",
    "last-modified",
    "lastmod",
    "revised",
];

/// The most authors that are told.
const MOST_AUTHORS: usize = 100;

/// Returns what a page says of itself.
pub(super) fn metadata(tree: &Tree) -> Metadata {
    let mut title = None;
    let mut language = None;
    let mut statements: Vec<(String, String)> = Vec::new();
    tree.find(ROOT, |id| {
        match tree.tag(id) {
            Tag::Title if title.is_none() => title = some_line(&tree.inner_text(id)),
            Tag::Html | Tag::Body if language.is_none() => {
                language = tree.attribute(id, Name::Lang).and_then(some_language);
            }
            Tag::Meta => statements.extend(statement(tree, id)),
            Tag::Svg => return None,
            _ => {}
        }
        Some(false)
    });

    let said = |names: &[&str]| {
        let found = names.iter().find_map(|name| statements.iter().find(|(known, _)| known == name));
        found.map(|(_, value)| value.as_str())
    };
    Metadata {
        title: title.or_else(|| said(TITLES).map(str::to_owned)),
        author: authors(&statements),
        created: said(CREATED).and_then(date::iso),
        modified: said(MODIFIED).and_then(date::iso),
        language: language
            .or_else(|| said(&["content-language", "language", "dc.language"]).and_then(some_language)),
        page_count: None,
    }
}

/// Returns the name, in lower case, and the value of a statement.
fn statement(tree: &Tree, id: Id) -> Option<(String, String)> {
    let name = tree.attribute(id, Name::Key).or_else(|| tree.attribute(id, Name::HttpEquiv))?;
    Some((name.trim().to_ascii_lowercase(), some_line(tree.attribute(id, Name::Content)?)?))
}

fn authors(statements: &[(String, String)]) -> Option<String> {
    let told = AUTHORS.iter().map(|name| authors_by(name, statements));
    told.map(|authors| authors.join(", ")).find(|authors| !authors.is_empty())
}

/// Returns the authors in the statements of this name, each once.
fn authors_by<'s>(name: &str, statements: &'s [(String, String)]) -> Vec<&'s str> {
    let mut authors: Vec<&str> = Vec::new();
    for (known, value) in statements {
        // Some give the address of a page about the author.
        if known == name
            && authors.len() < MOST_AUTHORS
            && !value.contains("://")
            && !authors.contains(&value.as_str())
        {
            authors.push(value);
        }
    }
    authors
}

/// Returns the name of a language, if it is one, such as `pt-BR`.
pub(super) fn some_language(text: &str) -> Option<String> {
    let text = text.split([',', ';']).next().unwrap_or_default().trim().replace('_', "-");
    let is_language = (2..=35).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && text.as_bytes().iter().take(2).all(u8::is_ascii_alphabetic);
    is_language.then_some(text)
}
