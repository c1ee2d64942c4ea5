//! The statements of a PDF about itself.

use memchr::memmem;
use pgai_rs_parser_protocol::Metadata;
use unpdf::parser::backend::PdfBackend;

use crate::markdown::{one_line, some_line};

/// The distance from the mark of a catalog within which its language is looked for.
const CATALOG: usize = 4096;

/// Returns the metadata of a document.
pub(super) fn metadata(backend: &dyn PdfBackend, bytes: &[u8], pages: usize) -> Metadata {
    let raw = backend.metadata();
    Metadata {
        title: raw.title.and_then(title),
        author: raw.author.as_deref().and_then(some_line),
        created: raw.creation_date.and_then(|date| iso(&date)),
        modified: raw.mod_date.and_then(|date| iso(&date)),
        language: language(bytes),
        page_count: u32::try_from(pages).ok(),
    }
}

/// Returns a title, unless it is but the name of a file, or of none.
fn title(title: String) -> Option<String> {
    let title = one_line(&title);
    let title = title.strip_prefix("Microsoft Word - ").unwrap_or(&title);
    let known = !title.is_empty() && !title.eq_ignore_ascii_case("untitled");
    known.then(|| title.to_owned())
}

/// Returns a date such as `D:20240131093000+01'00'` in ISO 8601, as precise as it is.
fn iso(date: &str) -> Option<String> {
    let date = date.trim();
    let date = date.strip_prefix("D:").unwrap_or(date);
    let digits = date.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, zone) = date.split_at(digits);
    let part = |from: usize, to: usize, most: u32| {
        digits.get(from..to).filter(|part| part.parse::<u32>().is_ok_and(|value| value <= most))
    };

    let mut text = part(0, 4, 9999).filter(|year| *year != "0000")?.to_owned();
    for (separator, from, most) in [('-', 4, 12), ('-', 6, 31)] {
        let Some(part) = part(from, from + 2, most).filter(|part| *part != "00") else { return Some(text) };
        text.push(separator);
        text.push_str(part);
    }
    let (Some(hour), Some(minute)) = (part(8, 10, 23), part(10, 12, 59)) else { return Some(text) };
    text.push_str(&format!("T{hour}:{minute}:{}", part(12, 14, 59).unwrap_or("00")));
    text.push_str(&offset(zone));
    Some(text)
}

/// Returns an offset from UTC, such as `+01'00'`, in ISO 8601; empty if it is none.
fn offset(zone: &str) -> String {
    let numbers: String = zone.chars().filter(char::is_ascii_digit).collect();
    match (zone.chars().next(), numbers.get(0..2)) {
        (Some('Z'), _) => "Z".to_owned(),
        (Some(sign @ ('+' | '-')), Some(hours)) => {
            format!("{sign}{hours}:{}", numbers.get(2..4).unwrap_or("00"))
        }
        _ => String::new(),
    }
}

/// Returns the language that the catalog names, if the catalog can be read without unpacking it.
fn language(bytes: &[u8]) -> Option<String> {
    let catalog = memmem::rfind(bytes, b"/Catalog")?;
    let from = bytes.get(..catalog).and_then(|before| memmem::rfind(before, b" obj")).unwrap_or(0);
    let object =
        bytes.get(from.max(catalog.saturating_sub(CATALOG))..(catalog + CATALOG).min(bytes.len()))?;
    let object = object.get(..memmem::rfind(object, b"endobj").unwrap_or(object.len()))?;
    let value = object.get(memmem::find(object, b"/Lang")? + 5..)?.trim_ascii_start();
    let value = value.strip_prefix(b"(")?;
    let value = std::str::from_utf8(value.get(..memchr::memchr(b')', value)?)?).ok()?;
    let tag = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    (value.len() >= 2 && value.len() <= 35 && value.chars().all(tag)).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_as_precise_as_they_are() {
        assert_eq!(iso("D:20240131093015+01'00'").as_deref(), Some("2024-01-31T09:30:15+01:00"));
        assert_eq!(iso("D:20240131093015Z").as_deref(), Some("2024-01-31T09:30:15Z"));
        assert_eq!(iso("D:202401310930").as_deref(), Some("2024-01-31T09:30:00"));
        assert_eq!(iso("D:202401").as_deref(), Some("2024-01"));
        assert_eq!(iso("20241331").as_deref(), Some("2024"));
        assert_eq!(iso("yesterday"), None);
    }

    #[test]
    fn the_language_is_that_of_the_catalog() {
        let file = b"1 0 obj <</Lang (de)>> endobj 2 0 obj <</Type/Catalog /Lang(pt-BR)>> endobj";
        assert_eq!(language(file).as_deref(), Some("pt-BR"));
        assert_eq!(language(b"1 0 obj <</Type/Catalog>> endobj 3 0 obj <</Lang(de)>>"), None);
    }
}
