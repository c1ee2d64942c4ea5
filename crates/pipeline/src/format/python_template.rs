//! Python's `string.Template`, as its method `substitute` fills it.
//!
//! `$name` and `${name}` are placeholders, `$$` is a dollar sign, any other `$` is an error. A name
//! is an ASCII letter or underscore, followed by ASCII letters, digits and underscores.

use std::collections::HashSet;

/// The longest template in bytes. Each of its placeholders costs something at each chunk of each document.
const MAX_TEMPLATE_BYTES: usize = 64 << 10;

/// A template, read once and filled for each chunk.
///
/// ```
/// use pgai_rs_pipeline::format::{FormatError, Template};
///
/// let template = Template::parse("$title: $chunk")?;
/// assert_eq!(template.placeholders().collect::<Vec<_>>(), ["title", "chunk"]);
///
/// let fields = [("title".to_owned(), "Lighthouses".to_owned())];
/// assert_eq!(template.render("They stand by the sea.", &fields)?, "Lighthouses: They stand by the sea.");
///
/// let error = Template::parse("costs $5: $chunk").unwrap_err();
/// assert_eq!(error.to_string(), "Invalid placeholder in string: line 1, col 7");
/// # Ok::<(), FormatError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Text that stays as it is.
    Text(String),
    /// A placeholder, by its name, and the place of its `$`.
    Placeholder { name: String, place: Position },
}

/// A place in a template, as Python's messages count: from 1, in code points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    line: usize,
    column: usize,
}

/// The reason why a template can't be read or filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A `$` that begins no placeholder. The message is Python's.
    #[error("Invalid placeholder in string: line {line}, col {column}")]
    InvalidPlaceholder {
        /// Line of the `$`, from 1.
        line: usize,
        /// Column of the `$`, from 1, in code points.
        column: usize,
    },
    /// It has more text than a template may have.
    #[error("template too long: {got} bytes, and the maximum is {limit}")]
    TooLong {
        /// Its length in bytes.
        got: usize,
        /// The largest length that is allowed.
        limit: usize,
    },
    /// A placeholder that is neither `chunk` nor a field.
    #[error("Unknown placeholder ${name} in string: line {line}, col {column}")]
    UnknownName {
        /// The name as written.
        name: String,
        /// Line of the `$`, from 1.
        line: usize,
        /// Column of the `$`, from 1, in code points.
        column: usize,
    },
}

/// A column's name that no placeholder can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a template cannot contain a column named {0:?}")]
pub struct NotNameable(pub String);

/// The placeholder that stands for the chunk itself.
const CHUNK: &str = "chunk";

