//! The text that is written of a page: blocks, each within the quotations and list items that it is in.

/// The deepest nesting of quotations and list items that is shown. What is deeper looks like what it is in.
const DEEPEST: usize = 12;

/// A text that is being written.
#[derive(Debug, Default)]
pub(super) struct Output {
    text: String,
    levels: Vec<Level>,
    /// The number of levels that are not shown.
    hidden: usize,
    /// `true` if the next block follows the last one without a blank line.
    tight: bool,
    /// `true` if all blocks do so, as in a cell of a table.
    all_tight: bool,
}

/// A quotation, or an item of a list.
#[derive(Debug)]
struct Level {
    /// The beginning of its first line, until that is written.
    marker: Option<String>,
    /// The beginning of its other lines.
    indent: String,
}

impl Output {
    /// Returns the text of a cell of a table, in which blocks are only lines.
    pub(super) fn of_cell() -> Self {
        Output { all_tight: true, ..Output::default() }
    }

    /// Begins a quotation or an item, in which the first line begins with the one, and others with the other. In a
    /// cell, only the first lines of items begin with something.
    pub(super) fn enter(&mut self, marker: &str, indent: &str) {
        if self.levels.len() >= DEEPEST {
            self.hidden += 1;
            return;
        }
        let level = match self.all_tight {
            false => Level { marker: Some(marker.to_owned()), indent: indent.to_owned() },
            true if marker == indent => Level { marker: None, indent: String::new() },
            true => Level { marker: Some(marker.to_owned()), indent: String::new() },
        };
        self.levels.push(level);
    }

    /// Ends the innermost quotation or item.
    pub(super) fn leave(&mut self) {
        if self.hidden > 0 {
            self.hidden -= 1;
        } else {
            self.levels.pop();
        }
    }

    /// Lets the next block follow the last one without a blank line.
    pub(super) fn tighten(&mut self) {
        self.tight = true;
    }

    /// Appends a block; whitespace around it and an empty one are left out.
    pub(super) fn block(&mut self, block: &str) {
        let block = trim_lines(block);
        if block.is_empty() {
            return;
        }
        self.separate();
        self.tight = false;
        for (place, line) in block.lines().enumerate() {
            if place > 0 {
                self.end_line();
            }
            let line = line.trim_end();
            self.begin_line(line.is_empty());
            self.text.push_str(line);
        }
    }

    /// Returns the text.
    pub(super) fn finish(self) -> String {
        self.text
    }

    /// Returns whether nothing was written.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    fn separate(&mut self) {
        if self.text.is_empty() {
            return;
        }
        self.end_line();
        if !self.tight && !self.all_tight {
            for level in self.levels.iter().take_while(|level| level.marker.is_none()) {
                self.text.push_str(&level.indent);
            }
            self.end_line();
        }
    }

    fn end_line(&mut self) {
        self.text.truncate(self.text.trim_end_matches(' ').len());
        self.text.push('\n');
    }

    fn begin_line(&mut self, is_blank: bool) {
        for level in &mut self.levels {
            match level.marker.take_if(|_| !is_blank) {
                Some(marker) => self.text.push_str(&marker),
                None => self.text.push_str(&level.indent),
            }
        }
    }
}

/// Returns a text without blank lines around it. The indentation of its first line stays.
fn trim_lines(text: &str) -> &str {
    let text = text.trim_end();
    let blank = text.len() - text.trim_start().len();
    let line = text[..blank].rfind('\n').map_or(0, |end| end + 1);
    &text[line..]
}
