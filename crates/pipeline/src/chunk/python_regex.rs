//! Python's `re`.
//!
//! [`python_pattern`](super::python_pattern) translates the pattern and lists what still differs; the crate
//! `fancy-regex` reads what comes of it, [`compiler`] makes a [`program`] of that (with what [`expression`] tells of its
//! parts, and [`char_set`] for its classes), and [`machine`] runs it, with a [`branch`] for each choice. The crate's own
//! machine counts too little of what it does to be bounded, and can't be stopped: a part of a pattern that needs
//! no going back is another crate's search, through the whole text as one step.

mod branch;
mod char_set;
mod compiler;
mod expression;
mod machine;
mod program;

use std::time::Duration;

pub(super) use self::program::Room;

use self::branch::SearchEnd;
use self::machine::Machine;
use self::program::{CompileError, Program};
use super::allowance::StepClock;
use super::python_pattern::translate;
use super::{Allowance, ChunkError};

/// The longest pattern in bytes.
const MAX_PATTERN_BYTES: usize = 4096;

/// The longest time for all searches in one text. Searches that are cheap each can be quadratic
/// together.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The largest number of bytes of a pattern that a message repeats.
const QUOTED_BYTES: usize = 100;

/// A regular expression that matches as Python's `re` does.
pub(super) struct PythonRegex {
    given: String,
    program: Program,
}

impl PythonRegex {
    /// Compiles a pattern in Python's syntax, if there is room.
    pub(super) fn new(given: &str, room: &mut Room) -> Result<Self, ChunkError> {
        if given.len() > MAX_PATTERN_BYTES {
            return Err(ChunkError::RegexTooLong { got: given.len(), limit: MAX_PATTERN_BYTES });
        }

        let invalid = |reason: String| ChunkError::InvalidRegex { pattern: quoted(given), reason };
        let pattern = translate(given).map_err(|error| invalid(error.to_string()))?;
        let program = Program::compile(&pattern, room).map_err(|error| match error {
            CompileError::Invalid(reason) => invalid(reason),
            CompileError::TooLarge(limit) => ChunkError::RegexTooLarge { pattern: quoted(given), limit },
        })?;
        Ok(PythonRegex { given: given.to_owned(), program })
    }

    /// The pattern as it was configured.
    pub(super) fn as_given(&self) -> &str {
        &self.given
    }

    /// Returns the number of groups that capture.
    pub(super) fn capture_groups(&self) -> usize {
        self.program.groups
    }

    /// Python's `re.search`.
    pub(super) fn occurs_in(&self, text: &str, allowance: Allowance<'_>) -> Result<bool, ChunkError> {
        let mut clock = StepClock::new(allowance.within(TIME_LIMIT));
        let found = Machine::new(&self.program, text, &mut clock).search(0, false);
        found.map(|found| found.is_some()).map_err(|stopped| self.stopped(stopped))
    }

    /// Python's `re.finditer`: matches from left to right that don't overlap. An empty match may
    /// follow a longer one at once, but not another empty one.
    pub(super) fn matches<'r, 't>(&'r self, text: &'t str, allowance: Allowance<'r>) -> Matches<'r, 't> {
        let clock = StepClock::new(allowance.within(TIME_LIMIT));
        Matches { regex: self, text, clock, at: 0, advance: false, done: false }
    }

    fn stopped(&self, stopped: SearchEnd) -> ChunkError {
        let reason = match stopped {
            SearchEnd::RanAway(reason) => reason,
            SearchEnd::Time(ChunkError::TooSlow { limit }) => {
                format!("it takes more than {} seconds", limit.as_secs())
            }
            SearchEnd::Time(error) => return error,
        };
        ChunkError::RunawayRegex { pattern: quoted(&self.given), reason }
    }
}

/// The beginning of a pattern, for a message.
pub(super) fn quoted(pattern: &str) -> String {
    match pattern.floor_char_boundary(QUOTED_BYTES) {
        end if end < pattern.len() => format!("{}...", &pattern[..end]),
        _ => pattern.to_owned(),
    }
}

/// One match.
pub(super) struct Match<'t> {
    text: &'t str,
    /// The beginning and the end of each group, that of the whole match first.
    places: Vec<usize>,
}

impl<'t> Match<'t> {
    /// Byte offset of its first byte.
    pub(super) fn start(&self) -> usize {
        self.places[0]
    }

    /// Byte offset after its last byte.
    pub(super) fn end(&self) -> usize {
        self.places[1]
    }

    /// Returns the text that a capture group matched; group 0 is the whole match. `None` if the group
    /// took no part.
    pub(super) fn group(&self, index: usize) -> Option<&'t str> {
        let (&start, &end) = (self.places.get(2 * index)?, self.places.get(2 * index + 1)?);
        self.text.get(start..end)
    }
}

/// See [`PythonRegex::matches`].
pub(super) struct Matches<'r, 't> {
    regex: &'r PythonRegex,
    text: &'t str,
    clock: StepClock<'r>,
    at: usize,
    /// The last match was empty: the next must not be, if it is at the same place.
    advance: bool,
    done: bool,
}

