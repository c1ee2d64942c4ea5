//! Translating a regular expression from Python's `re` to the crate `fancy-regex`.
//!
//! The two agree on most of the syntax. What is rewritten, after CPython's `Lib/re/_parser.py`:
//!
//! * `\s` also matches U+001C to U+001F; `\w` is letters, numbers and `_` (no combining marks); `\b`
//!   follows that `\w`
//! * `$` also matches before a newline that ends the text; `\Z` is the end of the text
//! * `[`, `&&`, `--` and `~~` in a class are literal; so are `{`, `}` and `]` where they open or
//!   close nothing; `{,n}` is `{0,n}`
//! * octal, `\u` and `\U` escapes; `\b` in a class is a backspace; an unknown escape of a letter is
//!   an error
//! * `(?x)` and `(?#…)` are stripped; named groups become numbered ones; global flags stand at the
//!   start of the pattern
//!
//! Some things still differ:
//!
//! * `(?a)`, `(?L)` and `\N{…}` are refused
//! * `\p{…}` and look-behind of varying width are accepted, and `x**` may be
//! * numbered back-references count from the pattern's own first group, where LangChain's
//!   recursive splitter shifts them by one, which makes most of them errors
//! * case is ignored by Unicode's simple folding, where Python knows a few more pairs
//! * a repeated look-around, as in `(?:(?=a))*`, is refused; `\B` matches an empty text, as in Python 3.14
//! * characters newer than the Unicode version of either side

mod class;
mod escape;
mod group;

use std::collections::HashMap;
use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

/// The fault in a pattern, in Python's words where it has some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PatternError {
    message: String,
    /// Code points before the item.
    position: usize,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at position {}", self.message, self.position)
    }
}

/// Writes a pattern of Python's `re` in the syntax of `fancy-regex`.
pub(super) fn translate(pattern: &str) -> Result<String, PatternError> {
    let mut translator = Translator {
        rest: pattern.chars().peekable(),
        position: 0,
        item: 0,
        out: String::with_capacity(pattern.len() + 16),
        global_flags: 0,
        flags: vec![Flags::default()],
        groups: 0,
        names: HashMap::new(),
    };

    translator.pattern()?;
    Ok(translator.out)
}

/// The flags that change how a pattern is read or rewritten; the others are left to the engine.
#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    multi_line: bool,
    verbose: bool,
}

/// A part of a character class.
enum ClassItem {
    /// One character, which may begin a range.
    One(char),
    /// Several, in the engine's syntax without brackets.
    Set(String),
}

struct Translator<'p> {
    rest: Peekable<Chars<'p>>,
    position: usize,
    /// The place in the output where the item that is being read begins.
    item: usize,
    out: String,
    /// The length of the output after the groups of flags that it begins with.
    global_flags: usize,
    /// One element for the pattern, and one for each open group.
    flags: Vec<Flags>,
    /// Capture groups opened so far.
    groups: usize,
    names: HashMap<String, usize>,
}

