//! Reading the XML files of a book, whatever small faults they have.

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use crate::html::encoding;
use crate::{ParseError, charset};

/// A reader of XML that ends where the XML can't be read any more.
pub(super) struct Reader<'a> {
    inner: quick_xml::Reader<&'a [u8]>,
}

impl<'a> Reader<'a> {
    /// Returns a reader of this text, at its beginning.
    pub(super) fn new(text: &'a str) -> Self {
        let mut inner = quick_xml::Reader::from_str(text);
        let config = inner.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.allow_dangling_amp = true;
        Reader { inner }
    }

    /// Returns the next event; `None` at the end, or where the XML can't be read any more.
    pub(super) fn next(&mut self) -> Option<Event<'a>> {
        match self.inner.read_event() {
            Ok(Event::Eof) | Err(_) => None,
            Ok(event) => Some(event),
        }
    }
}

/// Returns the text of an XML file.
pub(super) fn decode(bytes: &[u8]) -> Result<String, ParseError> {
    charset::decode(bytes, encoding::declared(bytes).as_deref())
}

/// Returns the value of an element's attribute, whatever the prefix of its name.
pub(super) fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes();
    attributes.with_checks(false);
    let is_meant = |key: quick_xml::name::QName<'_>| key.local_name().as_ref() == name.as_bytes();
    let value = attributes.flatten().find(|attribute| is_meant(attribute.key))?.value;
    let value = String::from_utf8_lossy(&value);
    Some(quick_xml::escape::unescape(&value).map_or_else(|_| value.to_string(), |value| value.into_owned()))
}

/// Appends the text of an event, if it is one.
pub(super) fn push_text(text: &mut String, event: &Event<'_>) {
    match event {
        Event::Text(part) => text.push_str(&String::from_utf8_lossy(part)),
        Event::CData(part) => text.push_str(&String::from_utf8_lossy(part)),
        Event::GeneralRef(name) => match name.resolve_char_ref() {
            Ok(Some(c)) => text.push(c),
            _ => {
                let name = String::from_utf8_lossy(name);
                text.push_str(resolve_predefined_entity(&name).unwrap_or(" "));
            }
        },
        _ => {}
    }
}
