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
//! What still differs:
//!
//! * `(?a)`, `(?L)` and `\N{…}` are refused
//! * `\p{…}` and look-behind of varying width are accepted, and `x**` may be
//! * numbered back-references count from the pattern's own first group, where LangChain's
//!   recursive splitter shifts them by one, which makes most of them errors
//! * case is ignored by Unicode's simple folding, where Python knows a few more pairs
//! * what a group captures in a repetition that can match nothing, as in `(a*)*`
//! * characters newer than the Unicode version of either side

use std::collections::HashMap;
use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

/// Python's `\w`, without the brackets: `str.isalnum()` or an underscore.
const WORD: &str = r"\p{L}\p{N}_";
/// Python's `\s`, without the brackets: `str.isspace()`.
const SPACE: &str = r"\s\x1c-\x1f";
const WORD_BOUNDARY: &str = r"(?:(?<=[\p{L}\p{N}_])(?![\p{L}\p{N}_])|(?<![\p{L}\p{N}_])(?=[\p{L}\p{N}_]))";
const NO_WORD_BOUNDARY: &str = r"(?:(?<=[\p{L}\p{N}_])(?=[\p{L}\p{N}_])|(?<![\p{L}\p{N}_])(?![\p{L}\p{N}_]))";

/// What is wrong with a pattern, in Python's words where it has some.
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
    /// Where the item that is being read begins.
    item: usize,
    out: String,
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
            wanted.chars().for_each(|_| {
                self.next();
            });
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

    /// Whether `c` is nothing in verbose mode; drops the rest of a comment.
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

    fn escape(&mut self) -> Result<(), PatternError> {
        let Some(c) = self.next() else {
            return Err(self.error("bad escape (end of pattern)"));
        };
        match c {
            'A' => self.out.push_str(r"\A"),
            'Z' => self.out.push_str(r"\z"),
            'b' => self.out.push_str(WORD_BOUNDARY),
            'B' => self.out.push_str(NO_WORD_BOUNDARY),
            '1'..='9' => self.back_reference(c)?,
            _ => match self.class_escape(c)? {
                ClassItem::One(c) => self.literal(c),
                ClassItem::Set(set) => {
                    self.out.push('[');
                    self.out.push_str(&set);
                    self.out.push(']');
                }
            },
        }
        Ok(())
    }

    /// A back-reference, or an octal escape if three octal digits follow.
    fn back_reference(&mut self, first: char) -> Result<(), PatternError> {
        let mut digits = String::from(first);
        if let Some(&second) = self.rest.peek().filter(|c| c.is_ascii_digit()) {
            digits.push(second);
            self.next();
            if let Some(&third) = self.rest.peek().filter(|c| c.is_digit(8)) {
                if digits.chars().all(|c| c.is_digit(8)) {
                    self.next();
                    digits.push(third);
                    let c = self.octal(&digits)?;
                    self.literal(c);
                    return Ok(());
                }
            }
        }
        match digits.parse::<usize>() {
            Ok(group) if group <= self.groups => self.out.push_str(&format!(r"(?:\{group})")),
            _ => return Err(self.error(format!("invalid group reference {digits}"))),
        }
        Ok(())
    }

    fn octal(&self, digits: &str) -> Result<char, PatternError> {
        u8::from_str_radix(digits, 8)
            .map(char::from)
            .map_err(|_| self.error(format!(r"octal escape value \{digits} outside of range 0-0o377")))
    }

    /// An escape that means the same in a class and outside of it; `c` follows the backslash.
    fn class_escape(&mut self, c: char) -> Result<ClassItem, PatternError> {
        let one = match c {
            's' => return Ok(ClassItem::Set(SPACE.to_owned())),
            'S' => return Ok(ClassItem::Set(format!("[^{SPACE}]"))),
            'w' => return Ok(ClassItem::Set(WORD.to_owned())),
            'W' => return Ok(ClassItem::Set(format!("[^{WORD}]"))),
            'd' | 'D' => return Ok(ClassItem::Set(format!(r"\{c}"))),
            'p' | 'P' => return self.property(c).map(ClassItem::Set),
            'a' => '\x07',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'x' => self.hex(c, 2)?,
            'u' => self.hex(c, 4)?,
            'U' => self.hex(c, 8)?,
            '0' => self.short_octal(c, 2)?,
            _ if c.is_ascii_alphabetic() => return Err(self.error(format!(r"bad escape \{c}"))),
            _ => c,
        };
        Ok(ClassItem::One(one))
    }

    /// An octal escape of `first` and at most `more` digits.
    fn short_octal(&mut self, first: char, more: usize) -> Result<char, PatternError> {
        let mut digits = String::from(first);
        for _ in 0..more {
            match self.rest.peek() {
                Some(&digit) if digit.is_digit(8) => digits.push(digit),
                _ => break,
            }
            self.next();
        }
        self.octal(&digits)
    }

    fn hex(&mut self, kind: char, length: usize) -> Result<char, PatternError> {
        let digits: String = self.rest.clone().take(length).take_while(char::is_ascii_hexdigit).collect();
        let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == length);
        let Some(c) = code.and_then(char::from_u32) else {
            return Err(self.error(format!(r"incomplete or bad escape \{kind}{digits}")));
        };
        self.take_text(&digits);
        Ok(c)
    }

    /// `\p{…}`, which Python's `re` lacks: an extension.
    fn property(&mut self, kind: char) -> Result<String, PatternError> {
        if !self.take('{') {
            return Err(self.error(format!(r"bad escape \{kind}")));
        }
        Ok(format!(r"\{kind}{{{}}}", self.take_until('}')?))
    }

    fn class(&mut self) -> Result<(), PatternError> {
        self.out.push('[');
        if self.take('^') {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let Some(c) = self.next() else {
                return Err(self.error("unterminated character set"));
            };
            if c == ']' && !first {
                self.out.push(']');
                return Ok(());
            }
            first = false;
            match self.class_item(c)? {
                ClassItem::Set(set) => self.out.push_str(&set),
                ClassItem::One(low) => match self.range_end()? {
                    Some(high) => self.range(low, high)?,
                    None => self.one_of_class(low),
                },
            }
        }
    }

    fn class_item(&mut self, c: char) -> Result<ClassItem, PatternError> {
        if c != '\\' {
            return Ok(ClassItem::One(c));
        }
        match self.next() {
            None => Err(self.error("unterminated character set")),
            Some('b') => Ok(ClassItem::One('\x08')),
            Some(c @ '0'..='7') => self.short_octal(c, 2).map(ClassItem::One),
            Some(c @ '8'..='9') => Err(self.error(format!(r"bad escape \{c}"))),
            Some(c) => self.class_escape(c),
        }
    }

    /// The end of a range, if `-` follows and something after it.
    fn range_end(&mut self) -> Result<Option<char>, PatternError> {
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || ahead.next().is_none_or(|c| c == ']') {
            return Ok(None);
        }
        self.next();
        let Some(c) = self.next() else {
            return Ok(None);
        };
        match self.class_item(c)? {
            ClassItem::One(high) => Ok(Some(high)),
            ClassItem::Set(_) => Err(self.error("bad character range")),
        }
    }

    fn range(&mut self, low: char, high: char) -> Result<(), PatternError> {
        if low > high {
            return Err(self.error(format!("bad character range {low}-{high}")));
        }
        // The engine reads a hyphen beside a range's own as an operator: that end stands alone.
        if low == '-' || high == '-' {
            self.one_of_class('-');
        }
        let low = if low == '-' { '.' } else { low };
        let high = if high == '-' { ',' } else { high };
        if low <= high {
            self.literal(low);
            self.out.push('-');
            self.literal(high);
        }
        Ok(())
    }

    fn one_of_class(&mut self, c: char) {
        // Doubled, these are operators of the engine's classes.
        if matches!(c, '-' | '&' | '~') {
            self.out.push('[');
            self.out.push(c);
            self.out.push(']');
        } else {
            self.literal(c);
        }
    }

    fn open_group(&mut self) -> Result<(), PatternError> {
        if !self.take('?') {
            self.groups += 1;
            return self.open("(");
        }
        for kept in [":", "=", "!", "<=", "<!", ">"] {
            if self.take_text(kept) {
                return self.open(&format!("(?{kept}"));
            }
        }
        if self.take_text("P<") {
            let name = self.take_until('>')?;
            self.groups += 1;
            self.names.insert(name, self.groups);
            return self.open("(");
        }
        if self.take_text("P=") {
            let name = self.take_until(')')?;
            let group = self.named_group(&name)?;
            self.out.push_str(&format!(r"(?:\{group})"));
            return Ok(());
        }
        if self.take('#') {
            return self.take_until(')').map(drop);
        }
        if self.take('(') {
            let name = self.take_until(')')?;
            let group = match name.parse::<usize>() {
                Ok(group) => group,
                Err(_) => self.named_group(&name)?,
            };
            return self.open(&format!("(?({group})"));
        }
        self.group_flags()
    }

    fn open(&mut self, opening: &str) -> Result<(), PatternError> {
        self.out.push_str(opening);
        self.flags.push(self.flags());
        Ok(())
    }

    fn close_group(&mut self) -> Result<(), PatternError> {
        if self.flags.len() == 1 {
            return Err(self.error("unbalanced parenthesis"));
        }
        self.flags.pop();
        self.out.push(')');
        Ok(())
    }

    fn named_group(&self, name: &str) -> Result<usize, PatternError> {
        self.names.get(name).copied().ok_or_else(|| self.error(format!("unknown group name '{name}'")))
    }

    /// `(?flags)`, which holds for the whole pattern, or `(?flags:…)`.
    fn group_flags(&mut self) -> Result<(), PatternError> {
        let at_start = self.flags.len() == 1 && (self.out.is_empty() || is_only_flags(&self.out));
        let mut flags = self.flags();
        let mut kept = String::new();
        let mut on = true;
        loop {
            match self.next() {
                Some('m') => {
                    flags.multi_line = on;
                    kept.push('m');
                }
                Some(c @ ('i' | 's')) => kept.push(c),
                Some('x') => flags.verbose = on,
                Some('u') if on => {}
                Some('-') if on => {
                    on = false;
                    kept.push('-');
                }
                Some(')') if on && at_start => {
                    self.flags = vec![flags];
                    let kept = if kept.is_empty() { kept } else { format!("(?{kept})") };
                    self.out.push_str(&kept);
                    return Ok(());
                }
                Some(')') => return Err(self.error("global flags not at the start of the expression")),
                Some(':') => {
                    self.out.push_str(&format!("(?{}:", kept.trim_end_matches('-')));
                    self.flags.push(flags);
                    return Ok(());
                }
                Some(c @ ('a' | 'L')) => return Err(self.error(format!("flag {c} is not supported"))),
                Some(c) => return Err(self.error(format!("unknown extension ?{c}"))),
                None => return Err(self.error("missing ), unterminated subpattern")),
            }
        }
    }
}

/// Whether what was written so far is a row of `(?flags)`.
fn is_only_flags(out: &str) -> bool {
    out.split_inclusive(')').all(|group| {
        group
            .strip_prefix("(?")
            .and_then(|group| group.strip_suffix(')'))
            .is_some_and(|flags| !flags.is_empty() && flags.chars().all(|c| c.is_ascii_lowercase()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fancy_regex::Regex;

    /// What the pattern finds first in the text.
    fn found<'t>(pattern: &str, text: &'t str) -> Option<&'t str> {
        let translated = translate(pattern).unwrap();
        Regex::new(&translated).unwrap().find(text).unwrap().map(|found| found.as_str())
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
