//! The XML of a part as a row of tokens, within limits.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use crate::nesting::DEEPEST;
use crate::{Kind, ParseError};

/// A part of an XML document.
pub(crate) enum Token<'a> {
    /// An element begins.
    Open(Element<'a>),
    /// The element that was opened last, and not yet closed, ends.
    Close,
    /// A piece of text; the next may follow without anything between them.
    Text(Cow<'a, str>),
    /// The document ends.
    End,
}

/// The beginning of an element.
pub(crate) struct Element<'a>(BytesStart<'a>);

impl Element<'_> {
    /// Returns the element's name with its prefix, such as `text:p`.
    pub(crate) fn name(&self) -> String {
        String::from_utf8_lossy(self.0.name().0).into_owned()
    }

    /// Returns the element's name without a prefix.
    pub(crate) fn local(&self) -> String {
        String::from_utf8_lossy(self.0.local_name().into_inner()).into_owned()
    }

    /// Returns the value of the attribute that has this name without a prefix.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        // The check for two of a name would compare each with each.
        for attribute in self.0.attributes().with_checks(false).flatten() {
            if attribute.key.local_name().as_ref() == name.as_bytes() {
                let value = attribute.normalized_value(XmlVersion::Implicit1_0);
                return value.ok().map(Cow::into_owned);
            }
        }
        None
    }

    /// Returns an attribute that is a number.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.attribute(name)?.trim().parse().ok()
    }

    /// Returns whether an attribute is there and true.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.attribute(name).is_some_and(|value| value == "1" || value == "true" || value == "on")
    }
}

/// An XML document that is being read.
pub(crate) struct Xml<'a> {
    kind: Kind,
    reader: Reader<&'a [u8]>,
    depth: usize,
}

impl<'a> Xml<'a> {
    /// Returns the document in these bytes, which are UTF-8; see [`utf8`].
    pub(crate) fn new(kind: Kind, bytes: &'a [u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = Reader::from_reader(bytes);
        reader.config_mut().expand_empty_elements = true;
        reader.config_mut().allow_dangling_amp = true;
        Xml { kind, reader, depth: 0 }
    }

    /// Returns the next token.
    pub(crate) fn next(&mut self) -> Result<Token<'a>, ParseError> {
        loop {
            let event = self.reader.read_event().map_err(|_| self.damaged("its XML is malformed"))?;
            match event {
                Event::Start(start) => {
                    self.depth += 1;
                    if self.depth > DEEPEST {
                        let problem = format!("its XML is nested more than {DEEPEST} levels deep");
                        return Err(self.too_complex(&problem));
                    }
                    return Ok(Token::Open(Element(start)));
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Token::Close);
                }
                Event::Text(text) => return Ok(Token::Text(lossy(text.into_inner()))),
                Event::CData(text) => return Ok(Token::Text(lossy(text.into_inner()))),
                Event::GeneralRef(reference) => return Ok(Token::Text(Cow::Owned(entity(&reference)))),
                Event::Eof if self.depth > 0 => return Err(self.damaged("its XML ends too early")),
                Event::Eof => return Ok(Token::End),
                _ => {}
            }
        }
    }

    /// Reads on to the end of the element that was opened last.
    pub(crate) fn skip(&mut self) -> Result<(), ParseError> {
        let end = self.depth.saturating_sub(1);
        while self.depth > end {
            if matches!(self.next()?, Token::End) {
                break;
            }
        }
        Ok(())
    }

    /// Returns all text in the element that was opened last.
    pub(crate) fn text(&mut self) -> Result<String, ParseError> {
        let end = self.depth.saturating_sub(1);
        let mut text = String::new();
        while self.depth > end {
            match self.next()? {
                Token::Text(part) => text.push_str(&part),
                Token::End => break,
                Token::Open(_) | Token::Close => {}
            }
        }
        Ok(text)
    }

    /// Returns the error that the document is damaged.
    pub(crate) fn damaged(&self, problem: &str) -> ParseError {
        ParseError::Damaged { kind: self.kind.name(), problem: problem.to_owned() }
    }

    /// Returns the error that the document takes too much.
    pub(crate) fn too_complex(&self, problem: &str) -> ParseError {
        ParseError::TooComplex { kind: self.kind.name(), problem: problem.to_owned() }
    }
}

/// Returns bytes as UTF-8; if they begin with the mark of UTF-16, they were in that.
pub(crate) fn utf8(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let (text, _, _) = encoding_rs::UTF_16LE.decode(&bytes);
        return text.into_owned().into_bytes();
    }
    bytes
}

fn lossy(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// Returns what a reference stands for. Those that a document declares itself stand for nothing.
fn entity(reference: &quick_xml::events::BytesRef<'_>) -> String {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string();
    }
    match &**reference {
        b"amp" => "&",
        b"lt" => "<",
        b"gt" => ">",
        b"quot" => "\"",
        b"apos" => "'",
        _ => "",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(xml: &str) -> Result<String, ParseError> {
        Xml::new(Kind::Odt, xml.as_bytes()).text_to_end()
    }

    impl Xml<'_> {
        fn text_to_end(&mut self) -> Result<String, ParseError> {
            let mut text = String::new();
            loop {
                match self.next()? {
                    Token::Text(part) => text.push_str(&part),
                    Token::End => return Ok(text),
                    Token::Open(_) | Token::Close => {}
                }
            }
        }
    }

    #[test]
    fn references_are_resolved_and_cdata_is_text() {
        assert_eq!(texts("<a>x &amp; y &#x41;<![CDATA[<b>]]>&unknown;</a>").unwrap(), "x & y A<b>");
    }

    #[test]
    fn what_ends_early_is_damaged() {
        assert!(matches!(texts("<a><b>text"), Err(ParseError::Damaged { .. })));
        assert!(matches!(texts("<a></b>"), Err(ParseError::Damaged { .. })));
    }

    #[test]
    fn deep_nesting_is_too_complex() {
        let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
        assert!(matches!(texts(&deep), Err(ParseError::TooComplex { .. })));
    }

    #[test]
    fn an_element_is_skipped_with_all_that_is_in_it() {
        let mut xml = Xml::new(Kind::Odt, b"<a><b><c>no</c></b>yes</a>");
        assert!(matches!(xml.next().unwrap(), Token::Open(_)));
        assert!(matches!(xml.next().unwrap(), Token::Open(_)));
        xml.skip().unwrap();
        assert_eq!(xml.text().unwrap(), "yes");
    }

    #[test]
    fn attributes_are_found_without_their_prefix() {
        let mut xml = Xml::new(Kind::Odt, b"<t:a t:one='1 &lt; 2' two='7'/>");
        let Token::Open(element) = xml.next().unwrap() else { panic!("no element") };
        assert_eq!(element.name(), "t:a");
        assert_eq!(element.attribute("one").as_deref(), Some("1 < 2"));
        assert_eq!(element.number::<u32>("two"), Some(7));
    }
}
