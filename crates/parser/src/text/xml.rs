//! XML: books and articles as prose, feeds as their items, anything else as values with names.
//!
//! Nothing outside a document is read for it. An entity stands for its text if that has no others in it, so that none
//! can grow.
//!
//! * `tree`, `entities`: the elements of a document
//! * `prose`, `feed`, `workbook`: books and articles, feeds, and workbooks of Excel 2003
//! * `values`: all others

mod entities;
mod feed;
mod prose;
mod tree;
mod values;
mod workbook;

use memchr::memmem;

use super::data::Writer;
use crate::{Kind, ParseError, ParsedDocument};

/// Returns the text of an XML document.
pub(super) fn read(text: &str) -> Result<ParsedDocument, ParseError> {
    let root = tree::parse(text)?;
    let known = if feed::is_feed(&root) {
        Some(feed::read(&root))
    } else if workbook::is_workbook(&root) {
        Some(ParsedDocument::markdown(workbook::read(&root)))
    } else {
        prose::is_prose(&root).then(|| prose::read(&root))
    };
    if let Some(parsed) = known.filter(|parsed| !parsed.text.is_empty()) {
        return Ok(parsed);
    }

    let mut writer = Writer::default();
    writer.document(&values::of(&root));
    let text = writer.finish();
    if text.is_empty() {
        Err(ParseError::Empty(Kind::Xml.name()))
    } else {
        Ok(ParsedDocument::markdown(text))
    }
}

/// Returns the encoding that the first line of a document declares.
pub(super) fn declared_encoding(bytes: &[u8]) -> Option<&str> {
    const HEAD: usize = 200;

    let head = bytes.get(..bytes.len().min(HEAD))?;
    let head = head.strip_prefix(b"<?xml")?;
    let head = &head[..memmem::find(head, b"?>")?];
    let rest = head.get(memmem::find(head, b"encoding")? + b"encoding".len()..)?;
    let rest = rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, rest) = rest.split_first()?;
    let value = &rest[..memchr::memchr(*quote, rest)?];
    std::str::from_utf8(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markdown(text: &str) -> String {
        read(text).unwrap().text
    }

    #[test]
    fn elements_are_names_with_their_texts() {
        let text = "<?xml version='1.0'?><order id='7'><!-- no --><to><name>Ann</name><town>Ulm</town></to>
            <price currency='EUR'>12 &amp; more</price><empty/><note><![CDATA[a < b]]></note></order>";
        assert_eq!(
            markdown(text),
            "- id: 7\n- to:\n  - name: Ann\n  - town: Ulm\n- price: 12 & more (currency: EUR)\n- note: a < b"
        );
    }

    #[test]
    fn elements_that_are_alike_are_a_table() {
        let row = |n: u8| format!("<row><id>{n}</id><word>w{n}</word></row>");
        let text = format!("<rows>{}</rows>", (0..40).map(row).collect::<String>());
        let table = markdown(&text);
        assert!(table.starts_with("| id | word |\n| --- | --- |\n| 0 | w0 |\n"), "{table}");
        assert_eq!(table.lines().count(), 42);
    }

    #[test]
    fn entities_are_texts_that_cannot_grow() {
        let text = "<!DOCTYPE a [<!ENTITY us 'ACME &#x43;o'><!ENTITY file SYSTEM 'file:///etc/passwd'>
            <!ENTITY b1 '&us;&us;'>]><a><b>&us;&nbsp;&#8364;</b><c>&file; &b1; &nothing; AT&T</c></a>";
        assert_eq!(markdown(text), "- b: ACME Co €\n- c: file b1 nothing AT&T");
    }

    #[test]
    fn the_declared_encoding_is_found() {
        assert_eq!(declared_encoding(b"<?xml version=\"1.0\" encoding='KOI8-R'?><a/>"), Some("KOI8-R"));
        assert_eq!(declared_encoding(b"<?xml version=\"1.0\"?><a encoding='x'/>"), None);
    }

    #[test]
    fn what_is_cut_off_or_no_xml_is_damaged() {
        for text in ["<a><b>text", "<a>text</a", "no xml", "<a>x</a><b>", ""] {
            assert!(matches!(read(text), Err(ParseError::Damaged { .. })), "{text}");
        }
        assert_eq!(read("<a><b/></a>"), Err(ParseError::Empty("an XML document")));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{}x{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
        assert!(matches!(read(&deep), Err(ParseError::TooComplex { .. })));
        let nested = format!("{}x{}", "<a>".repeat(200), "</a>".repeat(200));
        assert!(markdown(&nested).ends_with('x'));
        let nested = format!(
            "<article>{}x{}</article>",
            "<section><para>".repeat(100),
            "</para></section>".repeat(100)
        );
        assert_eq!(markdown(&nested), "x");
    }
}
