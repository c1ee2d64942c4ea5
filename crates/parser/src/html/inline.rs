//! A line of text that is being written, with its emphasis and its links.

/// A paragraph, or what else has only inline elements in it.
///
/// Marks such as `**` are held back until text follows, and spaces until text or nothing does, so that a mark is
/// always next to a letter, and there are no marks around nothing.
#[derive(Debug, Default)]
pub(super) struct Inline {
    text: String,
    /// Marks that are open, without text in them yet.
    pending: Vec<&'static str>,
    /// The end of each open link: its destination.
    is_space_due: bool,
    breaks: usize,
    /// The number of elements around that leave no room for emphasis, such as a heading.
    plain: usize,
    /// Marks that are open.
    open: Vec<&'static str>,
}

/// The longest destination of a link, in bytes.
const LONGEST_DESTINATION: usize = 2000;

/// The mark that begins a link.
const LINK: &str = "[";

impl Inline {
    /// Returns a line without emphasis.
    pub(super) fn plain() -> Self {
        Inline { plain: 1, ..Inline::default() }
    }

    /// Returns whether there is text in it.
    pub(super) fn has_text(&self) -> bool {
        !self.text.is_empty()
    }

    /// Returns the last character.
    pub(super) fn last(&self) -> Option<char> {
        if self.is_space_due || self.breaks > 0 { Some(' ') } else { self.text.chars().next_back() }
    }

    /// Appends text, in which any whitespace is a space.
    pub(super) fn push(&mut self, text: &str) {
        let mut after = text.chars();
        while let Some(c) = after.next() {
            match c {
                // What is not markup must not look like it.
                '<' if after.as_str().starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c)) => {
                    self.settle();
                    self.text.push_str("&lt;");
                }
                // Soft hyphens, and marks where a line may be broken, would split words.
                '\u{ad}' | '\u{200b}' | '\u{feff}' | '\u{2060}' => {}
                '\0' => {}
                c if c.is_whitespace() => self.is_space_due = true,
                c => {
                    self.settle();
                    self.text.push(c);
                }
            }
        }
    }

    /// Appends text as it is, without a look at spaces.
    pub(super) fn push_literal(&mut self, text: &str) {
        if !text.is_empty() {
            self.settle();
            self.text.push_str(text);
        }
    }

    /// Appends the end of a line. A second one in a row ends a paragraph.
    pub(super) fn break_line(&mut self) {
        if self.has_text() {
            self.breaks = (self.breaks + 1).min(2);
            self.is_space_due = false;
        }
    }

    /// Begins an emphasis, and returns whether it is one: none is in itself.
    pub(super) fn begin(&mut self, mark: &'static str) -> bool {
        if self.plain > 0 || self.open.contains(&mark) {
            return false;
        }
        self.open.push(mark);
        self.pending.push(mark);
        true
    }

    /// Ends the emphasis that was begun last.
    pub(super) fn end(&mut self, mark: &'static str) {
        self.open.pop();
        if self.pending.pop_if(|pending| *pending == mark).is_none() {
            self.text.push_str(mark);
        }
    }

    /// Begins a link, and returns whether it is one: none is in itself.
    pub(super) fn begin_link(&mut self) -> bool {
        if self.open.contains(&LINK) {
            return false;
        }
        self.open.push(LINK);
        self.pending.push(LINK);
        true
    }

    /// Ends the link that was begun last. Without text, or with a text that is its destination, it is none.
    pub(super) fn end_link(&mut self, start: usize, destination: &str) {
        self.open.pop();
        if self.pending.pop_if(|pending| *pending == LINK).is_some() {
            return;
        }
        let Some(at) = self.text.get(start..).and_then(|text| text.find(LINK)).map(|at| start + at) else {
            return;
        };
        let text = self.text.get(at + LINK.len()..).unwrap_or_default();
        if destination.len() > LONGEST_DESTINATION || is_same(text, destination) {
            self.text.remove(at);
            return;
        }
        self.text.push_str("](");
        push_destination(&mut self.text, destination);
        self.text.push(')');
    }

    /// Returns the length of what was written.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Returns the text.
    pub(super) fn finish(self) -> String {
        self.text
    }

    /// Writes what was held back.
    fn settle(&mut self) {
        if self.breaks > 0 {
            self.text.push_str(if self.breaks > 1 { "\n\n" } else { "\n" });
        } else if self.is_space_due && self.has_text() {
            self.text.push(' ');
        }
        self.breaks = 0;
        self.is_space_due = false;
        for mark in self.pending.drain(..) {
            self.text.push_str(mark);
        }
    }
}

/// Returns whether a link's text says where it leads.
fn is_same(text: &str, destination: &str) -> bool {
    bare_address(text) == bare_address(destination)
}

/// Returns an address as people write it, without its scheme.
fn bare_address(url: &str) -> String {
    let url = super::path::decode(url);
    let url = url.strip_prefix("mailto:").unwrap_or(&url);
    let url = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or(url);
    url.trim_end_matches('/').to_owned()
}

/// Appends a destination, in which nothing ends it early.
fn push_destination(text: &mut String, destination: &str) {
    let mut depth = 0_i32;
    let is_balanced = destination.chars().all(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth >= 0
    }) && depth == 0;
    for c in destination.chars() {
        match c {
            '(' if !is_balanced => text.push_str("%28"),
            ')' if !is_balanced => text.push_str("%29"),
            '<' => text.push_str("%3C"),
            '>' => text.push_str("%3E"),
            '|' => text.push_str("%7C"),
            c if c.is_whitespace() || c.is_control() => text.push_str("%20"),
            c => text.push(c),
        }
    }
}

/// Returns a paragraph in which no line looks like a heading or a fence, which would reach beyond it.
pub(crate) fn guard(paragraph: &str) -> String {
    let mut text = String::with_capacity(paragraph.len());
    for (place, line) in paragraph.lines().enumerate() {
        if place > 0 {
            text.push('\n');
        }
        if begins_block(line, place > 0) {
            text.push('\\');
        }
        text.push_str(line);
    }
    text
}

/// Returns whether a line would be a heading, or begin a block of code. After another line, one of dashes makes a
/// heading of that.
fn begins_block(line: &str, is_later: bool) -> bool {
    let rest = line.trim_start_matches('#');
    let marks = line.len() - rest.len();
    if (1..=6).contains(&marks) && (rest.is_empty() || rest.starts_with(' ')) {
        return true;
    }
    if line.starts_with("```") || line.starts_with("~~~") {
        // A span of code that is fenced with more than one mark ends on its own line.
        return !line.trim_start_matches('`').contains("```");
    }
    is_later && !line.is_empty() && (line.bytes().all(|b| b == b'-') || line.bytes().all(|b| b == b'='))
}
