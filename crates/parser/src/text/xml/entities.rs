//! The texts that entities stand for.

use std::collections::HashMap;

use quick_xml::escape::{resolve_predefined_entity, unescape};

/// The longest text of an entity, in bytes. With no entity in another, this bounds what a document grows to.
const LONGEST: usize = 1000;

/// The most bytes that all uses of a document's own entities may add.
const MOST: usize = 1 << 20;

/// The entities of a document.
#[derive(Debug, Default)]
pub(super) struct Entities {
    own: HashMap<String, String>,
    /// The bytes that the document's own have added.
    added: usize,
}

impl Entities {
    /// Notes what the document's type declares. An entity with others in it, and one of a file, is none.
    pub(super) fn declare(&mut self, doctype: &str) {
        for declaration in doctype.split("<!ENTITY").skip(1) {
            if let Some((name, value)) = declared(declaration) {
                self.own.entry(name.to_owned()).or_insert(value);
            }
        }
    }

    /// Gives the text of an entity. That of an unknown one is its name, which tells more than nothing.
    pub(super) fn push(&mut self, name: &str, push: impl FnOnce(&str)) {
        if let Some(text) = self.own.get(name)
            && self.added + text.len() <= MOST
        {
            self.added += text.len();
            push(text);
            return;
        }
        match resolve_predefined_entity(name) {
            Some(character) => push(character),
            None => push(unescape(&format!("&{name};")).as_deref().unwrap_or(name)),
        }
    }

    /// Returns the value of an attribute with the characters that entities stand for.
    pub(super) fn resolved(&self, value: &str) -> String {
        unescape(value).map_or_else(|_| value.to_owned(), std::borrow::Cow::into_owned)
    }
}

/// Returns the name and the text of a declaration, as in ` name "text">`.
fn declared(declaration: &str) -> Option<(&str, String)> {
    let (name, rest) = declaration.trim_start().split_once(|c: char| c.is_ascii_whitespace())?;
    let rest = rest.trim_start();
    let quote = rest.chars().next().filter(|c| ['"', '\''].contains(c))?;
    let (value, _) = rest[1..].split_once(quote)?;
    // With character references resolved, an ampersand or a bracket would be markup.
    let value = unescape(value).ok()?;
    let is_plain = value.len() <= LONGEST && !value.contains(['&', '<', '%']);
    (name != "%" && is_plain).then(|| (name, value.into_owned()))
}
