//! Numbers, percents, fractions and powers.

use super::code::FormatPart;

/// The digits that a number is known by: as many as Excel keeps.
const DIGITS: i32 = 15;

/// The most digits behind a point.
const MAX_DECIMALS: usize = 30;

/// A number without its sign, as decimal digits.
struct Decimal {
    digits: Vec<u8>,
    /// The number of digits before the point; negative if zeros follow it.
    point: i32,
}

impl Decimal {
    /// Returns a number's digits, as far as they are known.
    fn new(value: f64) -> Self {
        let text = format!("{:.*e}", DIGITS as usize - 1, value.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits = mantissa.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
        let exponent: i32 = exponent.parse().unwrap_or(0);
        Decimal { digits, point: exponent + 1 }
    }

    /// Rounds the number to so many digits behind the point.
    fn round(mut self, decimals: usize) -> Self {
        let kept = self.point.saturating_add(i32::try_from(decimals).unwrap_or(0));
        let Ok(kept) = usize::try_from(kept) else { return Decimal { digits: vec![0], point: 1 } };
        let up = self.digits.get(kept).is_some_and(|digit| *digit >= 5);
        self.digits.truncate(kept);
        if up {
            self.increase();
        }
        self
    }

    fn increase(&mut self) {
        for digit in self.digits.iter_mut().rev() {
            if *digit < 9 {
                *digit += 1;
                return;
            }
            *digit = 0;
        }
        self.digits.insert(0, 1);
        self.point += 1;
    }

    /// Returns the digits before the point, without zeros in front.
    fn whole(&self) -> String {
        let mut text = String::new();
        for place in 0..self.point.max(0) as usize {
            text.push(char::from(b'0' + self.digits.get(place).copied().unwrap_or(0)));
        }
        text.trim_start_matches('0').to_owned()
    }

    /// Returns the digits behind the point.
    fn decimals(&self, count: usize) -> String {
        (0..count).map(|place| char::from(b'0' + self.decimal(place).unwrap_or(0))).collect()
    }

    fn decimal(&self, place: usize) -> Option<u8> {
        let place = usize::try_from(self.point + place as i32).ok()?;
        self.digits.get(place).copied()
    }

    fn is_zero(&self) -> bool {
        self.digits.iter().all(|digit| *digit == 0)
    }
}

/// Returns a number as a cell without a format shows it, but in full: a narrow column cuts none.
pub(in super::super) fn general(value: f64) -> String {
    if !value.is_finite() {
        return "#NUM!".to_owned();
    }
    let decimal = Decimal::new(value);
    if decimal.is_zero() {
        return "0".to_owned();
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let exponent = decimal.point - 1;
    if !(-6..DIGITS).contains(&exponent) {
        let digits = decimal.decimals_after_first();
        return format!("{sign}{digits}E{exponent:+}");
    }
    let whole = decimal.whole();
    let decimals = decimal.decimals((DIGITS - decimal.point).clamp(0, 25) as usize);
    let decimals = decimals.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { &whole };
    let point = if decimals.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{decimals}")
}

impl Decimal {
    /// Returns the digits with a point behind the first.
    fn decimals_after_first(&self) -> String {
        let text: String = self.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        let (first, rest) = text.split_at(1.min(text.len()));
        let rest = rest.trim_end_matches('0');
        if rest.is_empty() { first.to_owned() } else { format!("{first}.{rest}") }
    }
}

/// Returns a number as these parts show it.
pub(super) fn show(parts: &[FormatPart], value: f64) -> String {
    if !value.is_finite() {
        return general(value);
    }
    if parts.contains(&FormatPart::General) {
        return with_general(parts, value);
    }
    if !parts.iter().any(FormatPart::is_digit) {
        return literals(parts);
    }
    if let Some(slash) = parts.iter().position(|part| *part == FormatPart::Slash) {
        return super::number::fraction(parts, slash, value);
    }
    if let Some(place) = parts.iter().position(|part| matches!(part, FormatPart::Exponent(_))) {
        return power(parts, place, value);
    }
    let last = parts.iter().rposition(FormatPart::is_digit).unwrap_or(0);
    let percents = parts.iter().filter(|part| **part == FormatPart::Percent).count();
    let commas = parts.iter().enumerate();
    let scaled =
        commas.filter(|(place, part)| **part == FormatPart::Comma && scales(parts, *place, last)).count();
    let value = value * 100_f64.powi(percents as i32) / 1000_f64.powi(scaled as i32);
    plain(parts, value)
}

/// Returns whether a comma divides by a thousand: no digit follows it before the point.
fn scales(parts: &[FormatPart], place: usize, last: usize) -> bool {
    let point = parts.iter().position(|part| *part == FormatPart::Point).unwrap_or(usize::MAX);
    if place > last {
        return true;
    }
    place < point && !parts.iter().take(point.min(parts.len())).skip(place).any(FormatPart::is_digit)
}

fn with_general(parts: &[FormatPart], value: f64) -> String {
    let mut text = String::new();
    for part in parts {
        match part {
            FormatPart::General => text.push_str(&general(value)),
            FormatPart::Literal(literal) => text.push_str(literal),
            _ => {}
        }
    }
    text
}

fn literals(parts: &[FormatPart]) -> String {
    let mut text = String::new();
    for part in parts {
        text.push_str(literal(part));
    }
    text
}

fn literal(part: &FormatPart) -> &str {
    match part {
        FormatPart::Literal(text) => text,
        FormatPart::Percent => "%",
        FormatPart::Slash => "/",
        _ => "",
    }
}

/// Returns a number in digits, each at its place.
fn plain(parts: &[FormatPart], value: f64) -> String {
    let point = parts.iter().position(|part| *part == FormatPart::Point).unwrap_or(parts.len());
    let (before, behind) = parts.split_at(point);
    let places = digits(behind).len().min(MAX_DECIMALS);
    let decimal = Decimal::new(value).round(places);

    let mut text = String::new();
    if value < 0.0 && !decimal.is_zero() {
        text.push('-');
    }
    text.push_str(&whole(before, &decimal.whole()));
    let decimals = decimal.decimals(places);
    text.push_str(&behind_point(behind, &decimals));
    text
}

fn digits(parts: &[FormatPart]) -> Vec<char> {
    let digit = |part: &FormatPart| if let FormatPart::Digit(digit) = part { Some(*digit) } else { None };
    parts.iter().filter_map(digit).collect()
}

/// Returns the parts before the point, with the number's digits in them.
fn whole(parts: &[FormatPart], digits_of_it: &str) -> String {
    let places = digits(parts).len();
    let last = parts.iter().rposition(FormatPart::is_digit).unwrap_or(0);
    let grouped = parts.iter().take(last).any(|part| *part == FormatPart::Comma);
    let count = digits_of_it.len();
    let mut rest = digits_of_it.chars();
    let mut text = String::new();
    let mut place = 0;
    for part in parts {
        let FormatPart::Digit(symbol) = part else {
            text.push_str(literal(part));
            continue;
        };
        place += 1;
        let left = places - place;
        // The first place holds all digits that there is no place for.
        let held = if place == 1 { count.max(places).saturating_sub(left) } else { 1 };
        for step in (0..held).rev() {
            let position = left + step;
            let digit = if position < count { rest.next() } else { None };
            let shown = digit.or(match symbol {
                '0' => Some('0'),
                '?' => Some(' '),
                _ => None,
            });
            text.extend(shown);
            if grouped
                && position > 0
                && position.is_multiple_of(3)
                && shown.is_some_and(|digit| digit != ' ')
            {
                text.push(',');
            }
        }
    }
    text
}

/// Returns the point and the parts behind it, with the number's digits in them.
fn behind_point(parts: &[FormatPart], decimals: &str) -> String {
    let symbols = digits(parts);
    let needed = |(place, digit): (usize, char)| digit != '0' || symbols.get(place) != Some(&'#');
    let shown = decimals.char_indices().filter(|known| needed(*known)).map(|(place, _)| place + 1).max();
    let shown = shown.unwrap_or(0);
    let mut rest = decimals.chars().take(shown);
    let mut text = String::new();
    for part in parts {
        match part {
            FormatPart::Digit(_) => text.extend(rest.next()),
            FormatPart::Point if shown > 0 => text.push('.'),
            part => text.push_str(literal(part)),
        }
    }
    text
}

/// Returns a number as a fraction.
fn fraction(parts: &[FormatPart], slash: usize, value: f64) -> String {
    let (before, behind) = parts.split_at(slash);
    let denominator: String = behind.iter().skip(1).map_while(denominator_digit).collect();
    let has_whole = before.iter().any(|part| matches!(part, FormatPart::Literal(text) if text.contains(' ')));
    let value_abs = value.abs();
    let whole = if has_whole { value_abs.trunc() } else { 0.0 };
    let (top, bottom) = ratio(value_abs - whole, &denominator);
    let (whole, top) = if has_whole && top == bottom { (whole + 1.0, 0) } else { (whole, top) };

    let sign = if value < 0.0 { "-" } else { "" };
    match (whole > 0.0, top) {
        (true, 0) => format!("{sign}{}", general(whole)),
        (true, _) => format!("{sign}{} {top}/{bottom}", general(whole)),
        (false, 0) => "0".to_owned(),
        (false, _) => format!("{sign}{top}/{bottom}"),
    }
}

fn denominator_digit(part: &FormatPart) -> Option<char> {
    match part {
        FormatPart::Digit(digit) => Some(*digit),
        FormatPart::Literal(text) => text.chars().next().filter(char::is_ascii_digit),
        _ => None,
    }
}

/// Returns the fraction that is nearest to a number, with a denominator that is given or has so many places.
fn ratio(value: f64, denominator: &str) -> (u64, u64) {
    if let Ok(fixed @ 1..=9999) = denominator.parse::<u64>() {
        return ((value * fixed as f64).round() as u64, fixed);
    }
    let largest = 10_u64.pow(denominator.len().clamp(1, 3) as u32) - 1;
    let mut best = (value.round() as u64, 1);
    let mut error = (value - value.round()).abs();
    for bottom in 2..=largest {
        let top = (value * bottom as f64).round();
        let distance = (value - top / bottom as f64).abs();
        if distance < error - 1e-12 {
            best = (top as u64, bottom);
            error = distance;
        }
    }
    best
}

/// Returns a number as a product with a power of ten.
fn power(parts: &[FormatPart], place: usize, value: f64) -> String {
    let (mantissa, rest) = parts.split_at(place);
    let point = mantissa.iter().position(|part| *part == FormatPart::Point).unwrap_or(mantissa.len());
    let step = digits(mantissa.get(..point).unwrap_or_default()).len().max(1) as i32;
    let plus = matches!(rest.first(), Some(FormatPart::Exponent(true)));

    let magnitude = if value == 0.0 { 0 } else { Decimal::new(value).point - 1 };
    let exponent = magnitude.div_euclid(step) * step;
    let scaled = value / 10_f64.powi(exponent);
    let width = digits(rest).len().clamp(1, 4);
    let sign = if exponent < 0 { "-" } else { if plus { "+" } else { "" } };
    let mantissa = plain(mantissa, scaled);
    format!("{mantissa}E{sign}{:0width$}", exponent.abs())
}
