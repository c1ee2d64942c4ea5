//! Values with names, as JSON and XML have them, and their Markdown: a list of what is short, below it a section for
//! each thing that is long, and tables of what is alike.
//!
//! Names stay beside their values, for a chunk that says `price: 12` is found and one that says `12` is not. What is
//! empty is left out.

mod list;
mod section;
mod table;

pub(super) use section::Writer;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    /// Null, or nothing that could be read.
    Nothing,
    /// A text, a number or a truth value.
    Scalar(String),
    /// Values in an order.
    List(Vec<Data>),
    /// Values with names, in the order in which they were written. Names may come several times.
    Object(Vec<(String, Data)>),
}

impl Data {
    /// Returns a text; nothing if it is the encoding of something that is no text, such as a picture.
    pub(super) fn text(text: String) -> Self {
        if is_encoded(&text) { Data::Nothing } else { Data::Scalar(text) }
    }

    /// Returns the first value of this name.
    pub(super) fn get(&self, name: &str) -> Option<&Data> {
        match self {
            Data::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Returns the text, number or truth value as it is written.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Data::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the values of a list.
    pub(super) fn items(&self) -> &[Data] {
        match self {
            Data::List(items) => items,
            _ => &[],
        }
    }

    /// Returns whether there is no text in it.
    fn is_empty(&self) -> bool {
        match self {
            Data::Nothing => true,
            Data::Scalar(text) => text.trim().is_empty(),
            Data::List(items) => items.iter().all(Data::is_empty),
            Data::Object(members) => members.iter().all(|(_, value)| value.is_empty()),
        }
    }

    /// Returns the text if it is a line that fits into a list or a table.
    fn as_short(&self, longest: usize) -> Option<&str> {
        match self {
            Data::Nothing => Some(""),
            Data::Scalar(text) => {
                (text.len() <= longest && !text.trim().contains('\n')).then_some(text.trim())
            }
            _ => None,
        }
    }
}

/// Returns whether a text is bytes in base64 or hexadecimal digits, which nobody searches for.
fn is_encoded(text: &str) -> bool {
    const LONG: usize = 400;
    const MARK: &str = "data:";

    if text.len() < LONG {
        return false;
    }
    let digits = match text.split_once(";base64,") {
        Some((mark, digits)) if mark.starts_with(MARK) && mark.len() < 100 => digits,
        _ => text,
    };
    digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_\n".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_in_base64_are_no_text() {
        let picture = format!("data:image/png;base64,{}", "iVBORw0KGgo".repeat(50));
        assert_eq!(Data::text(picture), Data::Nothing);
        let words = "these are words ".repeat(50);
        assert_eq!(Data::text(words.clone()), Data::Scalar(words));
    }
}
