//! Lists: of items, and of terms with their definitions.

use super::{Id, Name, Renderer, Tag, words};

impl Renderer<'_> {
    /// Writes a list of items. One whose items have headings is an arrangement of parts of the page.
    pub(super) fn list(&mut self, id: Id) {
        let was_in_paragraph = self.line.has_text();
        self.flush();
        if self.has_headings(id) {
            self.children(id);
            self.flush();
            return;
        }

        let is_loose = self.is_loose(id);
        if was_in_paragraph && !is_loose && self.is_in_item(id) {
            self.output.tighten();
        }
        let is_ordered = self.tree.tag(id) == Tag::Ol;
        let start = self.tree.attribute(id, Name::Start).and_then(|start| start.trim().parse().ok());
        let mut number: i64 = start.unwrap_or(1);
        let mut is_first = true;
        for child in self.tree.children(id) {
            if self.tree.tag(child) != Tag::Li || self.manner.notes.definition(self.page, child).is_some() {
                self.node(child);
                continue;
            }
            if self.is_left_out(child) {
                continue;
            }
            self.flush();
            if !is_first && !is_loose {
                self.output.tighten();
            }
            is_first = false;
            if let Some(value) = self.tree.attribute(child, Name::Value) {
                number = value.trim().parse().unwrap_or(number);
            }
            let marker = if is_ordered { format!("{number}. ") } else { "- ".to_owned() };
            number = number.saturating_add(1);
            self.item(child, &marker);
        }
        self.flush();
    }

    fn item(&mut self, id: Id, marker: &str) {
        self.output.enter(marker, &" ".repeat(marker.len()));
        self.container(id);
        self.output.leave();
    }

    fn is_in_item(&self, id: Id) -> bool {
        self.tree.parent(id).is_some_and(|parent| matches!(self.tree.tag(parent), Tag::Li | Tag::Dd))
    }

    /// Returns whether an item of a list, or a block in one, is a heading.
    fn has_headings(&self, list: Id) -> bool {
        self.tree
            .find(list, |id| {
                let tag = self.tree.tag(id);
                if tag.heading().is_some() {
                    return Some(true);
                }
                // Lists in lists are asked for themselves, and lines have none.
                (id == list || (self.tree.is_block(id) && !tag.is_list())).then_some(false)
            })
            .is_some()
    }

    /// Returns whether an item of a list has more than one paragraph.
    fn is_loose(&self, list: Id) -> bool {
        self.tree.children(list).any(|item| {
            let parts = self.tree.children(item).filter(|id| is_paragraph(self.tree.tag(*id)));
            parts.take(2).count() > 1
        })
    }

    /// Writes terms, each with its definitions after it.
    pub(super) fn definitions(&mut self, id: Id) {
        self.flush();
        self.definition_parts(id);
        self.flush();
    }

    fn definition_parts(&mut self, id: Id) {
        for child in self.tree.children(id) {
            let is_note = self.manner.notes.definition(self.page, child).is_some();
            match self.tree.tag(child) {
                _ if is_note => self.node(child),
                _ if self.is_left_out(child) => {}
                Tag::Dt if self.is_label(child) => {}
                Tag::Dt => self.term(child),
                Tag::Dd => self.definition(child),
                // Groups of them.
                Tag::Div => self.definition_parts(child),
                _ => self.node(child),
            }
        }
    }

    /// Returns whether a term is the label of a note.
    fn is_label(&self, term: Id) -> bool {
        let next = self.tree.next_element(term);
        next.is_some_and(|next| self.manner.notes.definition(self.page, next).is_some())
    }

    fn term(&mut self, id: Id) {
        let is_signature = words(self.tree, id, Name::Class).any(|word| word == "sig");
        let has_parts = self.tree.children(id).any(|child| self.tree.is_block(child));
        if has_parts {
            self.container(id);
            return;
        }
        self.flush();
        if is_signature {
            // A declaration of a program's, whose stars and underscores are its own.
            let text = self.flat_text(id);
            if !text.is_empty() {
                self.line.push_literal(&format!("`{}`", text.replace('`', "")));
            }
        } else {
            self.children(id);
        }
        self.flush();
    }

    fn definition(&mut self, id: Id) {
        self.flush();
        if self.tree.find(id, |id| Some(self.tree.tag(id).heading().is_some())).is_some() {
            self.container(id);
            return;
        }
        if !self.output.is_empty() {
            self.output.tighten();
        }
        self.output.enter(": ", "  ");
        self.container(id);
        self.output.leave();
    }
}

/// Returns whether an element is a paragraph of an item, or as good as one.
fn is_paragraph(tag: Tag) -> bool {
    matches!(tag, Tag::P | Tag::Table | Tag::Blockquote) || tag.is_preformatted()
}
