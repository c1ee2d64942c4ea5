//! Text within a paragraph: pieces with their marks, and the Markdown that they become.

use std::rc::Rc;

/// The longest URL that is written. Longer ones hold data rather than say where it is.
const LONGEST_URL: usize = 2000;

/// The look of a piece of text, as far as Markdown knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Mark {
    /// `true` if it is bold.
    pub(super) bold: bool,
    /// `true` if it is italic.
    pub(super) italic: bool,
    /// `true` if it is struck through.
    pub(super) strike: bool,
    /// `true` if it is code.
    pub(super) code: bool,
    /// The URL that it links to.
    pub(super) link: Option<Rc<str>>,
}

/// A paragraph's text in pieces.
#[derive(Debug, Clone, Default)]
pub(super) struct Inline {
    pieces: Vec<(Mark, String)>,
}

impl Inline {
    /// Appends text. Characters that no text has are left out, and spaces that may not break become ordinary ones.
    pub(super) fn push(&mut self, mark: &Mark, text: &str) {
        let last = match self.pieces.last_mut() {
            Some((last, text)) if last == mark => text,
            _ => {
                self.pieces.push((mark.clone(), String::new()));
                let Some((_, last)) = self.pieces.last_mut() else { return };
                last
            }
        };
        last.extend(text.chars().filter_map(readable));
    }

    /// Returns whether there is nothing to read in it.
    pub(super) fn is_blank(&self) -> bool {
        self.pieces.iter().all(|(_, text)| text.trim().is_empty())
    }

    /// Returns whether all of it is code.
    pub(super) fn is_code(&self) -> bool {
        !self.is_blank() && self.pieces.iter().all(|(mark, text)| mark.code || text.trim().is_empty())
    }

    /// Returns the text alone.
    pub(super) fn plain(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// Returns the text with links, and without other marks, as a heading has it.
    pub(super) fn linked(&self) -> String {
        let mut pieces = self.pieces.clone();
        for (mark, _) in &mut pieces {
            *mark = Mark { link: mark.link.take(), ..Mark::default() };
        }
        Inline { pieces }.markdown()
    }

    /// Returns the text as Markdown.
    pub(super) fn markdown(&self) -> String {
        let pieces = self.merged();
        let mut text = String::new();
        let mut rest = pieces.as_slice();
        while let Some((first, _)) = rest.first() {
            let count = rest.iter().take_while(|(mark, _)| mark.link == first.link).count();
            let (group, later) = rest.split_at(count);
            rest = later;

            let inner = marked(group);
            match &first.link {
                Some(url) => push_link(&mut text, &inner, url),
                None => text.push_str(&inner),
            }
        }
        // Tab stops are for the eye: they have no place in Markdown.
        text.replace('\t', " ")
    }

    /// Returns the pieces, with those joined that look alike but for space between them.
    fn merged(&self) -> Vec<(Mark, String)> {
        let mut merged: Vec<(Mark, String)> = Vec::new();
        for (place, (mark, text)) in self.pieces.iter().enumerate() {
            let blank = text.trim().is_empty();
            let next = self.pieces.get(place + 1).map(|(mark, _)| mark);
            match merged.last_mut() {
                Some((last, before)) if last == mark || (blank && next.is_none_or(|next| next == last)) => {
                    before.push_str(text);
                }
                _ if blank => {
                    merged.push((Mark { link: mark.link.clone(), ..Mark::default() }, text.clone()))
                }
                _ => merged.push((mark.clone(), text.clone())),
            }
        }
        merged
    }
}

/// Returns a character as text has it.
fn readable(letter: char) -> Option<char> {
    match letter {
        '\u{a0}' | '\u{2007}' | '\u{202f}' => Some(' '),
        '\u{ad}' | '\u{200b}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => None,
        // Of fonts that have pictures in place of letters.
        '\u{e000}'..='\u{f8ff}' => None,
        '\t' | '\n' => Some(letter),
        letter if letter.is_control() => None,
        letter => Some(letter),
    }
}

/// Returns pieces of one link with the signs of their looks around them.
fn marked(pieces: &[(Mark, String)]) -> String {
    let mut text = String::new();
    for (place, (mark, piece)) in pieces.iter().enumerate() {
        let piece = &if mark.code { piece.clone() } else { escaped(piece) };
        let core = piece.trim();
        let before = text.chars().next_back();
        let after = pieces.get(place + 1).and_then(|(_, next)| next.chars().next());
        if core.is_empty() || !stands_alone(piece, before, after) {
            text.push_str(piece);
            continue;
        }

        let (open, close) = signs(mark, core);
        let lead = piece.len() - piece.trim_start().len();
        text.push_str(piece.get(..lead).unwrap_or_default());
        text.push_str(&open);
        text.push_str(core);
        text.push_str(&close);
        text.push_str(piece.get(lead + core.len()..).unwrap_or_default());
    }
    text
}

/// Returns a text in which nothing looks like a tag of HTML, which would not be shown.
fn escaped(text: &str) -> String {
    let mut parts = text.split('<');
    let mut escaped = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_tag = part
            .starts_with(|letter: char| letter.is_ascii_alphabetic() || matches!(letter, '/' | '!' | '?'));
        escaped.push_str(if is_tag { "&lt;" } else { "<" });
        escaped.push_str(part);
    }
    escaped
}

