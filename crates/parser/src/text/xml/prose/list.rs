//! Lists of a document that is prose.

use super::super::tree::Element;
use super::inline::Inline;
use super::writer::Writer;
use crate::markdown::one_line;

/// Elements that are not an item, but stand in lists.
const HEADS: &[&str] =
    &["title", "info", "blockinfo", "listinfo", "head", "label", "anchor", "indexterm", "deflisthead"];

/// Appends a list.
pub(super) fn write(writer: &mut Writer, list: &Element, numbered: bool, level: usize) {
    let numbered = numbered
        || list.attribute("list-type").is_some_and(|kind| ["order", "alpha-lower", "arabic"].contains(&kind))
        || list.attribute("type").is_some_and(|kind| kind == "ordered");
    if let Some(title) = list.child("title").or_else(|| list.child("head")) {
        writer.blocks.push(&title.text());
    }

    let mut text = String::new();
    let items = list.elements().filter(|child| !HEADS.contains(&child.name.as_str()));
    for (place, item) in items.enumerate() {
        let content = writer.nested(item, level);
        let mark = if numbered { format!("{}. ", place + 1) } else { "- ".to_owned() };
        push_item(&mut text, &mark, &content, writer.is_deep());
    }
    writer.blocks.push(&text);
}

/// Appends a list of terms and what they mean.
pub(super) fn write_terms(writer: &mut Writer, list: &Element, level: usize) {
    const TERMS: &[&str] = &["term", "dt", "glossterm", "pt", "segtitle"];

    if let Some(title) = list.child("title") {
        writer.blocks.push(&title.text());
    }
    let mut text = String::new();
    let mut terms = Vec::<String>::new();
    for child in list.elements().filter(|child| !HEADS.contains(&child.name.as_str())) {
        let is_part = TERMS.contains(&child.name.as_str()) || ["dd", "def"].contains(&child.name.as_str());
        let parts: Vec<_> = if is_part { vec![child] } else { child.elements().collect() };
        for part in parts {
            if TERMS.contains(&part.name.as_str()) {
                let mut line = Inline::default();
                writer.contents(part, &mut line);
                terms.push(line.finish());
            } else {
                let meaning = writer.nested(part, level);
                let separator = if meaning.starts_with(['-', '|', '`', '>']) { ":\n\n" } else { ": " };
                push_item(
                    &mut text,
                    "- ",
                    &format!("{}{separator}{meaning}", terms.join(", ")),
                    writer.is_deep(),
                );
                terms.clear();
            }
        }
    }
    if !terms.is_empty() {
        push_item(&mut text, "- ", &one_line(&terms.join(", ")), writer.is_deep());
    }
    writer.blocks.push(&text);
}

/// Appends an item, whose lines after the first are indented, unless they are deep enough.
fn push_item(text: &mut String, mark: &str, content: &str, is_deep: bool) {
    for (place, line) in content.trim().lines().enumerate() {
        if place == 0 {
            text.push_str(mark);
        } else if !line.is_empty() && !is_deep {
            text.push_str(&" ".repeat(mark.len()));
        }
        text.push_str(line);
        text.push('\n');
    }
}
