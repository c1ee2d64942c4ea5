//! Links within a document: from a bookmark to the heading that it stands in.
//!
//! A link may come before its target, so it is written with the bookmark's name between two signs that no text has,
//! and is put right when all of the document was read.

use std::collections::HashMap;

/// The sign around the name of a bookmark.
const SIGN: char = '\u{1}';

/// The headings that bookmarks stand in.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    /// The addresses of headings, by the names of the bookmarks in them.
    addresses: HashMap<String, String>,
    /// The number of headings that have the same address but for a number at its end.
    taken: HashMap<String, usize>,
    /// Bookmarks that begin before the next paragraph.
    waiting: Vec<String>,
}

impl Anchors {
    /// Returns the target of a link to a bookmark, until it is put right.
    pub(super) fn link(bookmark: &str) -> String {
        let name: String = bookmark.chars().filter(|letter| !letter.is_control()).collect();
        format!("#{SIGN}{}{SIGN}", name.trim())
    }

    /// Notes that a bookmark begins here.
    pub(super) fn begin(&mut self, bookmark: &str) {
        const MOST: usize = 1000;

        if self.waiting.len() < MOST {
            self.waiting.push(bookmark.trim().to_owned());
        }
    }

    /// Notes that the bookmarks that began stand in this heading.
    pub(super) fn heading(&mut self, title: &str) {
        let address = address(title);
        let count = self.taken.entry(address.clone()).or_default();
        let address = if *count == 0 { address } else { format!("{address}-{count}") };
        *count += 1;
        for bookmark in self.waiting.drain(..) {
            self.addresses.entry(bookmark).or_insert_with(|| address.clone());
        }
    }

    /// Notes that the bookmarks that began stand in what is no heading.
    pub(super) fn text(&mut self) {
        self.waiting.clear();
    }

    /// Returns the text with its links put right. Those to no heading become the text that they have.
    pub(super) fn resolve(&self, text: &str) -> String {
        let mut resolved = String::with_capacity(text.len());
        let mut rest = text;
        let end = format!("{SIGN})");
        while let Some((before, link)) = rest.split_once(&format!("](#{SIGN}")) {
            let Some((bookmark, after)) = link.split_once(&end) else { break };
            rest = after;
            match self.addresses.get(&decode(bookmark)) {
                Some(address) => {
                    resolved.push_str(before);
                    resolved.push_str("](#");
                    resolved.push_str(address);
                    resolved.push(')');
                }
                None => push_unlinked(&mut resolved, before),
            }
        }
        resolved.push_str(rest);
        resolved
    }
}

/// Returns a bookmark's name as it was before it became part of a URL.
fn decode(name: &str) -> String {
    name.replace("%20", " ").replace("%28", "(").replace("%29", ")").replace("%3C", "<").replace("%3E", ">")
}

/// Appends text that ends with what was to be a link's, without the bracket before it.
fn push_unlinked(output: &mut String, before: &str) {
    let mut depth = 0usize;
    for (place, letter) in before.char_indices().rev() {
        match letter {
            ']' => depth += 1,
            '[' if depth == 0 => {
                output.push_str(before.get(..place).unwrap_or_default());
                output.push_str(before.get(place + 1..).unwrap_or_default());
                return;
            }
            '[' => depth -= 1,
            _ => {}
        }
    }
    output.push_str(before);
}

/// Returns the address that programs which show Markdown give to a heading.
fn address(title: &str) -> String {
    let letters = title.trim().chars().flat_map(char::to_lowercase).filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        letter => letter.is_alphanumeric().then_some(letter),
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_headings_and_else_are_text() {
        let mut anchors = Anchors::default();
        let link = |name: &str, text: &str| format!("[{text}]({})", Anchors::link(name));
        let text = format!("See {}, {} and [a].", link("_Toc1", "the [end]"), link("gone", "x [y]"));

        for bookmark in ["_Toc0", "_Toc1"] {
            anchors.begin(bookmark);
            anchors.heading("The End.");
        }
        assert_eq!(anchors.resolve(&text), "See [the [end]](#the-end-1), x [y] and [a].");
    }
}
