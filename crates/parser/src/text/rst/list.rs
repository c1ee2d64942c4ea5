//! Lists: with dots, with numbers, of fields, options and definitions.

use super::Reader;
use super::lines::{after_mark, dedented, indent, indented_block};
use crate::markdown::List;

/// Reads a list with dots.
pub(super) fn read_bullets(reader: &mut Reader, lines: &[&str], depth: usize) -> Option<usize> {
    let mark = bullet(lines.first()?)?;
    Some(read_items(reader, lines, depth, |line, _| {
        (bullet(line) == Some(mark)).then_some(("-".to_owned(), 2))
    }))
}

fn bullet(line: &str) -> Option<char> {
    let mark = line.chars().next().filter(|c| "-*+•‣⁃".contains(*c))?;
    let rest = &line[mark.len_utf8()..];
    (rest.is_empty() && line.len() == 1 || rest.starts_with(' ')).then_some(mark)
}

/// Reads a list with numbers or letters.
pub(super) fn read_numbers(reader: &mut Reader, lines: &[&str], depth: usize) -> Option<usize> {
    let first = lines.first()?;
    let (start, width) = number(first)?;
    let next = lines.get(1).copied().unwrap_or_default();
    let is_list = next.is_empty() || indent(next) >= width.min(3) || number(next).is_some();
    let is_start = start <= 1 || next.is_empty() || number(next).is_some_and(|(next, _)| next == start + 1);
    if !is_list || !is_start {
        return None;
    }
    Some(read_items(reader, lines, depth, |line, place| {
        let (number, width) = number(line)?;
        if (number == 0) != (start == 0) {
            return None;
        }
        Some((format!("{}.", start.max(1) + place), width))
    }))
}

/// Returns the number that a line begins with, and the width of its mark. `#` is 0.
fn number(line: &str) -> Option<(usize, usize)> {
    let open = usize::from(line.starts_with('('));
    let rest = line.get(open..)?;
    let end = rest.find(['.', ')'])?;
    let (label, after) = rest.split_at(end);
    let after = after.get(1..)?;
    if !after.is_empty() && !after.starts_with(' ') {
        return None;
    }
    let number = match label.as_bytes() {
        b"#" => 0,
        [letter @ (b'a'..=b'z')] => usize::from(letter - b'a') + 1,
        [letter @ (b'A'..=b'Z')] => usize::from(letter - b'A') + 1,
        _ if label.len() <= 3 => label.parse().ok()?,
        _ => return None,
    };
    Some((number, open + end + 2))
}

/// Reads the items of a list: lines that have a mark, with what is indented below them.
fn read_items(
    reader: &mut Reader,
    lines: &[&str],
    depth: usize,
    mark: impl Fn(&str, usize) -> Option<(String, usize)>,
) -> usize {
    let (mut used, mut place, mut list) = (0, 0, List::default());
    while let Some(line) = lines.get(used)
        && let Some((written, width)) = mark(line, place)
    {
        let others = &lines[used + 1..];
        let length = indented_block(others, 1);
        // What is indented less than the text belongs to it still.
        let first = line.get(width..).unwrap_or_default().trim_start();
        let item = reader.nested(&after_mark(first, &others[..length]), depth + 1);
        if !item.is_empty() {
            list.item_at(0, &written, &item);
        }
        place += 1;
        used += 1 + length;

        let blank = lines[used..].iter().take_while(|line| line.is_empty()).count();
        if lines.get(used + blank).is_none_or(|next| mark(next, place).is_none()) {
            break;
        }
        used += blank;
    }
    // Marks without anything after them are what the author means by them, such as "none" in a cell.
    let marks = if list.is_empty() { lines[..used].join("\n") } else { list.take() };
    reader.blocks.push(&marks);
    used
}

