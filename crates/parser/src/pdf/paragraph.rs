//! Joining lines to paragraphs.

use std::collections::HashSet;

use super::glyph::is_ideographic;

/// The words of a document, in small letters, as they stand within lines.
pub(super) type Vocabulary = HashSet<String>;

/// Appends a line to a text. A word that is broken at the end of the text's last line becomes one again.
pub(super) fn join(text: &mut String, line: &str, vocabulary: &Vocabulary) {
    if line.is_empty() {
        return;
    }
    let (Some(last), Some(first)) = (text.chars().next_back(), line.chars().next()) else {
        text.push_str(line);
        return;
    };
    if last == '\u{ad}' {
        text.pop();
    } else if matches!(last, '-' | '\u{2010}') {
        if is_broken(text, line, vocabulary) {
            text.pop();
        }
    } else if !(is_ideographic(last) && is_ideographic(first)) {
        text.push(' ');
    }
    text.push_str(line);
}

/// Returns whether the hyphen at the end of a text is there only for the end of its line.
fn is_broken(text: &str, line: &str, vocabulary: &Vocabulary) -> bool {
    let first = text.rsplit(char::is_whitespace).next().unwrap_or_default();
    let first = first.trim_start_matches(|letter: char| !letter.is_alphanumeric());
    let head = first.trim_end_matches(['-', '\u{2010}']);
    let second = line.split(char::is_whitespace).next().unwrap_or_default();
    let tail: String = second.chars().take_while(|letter| letter.is_alphabetic()).collect();
    let alphabetic = |word: &str| word.chars().all(char::is_alphabetic);
    if head.chars().count() < 2 || !alphabetic(head) || !tail.starts_with(char::is_lowercase) {
        return false;
    }

    let whole = format!("{head}{tail}").to_lowercase();
    let hyphenated = format!("{head}-{tail}").to_lowercase();
    if vocabulary.contains(&hyphenated) && !vocabulary.contains(&whole) {
        return false;
    }
    // What stands as two words elsewhere may be a compound, and what is no word elsewhere most likely is a broken one.
    true
}

/// Adds a line's words to those of its document, but for its last, which may be broken.
pub(super) fn learn(vocabulary: &mut Vocabulary, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    for word in words.iter().take(words.len().saturating_sub(1)) {
        let word = word.trim_matches(|letter: char| !letter.is_alphanumeric());
        if word.len() > 3 && word.len() < 40 {
            vocabulary.insert(word.to_lowercase());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(lines: &[&str], vocabulary: &[&str]) -> String {
        let vocabulary = vocabulary.iter().map(|word| (*word).to_owned()).collect();
        let mut text = String::new();
        for line in lines {
            join(&mut text, line, &vocabulary);
        }
        text
    }

    #[test]
    fn a_broken_word_becomes_one() {
        assert_eq!(joined(&["an exam-", "ple of it"], &[]), "an example of it");
        assert_eq!(joined(&["an exam\u{ad}", "ple"], &[]), "an example");
    }

    #[test]
    fn a_hyphen_that_belongs_there_stays() {
        assert_eq!(joined(&["a well-", "known case"], &["well-known"]), "a well-known case");
        assert_eq!(joined(&["the Anglo-", "American"], &[]), "the Anglo-American");
        assert_eq!(joined(&["pages 10-", "12"], &[]), "pages 10-12");
    }

    #[test]
    fn chinese_lines_have_no_space_between_them() {
        assert_eq!(joined(&["中文", "文档"], &[]), "中文文档");
        assert_eq!(joined(&["中文", "PDF"], &[]), "中文 PDF");
    }
}
