//! Codes of number formats, and the parts that they consist of.

/// A part of a format.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum FormatPart {
    /// Text that is written as it is.
    Literal(String),
    /// A place for a digit: `0`, `#` or `?`.
    Digit(char),
    /// The decimal point.
    Point,
    /// The sign between thousands; behind the digits, each divides by a thousand.
    Comma,
    /// A per cent sign, which multiplies by a hundred.
    Percent,
    /// A power of ten; whether a plus is written.
    Exponent(bool),
    /// The line of a fraction.
    Slash,
    /// The number as it is written without a format.
    General,
    /// The place of a cell's text.
    Text,
    /// A year, with the number of letters in the code: two or four digits.
    Year(usize),
    /// A month, with the number of letters in the code: digits or a name.
    Month(usize),
    /// A day, with the number of letters in the code: digits or a weekday.
    Day(usize),
    /// An hour, with the least number of digits.
    Hour(usize),
    /// A minute, with the least number of digits.
    Minute(usize),
    /// A second, with the least number of digits.
    Second(usize),
    /// Hours, minutes or seconds that go on beyond a day; with the least number of digits.
    Elapsed(char, usize),
    /// The half of the day; whether it is written with one letter.
    Half(bool),
}

impl FormatPart {
    /// Returns whether it is a place for a digit.
    pub(super) fn is_digit(&self) -> bool {
        matches!(self, FormatPart::Digit(_))
    }

    /// Returns whether it is more than what stands between the parts of a time.
    fn is_of_time(&self) -> bool {
        !matches!(self, FormatPart::Literal(_) | FormatPart::Slash | FormatPart::Point | FormatPart::Digit(_))
    }

    /// Returns whether it shows seconds.
    pub(super) fn is_seconds(&self) -> bool {
        matches!(self, FormatPart::Second(_) | FormatPart::Elapsed('s', _))
    }
}

/// One of up to four parts of a code, for numbers of one sort.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// The parts, from left to right.
    pub(super) parts: Vec<FormatPart>,
    /// An operator, and the number that it compares with.
    pub(super) condition: Option<(String, f64)>,
}

impl Section {
    /// Returns whether the section shows days or times.
    pub(super) fn is_date(&self) -> bool {
        self.parts.iter().any(|part| {
            matches!(
                part,
                FormatPart::Year(_)
                    | FormatPart::Month(_)
                    | FormatPart::Day(_)
                    | FormatPart::Hour(_)
                    | FormatPart::Minute(_)
                    | FormatPart::Second(_)
                    | FormatPart::Elapsed(..)
                    | FormatPart::Half(_)
            )
        })
    }

    /// Returns whether the section is for this number.
    pub(super) fn holds(&self, value: f64) -> bool {
        let Some((operator, limit)) = &self.condition else { return true };
        match operator.as_str() {
            "<" => value < *limit,
            "<=" => value <= *limit,
            ">" => value > *limit,
            ">=" => value >= *limit,
            "<>" => value != *limit,
            _ => value == *limit,
        }
    }

    /// Returns whether the section is for negative numbers alone, so that it says itself what they are.
    pub(super) fn takes_sign(&self) -> bool {
        self.condition.as_ref().is_some_and(|(operator, limit)| operator.starts_with('<') && *limit <= 0.0)
    }
}

/// The longest code that is understood; Excel's are shorter.
const MAX_CODE: usize = 1024;

/// Returns the sections of a code; none of "General".
pub(super) fn sections(code: &str) -> Vec<Section> {
    if code.len() > MAX_CODE || code.trim().is_empty() || code.eq_ignore_ascii_case("general") {
        return Vec::new();
    }
    let mut scanner = Scanner { rest: code, sections: vec![Section::default()] };
    while scanner.step() {}
    let mut sections = scanner.sections;
    for section in &mut sections {
        tell_minutes(&mut section.parts);
    }
    sections
}

struct Scanner<'a> {
    rest: &'a str,
    sections: Vec<Section>,
}

