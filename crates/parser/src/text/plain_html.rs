//! HTML within other documents, as plain paragraphs.

use quick_xml::escape::unescape;

use crate::markdown::one_line;

/// Tags that end a paragraph.
const BLOCKS: &[&str] = &[
    "p",
    "div",
    "br",
    "li",
    "ul",
    "ol",
    "tr",
    "table",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "pre",
    "hr",
];

/// Returns the text of a piece of HTML without its tags. Text without tags may have references to characters still.
pub(super) fn read(html: &str) -> String {
    let mut paragraphs = Vec::new();
    let mut paragraph = String::new();
    let mut rest = html;
    while let Some((before, tag)) = split_at_tag(rest) {
        paragraph.push_str(before);
        let Some((inner, after)) = tag.split_once('>') else {
            rest = "";
            break;
        };
        let name = inner
            .trim_start_matches('/')
            .split(|c: char| !c.is_ascii_alphanumeric())
            .next()
            .unwrap_or_default();
        if BLOCKS.contains(&name.to_ascii_lowercase().as_str()) {
            paragraphs.push(std::mem::take(&mut paragraph));
        }
        rest = after;
    }
    paragraph.push_str(rest);
    paragraphs.push(paragraph);

    let lines = paragraphs.iter().map(|paragraph| one_line(&resolved(paragraph)));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// Splits at the next bracket that opens a tag; the tag is without the bracket.
fn split_at_tag(html: &str) -> Option<(&str, &str)> {
    let opens =
        |place: &usize| html[place + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c));
    let place = memchr::memchr_iter(b'<', html.as_bytes()).find(opens)?;
    Some((&html[..place], &html[place + 1..]))
}

/// Returns a text in which references stand for their characters, as far as they are known.
fn resolved(text: &str) -> String {
    if let Ok(text) = unescape(text) {
        return text.into_owned();
    }
    // One of them is unknown, or is an ampersand only.
    let mut out = String::with_capacity(text.len());
    for (place, part) in text.split('&').enumerate() {
        let known = part.split_once(';').and_then(|(name, rest)| {
            let reference = format!("&{name};");
            Some((unescape(&reference).ok()?.into_owned(), rest))
        });
        match known.filter(|_| place > 0) {
            Some((character, rest)) => {
                out.push_str(&character);
                out.push_str(rest);
            }
            None => {
                out.push_str(if place > 0 { "&" } else { "" });
                out.push_str(part);
            }
        }
    }
    out
}