/// The template with the name `to` wherever it names the column `from`, and otherwise as it is
/// written; `None` if it does not name it. One that can't be read names nothing.
///
/// ```
/// use pgai_rs_pipeline::format::{NotNameable, rename_column};
///
/// let renamed = rename_column("$$5: ${body}, $title", "body", "content");
/// assert_eq!(renamed, Ok(Some("$$5: ${content}, $title".to_owned())));
/// assert_eq!(rename_column("$title", "body", "content"), Ok(None));
///
/// // No placeholder can have a blank in it.
/// let impossible = rename_column("$body", "body", "the content");
/// assert_eq!(impossible, Err(NotNameable("the content".to_owned())));
/// ```
///
/// # Errors
///
/// [`NotNameable`] if it names `from`, and can't name `to`.
pub fn rename_column(template: &str, from: &str, to: &str) -> Result<Option<String>, NotNameable> {
    let names = |parsed: Template| parsed.placeholders().any(|name| name == from);
    if from == CHUNK || !Template::parse(template).is_ok_and(names) {
        return Ok(None);
    }
    if to == CHUNK || identifier(to) != Some((to, "")) {
        return Err(NotNameable(to.to_owned()));
    }

    let mut renamed = String::with_capacity(template.len() + to.len());
    let mut rest = template;
    while let Some(dollar) = rest.find('$') {
        let after = &rest[dollar + 1..];
        // `$$` and `${`: what follows a brace is a name, what follows a dollar sign is text.
        let opened = usize::from(after.starts_with(['$', '{']));
        let (before, follows) = rest.split_at(dollar + 1 + opened);
        renamed.push_str(before);

        rest = match identifier(follows) {
            Some((name, follows)) if !after.starts_with('$') => {
                renamed.push_str(if name == from { to } else { name });
                follows
            }
            _ => follows,
        };
    }

    renamed.push_str(rest);
    Ok(Some(renamed))
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// [`FormatError::InvalidPlaceholder`] at the first `$` that begins no placeholder;
    /// [`FormatError::TooLong`] beyond 64 KB.
    pub fn parse(template: &str) -> Result<Self, FormatError> {
        if template.len() > MAX_TEMPLATE_BYTES {
            return Err(FormatError::TooLong { got: template.len(), limit: MAX_TEMPLATE_BYTES });
        }

        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = template;
        let mut place = Position { line: 1, column: 1 };
        // The `$` that `place` is the place of.
        let mut placed = 0;

        while let Some(dollar) = rest.find('$') {
            text.push_str(&rest[..dollar]);
            let after = &rest[dollar + 1..];
            if let Some(after) = after.strip_prefix('$') {
                text.push('$');
                rest = after;
                continue;
            }

            let at = template.len() - after.len() - 1;
            place = place.after(&template[placed..at]);
            placed = at;
            let Some((name, after)) = placeholder(after) else {
                return Err(FormatError::InvalidPlaceholder { line: place.line, column: place.column });
            };

            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Placeholder { name: name.to_owned(), place });
            rest = after;
        }

        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Template { parts })
    }

    /// The names of the placeholders, each once, in order of appearance.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        let names = self.parts.iter().filter_map(|part| match part {
            Part::Placeholder { name, .. } => Some(name.as_str()),
            Part::Text(_) => None,
        });

        let mut seen = HashSet::new();
        names.filter(move |&name| seen.insert(name))
    }

    /// Returns how many bytes [`render`](Self::render) makes.
    pub fn length(&self, chunk: &str, fields: &[(String, String)]) -> usize {
        let mut length = 0_usize;
        for part in &self.parts {
            length = length.saturating_add(match part {
                Part::Text(text) => text.len(),
                Part::Placeholder { name, .. } if name == CHUNK => chunk.len(),
                Part::Placeholder { name, .. } => value(fields, name).map_or(0, str::len),
            });
        }
        length
    }

    /// Fills the template. `chunk` is the placeholder `chunk`, whatever `fields` say of that name;
    /// values are not templates themselves.
    ///
    /// # Errors
    ///
    /// [`FormatError::UnknownName`] at the first placeholder that is neither `chunk` nor a field.
    pub fn render(&self, chunk: &str, fields: &[(String, String)]) -> Result<String, FormatError> {
        let mut rendered = String::with_capacity(self.length(chunk, fields));
        for part in &self.parts {
            match part {
                Part::Text(text) => rendered.push_str(text),
                Part::Placeholder { name, .. } if name == CHUNK => rendered.push_str(chunk),
                Part::Placeholder { name, place } => {
                    let Some(value) = value(fields, name) else {
                        return Err(FormatError::UnknownName {
                            name: name.clone(),
                            line: place.line,
                            column: place.column,
                        });
                    };
                    rendered.push_str(value);
                }
            }
        }
        Ok(rendered)
    }
}

/// The value of the field of this name.
fn value<'f>(fields: &'f [(String, String)], name: &str) -> Option<&'f str> {
    fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
}

/// The name after a `$`, and what follows the placeholder.
fn placeholder(after: &str) -> Option<(&str, &str)> {
    match after.strip_prefix('{') {
        Some(braced) => {
            let (name, after) = identifier(braced)?;
            Some((name, after.strip_prefix('}')?))
        }
        None => identifier(after),
    }
}

