//! Groups, and the flags that stand in them.

use super::{PatternError, Translator};

impl Translator<'_> {
    /// Translates what begins with a parenthesis.
    pub(super) fn open_group(&mut self) -> Result<(), PatternError> {
        if !self.take('?') {
            self.groups += 1;
            return self.open("(");
        }

        for kept in [":", "=", "!", "<=", "<!", ">"] {
            if self.take_text(kept) {
                return self.open(&format!("(?{kept}"));
            }
        }

        // `(?P<name>…)`: named groups become numbered ones.
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

        // `(?#…)`: a comment.
        if self.take('#') {
            return self.take_until(')').map(drop);
        }

        // `(?(group)…)`: a condition, whether the group took part in the match.
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

    /// Translates the parenthesis that ends a group.
    pub(super) fn close_group(&mut self) -> Result<(), PatternError> {
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
        let at_start = self.flags.len() == 1 && self.out.len() == self.global_flags;
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
                // Flags without a colon hold for the whole pattern, and stand at its start only.
                Some(')') if on && at_start => {
                    self.flags = vec![flags];
                    let kept = if kept.is_empty() { kept } else { format!("(?{kept})") };
                    self.out.push_str(&kept);
                    self.global_flags = self.out.len();
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
