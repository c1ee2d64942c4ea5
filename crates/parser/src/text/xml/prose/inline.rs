//! A line of text with links and code in it.

use super::super::tree::Element;
use crate::markdown::one_line;

/// Elements whose text is code, separated by spaces.
const CODES: &str = "code literal command filename option function varname envar constant computeroutput userinput \
    monospace codeph filepath cmdname classname methodname parameter tt apiname tag";

/// Elements beside which there is space, separated by spaces: lines, and the parts of what is cited.
const APART: &str = "br lb p para line label tab name string-name surname given-names collab person-group year month day \
    volume issue fpage lpage source article-title chapter-title publisher-name publisher-loc pub-id comment edition etal";

/// A line that is being written.
#[derive(Debug, Default)]
pub(super) struct Inline {
    text: String,
    /// The elements that are open: where their text begins, and what they are.
    open: Vec<(usize, Mark)>,
}

/// A mark around a part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mark {
    /// Nothing that Markdown marks.
    Plain,
    /// Code.
    Code,
    /// A link, with its target.
    Link(String),
    /// A formula in TeX.
    Formula,
    /// Something beside which there is space.
    Apart,
}

impl Inline {
    /// Appends text.
    pub(super) fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Appends a mark without space before it.
    pub(super) fn mark(&mut self, mark: &str) {
        self.text.truncate(self.text.trim_end().len());
        self.text.push_str(mark);
    }

    /// Begins an element.
    pub(super) fn open(&mut self, element: &Element) {
        let mark = mark(element);
        if mark == Mark::Apart {
            self.text.push(' ');
        }
        self.open.push((self.text.len(), mark));
    }

    /// Ends the element that was begun last.
    pub(super) fn close(&mut self) {
        let Some((start, mark)) = self.open.pop() else { return };
        if mark == Mark::Plain {
            return;
        }
        let inner = one_line(self.text.get(start..).unwrap_or_default());
        let marked = match mark {
            Mark::Apart => {
                self.text.push(' ');
                return;
            }
            // Code within code and links within code are code.
            Mark::Code if !inner.is_empty() && !inner.contains('`') => format!("`{inner}`"),
            Mark::Formula if !inner.is_empty() && !inner.contains('$') => format!("${inner}$"),
            Mark::Link(address) if inner.is_empty() || inner == address => format!("<{address}>"),
            Mark::Link(address) if !inner.contains("](") => format!("[{inner}]({address})"),
            Mark::Plain | Mark::Code | Mark::Formula | Mark::Link(_) => return,
        };
        self.text.truncate(start);
        self.text.push_str(&marked);
    }

    /// Returns the line.
    pub(super) fn finish(self) -> String {
        one_line(&self.text)
    }
}

fn mark(element: &Element) -> Mark {
    let name = element.name.as_str();
    if CODES.split_whitespace().any(|code| code == name) {
        return Mark::Code;
    }
    if name == "tex-math" {
        return Mark::Formula;
    }
    let address = ["url", "href", "target"].iter().find_map(|name| element.attribute(name));
    match address {
        Some(address) if is_web(address) => Mark::Link(address.trim().to_owned()),
        _ if APART.split_whitespace().any(|apart| apart == name) => Mark::Apart,
        _ => Mark::Plain,
    }
}

/// Returns whether an address leads out of the document, and breaks no Markdown.
fn is_web(address: &str) -> bool {
    let address = address.trim();
    ["http://", "https://", "mailto:", "ftp://"].iter().any(|scheme| address.starts_with(scheme))
        && !address.contains([' ', '\n', '(', ')', '<', '>'])
}