/// Returns whether signs around the piece split no word: a search for the word would not find it.
fn stands_alone(piece: &str, before: Option<char>, after: Option<char>) -> bool {
    !are_of_one_word(before, piece.chars().next()) && !are_of_one_word(piece.chars().next_back(), after)
}

fn are_of_one_word(left: Option<char>, right: Option<char>) -> bool {
    left.is_some_and(char::is_alphanumeric) && right.is_some_and(char::is_alphanumeric)
}

/// Returns the signs before and after a text of this look.
fn signs(mark: &Mark, text: &str) -> (String, String) {
    if mark.code && !text.contains(['\n', '`']) {
        return ("`".to_owned(), "`".to_owned());
    }
    let mut open = String::new();
    if mark.strike {
        open.push_str("~~");
    }
    if mark.bold {
        open.push_str("**");
    }
    if mark.italic {
        open.push('*');
    }
    let close = open.chars().rev().collect();
    (open, close)
}

/// Appends a link; the text alone if the URL is none that can be followed.
fn push_link(text: &mut String, inner: &str, url: &str) {
    let core = inner.trim();
    let url = url.trim();
    let followed = !url.is_empty() && url.len() <= LONGEST_URL && !url.starts_with("javascript:");
    if core.is_empty() || !followed || core == url || url.strip_prefix("mailto:") == Some(core) {
        text.push_str(inner);
        return;
    }

    let lead = inner.len() - inner.trim_start().len();
    text.push_str(inner.get(..lead).unwrap_or_default());
    text.push('[');
    text.push_str(core);
    text.push_str("](");
    for letter in url.chars() {
        match letter {
            ' ' => text.push_str("%20"),
            '(' => text.push_str("%28"),
            ')' => text.push_str("%29"),
            '<' => text.push_str("%3C"),
            '>' => text.push_str("%3E"),
            letter => text.push(letter),
        }
    }
    text.push(')');
    text.push_str(inner.get(lead + core.len()..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inline(pieces: &[(&str, &str)]) -> Inline {
        let mut inline = Inline::default();
        for (look, text) in pieces {
            let link = look.split_once('>').map(|(_, url)| Rc::from(url));
            let has = |sign: char| look.split('>').next().is_some_and(|look| look.contains(sign));
            let mark = Mark { bold: has('b'), italic: has('i'), strike: has('s'), code: has('c'), link };
            inline.push(&mark, text);
        }
        inline
    }

    #[test]
    fn signs_stand_close_to_the_text_and_split_no_word() {
        assert_eq!(inline(&[("", "a"), ("b", " big "), ("", "word")]).markdown(), "a **big** word");
        assert_eq!(inline(&[("b", "T"), ("", "he end")]).markdown(), "The end");
        assert_eq!(inline(&[("b", "two"), ("", " "), ("b", "words")]).markdown(), "**two words**");
        assert_eq!(inline(&[("bi", "both"), ("", ". "), ("s", "gone")]).markdown(), "***both***. ~~gone~~");
        assert_eq!(inline(&[("c", "a_b"), ("", ", "), ("c", "`")]).markdown(), "`a_b`, `");
    }

    #[test]
    fn text_that_looks_like_a_tag_stays_text() {
        assert_eq!(
            inline(&[("", "a <b> if 1 < 2, "), ("c", "x<T>")]).markdown(),
            "a &lt;b> if 1 < 2, `x<T>`"
        );
    }

    #[test]
    fn links_keep_their_text_in_one_piece() {
        let text =
            inline(&[("", "see "), (">http://x/a b(1)", "the "), ("b>http://x/a b(1)", "page"), ("", ".")]);
        assert_eq!(text.markdown(), "see [the **page**](http://x/a%20b%281%29).");
        assert_eq!(text.linked(), "see [the page](http://x/a%20b%281%29).");
        assert_eq!(text.plain(), "see the page.");
        assert_eq!(inline(&[(">", "no target")]).markdown(), "no target");
        assert_eq!(inline(&[(">http://x", "http://x")]).markdown(), "http://x");
        assert_eq!(inline(&[(">mailto:a@x", "a@x")]).markdown(), "a@x");
    }

    #[test]
    fn characters_that_no_text_has_are_left_out() {
        assert_eq!(inline(&[("", "a\u{a0}b\u{ad}c\u{1}\u{f0b7}")]).markdown(), "a bc");
    }
}
