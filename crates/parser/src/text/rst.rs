//! reStructuredText, with the directives and roles of Sphinx, as Markdown.
//!
//! A directive that is not known keeps its text; what only arranges a page (a table of contents, an image) is left
//! out, and nothing is included from elsewhere.
//!
//! * `lines`: lines and their indentation
//! * `section`, `list`, `table`, `directive`: blocks
//! * `inline`, `targets`: marks within a paragraph, and what they refer to

mod directive;
mod inline;
mod lines;
mod list;
mod section;
mod table;
mod targets;

use pgai_rs_parser_protocol::Metadata;

use crate::markdown::{Blocks, code, one_line};
use crate::{Kind, ParseError, ParsedDocument};

use lines::{dedented, indented_block};
use targets::Targets;

/// The deepest nesting of lists, quotations and directives; what is deeper is a paragraph.
const DEEPEST: usize = 10;

/// Returns the text of a document.
pub(super) fn read(text: &str) -> Result<ParsedDocument, ParseError> {
    let text = lines::without_tabs(text);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let mut reader = Reader { targets: Targets::of(&lines), ..Reader::default() };
    reader.read(&lines, 0);

    let (text, _) = reader.blocks.finish();
    if text.is_empty() {
        return Err(ParseError::Empty(Kind::ReStructuredText.name()));
    }
    Ok(ParsedDocument { metadata: reader.metadata, ..ParsedDocument::markdown(text) })
}

/// A reader of one sort of blocks: it returns the number of lines that it has read, if they begin with such a block.
type BlockReader = fn(&mut Reader, &[&str], usize) -> Option<usize>;

/// A reader of blocks.
#[derive(Debug, Default)]
struct Reader {
    blocks: Blocks,
    /// The lines under (and over) headings, in the order of their levels.
    adornments: Vec<(char, bool)>,
    targets: Targets,
    metadata: Metadata,
}

impl Reader {
    /// Reads lines that are not indented, or are only where there is a quotation.
    fn read(&mut self, lines: &[&str], depth: usize) {
        let mut rest = lines;
        while let Some(line) = rest.first() {
            let used = if line.is_empty() { 1 } else { self.block(rest, depth) };
            rest = rest.get(used.max(1)..).unwrap_or_default();
        }
    }

    /// Reads the block that begins with the first of the lines, and returns the number of its lines.
    fn block(&mut self, lines: &[&str], depth: usize) -> usize {
        if depth > DEEPEST {
            let text = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n");
            self.blocks.push(&text);
            return lines.len();
        }
        let line = lines.first().copied().unwrap_or_default();
        let kinds: &[BlockReader] = &[
            section::read,
            directive::read,
            table::read_grid,
            table::read_simple,
            list::read_bullets,
            list::read_numbers,
            list::read_fields,
            list::read_options,
            list::read_definitions,
        ];
        if line.starts_with(' ') {
            return self.quotation(lines, depth);
        }
        if let Some(used) = kinds.iter().find_map(|kind| kind(self, lines, depth)) {
            return used;
        }
        if line.starts_with(">>>") {
            let used = lines.iter().take_while(|line| !line.is_empty()).count();
            self.blocks.push(&code("python", &lines[..used].join("\n")));
            return used;
        }
        if line == "|" || line.starts_with("| ") {
            return self.line_block(lines);
        }
        self.paragraph(lines)
    }

    fn quotation(&mut self, lines: &[&str], depth: usize) -> usize {
        let used = indented_block(lines, 1);
        let block = &lines[..used];
        let text = self.nested(&dedented(block), depth + 1);
        let quoted = text.lines().map(|line| format!("> {line}").trim_end().to_owned());
        self.blocks.push(&quoted.collect::<Vec<_>>().join("\n"));
        used
    }

    /// Reads lines that stay lines.
    fn line_block(&mut self, lines: &[&str]) -> usize {
        let used = lines.iter().take_while(|line| line.starts_with('|') || line.starts_with(' ')).count();
        let text =
            lines[..used].iter().map(|line| line.trim_start_matches('|').trim_start()).collect::<Vec<_>>();
        let text = self.targets.inline(&text.join("\n"));
        self.blocks.push(&text);
        used
    }

    /// Reads a paragraph, and the literal block that it may announce.
    fn paragraph(&mut self, lines: &[&str]) -> usize {
        let length = lines.iter().take_while(|line| !line.is_empty()).count();
        let text = lines[..length].iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n");
        let Some(before) = text.strip_suffix("::") else {
            let text = self.targets.inline(&text);
            self.blocks.push(&text);
            return length;
        };

        let shown = if before.is_empty() || before.ends_with([' ', '\n']) {
            before.to_owned()
        } else {
            format!("{before}:")
        };
        let shown = self.targets.inline(&shown);
        self.blocks.push(&shown);

        let rest = &lines[length..];
        let blank = rest.iter().take_while(|line| line.is_empty()).count();
        let literal = &rest[blank..];
        let used = indented_block(literal, 1);
        if used > 0 {
            self.push_code("", &dedented(&literal[..used]));
        }
        length + blank + used
    }

