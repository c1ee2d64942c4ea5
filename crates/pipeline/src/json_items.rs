//! The number of items in a text of JSON, counted before it is read.
//!
//! An item takes two bytes on the wire, and up to hundreds in memory.

use memchr::memchr2;

/// Counts the items of a JSON text as it comes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct JsonItems {
    place: Place,
}

/// The place in a text of JSON.
#[derive(Debug, Clone, Copy, Default)]
enum Place {
    /// It is outside of strings.
    #[default]
    Outside,
    /// It is in a string.
    InString,
    /// It is behind a backslash in a string.
    Escaped,
}

impl JsonItems {
    /// Returns how many objects, lists, values of entries and further items begin in the next bytes.
    pub(crate) fn count(&mut self, bytes: &[u8]) -> usize {
        let mut items = 0;
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match self.place {
                Place::Outside => self.pass_items(rest, &mut items),
                Place::InString => self.pass_string(rest),
                Place::Escaped => {
                    self.place = Place::InString;
                    rest.get(1..).unwrap_or_default()
                }
            };
        }
        items
    }

    /// Returns what follows the beginning of the next string.
    fn pass_items<'j>(&mut self, json: &'j [u8], items: &mut usize) -> &'j [u8] {
        for (at, byte) in json.iter().enumerate() {
            match byte {
                b'"' => {
                    self.place = Place::InString;
                    return json.get(at + 1..).unwrap_or_default();
                }
                b'{' | b'[' | b':' | b',' => *items += 1,
                _ => {}
            }
        }
        &[]
    }

    /// Returns what follows the end of the string, or the next backslash in it.
    fn pass_string<'j>(&mut self, json: &'j [u8]) -> &'j [u8] {
        let Some(at) = memchr2(b'"', b'\\', json) else { return &[] };
        let ends = json.get(at) == Some(&b'"');
        self.place = if ends { Place::Outside } else { Place::Escaped };
        json.get(at + 1..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_counted_and_what_strings_hold_is_not() {
        for (json, items) in [
            ("", 0),
            ("1", 0),
            ("[1,2,3]", 3),
            (r#"{"a":"x,y","b":[1,2]}"#, 6),
            (r#"["\",\"",1]"#, 2),
            (r#"["\\",1]"#, 2),
            (r#"["unending,,,"#, 1),
            (r#"["unending\"#, 1),
        ] {
            assert_eq!(JsonItems::default().count(json.as_bytes()), items, "{json}");

            // However the bytes come.
            let mut parts = JsonItems::default();
            let counted: usize = json.as_bytes().chunks(1).map(|byte| parts.count(byte)).sum();
            assert_eq!(counted, items, "{json}");
        }
    }
}