/// The identifier at the beginning, and what follows it.
fn identifier(text: &str) -> Option<(&str, &str)> {
    if !text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic()) {
        return None;
    }
    let end = text.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    Some(text.split_at(end))
}

impl Position {
    /// The place after `text`, which begins here and ends before a `$`. Lines end where Python's
    /// `str.splitlines` ends them.
    fn after(self, text: &str) -> Self {
        let mut place = self;
        let mut rest = text.chars().peekable();

        while let Some(c) = rest.next() {
            let half_of_crlf = c == '\r' && rest.peek() == Some(&'\n');
            if is_line_break(c) && !half_of_crlf {
                place = Position { line: place.line + 1, column: 1 };
            } else {
                place.column += 1;
            }
        }
        place
    }
}

fn is_line_break(c: char) -> bool {
    matches!(c, '\n'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn the_chunk_wins_over_a_column_of_that_name() {
        let template = Template::parse("$title: ${chunk} for $$5").unwrap();
        let rendered = template.render("text", &fields(&[("chunk", "column"), ("title", "T")])).unwrap();
        assert_eq!(rendered, "T: text for $5");
    }

    #[test]
    fn values_are_not_templates() {
        let template = Template::parse("$title $chunk").unwrap();
        assert_eq!(template.render("$title", &fields(&[("title", "$chunk $")])).unwrap(), "$chunk $ $title");
    }

    #[test]
    fn placeholders_are_named_once() {
        let template = Template::parse("$a $b ${a} $$c $B").unwrap();
        assert_eq!(template.placeholders().collect::<Vec<_>>(), ["a", "b", "B"]);
    }

    #[test]
    fn errors_name_the_place() {
        let stray = Template::parse("one\r\ntwo $5").unwrap_err();
        assert_eq!(stray.to_string(), "Invalid placeholder in string: line 2, col 5");
        let unknown = Template::parse("é\n ${none}").unwrap().render("", &[]).unwrap_err();
        assert_eq!(unknown.to_string(), "Unknown placeholder $none in string: line 2, col 2");
        let late = Template::parse("$a\r\n$b\r$c é$d $5").unwrap_err();
        assert_eq!(late.to_string(), "Invalid placeholder in string: line 3, col 8");
    }

    /// Its length is bounded, and so is what each byte of it costs: each `$` is counted from the one before.
    #[test]
    fn a_template_is_as_long_as_it_may_be() {
        let longest = "$c".repeat(MAX_TEMPLATE_BYTES / 2);
        assert_eq!(Template::parse(&longest).unwrap().placeholders().collect::<Vec<_>>(), ["c"]);

        let refused = Template::parse(&(longest + "x")).unwrap_err();
        assert_eq!(refused.to_string(), "template too long: 65537 bytes, and the maximum is 65536");
    }

    #[test]
    fn a_columns_new_name_is_written_wherever_the_template_names_it() {
        let renamed = |template| rename_column(template, "x", "new_name").unwrap();
        assert_eq!(renamed("$x: ${x}y $chunk").as_deref(), Some("$new_name: ${new_name}y $chunk"));
        assert_eq!(
            renamed("$x$x$$x $$$x é $x").as_deref(),
            Some("$new_name$new_name$$x $$$new_name é $new_name")
        );
    }

    #[test]
    fn a_template_that_does_not_name_the_column_is_left_alone() {
        for template in ["$chunk", "$$x $chunk", "$xy ${xy} $X $x_ $chunk", "x", "${x", "$x $5"] {
            assert_eq!(rename_column(template, "x", "y"), Ok(None), "{template}");
            assert_eq!(rename_column(template, "x", "no name"), Ok(None), "{template}");
        }
        assert_eq!(rename_column("$chunk", "chunk", "text"), Ok(None), "the chunk is no column");
    }

    #[test]
    fn what_no_placeholder_can_name_is_refused() {
        for name in ["Y z", "größe", "1st", "", "a-b", "y ", "chunk"] {
            assert_eq!(rename_column("$x $chunk", "x", name), Err(NotNameable(name.to_owned())));
        }
    }
}
