//! The documents that need no parser: plain text and Markdown, as nearly every one of them is written.

use pgai_rs_parser_protocol::name_ending;

use super::UnparsedDocument;
use super::text::looks_like_text;
use crate::config::TextFormat;

/// Returns the format of a document that is text as it stands: plain text or Markdown by its name, or by its media
/// type if the name says nothing, and nothing in its content that contradicts. `None` if the parser is to look at it.
pub(super) fn plain_format(document: &UnparsedDocument) -> Option<TextFormat> {
    let format = match document.name.as_deref().and_then(name_ending) {
        Some(extension) => by_extension(&extension)?,
        None => by_content_type(document)?,
    };
    let is_more = has_signature(&document.bytes) || begins_otherwise(&document.bytes, format);
    (looks_like_text(&document.bytes) && !is_more).then_some(format)
}

fn by_extension(extension: &str) -> Option<TextFormat> {
    match extension {
        "txt" | "text" | "log" => Some(TextFormat::Text),
        "md" | "markdown" => Some(TextFormat::Markdown),
        _ => None,
    }
}

/// Returns the format of a document without an ending, unless it begins like something else.
fn by_content_type(document: &UnparsedDocument) -> Option<TextFormat> {
    let content_type = document.content_type.as_deref().unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media_type.as_str() {
        "text/markdown" | "text/x-markdown" => Some(TextFormat::Markdown),
        "" | "text/plain" | "application/octet-stream" | "binary/octet-stream" => {
            begins_with_prose(&document.bytes).then_some(TextFormat::Text)
        }
        _ => None,
    }
}

/// Returns whether the bytes begin like a text rather than like markup, a value, subtitles or the head of an e-mail.
fn begins_with_prose(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let word = line.iter().position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'-'));
    let is_field = word.is_some_and(|end| end > 0 && line[end..].starts_with(b": "));
    let is_number = !line.is_empty() && line.trim_ascii_end().iter().all(u8::is_ascii_digit);
    let begins_subtitles = is_number || line.starts_with(b"WEBVTT");
    !is_field && !begins_subtitles && !matches!(bytes.first(), Some(b'<' | b'{' | b'['))
}

/// Returns whether a document of this format begins with something that the parser tells from its text: a Markdown
/// document with what it says of itself, a text with a web page.
fn begins_otherwise(bytes: &[u8], format: TextFormat) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let begins =
        |text: &[u8], with: &[u8]| text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
    match format {
        TextFormat::Markdown => {
            ["---\n", "---\r", "+++\n", "+++\r"].iter().any(|mark| begins(bytes, mark.as_bytes()))
        }
        TextFormat::Text => {
            ["<!doctype html", "<html"].iter().any(|tag| begins(bytes.trim_ascii_start(), tag.as_bytes()))
        }
    }
}

/// Returns whether the bytes begin as a document that is text throughout, and yet not to be read as such.
fn has_signature(bytes: &[u8]) -> bool {
    bytes.starts_with(b"%PDF-") || bytes.starts_with(b"{\\rtf")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const TEXT: Option<TextFormat> = Some(TextFormat::Text);
    const MARKDOWN: Option<TextFormat> = Some(TextFormat::Markdown);

    fn format(bytes: &[u8], name: &str, content_type: &str) -> Option<TextFormat> {
        let given = |value: &str| (!value.is_empty()).then(|| value.to_owned());
        let bytes = Bytes::copy_from_slice(bytes);
        plain_format(&UnparsedDocument { bytes, name: given(name), content_type: given(content_type) })
    }

    #[test]
    fn the_name_decides_whatever_its_case() {
        assert_eq!(format(b"x", "READ.ME.Markdown", "application/pdf"), MARKDOWN);
        assert_eq!(format(b"<html>", "example.md", ""), MARKDOWN);
        assert_eq!(format(b"x", "server.LOG", ""), TEXT);
        assert_eq!(format(b"x", "notes.md.gz", ""), MARKDOWN);
        assert_eq!(format(b"x", "page.htm", "text/plain"), None);
    }

    #[test]
    fn without_an_ending_media_type_and_beginning_decide() {
        assert_eq!(format(b"x", "README", "Text/Markdown; charset=utf-8"), MARKDOWN);
        assert_eq!(format("é".as_bytes(), "README", "binary/octet-stream"), TEXT);
        assert_eq!(format(b"Dear: all", "", ""), None);
        assert_eq!(format(b"Dear all: hello", "", ""), TEXT);
        assert_eq!(format(b"", "", ""), TEXT);
        for other in [
            b"\n <p>".as_slice(),
            b"{}",
            b"[1]",
            b"WEBVTT\n",
            b"1\r\n00:00:01,000 --> 00:00:02,000",
            b"From: a@example.com\nTo: b",
            b"\xff\xd8",
        ] {
            assert_eq!(format(other, "", ""), None);
        }
        assert_eq!(format(b"x", "README", "application/json"), None);
    }

    #[test]
    fn content_that_contradicts_the_name_is_looked_at() {
        for content in [b"%PDF-1.4".as_slice(), b"{\\rtf1", b"a\0b", b"caf\xe9", b"\x89PNG\r\n\x1a\n"] {
            assert_eq!(format(content, "notes.txt", ""), None);
        }
        for (content, name) in
            [("---\ntitle: A\n---\n", "a.md"), ("+++\n", "a.md"), ("\n<!DOCTYPE html>", "a.txt")]
        {
            assert_eq!(format(content.as_bytes(), name, ""), None);
        }
        assert_eq!(format(b"--- a rule", "a.md", ""), MARKDOWN);
        assert_eq!(format(b"\xff\xfeh\0i\0", "notes.txt", ""), TEXT);
    }
}
