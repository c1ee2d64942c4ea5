//! Python's `re` on top of the crate `fancy-regex`.
//!
//! [`python_pattern`](super::python_pattern) translates the pattern and lists what still differs;
//! this file finds matches in Python's order. Two limits keep a pattern that runs away from holding
//! the pipeline up: steps of one search, and time for all searches of a text.

use std::time::Duration;

use fancy_regex::{Captures, Regex, RegexBuilder};

use super::python_pattern::translate;
use super::{Allowance, ChunkError};

/// The largest number of backtracking steps of one search, a few seconds' worth. A pattern that needs
/// backtracking spends at least one for each character it looks at, so this also bounds the distance
/// between two matches.
const BACKTRACK_LIMIT: usize = 50_000_000;

/// The longest time for all searches in one text. Searches that are cheap each can be quadratic
/// together.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// A regular expression that matches as Python's `re` does.
pub(super) struct PythonRegex {
    given: String,
    regex: Regex,
    /// The same, but never an empty match where the search starts.
    advancing: Regex,
}

impl PythonRegex {
    /// Compiles a pattern in Python's syntax.
    pub(super) fn new(given: &str) -> Result<Self, ChunkError> {
        let pattern = translate(given).map_err(|error| invalid(given, &error))?;

        Ok(PythonRegex {
            given: given.to_owned(),
            regex: compile(&pattern, given)?,
            // `\G` holds where the search starts: a match that ends there is empty.
            advancing: compile(&format!(r"(?:{pattern})(?!\G)"), given)?,
        })
    }

    /// The pattern as it was configured.
    pub(super) fn as_given(&self) -> &str {
        &self.given
    }

    /// Returns the number of groups that capture.
    pub(super) fn capture_groups(&self) -> usize {
        self.regex.captures_len() - 1
    }

    /// Python's `re.search`.
    pub(super) fn occurs_in(&self, text: &str, allowance: Allowance<'_>) -> Result<bool, ChunkError> {
        self.check(allowance)?;
        self.regex.is_match(text).map_err(|error| self.ran_away(error.to_string()))
    }

    /// Python's `re.finditer`: matches from left to right that don't overlap. An empty match may
    /// follow a longer one at once, but not another empty one.
    pub(super) fn matches<'r, 't>(&'r self, text: &'t str, allowance: Allowance<'r>) -> Matches<'r, 't> {
        Matches { regex: self, text, allowance, at: 0, advance: false, done: false }
    }

    fn check(&self, allowance: Allowance<'_>) -> Result<(), ChunkError> {
        allowance.check_time()?;
        if allowance.elapsed() > TIME_LIMIT {
            return Err(self.ran_away(format!("it takes more than {} seconds", TIME_LIMIT.as_secs())));
        }
        Ok(())
    }

    fn ran_away(&self, reason: String) -> ChunkError {
        ChunkError::RunawayRegex { pattern: self.given.clone(), reason }
    }
}

/// Compiles what the pattern that was given is translated to.
fn compile(translated: &str, given: &str) -> Result<Regex, ChunkError> {
    let builder = RegexBuilder::new(translated).backtrack_limit(BACKTRACK_LIMIT).build();
    builder.map_err(|error| invalid(given, &error))
}

fn invalid(given: &str, reason: &impl ToString) -> ChunkError {
    ChunkError::InvalidRegex { pattern: given.to_owned(), reason: reason.to_string() }
}

/// One match.
pub(super) struct Match<'t> {
    start: usize,
    end: usize,
    /// Only if the pattern has capture groups, as they cost.
    captures: Option<Captures<'t>>,
}

impl<'t> Match<'t> {
    /// Byte offset of its first byte.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Byte offset after its last byte.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// Returns the text that a capture group matched; group 0 is the whole match. `None` if the group
    /// took no part.
    pub(super) fn group(&self, index: usize) -> Option<&'t str> {
        self.captures.as_ref()?.get(index).map(|group| group.as_str())
    }
}

/// See [`PythonRegex::matches`].
pub(super) struct Matches<'r, 't> {
    regex: &'r PythonRegex,
    text: &'t str,
    allowance: Allowance<'r>,
    at: usize,
    /// The last match was empty: the next must not be, if it is at the same place.
    advance: bool,
    done: bool,
}

impl<'t> Matches<'_, 't> {
    fn search(&self) -> Result<Option<Match<'t>>, ChunkError> {
        self.regex.check(self.allowance)?;
        let regex = if self.advance { &self.regex.advancing } else { &self.regex.regex };
        let ran_away = |error: fancy_regex::Error| self.regex.ran_away(error.to_string());

        if self.regex.capture_groups() == 0 {
            let found = regex.find_from_pos(self.text, self.at).map_err(ran_away)?;
            return Ok(found.map(|found| Match { start: found.start(), end: found.end(), captures: None }));
        }

        let captures = regex.captures_from_pos(self.text, self.at).map_err(ran_away)?;
        let Some(captures) = captures else { return Ok(None) };
        let Some(found) = captures.get(0) else { return Ok(None) };
        Ok(Some(Match { start: found.start(), end: found.end(), captures: Some(captures) }))
    }
}

impl<'t> Iterator for Matches<'_, 't> {
    type Item = Result<Match<'t>, ChunkError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }

        let found = self.search().transpose();
        match &found {
            Some(Ok(found)) => {
                self.at = found.end;
                self.advance = found.start == found.end;
            }
            Some(Err(_)) | None => self.done = true,
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::ample;
    use super::*;

    fn spans(pattern: &str, text: &str) -> Vec<(usize, usize)> {
        let regex = PythonRegex::new(pattern).unwrap();
        regex.matches(text, ample()).map(|found| found.unwrap()).map(|m| (m.start(), m.end())).collect()
    }

    #[test]
    fn an_empty_match_may_follow_a_longer_one_at_once() {
        // Python: [m.span() for m in re.finditer('x*', 'axb')]
        assert_eq!(spans("x*", "axb"), [(0, 0), (1, 2), (2, 2), (3, 3)]);
    }

    #[test]
    fn after_an_empty_match_a_longer_one_is_looked_for_at_the_same_place() {
        // Python: [m.span() for m in re.finditer('|x', 'xé')]
        assert_eq!(spans("|x", "xé"), [(0, 0), (0, 1), (1, 1), (3, 3)]);
    }
}
