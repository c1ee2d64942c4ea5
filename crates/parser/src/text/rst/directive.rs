//! Blocks that begin with two dots: directives, footnotes, links and comments.

use super::Reader;
use super::lines::{after_mark, dedented, indented_block};
use super::list::field;

/// Directives that arrange pages, or tell tools something, separated by spaces.
const SILENT: &str = "toctree contents sectnum section-numbering meta index raw highlight image currentmodule py:currentmodule \
    module-index include literalinclude role default-role default-domain header footer target-notes tabularcolumns \
    autosummary testsetup testcleanup sectionauthor codeauthor highlightlang bibliography plot inheritance-diagram";

/// Directives whose text is code, separated by spaces.
const CODES: &str = "code-block code sourcecode parsed-literal doctest testcode testoutput prompt productionlist ipython \
    jupyter-execute console literal graphviz digraph graph uml mermaid code-cell";

/// Directives whose name says something to the reader.
const ADMONITIONS: &str = "note warning tip hint important caution danger error attention seealso todo";

/// Directives whose argument is the name of something in a program, separated by spaces.
const SIGNATURES: &str = "function class method attribute data exception decorator module property staticmethod classmethod \
    option cmdoption envvar confval describe object type macro member var enum enumerator struct autofunction autoclass \
    automodule automethod autoattribute autodata autoexception program setting";

/// Reads a directive, or something else that begins with two dots.
pub(super) fn read(reader: &mut Reader, lines: &[&str], depth: usize) -> Option<usize> {
    let first = lines.first()?;
    if first.starts_with("__ ") {
        return Some(1);
    }
    let rest = first.strip_prefix("..").filter(|rest| rest.is_empty() || rest.starts_with(' '))?.trim_start();
    let others = &lines[1..];
    let length = indented_block(others, 1);
    let others = &others[..length];

    if let Some((name, text)) = note(rest) {
        let text = reader.nested(&after_mark(text, others), depth + 1);
        reader.blocks.push(&format!("[^{name}]: {}", text.replace("\n\n", "\n\n    ")));
    } else if let Some((name, argument)) = name_and_argument(rest) {
        Directive::of(name, argument, &dedented(others)).write(reader, depth);
    }
    Some(1 + length)
}

/// Splits a footnote or a citation, such as `[1] text`.
fn note(rest: &str) -> Option<(&str, &str)> {
    let (name, text) = rest.strip_prefix('[')?.split_once(']')?;
    (!name.is_empty() && !name.contains(' ')).then(|| (name.trim_start_matches('#'), text.trim()))
}

/// Splits a directive, such as `name:: argument`.
fn name_and_argument(rest: &str) -> Option<(&str, &str)> {
    let (name, argument) = rest.split_once("::")?;
    let name = name.trim_end();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_:+.".contains(c));
    (is_name && (argument.is_empty() || argument.starts_with(' '))).then(|| (name, argument.trim()))
}

/// A directive.
struct Directive<'a> {
    name: &'a str,
    /// The lines of the argument; the first may be empty.
    argument: Vec<&'a str>,
    options: Vec<(&'a str, &'a str)>,
    content: Vec<&'a str>,
}

