//! Jupyter notebooks: text as it is, code in fences, and what the code printed. Pictures are left out.

use pgai_rs_parser_protocol::Metadata;

use super::data::Data;
use super::front_matter::first_title;
use super::{json, terminal};
use crate::markdown::{Blocks, code, one_line, some_line};
use crate::{Kind, ParseError, ParsedDocument};

/// Returns the text of a notebook.
pub(super) fn read(text: &str) -> Result<ParsedDocument, ParseError> {
    const KIND: Kind = Kind::Notebook;

    let notebook = json::parse(text).map_err(|error| json::refusal(KIND, &error))?;
    if !matches!(notebook, Data::Object(_)) {
        return Err(ParseError::Damaged { kind: KIND.name(), problem: "it has no cells".to_owned() });
    }

    let language = language(&notebook);
    let mut blocks = Blocks::default();
    for cell in cells(&notebook) {
        write_cell(&mut blocks, cell, language);
    }
    let (text, _) = blocks.finish();
    if text.is_empty() {
        return Err(ParseError::Empty(KIND.name()));
    }
    let metadata = metadata(&notebook, &text);
    Ok(ParsedDocument { metadata, ..ParsedDocument::markdown(text) })
}

/// Returns the cells. Before version 4 of the format they are in worksheets.
fn cells(notebook: &Data) -> impl Iterator<Item = &Data> {
    fn held(holder: &Data) -> &[Data] {
        holder.get("cells").map(Data::items).unwrap_or_default()
    }
    let worksheets = notebook.get("worksheets").map(Data::items).unwrap_or_default();
    held(notebook).iter().chain(worksheets.iter().flat_map(held))
}