impl<'t> Matches<'_, 't> {
    fn search(&mut self) -> Result<Option<Match<'t>>, ChunkError> {
        let machine = Machine::new(&self.regex.program, self.text, &mut self.clock);
        let found = machine.search(self.at, self.advance).map_err(|stopped| self.regex.stopped(stopped))?;
        Ok(found.map(|places| Match { text: self.text, places }))
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
                self.at = found.end();
                self.advance = found.start() == found.end();
            }
            Some(Err(_)) | None => self.done = true,
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::tests::ample;
    use super::*;

    fn spans(pattern: &str, text: &str) -> Vec<(usize, usize)> {
        let regex = PythonRegex::new(pattern, &mut Room::new()).unwrap();
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

    /// A pattern, a text, and the places of each of its matches and their groups.
    type Case = (String, String, Vec<Vec<Option<(usize, usize)>>>);

    /// Cases at random, with Python's own answers; `tests/python_regex/generate.py` writes them.
    #[test]
    fn patterns_match_as_pythons_do() {
        let cases: &str = include_str!("../../tests/python_regex/cases.json");
        let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
        assert!(cases.len() >= 2000, "only {} cases", cases.len());
        let mut refused = 0;
        for (pattern, text, expected) in &cases {
            let Ok(regex) = PythonRegex::new(pattern, &mut Room::new()) else {
                // A look-around alone, or nothing, is repeated.
                refused += 1;
                continue;
            };
            let place = |found: &Match<'_>, group: usize| {
                let &[start, end] = &found.places[2 * group..2 * group + 2] else { return None };
                text.get(start..end).map(|_| (start, end))
            };
            let groups =
                |found: Match<'_>| (0..=regex.capture_groups()).map(|group| place(&found, group)).collect();
            let found: Vec<Vec<_>> =
                regex.matches(text, ample()).map(|found| groups(found.unwrap())).collect();
            assert_eq!(&found, expected, "pattern {pattern:?}, text {text:?}");
        }
        assert!(refused * 10 < cases.len(), "{refused} are refused");
    }

    /// Returns the error that searching a text ends in.
    fn error(pattern: &str, text: &str, allowance: Allowance<'_>) -> ChunkError {
        let regex = PythonRegex::new(pattern, &mut Room::new()).unwrap();
        regex.occurs_in(text, allowance).unwrap_err()
    }

    #[test]
    fn every_step_of_a_search_counts() {
        let letters = "a".repeat(20_000);
        for pattern in [
            // Each of these looks at all of the text at each place of it.
            "(?=[^z]*z)a",
            "(?=a)[^z]*z",
            r"a*(?=\b)q",
            "(?=(a*))\\1q",
            // These go round without going on.
            "(?:(){999999999}){999999999}",
            "(?<=a{999999999})(?<=a{999999999})",
        ] {
            let failed = error(pattern, &letters, ample());
            assert!(failed.to_string().contains("steps"), "{pattern}: {failed}");
        }
    }

    #[test]
    fn what_a_search_remembers_is_bounded() {
        let letters = "a".repeat(20_000);
        // Each round remembers what all groups matched in the round before.
        let pattern = format!("(?:{}a)*z", "()".repeat(500));
        let failed = error(&pattern, &letters, Allowance::new(1 << 20, 0));
        assert!(failed.to_string().contains("remembers"), "{failed}");
        // As many ways are open as there are letters.
        let failed = error("(?:a|b)*z", &letters, Allowance::new(1 << 20, 0));
        assert!(failed.to_string().contains("remembers"), "{failed}");
    }

    #[test]
    fn a_search_under_way_is_stopped() {
        // It is stopped before it has taken the steps that it may, which are many seconds' worth.
        let letters = "a".repeat(10 << 20);
        let stop = AtomicBool::new(false);
        let failed = std::thread::scope(|scope| {
            let search = scope.spawn(|| error("(?=[^z]*z)a", &letters, ample().until_stopped(&stop)));
            stop.store(true, Ordering::Relaxed);
            search.join().unwrap()
        });
        assert_eq!(failed, ChunkError::Stopped);
    }

    #[test]
    fn a_search_for_where_a_match_can_begin_is_on_the_clock() {
        let stop = AtomicBool::new(true);
        assert_eq!(error("q", "aaaa", ample().until_stopped(&stop)), ChunkError::Stopped);
    }

    #[test]
    fn what_a_pattern_takes_is_bounded_before_it_is_taken() {
        let refused = PythonRegex::new(&"(?=\\w{150})".repeat(1000), &mut Room::new()).map(drop).unwrap_err();
        assert!(matches!(refused, ChunkError::RegexTooLong { .. }), "{refused}");

        // Many that are small enough each are too much together.
        let mut room = Room::new();
        let all = (0..500).map(|n| PythonRegex::new(&format!(r"[\w{n}]"), &mut room).map(drop));
        let refused = all.collect::<Result<Vec<_>, _>>().unwrap_err();
        assert!(matches!(refused, ChunkError::RegexTooLarge { .. }), "{refused}");
        assert!(refused.to_string().contains("2 MB"), "{refused}");
        // A repetition takes no more than what is repeated.
        assert!(PythonRegex::new(r"(?=\w{150000})(?:\w{1000}){1000}", &mut Room::new()).is_ok());
    }
}
