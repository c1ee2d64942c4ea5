//! Bodies that are text without markup.

use crate::html::guard;

/// The form of a text's lines.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Form {
    /// `true` if a line that ends with a space goes on in the next one (RFC 3676).
    pub(super) is_flowed: bool,
    /// `true` if that space is only there to say so.
    pub(super) drops_space: bool,
}

/// Returns a body as Markdown. Quotations are marked in it as Markdown marks them.
pub(super) fn written(text: &str, form: Form) -> String {
    let text = text.replace("\r\n", "\n").replace(['\r', '\0'], "\n");
    let text = if form.is_flowed { joined(&text, form.drops_space) } else { text };
    let mut lines = String::with_capacity(text.len());
    for line in text.lines() {
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    guard(lines.trim_end().trim_start_matches('\n'))
}

/// Returns a flowed text with whole paragraphs on its lines.
fn joined(text: &str, drops_space: bool) -> String {
    let mut result = String::with_capacity(text.len());
    // The depth of the quotation that goes on.
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let content = line.trim_start_matches('>');
        let depth = line.len() - content.len();
        let content = content.strip_prefix(' ').unwrap_or(content);
        if open != Some(depth) {
            if open.is_some() {
                result.push('\n');
            }
            result.push_str(&">".repeat(depth));
            if depth > 0 && !content.is_empty() {
                result.push(' ');
            }
        }
        let goes_on = content.ends_with(' ') && content != "-- ";
        let content = if goes_on && drops_space { &content[..content.len() - 1] } else { content };
        result.push_str(content);
        open = goes_on.then_some(depth);
        if !goes_on {
            result.push('\n');
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flowed_paragraph_is_one_line_and_a_quotation_stays_one() {
        let form = Form { is_flowed: true, drops_space: false };
        let text = "> one \n> two\nthree \nfour\n-- \nAnn\n";
        assert_eq!(written(text, form), "> one two\nthree four\n\\--\nAnn");
    }

    #[test]
    fn a_line_that_looks_like_a_heading_is_none() {
        assert_eq!(written("# ls\r\n\r\nok\r\n", Form::default()), "\\# ls\n\nok");
    }
}
