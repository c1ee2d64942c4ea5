//! Values in the lines of a list.

use crate::markdown::one_line;

use super::Data;

/// The longest text that is a line of a list.
const LONGEST: usize = 200;

/// The most values of what is written as a list in a list; more are a section.
const MOST: usize = 24;

/// The deepest list. What is deeper still stands on one line.
const DEEPEST: usize = 6;

/// The most values that stand on one line, separated by commas.
const MOST_IN_LINE: usize = 200;

/// Returns whether a value is written in a list, as it is short.
pub(super) fn fits(value: &Data) -> bool {
    let mut left = MOST;
    fits_within(value, &mut left, DEEPEST)
}

fn fits_within(value: &Data, left: &mut usize, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match value {
        Data::List(items) => {
            (items.len() <= MOST_IN_LINE && in_line(items).is_some())
                || items.iter().all(|item| fits_within(item, left, depth))
        }
        Data::Object(members) => members.iter().all(|(_, value)| fits_within(value, left, depth)),
        scalar => {
            *left = left.saturating_sub(1);
            *left > 0 && scalar.as_short(LONGEST).is_some()
        }
    }
}

/// Appends a line for each of these values, and lines below it for what is in it.
pub(super) fn write_members(out: &mut String, members: &[(String, Data)], depth: usize) {
    for (name, value) in members.iter().filter(|(_, value)| !value.is_empty()) {
        write_member(out, name, value, depth, depth);
    }
}

/// Appends a line with a value's name, and what is in it. `dash` is the depth of the line itself.
fn write_member(out: &mut String, name: &str, value: &Data, dash: usize, depth: usize) {
    start(out, dash);
    out.push_str(&one_line(name));
    out.push(':');
    match value {
        Data::Object(members) if depth < DEEPEST => {
            out.push('\n');
            write_members(out, members, depth + 1);
        }
        Data::List(items) if depth < DEEPEST => match in_line(items) {
            Some(line) => end(out, &line),
            None => {
                out.push('\n');
                write_items(out, items, depth + 1);
            }
        },
        other => end(out, &on_one_line(other)),
    }
}

/// Appends a line for each of these values, and lines below it for what is in it.
pub(super) fn write_items(out: &mut String, items: &[Data], depth: usize) {
    for item in items.iter().filter(|item| !item.is_empty()) {
        match item {
            Data::Object(members) if depth < DEEPEST => write_object(out, members, depth),
            other => {
                start(out, depth);
                out.pop();
                end(out, &on_one_line(other));
            }
        }
    }
}

/// Appends the values of an object that is one of many: on a line if they are few, else below the first.
fn write_object(out: &mut String, members: &[(String, Data)], depth: usize) {
    const FEW: usize = 6;

    let full: Vec<_> = members.iter().filter(|(_, value)| !value.is_empty()).collect();
    if full.len() <= FEW && full.iter().all(|(_, value)| value.as_short(LONGEST / 2).is_some()) {
        start(out, depth);
        out.pop();
        let line: Vec<_> =
            full.iter().map(|(name, value)| format!("{}: {}", one_line(name), on_one_line(value))).collect();
        end(out, &line.join("; "));
        return;
    }
    for (place, (name, value)) in full.into_iter().enumerate() {
        let dash = if place == 0 { depth } else { depth + 1 };
        write_member(out, name, value, dash, depth + 1);
    }
}

/// Returns the values of a list that are few words each, with commas between them.
fn in_line(items: &[Data]) -> Option<String> {
    const LONGEST_ITEM: usize = 60;

    let mut line = String::new();
    for item in items.iter().filter(|item| !item.is_empty()) {
        let text = item.as_short(LONGEST_ITEM).filter(|text| !text.contains(", "))?;
        if !line.is_empty() {
            line.push_str(", ");
        }
        line.push_str(text);
    }
    Some(line)
}

/// Returns a value on one line, whatever is in it.
fn on_one_line(value: &Data) -> String {
    match value {
        Data::Nothing => String::new(),
        Data::Scalar(text) => one_line(text),
        Data::List(items) => {
            let full = items.iter().filter(|item| !item.is_empty());
            full.map(on_one_line).collect::<Vec<_>>().join(", ")
        }
        Data::Object(members) => {
            let full = members.iter().filter(|(_, value)| !value.is_empty());
            let lines = full.map(|(name, value)| format!("{}: {}", one_line(name), on_one_line(value)));
            lines.collect::<Vec<_>>().join("; ")
        }
    }
}

/// Begins a line at this depth.
fn start(out: &mut String, depth: usize) {
    out.push_str(&"  ".repeat(depth));
    out.push_str("- ");
}

/// Ends a line with a value, before which there is a space.
fn end(out: &mut String, value: &str) {
    if !value.is_empty() {
        out.push(' ');
        out.push_str(value);
    }
    out.push('\n');
}
