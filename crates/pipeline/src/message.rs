//! Texts of others, cut to a length that fits a log line.

/// The first `most` bytes of a text on one line, without control characters; three dots tell
/// that something is missing: a client's encoding may lack an ellipsis.
///
/// ```
/// use pgai_rs_pipeline::message::truncate_message;
///
/// assert_eq!(truncate_message("no such\nmodel", 20), "no such model");
/// assert_eq!(truncate_message("no such\nmodel", 10), "no such mo...");
/// ```
pub fn truncate_message(text: &str, most: usize) -> String {
    let mut short = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if short.len() + word.len() >= most {
            let room = most.saturating_sub(short.len() + 1);
            let cut = (0..=room.min(word.len())).rev().find(|&at| word.is_char_boundary(at)).unwrap_or(0);

            if !short.is_empty() && cut > 0 {
                short.push(' ');
            }
            short.push_str(&word[..cut]);
            short.push_str("...");
            return short;
        }

        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(word);
    }
    short
}

/// The first `most` bytes of a text as it is, but for what Postgres can't store; three dots tell that something is
/// missing.
///
/// ```
/// use pgai_rs_pipeline::message::storable_message;
///
/// assert_eq!(storable_message("s3://b/a b\n does not exist".to_owned(), 30), "s3://b/a b\n does not exist");
/// assert_eq!(storable_message("s3://b/a\0b does not exist".to_owned(), 12), "s3://b/a b d...");
/// ```
pub fn storable_message(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push_str("...");
    }
    if text.contains('\0') {
        text = text.replace('\0', " ");
    }
    text
}

/// Returns a text of others, which stands for something in a column, if it has at most so many bytes and Postgres can
/// store it. A part of it would stand for something else.
pub(crate) fn storable(text: &str, most: usize) -> Option<&str> {
    (text.len() <= most && !text.contains('\0')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_fits_on_one_line() {
        assert_eq!(truncate_message("a\nb\0 c", 20), "a b c");
        assert_eq!(truncate_message("", 20), "");
        assert_eq!(truncate_message("one two three", 9), "one two t...");
        assert_eq!(truncate_message("éééééé", 5), "éé...");
    }

    #[test]
    fn what_stands_for_something_is_stored_as_a_whole_or_not_at_all() {
        assert_eq!(storable("text/plain", 10), Some("text/plain"));
        assert_eq!(storable("text/plain", 9), None);
        assert_eq!(storable("text\0", 10), None);
    }
}