impl<'a> Directive<'a> {
    fn of(name: &'a str, argument: &'a str, lines: &[&'a str]) -> Self {
        let mut directive =
            Directive { name, argument: vec![argument], options: Vec::new(), content: Vec::new() };
        let mut rest = lines;
        // The argument goes on until an option or a blank line.
        while let Some((line, after)) = rest.split_first()
            && !line.is_empty()
            && field(line).is_none()
        {
            directive.argument.push(line.trim());
            rest = after;
        }
        while let Some((line, after)) = rest.split_first()
            && let Some(option) = field(line)
        {
            let more = indented_block(after, 1);
            directive.options.push(option);
            rest = &after[more..];
        }
        directive.content = dedented(rest);
        directive
    }

    fn write(self, reader: &mut Reader, depth: usize) {
        let own = self.name.rsplit(':').next().unwrap_or_default();
        let is = |names: &str| names.split_whitespace().any(|name| name == self.name || name == own);
        match own {
            _ if is(SILENT) => {}
            _ if is(CODES) => self.write_code(reader),
            _ if is(ADMONITIONS) => self.write_admonition(reader, depth),
            // That of docutils gives the next block a class of style sheets, that of Sphinx describes one of Python.
            "class" if self.is_of_styles() => self.write_content(reader, depth),
            _ if is(SIGNATURES) => self.write_signature(reader, depth),
            "versionadded" => self.write_change(reader, depth, "Added in version"),
            "versionchanged" => self.write_change(reader, depth, "Changed in version"),
            "deprecated" => self.write_change(reader, depth, "Deprecated since version"),
            "figure" => self.write_content(reader, depth),
            "math" => {
                let lines: Vec<_> = self.argument.iter().chain(&self.content).copied().collect();
                reader.blocks.push(&format!("$$\n{}\n$$", lines.join("\n").trim()));
            }
            "csv-table" => self.write_values(reader),
            "list-table" => self.write_list_table(reader, depth),
            "rubric" | "centered" | "title" => self.write_argument(reader),
            // These have classes and conditions in the place of an argument.
            "only" | "container" | "class" | "rst-class" | "cssclass" | "ifconfig" | "grid" => {
                self.write_content(reader, depth)
            }
            _ => {
                self.write_argument(reader);
                self.write_content(reader, depth);
            }
        }
    }

    fn is_of_styles(&self) -> bool {
        let is_style = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == ' ';
        self.name == "class" && self.argument.iter().all(|argument| argument.chars().all(is_style))
    }

    fn write_content(&self, reader: &mut Reader, depth: usize) {
        let text = reader.nested(&self.content, depth + 1);
        reader.blocks.push(&text);
    }

    fn write_argument(&self, reader: &mut Reader) {
        let text = reader.targets.inline(self.argument.join("\n").trim());
        reader.blocks.push(&text);
    }

    fn write_code(&self, reader: &mut Reader) {
        let is_language =
            self.argument.len() == 1 && !self.argument.iter().any(|argument| argument.contains(' '));
        let language = match self.name {
            "doctest" | "testcode" | "ipython" | "jupyter-execute" => "python",
            _ if is_language => self.argument.first().copied().unwrap_or_default(),
            _ => "",
        };
        // Without a blank line between them, the first line of the code was taken for the argument's.
        let mut lines = self.content.clone();
        if !is_language {
            lines = self.argument.iter().chain(&self.content).copied().collect();
        }
        reader.push_code(language, &lines);
    }

    fn write_admonition(&self, reader: &mut Reader, depth: usize) {
        let mut lines = self.argument.clone();
        lines.push("");
        lines.extend(&self.content);
        let text = reader.nested(&lines, depth + 1);

        let mut name = if self.name == "seealso" { "See also".to_owned() } else { self.name.to_owned() };
        if let Some(first) = name.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let separator = if text.starts_with(['-', '|', '`', '>']) { ":\n\n" } else { ": " };
        if !text.is_empty() {
            reader.blocks.push(&format!("{name}{separator}{text}"));
        }
    }

    /// Writes the name of something in a program, each in a line of its own, and what is said about it.
    fn write_signature(&self, reader: &mut Reader, depth: usize) {
        let names = self.argument.iter().filter(|name| !name.is_empty() && !name.contains('`'));
        let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
        reader.blocks.push(&names.join("\n"));
        self.write_content(reader, depth);
    }

    fn write_change(&self, reader: &mut Reader, depth: usize, words: &str) {
        let (version, more) = match self.argument.first().and_then(|first| first.split_once(' ')) {
            Some((version, more)) => (version, more),
            None => (self.argument.first().copied().unwrap_or_default(), ""),
        };
        let mut lines = vec![more];
        lines.extend(self.argument.iter().skip(1));
        lines.push("");
        lines.extend(&self.content);
        let text = reader.nested(&lines, depth + 1);
        let separator = if text.is_empty() { "" } else { ": " };
        reader.blocks.push(&format!("{words} {version}{separator}{text}"));
    }

    fn write_values(&self, reader: &mut Reader) {
        self.write_argument(reader);
        let header = self.options.iter().find(|(name, _)| *name == "header").map(|(_, value)| *value);
        let has_head = header.is_some() || self.options.iter().any(|(name, _)| *name == "header-rows");
        let lines: Vec<_> = header.into_iter().chain(self.content.iter().copied()).collect();
        // The space after a comma keeps a quote from being one.
        let text = lines.join("\n").replace(", \"", ",\"");

        let mut records = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        // Text in memory has no errors but those of its encoding, which it has none of.
        let mut rows: Vec<Vec<String>> =
            records.records().flatten().map(|row| row.iter().map(str::to_owned).collect()).collect();
        for cell in rows.iter_mut().flatten() {
            *cell = reader.targets.inline(cell);
        }
        reader.push_table(rows, has_head);
    }

    /// Writes a table that is a list of rows, which are lists of cells.
    fn write_list_table(&self, reader: &mut Reader, depth: usize) {
        self.write_argument(reader);
        let head: usize = self
            .options
            .iter()
            .find(|(name, _)| *name == "header-rows")
            .and_then(|(_, rows)| rows.parse().ok())
            .unwrap_or(0);
        let mut rows = Vec::new();
        for row in items(&self.content, '*') {
            let cells = items(&row, '-');
            rows.push(cells.iter().map(|cell| reader.nested(cell, depth + 1)).collect());
        }
        reader.push_table(rows, head > 0);
    }
}

/// Returns the items of a list with this mark.
fn items<'a>(lines: &[&'a str], mark: char) -> Vec<Vec<&'a str>> {
    let mut items: Vec<Vec<&str>> = Vec::new();
    for line in lines {
        match line.strip_prefix(mark).filter(|rest| rest.is_empty() || rest.starts_with(' ')) {
            Some(rest) => items.push(vec![rest.trim_start()]),
            None => {
                if let Some(item) = items.last_mut() {
                    item.push(line.get(2..).unwrap_or_default());
                }
            }
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_arguments_are_told_from_comments() {
        assert_eq!(name_and_argument("code-block:: c"), Some(("code-block", "c")));
        assert_eq!(name_and_argument("A comment:: no"), None);
        assert_eq!(name_and_argument("std::vector"), None);
        assert_eq!(note("[1] one"), Some(("1", "one")));
    }
}