    /// Appends lines as code; blank lines around it are left out.
    fn push_code(&mut self, language: &str, lines: &[&str]) {
        let text = lines.join("\n");
        let text = text.trim_matches('\n');
        if !text.trim().is_empty() {
            self.blocks.push(&code(language, text));
        }
    }

    /// Returns the Markdown of lines that are in something else.
    fn nested(&mut self, lines: &[&str], depth: usize) -> String {
        let outside = std::mem::take(&mut self.blocks);
        self.read(lines, depth.max(1));
        std::mem::replace(&mut self.blocks, outside).finish().0
    }

    /// Notes what a field at the beginning of the document says of it.
    fn note(&mut self, name: &str, value: &str) {
        let place = match name.to_ascii_lowercase().as_str() {
            "author" | "authors" => &mut self.metadata.author,
            "date" => &mut self.metadata.created,
            "language" | "lang" => &mut self.metadata.language,
            "title" => &mut self.metadata.title,
            _ => return,
        };
        let value = one_line(value);
        if place.is_none() && !value.is_empty() && !value.starts_with('$') {
            *place = Some(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markdown(text: &str) -> String {
        read(text).unwrap().text
    }

    #[test]
    fn headings_have_levels_by_their_order() {
        let text = "=====\nTitle\n=====\n\n:Author: Ann\n:Date: 2026-01-02\n\nPart\n====\n\nSub\n---\nText\ngoes on.\n\nPart 2\n======\n\nEnd.\n\n----\n\nmore\n";
        let parsed = read(text).unwrap();
        assert_eq!(
            parsed.text,
            "# Title\n\n- Author: Ann\n- Date: 2026-01-02\n\n## Part\n\n### Sub\n\nText\ngoes on.\n\n## Part 2\n\nEnd.\n\n---\n\nmore"
        );
        assert_eq!(parsed.metadata.title.as_deref(), Some("Title"));
        assert_eq!(parsed.metadata.author.as_deref(), Some("Ann"));
    }

    #[test]
    fn code_stands_in_fences() {
        let text = "See::\n\n    x = 1\n\n      y\n\nand\n\n.. code-block:: python\n   :linenos:\n\n   def f():\n       pass\n\n.. sourcecode:: c\n\n    int x;\n\n>>> 1 + 1\n2\n\n::\n\n  alone\n";
        assert_eq!(
            markdown(text),
            "See:\n\n```\nx = 1\n\n  y\n```\n\nand\n\n```python\ndef f():\n    pass\n```\n\n```c\nint x;\n```\n\n```python\n>>> 1 + 1\n2\n```\n\n```\nalone\n```"
        );
    }

    #[test]
    fn lists_of_all_sorts_are_lists() {
        let text = "* one\n  goes on\n* two\n\n  - inner\n  - again\n\n1. first\n2. second\n\n#. auto\n#. more\n\nterm\n  Its meaning.\n\nother : kind\n  More.\n\n:param x: The x.\n:returns: It.\n\n-v, --verbose  Talk.\n--file=F       A file.\n";
        assert_eq!(
            markdown(text),
            "- one\n  goes on\n- two\n\n  - inner\n  - again\n\n1. first\n2. second\n\n1. auto\n2. more\n\n- term: Its meaning.\n- other (kind): More.\n\n- param x: The x.\n- returns: It.\n\n- `-v, --verbose`: Talk.\n- `--file=F`: A file."
        );
    }

    #[test]
    fn a_sentence_that_begins_as_a_list_is_none() {
        assert_eq!(markdown("A. Einstein was\nright.\n"), "A. Einstein was\nright.");
        assert_eq!(markdown("2026. A year\nto go.\n"), "2026. A year\nto go.");
    }

    #[test]
    fn links_and_roles_are_markdown() {
        let text = "See `the page <http://x>`_, `docs`_ and Python_, ``code`` of :class:`~a.b.C`, :ref:`this <that>` and :pep:`8`,\n|name| *em* **strong** [1]_ `anon`__ and H\\ :sub:`2`\\ O.\n\n.. _docs: http://d\n.. _Python: http://p\n.. |name| replace:: Ann\n.. [1] A note.\n__ http://anon\n";
        assert_eq!(
            markdown(text),
            "See [the page](http://x), [docs](http://d) and [Python](http://p), `code` of `C`, this and PEP 8,\nAnn *em* **strong** [^1] [anon](http://anon) and H2O.\n\n[^1]: A note."
        );
    }

    #[test]
    fn directives_keep_their_text() {
        let text = ".. note:: Mind\n   the gap.\n\n.. toctree::\n   :maxdepth: 2\n\n   intro\n\n.. image:: a.png\n   :alt: bee\n\n.. figure:: b.png\n\n   A caption.\n\n.. py:function:: f(x)\n\n   Does it.\n\n.. unheard-of:: Argument\n   :option: 1\n\n   Its text.\n\n.. class:: wide\n\n.. class:: Bee(wings)\n\n   Flies.\n\n.. A comment\n   of lines\n\n.. versionadded:: 2.0\n\n.. raw:: html\n\n   <hr>\n";
        assert_eq!(
            markdown(text),
            "Note: Mind\nthe gap.\n\nA caption.\n\n`f(x)`\n\nDoes it.\n\nArgument\n\nIts text.\n\n`Bee(wings)`\n\nFlies.\n\nAdded in version 2.0"
        );
    }

    #[test]
    fn grid_tables_are_tables_with_merged_cells() {
        let text = "+-----+-----+\n| a   | b   |\n+=====+=====+\n| one | x   |\n| two +-----+\n|     | y   |\n+-----+-----+\n| both      |\n+-----+-----+\n";
        assert_eq!(markdown(text), "| a | b |\n| --- | --- |\n| one<br>two | x |\n|  | y |\n| both |  |");
        let text = "+------+---+\n| 日本 | b |\n+------+---+\n";
        assert_eq!(markdown(text), "|  |  |\n| --- | --- |\n| 日本 | b |");
    }

    #[test]
    fn simple_tables_lists_and_values_are_tables() {
        let text =
            "===== =====\nname  ``b``\n===== =====\none   x y z\ntwo   first\n      more\n===== =====\n";
        assert_eq!(markdown(text), "| name | `b` |\n| --- | --- |\n| one | x y z |\n| two | first<br>more |");
        let text = ".. list-table:: Title\n   :header-rows: 1\n\n   * - a\n     - b\n   * - 1\n     - 2\n";
        assert_eq!(markdown(text), "Title\n\n| a | b |\n| --- | --- |\n| 1 | 2 |");
        let text = ".. csv-table::\n   :header: \"a\", \"b\"\n\n   1, \"x, y\"\n";
        assert_eq!(markdown(text), "| a | b |\n| --- | --- |\n| 1 | x, y |");
    }

    #[test]
    fn cells_that_go_over_columns_are_whole() {
        let text = "=====  =====  ======\n   Inputs     Output\n------------  ------\n  A      B    A or B\n\
                    =====  =====  ======\n-      --     -\n1.     *      a\nworth and     more\n=====  =====  ======\n";
        assert_eq!(
            markdown(text),
            "| Inputs |  | Output |\n| --- | --- | --- |\n| A | B | A or B |\n| - | -- | - |\n| 1. | * | a |\n| worth and |  | more |"
        );
        let text = "= ===\na b\n\n  c\n= ===\n";
        assert_eq!(markdown(text), "|  |  |\n| --- | --- |\n| a | b<br>c |");
    }

    #[test]
    fn a_drawn_table_that_is_askew_stays_as_it_is() {
        for text in [
            "+---+---+\n| a | b |\n+---+---+\n| c | d |",
            "+---+---+\n| a | b |\n| cc | d|\n+---+---+",
            "+---+---+\n| a | bb\n+---+---+",
        ] {
            assert_eq!(markdown(text), format!("```\n{text}\n```"));
        }
        let accented = "+----+---+\n| e\u{301}e\u{300} | b |\n+----+---+\n";
        assert_eq!(markdown(accented), "|  |  |\n| --- | --- |\n| éè | b |");
    }

    #[test]
    fn names_cannot_grow_a_document_without_bound() {
        let text = format!(
            "{}\n\n.. |a| replace:: {}\n.. _b: http://{}\n",
            "|a| b_ ".repeat(50_000),
            "x".repeat(499),
            "y".repeat(5000)
        );
        assert!(markdown(&text).len() < (10 << 20));
    }

    #[test]
    fn a_wide_table_of_short_rows_is_none() {
        let text =
            format!("{}\n{}{}\n", "= ".repeat(150).trim(), "x\n".repeat(20_000), "= ".repeat(150).trim());
        assert!(markdown(&text).len() < 2 * text.len());
    }

    #[test]
    fn nesting_is_bounded() {
        let deep: String = (0..600).map(|n| format!("{}* x\n\n", " ".repeat(n))).collect();
        assert!(markdown(&deep).len() < 20 * deep.len());
        assert_eq!(read(".. only a comment\n"), Err(ParseError::Empty("a reStructuredText document")));
    }
}
