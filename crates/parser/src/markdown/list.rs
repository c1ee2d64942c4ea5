//! Writing lists, item by item.

/// The largest indentation of an item. Deeper ones would be as wide as the text.
const MAX_INDENT: usize = 24;

/// A list that is being written.
#[derive(Debug, Default)]
pub(crate) struct List {
    text: String,
    /// The depth and the width of the marker of each item that is open, as items are written by their depth.
    open: Vec<(usize, usize)>,
}

impl List {
    /// Appends an item with a marker such as `-`, below the text of those before it that are less deep.
    pub(crate) fn item(&mut self, depth: usize, marker: &str, text: &str) {
        while self.open.last().is_some_and(|(last, _)| *last >= depth) {
            self.open.pop();
        }
        let indent = self.open.iter().map(|(_, width)| width).sum();
        self.open.push((depth, marker.len() + 1));
        self.item_at(indent, marker, text);
    }

    /// Appends an item with a marker such as `-`, so many spaces from the margin.
    pub(crate) fn item_at(&mut self, indent: usize, marker: &str, text: &str) {
        let indent = indent.min(MAX_INDENT);
        self.text.push_str(&" ".repeat(indent));
        self.text.push_str(marker);
        self.text.push(' ');
        let text = text.trim();
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        self.text.push_str(first);
        self.text.push('\n');
        self.lines(indent + marker.len() + 1, rest);
    }

    /// Appends a further paragraph of an item whose text begins so many spaces from the margin.
    pub(crate) fn go_on(&mut self, indent: usize, text: &str) {
        self.lines(indent.min(MAX_INDENT), text.trim());
    }

    fn lines(&mut self, indent: usize, lines: &str) {
        for line in lines.lines() {
            if !line.is_empty() {
                self.text.push_str(&" ".repeat(indent));
            }
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    /// Returns whether there is no item.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns the list, and leaves an empty one.
    pub(crate) fn take(&mut self) -> String {
        std::mem::take(self).text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_below_the_text_of_those_they_belong_to() {
        let mut list = List::default();
        list.item(0, "10.", "ten");
        list.item(2, "-", "two\n\nparagraphs");
        list.item(1, "-", "less");
        list.go_on(6, "goes on");
        list.item(0, "11.", "eleven");
        let expected = "10. ten\n    - two\n\n      paragraphs\n    - less\n      goes on\n11. eleven\n";
        assert_eq!(list.take(), expected);
        assert!(list.is_empty());
    }

    #[test]
    fn no_item_is_further_from_the_margin_than_the_limit() {
        let mut list = List::default();
        (0..40).for_each(|depth| list.item(depth, "-", "x\ny"));
        let indents = |line: &str| line.len() - line.trim_start().len();
        assert!(list.take().lines().all(|line| indents(line) <= MAX_INDENT + 2));
    }
}