/// Reads a list of fields, such as `:param x: The x.`; those at the beginning tell about the document.
pub(super) fn read_fields(reader: &mut Reader, lines: &[&str], depth: usize) -> Option<usize> {
    field(lines.first()?)?;
    let (mut used, mut list) = (0, List::default());
    while let Some((name, value)) = lines.get(used).and_then(|line| field(line)) {
        let others = &lines[used + 1..];
        let length = indented_block(others, 1);
        let value = reader.nested(&after_mark(value, &others[..length]), depth + 1);
        if depth == 0 {
            reader.note(name, &value);
        }
        let name = reader.targets.inline(name);
        list.item_at(0, "-", &format!("{name}: {value}"));
        used += 1 + length;

        let blank = lines[used..].iter().take_while(|line| line.is_empty()).count();
        if lines.get(used + blank).is_none_or(|next| field(next).is_none()) {
            break;
        }
        used += blank;
    }
    reader.blocks.push(&list.take());
    Some(used)
}

/// Splits a line such as `:name: value`.
pub(super) fn field(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix(':').filter(|rest| !rest.starts_with([':', ' ', '`']))?;
    let (name, value) = match rest.strip_suffix(':') {
        Some(name) if !name.contains(": ") => (name, ""),
        _ => rest.split_once(": ")?,
    };
    (!name.is_empty() && !name.contains('`')).then(|| (name, value.trim()))
}

/// Reads a list of the options of a program.
pub(super) fn read_options(reader: &mut Reader, lines: &[&str], depth: usize) -> Option<usize> {
    option(lines.first()?)?;
    let (mut used, mut list) = (0, List::default());
    while let Some((names, meaning)) = lines.get(used).and_then(|line| option(line)) {
        let others = &lines[used + 1..];
        let length = indented_block(others, 1);
        let meaning = reader.nested(&after_mark(meaning, &others[..length]), depth + 1);
        let separator = if meaning.is_empty() { "" } else { ": " };
        list.item_at(0, "-", &format!("`{names}`{separator}{meaning}"));
        used += 1 + length;

        let blank = lines[used..].iter().take_while(|line| line.is_empty()).count();
        if lines.get(used + blank).is_none_or(|next| option(next).is_none()) {
            break;
        }
        used += blank;
    }
    reader.blocks.push(&list.take());
    Some(used)
}

/// Splits a line such as `-f FILE, --file=FILE  The file.`
fn option(line: &str) -> Option<(&str, &str)> {
    let name = line.strip_prefix("--").or_else(|| line.strip_prefix('-'))?;
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || line.contains('`') {
        return None;
    }
    match line.split_once("  ") {
        Some((names, meaning)) => Some((names, meaning.trim())),
        None => (line.split(' ').count() <= 3).then_some((line, "")),
    }
}

/// Reads a list of terms, each with its meaning indented below it.
pub(super) fn read_definitions(reader: &mut Reader, lines: &[&str], depth: usize) -> Option<usize> {
    is_definition(lines)?;
    let (mut used, mut list) = (0, List::default());
    while is_definition(&lines[used..]).is_some() {
        let others = &lines[used + 1..];
        let length = indented_block(others, 1);
        let term = match lines[used].split_once(" : ") {
            Some((term, kind)) => {
                format!("{} ({})", reader.targets.inline(term), reader.targets.inline(kind))
            }
            None => reader.targets.inline(lines[used]),
        };
        let meaning = reader.nested(&dedented(&others[..length]), depth + 1);
        let separator = if meaning.starts_with(['-', '|', '`', '>', '1']) { ":\n\n" } else { ": " };
        list.item_at(0, "-", &format!("{term}{separator}{meaning}"));
        used += 1 + length;

        let blank = lines[used..].iter().take_while(|line| line.is_empty()).count();
        if is_definition(&lines[used + blank..]).is_none() {
            break;
        }
        used += blank;
    }
    reader.blocks.push(&list.take());
    Some(used)
}

fn is_definition(lines: &[&str]) -> Option<()> {
    let (term, meaning) = (lines.first()?, lines.get(1)?);
    let is_term = !term.is_empty()
        && !term.starts_with([' ', '.'])
        && !term.ends_with("::")
        && !term.starts_with(">>>");
    (is_term && indent(meaning) > 0).then_some(())
}
