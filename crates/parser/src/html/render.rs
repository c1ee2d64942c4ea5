//! Writing the elements of a page as Markdown.

mod code;
mod inline;
mod list;
mod table;

use super::furniture::{is_content, is_furniture, is_hidden};
use super::inline::{Inline, guard};
use super::notes::{HtmlPage, Notes};
use super::output::Output;
use super::tag::Tag;
use super::tree::{Id, Name, ROOT, Tree};

/// The pages that are written, and the manner in which they are.
#[derive(Clone, Copy)]
pub(super) struct Manner<'p> {
    /// The pages, in the order of their reading: those of a book, or the only one.
    pub(super) pages: &'p [HtmlPage],
    /// The notes of all pages.
    pub(super) notes: &'p Notes,
    /// `true` if what stands on each page of a site is left out.
    pub(super) drop_furniture: bool,
    /// `true` if heads and feet that are not in an article or the like belong to the content, too.
    pub(super) is_content: bool,
    /// `true` if links to what is beside the page lead nowhere, as in a book.
    pub(super) drop_relative: bool,
}

/// Returns the Markdown of one of the pages.
pub(super) fn render(manner: Manner<'_>, page: usize) -> String {
    let Some(HtmlPage { tree, .. }) = manner.pages.get(page) else { return String::new() };
    let mut renderer = Renderer::new(manner, page, tree, Output::default());
    renderer.in_content = manner.is_content;
    renderer.children(ROOT);
    renderer.flush();
    renderer.output.finish()
}

/// The state of writing a page.
struct Renderer<'p> {
    manner: Manner<'p>,
    page: usize,
    tree: &'p Tree,
    output: Output,
    /// The paragraph that is being written.
    line: Inline,
    /// `true` if heads and feet belong to the content.
    in_content: bool,
    /// The number of elements around in which blocks are no blocks.
    flat: usize,
    /// The number of tables around in whose cells this is.
    cells: usize,
    /// `true` if this is a note.
    in_note: bool,
}

impl<'p> Renderer<'p> {
    fn new(manner: Manner<'p>, page: usize, tree: &'p Tree, output: Output) -> Self {
        Renderer {
            manner,
            page,
            tree,
            output,
            line: Inline::default(),
            in_content: true,
            flat: 0,
            cells: 0,
            in_note: false,
        }
    }

    fn children(&mut self, id: Id) {
        for child in self.tree.children(id) {
            self.node(child);
        }
    }

    /// Writes a text or an element.
    fn node(&mut self, id: Id) {
        if self.tree.tag(id) == Tag::Text {
            self.line.push(self.tree.text(id));
            return;
        }
        let label = self.manner.notes.definition(self.page, id);
        if let Some(label) = label
            && self.flat == 0
            && self.cells == 0
        {
            self.note(id, label);
            return;
        }
        if label.is_none() && self.is_left_out(id) {
            return;
        }
        if !self.tree.is_block(id) {
            self.inline(id);
        } else if self.flat > 0 {
            self.line.push(" ");
            self.children(id);
            self.line.push(" ");
        } else {
            self.within_content(id, Renderer::block);
        }
    }

    fn is_left_out(&self, id: Id) -> bool {
        let tree = self.tree;
        is_hidden(tree, id)
            || (self.manner.drop_furniture && is_furniture(tree, id, self.in_content))
            || (self.in_note && self.manner.notes.is_way_back(self.manner.pages, self.page, id))
    }

    /// Writes an element, in which heads and feet are content if it is.
    fn within_content(&mut self, id: Id, write: impl FnOnce(&mut Self, Id)) {
        let before = self.in_content;
        self.in_content |= is_content(self.tree, id);
        write(self, id);
        self.in_content = before;
    }

    /// Writes a block, or an inline element with blocks in it.
    fn block(&mut self, id: Id) {
        let tag = self.tree.tag(id);
        match tag {
            _ if !tag.is_block() => self.children(id),
            _ if tag.heading().is_some() => self.heading(id, tag.heading().unwrap_or(1)),
            _ if tag.is_list() => self.list(id),
            _ if tag.is_preformatted() => self.code_block(id),
            Tag::Table => self.table(id),
            Tag::Dl => self.definitions(id),
            Tag::Blockquote => self.quotation(id),
            Tag::Summary => self.summary(id),
            Tag::Hr => self.flush(),
            _ => self.container(id),
        }
    }

    fn container(&mut self, id: Id) {
        self.flush();
        self.children(id);
        self.flush();
    }

    /// Ends the paragraph.
    fn flush(&mut self) {
        let line = std::mem::take(&mut self.line).finish();
        if self.cells > 0 {
            self.output.block(&line);
        } else if !line.is_empty() {
            self.output.block(&guard(&line));
        }
    }

    fn heading(&mut self, id: Id, level: usize) {
        self.flush();
        let title = self.flat_text(id);
        if !title.is_empty() {
            let marks = if self.cells > 0 { "" } else { &"######"[..level] };
            self.output.block(format!("{marks} {title}").trim());
        }
    }

    /// Returns the text in an element, on one line and without emphasis.
    fn flat_text(&mut self, id: Id) -> String {
        let before = std::mem::replace(&mut self.line, Inline::plain());
        self.flat += 1;
        self.children(id);
        self.flat -= 1;
        let text = std::mem::replace(&mut self.line, before).finish();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn quotation(&mut self, id: Id) {
        self.flush();
        self.output.enter("> ", "> ");
        self.container(id);
        self.output.leave();
    }

    fn summary(&mut self, id: Id) {
        if self.tree.find(id, |id| Some(self.tree.tag(id).heading().is_some())).is_some() {
            self.container(id);
            return;
        }
        self.flush();
        let text = self.flat_text(id);
        if !text.is_empty() {
            self.output.block(&format!("**{text}**"));
        }
    }

    /// Writes a note with its label.
    fn note(&mut self, id: Id, label: &str) {
        self.flush();
        let was_in_note = std::mem::replace(&mut self.in_note, true);
        self.output.enter(&format!("[^{label}]: "), "    ");
        match self.tree.tag(id) {
            Tag::Table => self.cells_as_blocks(id),
            _ => self.container(id),
        }
        self.output.leave();
        self.in_note = was_in_note;
    }
}

/// Returns the words of an attribute that holds names, such as a class.
fn words(tree: &Tree, id: Id, name: Name) -> impl Iterator<Item = &str> {
    tree.attribute(id, name).unwrap_or_default().split_ascii_whitespace()
}
