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
}
