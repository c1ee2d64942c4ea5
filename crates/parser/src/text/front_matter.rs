//! Markdown: as it is, but for the front matter, whose statements become metadata.
//!
//! The front matter itself is left out: to Markdown its lines over `---` are a heading, which would stand above every
//! chunk. Its title becomes the first heading if the text has none, and a description the first paragraph.

use pgai_rs_parser_protocol::Metadata;

use crate::ParsedDocument;
use crate::markdown::{Blocks, one_line, some_line};

/// Returns a document of Markdown.
pub(super) fn read(text: &str) -> ParsedDocument {
    let Some((matter, body)) = split(text) else {
        let metadata = Metadata { title: first_title(text), ..Metadata::default() };
        return ParsedDocument { metadata, ..ParsedDocument::markdown(text.to_owned()) };
    };

    let members = members(matter);
    let told = |names: &[&str]| {
        let found =
            names.iter().find_map(|name| members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)));
        found.and_then(|(_, value)| some_line(value))
    };
    let title = told(&["title"]);

    let mut blocks = Blocks::default();
    let body_title = first_title(body);
    if let (Some(title), None) = (&title, &body_title) {
        blocks.heading(1, title);
    }
    if let Some(description) = told(&["description", "summary", "subtitle", "excerpt", "abstract"]) {
        blocks.push(&description);
    }
    blocks.push(body);

    let metadata = Metadata {
        title: title.or(body_title),
        author: told(&["author", "authors"]),
        created: told(&["date", "created", "published"]),
        modified: told(&["lastmod", "modified", "updated", "last_modified_at", "last_update"]),
        language: told(&["lang", "language", "locale"]),
        page_count: None,
    };
    ParsedDocument { metadata, ..ParsedDocument::markdown(blocks.finish().0) }
}

/// Returns the text of the first heading of the first level.
pub(super) fn first_title(markdown: &str) -> Option<String> {
    let mut fence = false;
    for line in markdown.lines() {
        if line.starts_with("```") || line.starts_with("~~~") {
            fence = !fence;
        }
        if let Some(title) = line.strip_prefix("# ").filter(|_| !fence) {
            let title = one_line(title.trim_end_matches('#'));
            if !title.is_empty() {
                return Some(title);
            }
        }
    }
    None
}

/// Splits a text into its front matter, of YAML between `---` or TOML between `+++`, and what follows.
fn split(text: &str) -> Option<(&str, &str)> {
    let mark = text.lines().next().map(str::trim_end).filter(|line| ["---", "+++"].contains(line))?;
    let (_, rest) = text.split_once('\n')?;

    let mut end = 0;
    for line in rest.split_inclusive('\n') {
        let bare = line.trim_end();
        if bare == mark || (mark == "---" && bare == "...") {
            let matter = &rest[..end];
            return is_matter(matter).then_some((matter, &rest[end + line.len()..]));
        }
        end += line.len();
    }
    None
}

/// Returns whether lines between two rules are names and values, and no text. An empty line between rules is neither.
fn is_matter(matter: &str) -> bool {
    let first = matter.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#'));
    first.is_some_and(|line| member(line).is_some())
}

/// Returns the names and values of the first level. Lists are joined by commas; of lists of objects, the names are.
fn members(matter: &str) -> Vec<(String, String)> {
    let mut members = Vec::<(String, String)>::new();
    for line in matter.lines() {
        if let Some((name, value)) = member(line) {
            let folded = matches!(value, ">" | "|" | ">-" | "|-" | ">+" | "|+");
            members.push((name.to_owned(), if folded { String::new() } else { scalar(value) }));
            continue;
        }
        let Some((_, value)) = members.last_mut() else { continue };
        let line = line.trim();
        if let Some(item) = line.strip_prefix("- ") {
            let item =
                member(item.trim()).map_or(item, |(name, value)| if name == "name" { value } else { "" });
            append(value, &scalar(item), ", ");
        } else if member(line).is_none() {
            append(value, &scalar(line.trim_end_matches(',')), if value.ends_with('[') { "" } else { " " });
        } else if let Some(("name", name)) = member(line) {
            append(value, &scalar(name), ", ");
        }
    }
    members
}

fn append(value: &mut String, more: &str, separator: &str) {
    if !value.is_empty() && !more.is_empty() {
        value.push_str(separator);
    }
    value.push_str(more);
}

/// Splits a line into a name and a value, after `:` in YAML and `=` in TOML.
fn member(line: &str) -> Option<(&str, &str)> {
    let end = line.find(|c: char| !(c.is_alphanumeric() || "_-.".contains(c)))?;
    let (name, rest) = line.split_at(end);
    let rest = rest.trim_start_matches([' ', '\t']);
    let value = rest.strip_prefix('=').or_else(|| {
        let value = rest.strip_prefix(':')?;
        (value.is_empty() || value.starts_with([' ', '\t'])).then_some(value)
    })?;
    (!name.is_empty() && !name.starts_with('-')).then(|| (name, value.trim()))
}

/// Returns a value without its quotes, brackets and comment.
fn scalar(value: &str) -> String {
    let value = value.trim();
    if let Some(list) = value.strip_prefix('[') {
        let items = list.trim_end_matches(']').split(',').map(scalar);
        return items.filter(|item| !item.is_empty()).collect::<Vec<_>>().join(", ");
    }
    for quote in ['"', '\''] {
        if let Some((inner, _)) = value.strip_prefix(quote).and_then(|rest| rest.rsplit_once(quote)) {
            return if quote == '"' { inner.replace("\\\"", "\"") } else { inner.replace("''", "'") };
        }
    }
    value.split(" #").next().unwrap_or_default().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_matter_becomes_metadata() {
        let text = "---\ntitle: \"On: bees\" # a comment\nauthor:\n  - name: Ann\n    mail: a@b\n  - Bob\ndate: 2026-01-02\nlang: en\ntags: [x, 'y']\ndescription: >\n  Short and\n  sweet.\n---\n\nBees fly.\n";
        let parsed = read(text);
        assert_eq!(parsed.text, "# On: bees\n\nShort and sweet.\n\nBees fly.");
        let expected = Metadata {
            title: Some("On: bees".into()),
            author: Some("Ann, Bob".into()),
            created: Some("2026-01-02".into()),
            language: Some("en".into()),
            ..Metadata::default()
        };
        assert_eq!(parsed.metadata, expected);
    }

    #[test]
    fn the_texts_own_title_is_not_doubled() {
        let parsed = read("+++\ntitle = 'Bees'\nauthors = [\"Ann\", \"Bob\"]\n+++\n# The bees\n\nThey fly.");
        assert_eq!(parsed.text, "# The bees\n\nThey fly.");
        assert_eq!(parsed.metadata.title.as_deref(), Some("Bees"));
        assert_eq!(parsed.metadata.author.as_deref(), Some("Ann, Bob"));
    }

    #[test]
    fn markdown_is_not_touched() {
        for text in
            ["# A\n\n*b*   \n\n\n- c\n", "---\n\nA rule above, and one below\n\n---\n", "---\nno end\n"]
        {
            assert_eq!(read(text).text, text);
        }
        assert_eq!(read("```\n# code\n```\n\n# Title #\n").metadata.title.as_deref(), Some("Title"));
    }
}