/// Returns the programming language of the code.
fn language(notebook: &Data) -> &str {
    let metadata = notebook.get("metadata");
    let told = |holder: &str, name: &str| metadata?.get(holder)?.get(name)?.as_text();
    let kernel = || {
        told("kernelspec", "name").map(|name| name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'))
    };
    let language = told("kernelspec", "language").or_else(|| told("language_info", "name"));
    language.or_else(|| kernel().filter(|name| *name == "python")).unwrap_or_default()
}

fn metadata(notebook: &Data, text: &str) -> Metadata {
    let told = |name: &str| notebook.get("metadata").and_then(|metadata| metadata.get(name));
    let title = told("title").and_then(Data::as_text).and_then(some_line);
    let authors = told("authors").map(Data::items).unwrap_or_default();
    let names: Vec<_> = authors
        .iter()
        .filter_map(|author| author.get("name").unwrap_or(author).as_text())
        .map(one_line)
        .collect();

    Metadata {
        title: title.or_else(|| first_title(text)),
        author: (!names.is_empty()).then(|| names.join(", ")),
        ..Metadata::default()
    }
}

fn write_cell(blocks: &mut Blocks, cell: &Data, language: &str) {
    let source = joined(cell.get("source").or_else(|| cell.get("input")));
    match cell.get("cell_type").and_then(Data::as_text) {
        Some("code") => {
            let language = cell.get("language").and_then(Data::as_text).unwrap_or(language);
            push_code(blocks, language, &source);
            for output in cell.get("outputs").map(Data::items).unwrap_or_default() {
                write_output(blocks, output);
            }
        }
        Some("heading") => {
            let level = cell.get("level").and_then(Data::as_text).and_then(|level| level.parse().ok());
            blocks.heading(level.unwrap_or(1), &source);
        }
        _ => blocks.push(&without_attachments(&source)),
    }
}

fn write_output(blocks: &mut Blocks, output: &Data) {
    match output.get("output_type").and_then(Data::as_text) {
        Some("error" | "pyerr") => {
            let told = |name: &str| output.get(name).and_then(Data::as_text).unwrap_or_default();
            push_code(blocks, "", &format!("{}: {}", told("ename"), terminal::plain(told("evalue"))));
        }
        Some("stream") => push_code(blocks, "", &terminal::plain(&joined(output.get("text")))),
        // Before version 4 of the format there is nothing between the output and its types.
        _ => {
            let types = output.get("data").unwrap_or(output);
            let markdown = types.get("text/markdown");
            if markdown.is_some() {
                blocks.push(&joined(markdown));
            } else {
                let plain = joined(types.get("text/plain").or_else(|| types.get("text")));
                push_code(blocks, "", &terminal::plain(&without_names_of_objects(&plain)));
            }
        }
    }
}

/// Returns the text of a value that is a text or a list of its lines.
fn joined(value: Option<&Data>) -> String {
    match value {
        Some(Data::Scalar(text)) => text.clone(),
        Some(Data::List(lines)) => lines.iter().filter_map(Data::as_text).collect(),
        _ => String::new(),
    }
}

fn push_code(blocks: &mut Blocks, language: &str, source: &str) {
    let source = source.trim_matches('\n');
    if !source.trim().is_empty() {
        let language = language.split_whitespace().next().unwrap_or_default();
        blocks.push(&code(language, source));
    }
}

/// Returns the plain form of an output, unless it only tells which object of Python's was a picture.
fn without_names_of_objects(text: &str) -> String {
    let line = text.trim();
    let is_name = line.starts_with('<') && line.ends_with('>') && !line.contains('\n');
    if is_name { String::new() } else { text.to_owned() }
}

/// Returns Markdown without the pictures that are stored in the notebook itself.
fn without_attachments(text: &str) -> String {
    const STORED: &[&str] = &["](attachment:", "](data:image"];

    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("](") {
        let link = &rest[start..];
        let picture = rest[..start].rfind("![").filter(|begin| !rest[*begin..start].contains(['\n', ']']));
        let Some(begin) = picture.filter(|_| STORED.iter().any(|stored| link.starts_with(stored))) else {
            out.push_str(&rest[..start + 2]);
            rest = &link[2..];
            continue;
        };
        let Some(end) = link.find(')') else { break };
        out.push_str(&rest[..begin]);
        rest = &link[end + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTEBOOK: &str = r##"{"nbformat": 4, "metadata": {"kernelspec": {"language": "julia"}, "authors": [{"name": "A. N. Other"}]},
        "cells": [
        {"cell_type": "markdown", "source": ["# Bees\n", "\n", "![x](attachment:x.png)They *fly*."]},
        {"cell_type": "code", "source": "1 + 1\n", "outputs": [
            {"output_type": "stream", "text": ["10%\r100%\n", "\u001b[31mred\u001b[0m"]},
            {"output_type": "display_data", "data": {"image/png": "iVBOR", "text/plain": ["<Figure size 1x1>"]}},
            {"output_type": "execute_result", "data": {"text/html": "<b>2</b>", "text/plain": "2"}},
            {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": ["long"]}]},
        {"cell_type": "raw", "source": "raw"}]}"##;

    #[test]
    fn text_code_and_what_it_printed_are_kept() {
        let parsed = read(NOTEBOOK).unwrap();
        let expected = "# Bees\n\nThey *fly*.\n\n```julia\n1 + 1\n```\n\n```\n100%\nred\n```\n\n```\n2\n```\n\n```\nValueError: no\n```\n\nraw";
        assert_eq!(parsed.text, expected);
        assert_eq!(parsed.metadata.title.as_deref(), Some("Bees"));
        assert_eq!(parsed.metadata.author.as_deref(), Some("A. N. Other"));
    }

    #[test]
    fn notebooks_of_the_older_format_are_read() {
        let text = r#"{"nbformat": 3, "worksheets": [{"cells": [
            {"cell_type": "heading", "level": 2, "source": ["Old"]},
            {"cell_type": "code", "language": "python", "input": ["x"], "outputs": [{"output_type": "pyout", "text": ["5"]}]}]}]}"#;
        assert_eq!(read(text).unwrap().text, "## Old\n\n```python\nx\n```\n\n```\n5\n```");
    }

    #[test]
    fn stored_pictures_are_left_out_and_nothing_else() {
        let text = "![a](http://x) b [c](attachment:c.txt) ![d](data:image/png;base64,AA==) e";
        assert_eq!(without_attachments(text), "![a](http://x) b [c](attachment:c.txt)  e");
        assert_eq!(without_attachments("x ![a](attachment:b"), "x ![a](attachment:b");
    }

    #[test]
    fn a_notebook_without_text_is_refused() {
        assert_eq!(read("{\"cells\": []}"), Err(ParseError::Empty("a Jupyter notebook")));
        assert!(matches!(read("[]"), Err(ParseError::Damaged { .. })));
        assert!(matches!(read("{\"cells\": ["), Err(ParseError::Damaged { .. })));
    }
}