impl Translator<'_> {
    fn pattern(&mut self) -> Result<(), PatternError> {
        while let Some(c) = self.next() {
            self.item = self.position - 1;
            if self.flags().verbose && self.skips_in_verbose(c) {
                continue;
            }

            match c {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.open_group()?,
                ')' => self.close_group()?,
                '$' if !self.flags().multi_line => self.out.push_str(r"(?=\n?\z)"),
                '{' => self.brace(),
                '.' | '^' | '$' | '|' | '*' | '+' | '?' => self.out.push(c),
                _ => self.literal(c),
            }
        }

        if self.flags.len() > 1 {
            return Err(self.error("missing ), unterminated subpattern"));
        }
        Ok(())
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.next();
        self.position += usize::from(c.is_some());
        c
    }

    fn take(&mut self, wanted: char) -> bool {
        let taken = self.rest.peek() == Some(&wanted);
        if taken {
            self.next();
        }
        taken
    }

    fn take_text(&mut self, wanted: &str) -> bool {
        let taken = wanted.chars().eq(self.rest.clone().take(wanted.chars().count()));
        if taken {
            for _ in wanted.chars() {
                self.next();
            }
        }
        taken
    }

    /// Reads up to, and not including, `end`, which is dropped.
    fn take_until(&mut self, end: char) -> Result<String, PatternError> {
        let mut taken = String::new();
        loop {
            match self.next() {
                Some(c) if c == end => return Ok(taken),
                Some(c) => taken.push(c),
                None => return Err(self.error(format!("missing {end}"))),
            }
        }
    }

    fn error(&self, message: impl Into<String>) -> PatternError {
        PatternError { message: message.into(), position: self.item }
    }

    fn flags(&self) -> Flags {
        self.flags.last().copied().unwrap_or_default()
    }

    /// Returns whether `c` means nothing in verbose mode. If it begins a comment, skips the rest of
    /// that.
    fn skips_in_verbose(&mut self, c: char) -> bool {
        if c == '#' {
            while self.next().is_some_and(|c| c != '\n') {}
            return true;
        }
        matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
    }

    fn literal(&mut self, c: char) {
        let mut buffer = [0; 4];
        self.out.push_str(&fancy_regex::escape(c.encode_utf8(&mut buffer)));
    }

    /// `{` begins a quantifier only if one follows.
    fn brace(&mut self) {
        let inside: String = self.rest.clone().take_while(|&c| c.is_ascii_digit() || c == ',').collect();
        let closed = self.rest.clone().nth(inside.len()) == Some('}');
        if inside.is_empty() || !closed || inside.matches(',').count() > 1 {
            return self.literal('{');
        }

        self.take_text(&inside);
        self.take('}');
        let lowest = if inside.starts_with(',') { "0" } else { "" };
        self.out.push_str(&format!("{{{lowest}{inside}}}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::python_regex::{PythonRegex, Room};
    use super::super::tests::ample;
    use super::*;

    /// Returns what the pattern finds first in the text.
    fn found<'t>(pattern: &str, text: &'t str) -> Option<&'t str> {
        let regex = PythonRegex::new(pattern, &mut Room::new()).unwrap();
        let found = regex.matches(text, ample()).next()?.unwrap();
        Some(&text[found.start()..found.end()])
    }

    fn error(pattern: &str) -> String {
        translate(pattern).unwrap_err().to_string()
    }

    #[test]
    fn whitespace_and_words_are_pythons() {
        assert_eq!(found(r"\s+", "a\u{1c}\u{a0}b"), Some("\u{1c}\u{a0}"));
        assert_eq!(found(r"[\S]+", "\u{1f}ab\u{1e}"), Some("ab"));
        assert_eq!(found(r"\w+", "e\u{301}x"), Some("e"));
        assert_eq!(found(r"\bx", "e\u{301}x"), Some("x"));
    }

    #[test]
    fn the_dollar_also_stands_before_a_last_newline() {
        assert_eq!(found("a$", "a\n"), Some("a"));
        assert_eq!(found("a$", "a\nb"), None);
        assert_eq!(found("(?m)a$", "a\nb"), Some("a"));
        assert_eq!(found(r"a\Z", "a\n"), None);
    }

    #[test]
    fn what_python_takes_literally_in_a_class_is_literal() {
        assert_eq!(found("[[:alpha:]+]", "x:]"), Some(":]"));
        assert_eq!(found("[a&&b]+", "&ba"), Some("&ba"));
        assert_eq!(found("[+--]+", "x,-+"), Some(",-+"));
        assert_eq!(found("[]^-]+", "x^-]"), Some("^-]"));
        assert_eq!(found(r"[\b\x41\101]+", "b\u{8}A"), Some("\u{8}A"));
    }

    #[test]
    fn braces_that_are_no_quantifier_are_literal() {
        assert_eq!(found("a{x}", "a{x}"), Some("a{x}"));
        assert_eq!(found("a{,2}b", "aaab"), Some("aab"));
        assert_eq!(found("{}]", "{}]"), Some("{}]"));
    }

    #[test]
    fn verbose_patterns_names_and_comments_are_understood() {
        assert_eq!(found("(?x) a [ ] b # c\n | d", "a b"), Some("a b"));
        assert_eq!(found("(?P<q>['\"])x(?P=q)", "\"x'x'"), Some("'x'"));
        assert_eq!(found("(?im)(?s)A(?#any).", "a\n"), Some("a\n"));
        assert_eq!(found("(a)?(?(1)b|c)", "xab"), Some("ab"));
    }

    #[test]
    fn errors_say_what_and_where() {
        assert_eq!(error(r"ab\q"), r"bad escape \q at position 2");
        assert_eq!(error("a)"), "unbalanced parenthesis at position 1");
        assert_eq!(error("[b-a]"), "bad character range b-a at position 0");
        assert_eq!(error("a(?i)"), "global flags not at the start of the expression at position 1");
        assert_eq!(error(r"\1(a)"), "invalid group reference 1 at position 0");
    }
}
