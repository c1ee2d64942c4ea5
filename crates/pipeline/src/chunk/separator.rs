//! Splitting at a separator: LangChain's `_split_text_with_regex`.

use std::borrow::Cow;

use super::allowance::StepClock;
use super::python_regex::{PythonRegex, Room, quoted};
use super::{Allowance, ChunkError};

/// A separator of texts, given literally or as a regular expression.
pub(super) struct Separator {
    given: String,
    /// `None` means that `given` is taken literally.
    regex: Option<PythonRegex>,
}

/// The fate of the separator itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// It is dropped.
    No,
    /// It begins the piece after it.
    AtStart,
}

/// Takes one piece after the other; none of them is empty.
type Sink<'a, 't> = &'a mut dyn FnMut(Cow<'t, str>) -> Result<(), ChunkError>;

impl Separator {
    /// Reads a separator, if there is room for its expression. An empty one is literal in any case.
    pub(super) fn new(given: &str, is_regex: bool, room: &mut Room) -> Result<Self, ChunkError> {
        let regex = if is_regex && !given.is_empty() { Some(PythonRegex::new(given, room)?) } else { None };
        Ok(Separator { given: given.to_owned(), regex })
    }

    /// The separator as it was configured.
    pub(super) fn as_given(&self) -> &str {
        &self.given
    }

    /// Returns whether LangChain takes the separator for a look-around, which matches nothing of the
    /// text itself. Since 0.3.9 it looks at the beginning alone, whatever comes after.
    pub(super) fn begins_with_lookaround(&self) -> bool {
        self.regex.is_some() && begins_with_lookaround(&self.given)
    }

    /// Returns whether the separator is empty, and so splits between any two code points.
    pub(super) fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// Returns whether the separator is somewhere in the text.
    pub(super) fn occurs_in(&self, text: &str, allowance: Allowance<'_>) -> Result<bool, ChunkError> {
        match &self.regex {
            Some(regex) => regex.occurs_in(text, allowance),
            None => {
                allowance.check_time()?;
                Ok(text.contains(&self.given))
            }
        }
    }

    /// Hands the pieces of `text` to `sink`.
    pub(super) fn split<'t>(
        &self,
        text: &'t str,
        keep: Keep,
        allowance: Allowance<'_>,
        sink: Sink<'_, 't>,
    ) -> Result<(), ChunkError> {
        let mut clock = StepClock::new(allowance);
        let sink: Sink<'_, 't> = &mut |piece| {
            clock.count(1)?;
            sink(piece)
        };
        match &self.regex {
            None if self.is_empty() => split_everywhere(text, sink),
            None => split_literally(text, &self.given, keep, sink),
            Some(regex) if regex.capture_groups() == 0 => split_by_regex(text, regex, keep, allowance, sink),
            Some(regex) => split_with_groups(text, regex, keep, allowance, sink),
        }
    }
}

/// Returns whether a regular expression begins with a look-around.
pub(super) fn begins_with_lookaround(regex: &str) -> bool {
    ["(?=", "(?<!", "(?<=", "(?!"].iter().any(|prefix| regex.starts_with(prefix))
}

fn emit<'t>(piece: &'t str, sink: Sink<'_, 't>) -> Result<(), ChunkError> {
    if piece.is_empty() {
        return Ok(());
    }
    sink(Cow::Borrowed(piece))
}

/// Makes a piece of each code point.
fn split_everywhere<'t>(text: &'t str, sink: Sink<'_, 't>) -> Result<(), ChunkError> {
    for (at, c) in text.char_indices() {
        emit(&text[at..at + c.len_utf8()], sink)?;
    }
    Ok(())
}

fn split_literally<'t>(text: &'t str, at: &str, keep: Keep, sink: Sink<'_, 't>) -> Result<(), ChunkError> {
    let matches = text.match_indices(at).map(|(at, found)| Ok((at, at + found.len())));
    split_at(text, matches, keep, sink)
}

