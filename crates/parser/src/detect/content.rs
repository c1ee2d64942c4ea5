//! Types of documents that are text, by how they begin.

use crate::text::is_delimited;
use crate::{Kind, ParseError, charset};

/// The number of bytes that are looked at.
const HEAD: usize = 64 << 10;

/// The beginning of a document that is text.
pub(super) struct Head {
    text: String,
    /// `true` if this is all of the document.
    is_whole: bool,
}

impl Head {
    /// Returns the beginning of a document; `None` if it is not text.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let is_whole = bytes.len() <= HEAD;
        let mut head = bytes.get(..bytes.len().min(HEAD))?;
        if !is_whole && let Some(end) = memchr::memrchr(b'\n', head) {
            // At the end of a line no character is cut in two, but for the second byte of this one in UTF-16.
            head = &head[..end - end % 2];
        }
        let text = charset::decode(head, None).ok()?;
        Some(Head { text, is_whole })
    }

    /// Returns the type that a document itself declares, by a signature in words.
    ///
    /// # Errors
    ///
    /// If it declares one that is not supported.
    pub(super) fn declared(&self) -> Result<Option<Kind>, ParseError> {
        let text = self.text.trim_start();
        if text.starts_with("%!PS-Adobe") {
            return Err(ParseError::UnsupportedType("a PostScript document".to_owned()));
        }
        if let Some(kind) = markup(text)? {
            return Ok(Some(kind));
        }
        if text.starts_with("WEBVTT") || is_subrip(text) {
            return Ok(Some(Kind::Subtitles));
        }
        if self.is_notebook() {
            return Ok(Some(Kind::Notebook));
        }
        Ok(is_email(text).then_some(Kind::Email))
    }

    /// Returns the type that the document's form suggests, if nobody says what it is.
    pub(super) fn suggested(&self, whole: &[u8]) -> Option<Kind> {
        let text = self.text.trim();
        if is_fragment(text) {
            return Some(Kind::Html);
        }
        // In UTF-16 there is a NUL beside it.
        let end = whole.iter().rev().find(|byte| !byte.is_ascii_whitespace() && **byte != 0).copied();
        let is_json =
            (text.starts_with('{') && end == Some(b'}')) || (text.starts_with('[') && end == Some(b']'));
        if is_json
            && text[1..]
                .trim_start()
                .starts_with(['"', '{', '[', '}', ']', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
        {
            return Some(if is_lines_of_json(text) { Kind::JsonLines } else { Kind::Json });
        }
        is_delimited(text).then_some(Kind::Csv)
    }

    /// Returns whether the document is HTML, as it says at its beginning.
    pub(super) fn is_html(&self) -> bool {
        matches!(markup(self.text.trim_start()), Ok(Some(Kind::Html)))
    }

    /// Returns whether a piece of HTML stands in the document.
    pub(super) fn is_html_fragment(&self) -> bool {
        is_fragment(self.text.trim_start())
    }

    /// Returns whether a JSON document is a notebook. Its cells come first, and may be long.
    pub(super) fn is_notebook(&self) -> bool {
        let text = self.text.trim_start();
        text.starts_with('{')
            && (has_value(text, "cells", |c| c == '[') || has_value(text, "worksheets", |c| c == '['))
            && (has_value(text, "nbformat", |c| c.is_ascii_digit())
                || (!self.is_whole && has_value(text, "cell_type", |c| c == '"')))
    }
}

/// Returns whether there is a value in a text in JSON that has this name, and begins so.
fn has_value(text: &str, name: &str, begins: impl Fn(char) -> bool) -> bool {
    let name = format!("\"{name}\"");
    memchr::memmem::find_iter(text.as_bytes(), &name).any(|at| {
        let value = text[at + name.len()..].trim_start().strip_prefix(':').map(str::trim_start);
        value.is_some_and(|value| value.starts_with(&begins))
    })
}

/// Returns whether a document begins as HTML does, after whitespace and a byte order mark.
fn begins_as_html(text: &str) -> bool {
    let begins = |tag: &str| text.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag));
    begins("<!doctype html") || (begins("<html") && !text[5..].starts_with(|c: char| c.is_alphanumeric()))
}

/// Returns the type of a document of markup, by its root.
fn markup(text: &str) -> Result<Option<Kind>, ParseError> {
    if begins_as_html(text) {
        return Ok(Some(Kind::Html));
    }
    let Some((root, is_declared)) = root(text) else { return Ok(None) };
    let local = root.rsplit(':').next().unwrap_or_default();
    match local {
        _ if local.eq_ignore_ascii_case("html") => Ok(Some(Kind::Html)),
        "svg" => Err(ParseError::UnsupportedType("an SVG image".to_owned())),
        "rss" | "feed" | "RDF" => Ok(Some(Kind::Xml)),
        _ => Ok(is_declared.then_some(Kind::Xml)),
    }
}

