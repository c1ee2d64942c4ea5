//! Character classes.

use super::{ClassItem, PatternError, Translator};

impl Translator<'_> {
    /// A class, from its first bracket to its last.
    pub(super) fn class(&mut self) -> Result<(), PatternError> {
        self.out.push('[');
        if self.take('^') {
            self.out.push('^');
        }

        let mut first = true;
        loop {
            let Some(c) = self.next() else {
                return Err(self.error("unterminated character set"));
            };
            // A bracket that comes first stands for itself.
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
}