fn split_by_regex<'t>(
    text: &'t str,
    regex: &PythonRegex,
    keep: Keep,
    allowance: Allowance<'_>,
    sink: Sink<'_, 't>,
) -> Result<(), ChunkError> {
    let matches = regex.matches(text, allowance).map(|found| found.map(|m| (m.start(), m.end())));
    split_at(text, matches, keep, sink)
}

/// Splits at `matches`, pairs of byte offsets.
fn split_at<'t>(
    text: &'t str,
    matches: impl Iterator<Item = Result<(usize, usize), ChunkError>>,
    keep: Keep,
    sink: Sink<'_, 't>,
) -> Result<(), ChunkError> {
    let mut from = 0;
    for found in matches {
        let (start, end) = found?;
        emit(&text[from..start], sink)?;
        from = match keep {
            Keep::No => end,
            Keep::AtStart => start,
        };
    }
    emit(&text[from..], sink)
}

/// Does what LangChain does with the list that Python's `re.split` returns for a separator with
/// capture groups: the groups stand between the pieces, and when separators are kept, LangChain
/// joins the list's elements two by two as if there were none. It fails where Python fails.
fn split_with_groups<'t>(
    text: &'t str,
    regex: &PythonRegex,
    keep: Keep,
    allowance: Allowance<'_>,
    sink: Sink<'_, 't>,
) -> Result<(), ChunkError> {
    let failed = |reason| ChunkError::CaptureGroups { pattern: quoted(regex.as_given()), reason };
    let elements = re_split(text, regex, keep, allowance)?;
    if keep == Keep::No {
        // A group that takes no part in a match is left out, as Python joins no None.
        return elements.into_iter().flatten().try_for_each(|element| emit(element, sink));
    }

    let elements = elements
        .into_iter()
        .collect::<Option<Vec<&str>>>()
        .ok_or_else(|| failed("a group takes no part in a match (Python: TypeError)"))?;
    let Some((&first, rest)) = elements.split_first() else {
        return Ok(());
    };
    if rest.len() % 2 != 0 {
        return Err(failed("the pieces don't pair up (Python: IndexError)"));
    }

    emit(first, sink)?;
    for pair in rest.chunks_exact(2) {
        let piece = pair.concat();
        if !piece.is_empty() {
            sink(Cow::Owned(piece))?;
        }
    }
    Ok(())
}

/// The list that `re.split` returns, with the whole match as the first group if it is kept.
fn re_split<'t>(
    text: &'t str,
    regex: &PythonRegex,
    keep: Keep,
    allowance: Allowance<'_>,
) -> Result<Vec<Option<&'t str>>, ChunkError> {
    let first_group = if keep == Keep::AtStart { 0 } else { 1 };
    let mut elements = Vec::new();
    let mut from = 0;

    for found in regex.matches(text, allowance) {
        let found = found?;
        // The list may be about to grow to twice its size.
        allowance.check_bytes(2 * size_of_val(elements.as_slice()) as u64)?;
        elements.push(Some(&text[from..found.start()]));
        for group in first_group..=regex.capture_groups() {
            elements.push(found.group(group));
        }
        from = found.end();
    }

    elements.push(Some(&text[from..]));
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::tests::ample;
    use super::*;

    #[test]
    fn looking_for_a_separator_and_splitting_at_it_are_on_the_clock() {
        let stop = AtomicBool::new(true);
        let stopped = ample().until_stopped(&stop);
        for separator in [",", ""] {
            let separator = Separator::new(separator, false, &mut Room::new()).unwrap();
            assert_eq!(separator.occurs_in("a", stopped), Err(ChunkError::Stopped));

            let mut pieces = 0;
            let split = separator.split("a,b", Keep::No, stopped, &mut |_| {
                pieces += 1;
                Ok(())
            });
            assert_eq!((split, pieces), (Err(ChunkError::Stopped), 0));
        }
    }
}
