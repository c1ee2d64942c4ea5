//! Encodings that pages declare, and whether they are XML.

use crate::Source;

/// The number of bytes in which a declaration is looked for. The rule is 1024; scripts of some pages stand before it.
const HEAD: usize = 4096;

/// Returns the encoding that a page declares for itself. UTF-16 can't be: the declaration was read without it.
pub(crate) fn declared(bytes: &[u8]) -> Option<String> {
    let head = bytes.get(..HEAD).unwrap_or(bytes);
    let head: String =
        head.iter().map(|b| if b.is_ascii() { char::from(b.to_ascii_lowercase()) } else { '?' }).collect();
    let label = of_declaration(&head).or_else(|| of_meta(&head))?;
    match label.starts_with("utf-16") || label.starts_with("utf-32") {
        true if bytes.contains(&0) => None,
        true => Some("utf-8".to_owned()),
        false => Some(label),
    }
}

/// Returns the encoding that an XML declaration names.
fn of_declaration(head: &str) -> Option<String> {
    let (declaration, _) = head.strip_prefix("<?xml")?.split_once("?>")?;
    let (_, rest) = declaration.split_once("encoding")?;
    label(rest)
}

/// Returns the encoding that a `meta` element names.
fn of_meta(head: &str) -> Option<String> {
    let mut rest = head;
    while let Some((before, after)) = rest.split_once("<meta") {
        // A comment of a page that was taken over may hold one, too.
        let is_commented = before.rfind("<!--").is_some_and(|at| !before[at..].contains("-->"));
        let element = after.split('>').next().unwrap_or_default();
        if !is_commented && let Some((_, value)) = element.split_once("charset") {
            return label(value);
        }
        rest = after;
    }
    None
}

/// Returns the value after an equals sign.
fn label(rest: &str) -> Option<String> {
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let rest = rest.trim_start_matches(['"', '\'']);
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c))).unwrap_or(rest.len());
    (end > 0).then(|| rest[..end].to_owned())
}

/// Returns whether a page is XML, in which any element can end itself.
pub(super) fn is_xhtml(source: &Source<'_>) -> bool {
    let bytes = source.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source.bytes).trim_ascii_start();
    bytes.starts_with(b"<?xml")
        || source.content_type.is_some_and(|media_type| media_type.starts_with("application/xhtml+xml"))
}
