//! Elements within a line.

use super::{Id, Name, Renderer, Tag, words};
use crate::html::tree::Tree;

/// Texts of links that only name the place where they stand.
const PERMALINKS: &[&str] = &["¶", "#", "§", "🔗", "\u{f0c1}", "permalink", ""];

/// The longest alternative text of an image, in characters.
const LONGEST_ALTERNATIVE: usize = 1000;

impl Renderer<'_> {
    /// Writes an element that stands within a line.
    pub(super) fn inline(&mut self, id: Id) {
        match self.tree.tag(id) {
            Tag::Br => self.line.break_line(),
            Tag::Img | Tag::Image => self.image(id),
            Tag::A => self.link(id),
            Tag::Strong | Tag::B => self.marked(id, "**"),
            Tag::Em | Tag::I => self.marked(id, "*"),
            Tag::Del | Tag::S | Tag::Strike => self.marked(id, "~~"),
            Tag::Code | Tag::Tt | Tag::Kbd | Tag::Samp => self.code(id),
            Tag::Q => self.enclosed(id, "“", "”"),
            Tag::Rt | Tag::Rtc => self.enclosed(id, "(", ")"),
            Tag::Sup => self.raised(id),
            Tag::Math => self.formula(id),
            Tag::Input => self.checkbox(id),
            _ => self.children(id),
        }
    }

    fn marked(&mut self, id: Id, mark: &'static str) {
        let is_new = self.line.begin(mark);
        self.children(id);
        if is_new {
            self.line.end(mark);
        }
    }

    fn enclosed(&mut self, id: Id, before: &str, after: &str) {
        self.line.push(before);
        self.children(id);
        self.line.push(after);
    }

    /// Writes an exponent as one, and what else is raised as it is.
    fn raised(&mut self, id: Id) {
        let text = self.tree.inner_text(id);
        let is_number = !text.is_empty()
            && text.len() <= 4
            && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '−' | 'n'));
        let is_link = self.tree.children(id).any(|child| self.tree.tag(child) == Tag::A);
        if is_number && !is_link && self.line.last().is_some_and(char::is_alphanumeric) {
            self.line.push("^");
        }
        self.children(id);
    }

    fn link(&mut self, id: Id) {
        if let Some(label) = self.manner.notes.reference(self.page, id) {
            self.line.push_literal(&format!("[^{label}]"));
            return;
        }
        let destination = self.tree.attribute(id, Name::Href).unwrap_or_default().trim();
        if destination.starts_with('#') && self.is_permalink(id) {
            return;
        }
        if !self.leads_somewhere(destination) || self.flat > 0 && self.tree.is_block(id) {
            self.children(id);
            return;
        }

        let start = self.line.len();
        let is_new = self.line.begin_link();
        self.children(id);
        if is_new {
            self.line.end_link(start, destination);
        }
    }

    fn is_permalink(&self, id: Id) -> bool {
        const LONGEST: usize = 12;
        let is_named = words(self.tree, id, Name::Class)
            .any(|word| matches!(word, "headerlink" | "anchor" | "anchor-link" | "hash-link" | "permalink"));
        let text = self.tree.inner_text(id);
        let text = text.trim();
        PERMALINKS.contains(&text.to_lowercase().as_str())
            && self.tree.children(id).all(|child| self.tree.tag(child) != Tag::Img)
            || (is_named
                && text.len() <= LONGEST
                && self.is_in_heading(id)
                && !text.chars().any(char::is_alphabetic))
    }

    fn is_in_heading(&self, id: Id) -> bool {
        self.tree.parent(id).is_some_and(|parent| self.tree.tag(parent).heading().is_some())
    }

    /// Returns whether a link's destination means something outside the page, and runs nothing.
    fn leads_somewhere(&self, destination: &str) -> bool {
        let scheme = scheme(destination);
        match scheme.as_deref() {
            Some("http" | "https" | "mailto" | "ftp" | "ftps" | "doi" | "urn") => true,
            Some(_) => false,
            None => !destination.is_empty() && !destination.starts_with('#') && !self.manner.drop_relative,
        }
    }

    fn image(&mut self, id: Id) {
        let text = self.tree.attribute(id, Name::Alt).unwrap_or_default();
        let text: String = text.chars().take(LONGEST_ALTERNATIVE).collect();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            return;
        }
        if text.chars().count() <= 2 && !text.chars().any(char::is_alphanumeric) {
            // A picture of a character, such as an emoji.
            self.line.push(&text);
            return;
        }
        self.line.push_literal(&format!("![{}]()", text.replace('[', "(").replace(']', ")")));
    }

    /// Writes a formula in TeX, if the page has it in that, and the characters of it otherwise.
    fn formula(&mut self, id: Id) {
        let tree = self.tree;
        let tex = tree.find(id, |id| Some(is_tex(tree, id))).map(|id| tree.inner_text(id));
        let tex = tex.or_else(|| tree.attribute(id, Name::AltText).map(str::to_owned));
        match tex.map(|tex| tex.split_whitespace().collect::<Vec<_>>().join(" ")) {
            Some(tex) if !tex.is_empty() => self.line.push_literal(&format!("${tex}$")),
            _ => {
                let mut text = String::new();
                tree.find(id, |id| {
                    let is_annotation = tree.tag(id) == Tag::Annotation;
                    text.push_str(tree.text(id).trim());
                    (!is_annotation).then_some(false)
                });
                self.line.push(&text);
            }
        }
    }

    fn checkbox(&mut self, id: Id) {
        if self.tree.attribute(id, Name::Type).is_some_and(|kind| kind.eq_ignore_ascii_case("checkbox")) {
            let is_checked = self.tree.attribute(id, Name::Checked).is_some();
            self.line.push(if is_checked { "[x] " } else { "[ ] " });
        }
    }
}

/// Returns the scheme of a link, in lower case; of `JAVA&#10;script:`, too, as browsers read it.
fn scheme(destination: &str) -> Option<String> {
    let end = destination.find([':', '/', '?', '#'])?;
    let (scheme, rest) = destination.split_at(end);
    if !rest.starts_with(':') {
        return None;
    }
    Some(scheme.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect::<String>().to_lowercase())
}

/// Returns whether an element is a formula in TeX.
fn is_tex(tree: &Tree, id: Id) -> bool {
    tree.tag(id) == Tag::Annotation
        && tree.attribute(id, Name::Encoding).is_some_and(|name| name.contains("tex"))
}
