//! Code, in lines and in blocks.

use super::{Id, Name, Renderer, Tag, words};
use crate::markdown;

/// Beginnings of classes that name a language.
const PREFIXES: &[&str] =
    &["language-", "lang-", "highlight-source-", "highlight-", "src-", "brush-", "sourceCode-"];

/// Words beside a language, or in its place, that are none.
const NO_LANGUAGES: &[&str] = &[
    "text",
    "none",
    "default",
    "plain",
    "plaintext",
    "nohighlight",
    "notranslate",
    "hljs",
    "code",
    "example",
];

impl Renderer<'_> {
    /// Writes code within a line.
    pub(super) fn code(&mut self, id: Id) {
        let code = self.visible_text(id);
        let code = code.split_whitespace().collect::<Vec<_>>().join(" ");
        if code.is_empty() {
            return;
        }
        if self.tree.find(id, |id| Some(matches!(self.tree.tag(id), Tag::Img))).is_some() {
            self.children(id);
            return;
        }
        let fence = "`".repeat(longest_run(&code) + 1);
        let padding = if code.starts_with('`') || code.ends_with('`') { " " } else { "" };
        self.line.push_literal(&format!("{fence}{padding}{code}{padding}{fence}"));
    }

    /// Writes a block of code.
    pub(super) fn code_block(&mut self, id: Id) {
        self.flush();
        let code = self.visible_text(id);
        let code = code.strip_prefix("\r\n").or_else(|| code.strip_prefix('\n')).unwrap_or(&code);
        if code.trim().is_empty() {
            return;
        }
        if self.cells > 0 {
            self.output.block(code);
            return;
        }
        let language = self.language(id);
        self.output.block(&markdown::code(&language, code));
    }

    /// Returns the text in an element as it is, with line breaks for its `br`.
    fn visible_text(&self, top: Id) -> String {
        let mut text = String::new();
        self.tree.find(top, |id| {
            match self.tree.tag(id) {
                Tag::Text => text.push_str(self.tree.text(id)),
                Tag::Br => text.push('\n'),
                _ if id != top && self.is_left_out(id) => return None,
                tag if id != top && tag.is_block() && !text.is_empty() && !text.ends_with('\n') => {
                    text.push('\n');
                }
                _ => {}
            }
            Some(false)
        });
        text.replace('\u{a0}', " ").replace('\0', "")
    }

    /// Returns the language of a block of code: by what is directly in it, by itself, or by what it is in.
    fn language(&self, id: Id) -> String {
        let inner = self.tree.children(id).find(|child| self.tree.tag(*child) == Tag::Code);
        let mut places: Vec<Id> = inner.into_iter().chain([id]).collect();
        places.extend(self.tree.parent(id));
        places.extend(self.tree.parent(id).and_then(|parent| self.tree.parent(parent)));
        places.into_iter().find_map(|place| self.named_language(place, place == id)).unwrap_or_default()
    }

    fn named_language(&self, id: Id, is_block: bool) -> Option<String> {
        let tree = self.tree;
        let given = tree.attribute(id, Name::DataLanguage).map(str::to_owned);
        let given =
            given.or_else(|| is_block.then(|| tree.attribute(id, Name::Lang).map(str::to_owned)).flatten());
        let mut names: Vec<String> = given.into_iter().collect();
        let mut is_source = false;
        for word in words(tree, id, Name::Class) {
            if let Some(language) = PREFIXES.iter().find_map(|prefix| word.strip_prefix(prefix)) {
                names.push(language.to_owned());
            } else if is_source {
                names.push(word.to_owned());
            }
            // Pandoc's and SyntaxHighlighter's word before a language.
            is_source = matches!(word, "sourceCode" | "brush:" | "src");
        }
        names
            .iter()
            .map(|name| name.trim_end_matches(';').to_ascii_lowercase())
            .find(|name| is_language(name))
    }
}

fn is_language(name: &str) -> bool {
    !NO_LANGUAGES.contains(&name)
        && (1..=20).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-#._".contains(&b))
}

/// Returns the length of the longest run of backticks.
fn longest_run(code: &str) -> usize {
    code.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}
