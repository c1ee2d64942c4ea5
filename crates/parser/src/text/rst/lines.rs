//! Lines and their indentation.

/// Returns the text with spaces for tabs, which stand at every eighth column.
pub(super) fn without_tabs(text: &str) -> String {
    const STOP: usize = 8;

    if !text.contains('\t') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut column = 0;
    for c in text.chars() {
        match c {
            '\t' => {
                let spaces = STOP - column % STOP;
                out.push_str(&" ".repeat(spaces));
                column += spaces;
            }
            '\n' => {
                out.push(c);
                column = 0;
            }
            _ => {
                out.push(c);
                column += 1;
            }
        }
    }
    out
}

/// Returns the number of spaces before a line.
pub(super) fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Returns the number of lines from the first that are indented by at least so many spaces, blank ones between them
/// included.
pub(super) fn indented_block(lines: &[&str], least: usize) -> usize {
    let mut used = 0;
    for (place, line) in lines.iter().enumerate() {
        if line.is_empty() {
            continue;
        }
        if indent(line) < least {
            break;
        }
        used = place + 1;
    }
    used
}

/// Returns lines without the indentation that they have in common.
pub(super) fn dedented<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let common = lines.iter().filter(|line| !line.is_empty()).map(|line| indent(line)).min().unwrap_or(0);
    lines.iter().map(|line| line.get(common..).unwrap_or_default()).collect()
}

/// Returns the lines of a block whose first line stands behind a mark, and whose others are indented.
pub(super) fn after_mark<'a>(first: &'a str, others: &[&'a str]) -> Vec<&'a str> {
    let mut lines = vec![first];
    lines.extend(dedented(others));
    lines
}
