//! Sets of characters, as classes of a pattern name them.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// A set of code points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CharSet {
    /// One bit for each of ASCII.
    ascii: u128,
    /// Ranges of the others, both ends included, in order.
    others: Vec<(char, char)>,
}

impl CharSet {
    /// Reads a class in the syntax of the crate `regex`, such as `[a-z]` or `\d`.
    pub(super) fn parse(class: &str, ignore_case: bool) -> Result<Self, String> {
        let parsed = ParserBuilder::new().case_insensitive(ignore_case).build().parse(class);
        let parsed = parsed.map_err(|error| error.to_string())?;
        match parsed.kind() {
            HirKind::Class(Class::Unicode(class)) => Ok(CharSet::of(class)),
            HirKind::Literal(literal) => {
                let text = String::from_utf8_lossy(&literal.0);
                let mut chars = text.chars();
                match (chars.next(), chars.next()) {
                    (Some(c), None) => Ok(CharSet::of(&one(c))),
                    _ => Err(format!("{class} is not a set of characters")),
                }
            }
            // It matches nothing, as `[^\s\S]` does.
            HirKind::Class(Class::Bytes(class)) if class.ranges().is_empty() => Ok(CharSet::none()),
            _ => Err(format!("{class} is not a set of characters")),
        }
    }

    /// The set of a character, or of all that differ from it in case alone.
    pub(super) fn one(c: char, ignore_case: bool) -> Self {
        let mut class = one(c);
        if ignore_case {
            // Errors if the crate has no tables for it, which it has.
            let _known = class.try_case_fold_simple();
        }
        CharSet::of(&class)
    }

    /// The empty set.
    pub(super) fn none() -> Self {
        CharSet { ascii: 0, others: Vec::new() }
    }

    /// The set of all characters.
    pub(super) fn all() -> Self {
        CharSet { ascii: u128::MAX, others: vec![('\u{80}', char::MAX)] }
    }

    /// The set of all characters but a newline.
    pub(super) fn all_but_newline() -> Self {
        CharSet { ascii: u128::MAX ^ (1 << u32::from('\n')), others: vec![('\u{80}', char::MAX)] }
    }

    fn of(class: &ClassUnicode) -> Self {
        let mut set = CharSet { ascii: 0, others: Vec::new() };
        for range in class.ranges() {
            let (start, end) = (range.start(), range.end());
            for c in start..=end.min('\x7f') {
                set.ascii |= 1 << u32::from(c);
            }
            if end > '\x7f' {
                set.others.push((start.max('\u{80}'), end));
            }
        }
        set
    }

    /// The set of what is in either.
    pub(super) fn or(&self, other: &CharSet) -> CharSet {
        let ranges = self.others.iter().chain(&other.others);
        let ranges = ranges.map(|&(start, end)| ClassUnicodeRange::new(start, end));
        let mut set = CharSet::of(&ClassUnicode::new(ranges));
        set.ascii = self.ascii | other.ascii;
        set
    }

    /// Returns whether a character is in the set.
    pub(super) fn contains(&self, c: char) -> bool {
        if c.is_ascii() {
            return self.ascii >> u32::from(c) & 1 == 1;
        }
        let after = self.others.partition_point(|&(start, _)| start <= c);
        self.others[..after].last().is_some_and(|&(_, end)| c <= end)
    }

    /// Bytes of memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<CharSet>() + size_of_val(self.others.as_slice())
    }
}

fn one(c: char) -> ClassUnicode {
    ClassUnicode::new([ClassUnicodeRange::new(c, c)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(class: &str, ignore_case: bool, of: &str) -> String {
        let set = CharSet::parse(class, ignore_case).unwrap();
        of.chars().filter(|&c| set.contains(c)).collect()
    }

    #[test]
    fn classes_have_their_characters() {
        assert_eq!(members("[a-cé]", false, "abcdéE\u{10ffff}"), "abcé");
        assert_eq!(members("[^a-cé]", false, "abcdéE\u{10ffff}"), "dE\u{10ffff}");
        assert_eq!(members("[k]", true, "kK\u{212a}x"), "kK\u{212a}");
        assert_eq!(members("[x]", false, "xX"), "x");
        assert_eq!(members(r"[^\s\S]", false, "a \n"), "");
        assert_eq!(members(r"\d", false, "1a\u{661}"), "1\u{661}");
    }

    #[test]
    fn sets_are_joined() {
        let letters = CharSet::parse("[a-zà-ü]", false).unwrap();
        let joined = letters.or(&CharSet::parse("[0-9ö-\u{2fff}]", false).unwrap());
        assert!("az0à\u{100}".chars().all(|c| joined.contains(c)));
        assert!(!"A \u{3000}".chars().any(|c| joined.contains(c)));
    }

    #[test]
    fn what_is_no_class_is_refused() {
        for not_a_class in ["ab", "a*", r"\p{Nonsense}", "["] {
            assert!(CharSet::parse(not_a_class, false).is_err(), "{not_a_class}");
        }
    }
}