impl<'a> Scanner<'a> {
    /// Reads one part; returns whether there was one.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else { return false };
        match first {
            ';' => {
                self.take(1);
                self.sections.push(Section::default());
            }
            '"' => {
                let text = self.rest.get(1..).unwrap_or_default();
                let end = text.find('"').unwrap_or(text.len());
                self.literal(&text[..end]);
                self.rest = text.get(end + 1..).unwrap_or_default();
            }
            '[' => self.bracket(),
            '\\' | '!' => {
                self.take(1);
                let escaped = self.take(1);
                self.literal(escaped);
            }
            '_' => {
                self.take(2);
                self.literal(" ");
            }
            '*' => {
                self.take(2);
            }
            _ => self.symbol(first),
        }
        true
    }

    /// Returns so many characters, or as many as there are, and goes on behind them.
    fn take(&mut self, count: usize) -> &'a str {
        let end = self.rest.char_indices().nth(count).map_or(self.rest.len(), |(place, _)| place);
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn push(&mut self, part: FormatPart) {
        if let Some(section) = self.sections.last_mut() {
            section.parts.push(part);
        }
    }

    fn literal(&mut self, text: &str) {
        if let Some(FormatPart::Literal(last)) =
            self.sections.last_mut().and_then(|section| section.parts.last_mut())
        {
            last.push_str(text);
        } else if !text.is_empty() {
            self.push(FormatPart::Literal(text.to_owned()));
        }
    }

    /// Reads a color, a condition, a currency, or an elapsed time.
    fn bracket(&mut self) {
        let end = self.rest.find(']').unwrap_or(self.rest.len());
        let inner = self.rest.get(1..end).unwrap_or_default();
        self.rest = self.rest.get(end + 1..).unwrap_or_default();

        if let Some(currency) = inner.strip_prefix('$') {
            self.literal(currency.split('-').next().unwrap_or_default());
            return;
        }
        let digits = inner.trim_start_matches(['<', '>', '=']);
        if digits.len() < inner.len() {
            if let (Some(section), Ok(limit)) = (self.sections.last_mut(), digits.trim().parse()) {
                section.condition = Some((inner[..inner.len() - digits.len()].to_owned(), limit));
            }
            return;
        }
        let mut letters = inner.chars().map(|letter| letter.to_ascii_lowercase());
        if let Some(unit @ ('h' | 'm' | 's')) = letters.next()
            && letters.all(|letter| letter == unit)
        {
            self.push(FormatPart::Elapsed(unit, inner.len()));
        }
    }

    fn symbol(&mut self, first: char) {
        for (word, part) in [
            ("general", FormatPart::General),
            ("am/pm", FormatPart::Half(false)),
            ("a/p", FormatPart::Half(true)),
        ] {
            if self.rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word)) {
                self.take(word.len());
                self.push(part);
                return;
            }
        }
        if let Some(plus) = self.exponent() {
            self.take(2);
            self.push(FormatPart::Exponent(plus));
            return;
        }

        let letter = first.to_ascii_lowercase();
        let run = self.rest.chars().take_while(|next| next.to_ascii_lowercase() == letter).count();
        let part = match letter {
            'y' | 'e' => FormatPart::Year(if letter == 'e' { 4 } else { run }),
            'm' => FormatPart::Month(run),
            'd' => FormatPart::Day(run),
            'h' => FormatPart::Hour(run),
            's' => FormatPart::Second(run),
            _ => {
                self.take(1);
                return self.single(first);
            }
        };
        self.take(run);
        self.push(part);
    }

    /// Returns whether a plus is written with the power that begins here; `None` if none begins.
    fn exponent(&self) -> Option<bool> {
        let mut letters = self.rest.chars();
        if !letters.next()?.eq_ignore_ascii_case(&'e') {
            return None;
        }
        match letters.next()? {
            '+' => Some(true),
            '-' => Some(false),
            _ => None,
        }
    }

    fn single(&mut self, symbol: char) {
        match symbol {
            '0' | '#' | '?' => self.push(FormatPart::Digit(symbol)),
            '.' => self.push(FormatPart::Point),
            ',' => self.push(FormatPart::Comma),
            '%' => self.push(FormatPart::Percent),
            '/' => self.push(FormatPart::Slash),
            '@' => self.push(FormatPart::Text),
            other => self.literal(other.encode_utf8(&mut [0; 4])),
        }
    }
}

/// Makes minutes of the months that follow hours or are followed by seconds.
fn tell_minutes(parts: &mut [FormatPart]) {
    for place in 0..parts.len() {
        let Some(FormatPart::Month(digits @ 1..=2)) = parts.get(place) else { continue };
        let digits = *digits;

        let before = parts.iter().take(place).rev().find(|part| part.is_of_time());
        let after = parts.iter().skip(place + 1).find(|part| part.is_of_time());
        let follows = matches!(before, Some(FormatPart::Hour(_) | FormatPart::Elapsed('h', _)));
        let is_followed = after.is_some_and(FormatPart::is_seconds);
        if let Some(part) = parts.get_mut(place).filter(|_| follows || is_followed) {
            *part = FormatPart::Minute(digits);
        }
    }
}

/// Returns the code that a number below 164 stands for. Those that differ from country to country are in ISO 8601.
pub(in super::super) fn builtin(number: u32) -> &'static str {
    match number {
        1 => "0",
        2 => "0.00",
        3 => "#,##0",
        4 => "#,##0.00",
        5 | 6 => "\"$\"#,##0_);\\(\"$\"#,##0\\)",
        7 | 8 => "\"$\"#,##0.00_);\\(\"$\"#,##0.00\\)",
        9 => "0%",
        10 => "0.00%",
        11 => "0.00E+00",
        12 => "# ?/?",
        13 => "# ??/??",
        14 | 27..=31 | 34..=36 | 50..=54 | 57 | 58 => "yyyy-mm-dd",
        15 => "d-mmm-yy",
        16 => "d-mmm",
        17 => "mmm-yy",
        18 => "h:mm AM/PM",
        19 => "h:mm:ss AM/PM",
        20 => "h:mm",
        21 => "h:mm:ss",
        22 => "yyyy-mm-dd hh:mm",
        32 | 55 => "h:mm",
        33 | 56 => "h:mm:ss",
        37 | 38 => "#,##0_);\\(#,##0\\)",
        39 | 40 => "#,##0.00_);\\(#,##0.00\\)",
        41 => "_(* #,##0_);_(* \\(#,##0\\);_(* \"-\"_);_(@_)",
        42 => "_(\"$\"* #,##0_);_(\"$\"* \\(#,##0\\);_(\"$\"* \"-\"_);_(@_)",
        43 => "_(* #,##0.00_);_(* \\(#,##0.00\\);_(* \"-\"??_);_(@_)",
        44 => "_(\"$\"* #,##0.00_);_(\"$\"* \\(#,##0.00\\);_(\"$\"* \"-\"??_);_(@_)",
        45 => "mm:ss",
        46 => "[h]:mm:ss",
        47 => "mm:ss.0",
        48 => "##0.0E+0",
        49 => "@",
        _ => "General",
    }
}