/// Returns the name of the first element, and whether something before it, or a namespace, shows that it is XML's.
fn root(text: &str) -> Option<(&str, bool)> {
    let mut rest = text;
    let mut is_declared = false;
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix("<?") {
            is_declared |= after.starts_with("xml");
            rest = after.split_once("?>")?.1;
        } else if let Some(after) = rest.strip_prefix("<!--") {
            rest = after.split_once("-->")?.1;
        } else if let Some(after) = rest.strip_prefix("<!DOCTYPE") {
            let name = after.split_whitespace().next()?.trim_end_matches('>');
            if name.eq_ignore_ascii_case("html") {
                return Some((name, true));
            }
            is_declared = true;
            rest = after_doctype(after)?;
        } else {
            break;
        }
    }
    let tag = rest.strip_prefix('<')?.split(['>', ' ', '\t', '\n', '\r', '/']).next()?;
    let is_name = tag.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && tag.chars().all(|c| c.is_alphanumeric() || "_-.:".contains(c));
    let opening = rest.split('>').next().unwrap_or_default();
    is_name.then_some((tag, is_declared || opening.contains("xmlns")))
}

/// Returns what follows the declaration of a document's type, which may have others in brackets.
fn after_doctype(text: &str) -> Option<&str> {
    let close = text.find('>')?;
    match text.find('[').filter(|open| *open < close) {
        Some(open) => text[open..].split_once(']')?.1.split_once('>').map(|(_, rest)| rest),
        None => Some(&text[close + 1..]),
    }
}

/// Returns whether a text begins with an element of HTML's that ends, too.
fn is_fragment(text: &str) -> bool {
    const TAGS: &[&str] = &[
        "p",
        "div",
        "table",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "ul",
        "ol",
        "dl",
        "section",
        "article",
        "body",
        "head",
        "title",
        "main",
        "blockquote",
        "header",
        "style",
        "span",
        "center",
        "font",
        "meta",
    ];

    let Some(rest) = text.strip_prefix('<') else { return false };
    let name =
        rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_ascii_lowercase();
    TAGS.contains(&name.as_str())
        && rest[name.len()..].starts_with(['>', ' ', '\n', '\t', '\r'])
        && (name == "meta" || has_end_of(&name, rest))
}

/// Returns whether an element of this name ends somewhere in a text.
fn has_end_of(name: &str, text: &str) -> bool {
    memchr::memchr_iter(b'<', text.as_bytes()).any(|at| {
        let tag = text[at + 1..].strip_prefix('/').and_then(|tag| tag.get(..name.len()));
        tag.is_some_and(|tag| tag.eq_ignore_ascii_case(name))
    })
}

/// Returns whether a text begins with the headers of an e-mail: some of its usual ones, and one that no other text has.
fn is_email(text: &str) -> bool {
    const USUAL: &[&str] = &["from", "to", "subject", "date", "reply-to", "cc", "sender", "content-type"];
    const OWN: &[&str] = &[
        "message-id",
        "mime-version",
        "received",
        "return-path",
        "delivered-to",
        "dkim-signature",
        "x-mailer",
    ];

    let (mut usual, mut own) = (0, 0);
    for line in text.lines().take_while(|line| !line.trim().is_empty()).take(200) {
        if line.starts_with([' ', '\t']) || line.starts_with("From ") {
            continue;
        }
        let Some((name, _)) = line.split_once(':') else { return false };
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
            return false;
        }
        let name = name.to_ascii_lowercase();
        usual += usize::from(USUAL.contains(&name.as_str()));
        own += usize::from(OWN.contains(&name.as_str()));
    }
    usual >= 2 && own >= 1
}

/// Returns whether a text begins with a numbered subtitle.
fn is_subrip(text: &str) -> bool {
    let mut lines = text.lines();
    let number = lines.next().is_some_and(|line| line.trim().parse::<u32>().is_ok());
    number && lines.next().is_some_and(is_time_of_subrip)
}

fn is_time_of_subrip(line: &str) -> bool {
    line.contains(" --> ") && line.trim_start().starts_with(|c: char| c.is_ascii_digit())
}

/// Returns whether the first line is a value of its own, and another follows.
fn is_lines_of_json(text: &str) -> bool {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().trim();
    let is_value =
        (first.starts_with('{') && first.ends_with('}')) || (first.starts_with('[') && first.ends_with(']'));
    let next = lines.find(|line| !line.trim().is_empty());
    is_value && next.is_some_and(|line| line.trim_start().starts_with(['{', '[']))
}
