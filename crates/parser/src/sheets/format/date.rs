//! Days and times that are shown of a number of days.

use super::code::FormatPart;
use crate::date::civil;

/// The day that numbers are counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in super::super) enum Epoch {
    /// The day before 1900. A 29th of February of 1900 is counted, which there was not.
    #[default]
    Of1900,
    /// The first day of 1904.
    Of1904,
}

/// The number of 1970-01-01, counted from the day before 1900.
const FIRST_OF_1970: i64 = 25_569;

/// The days from the one epoch to the other.
const BETWEEN: f64 = 1462.0;

/// The last day that has a date: the end of the year 9999.
const LAST: f64 = 2_958_466.0;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A point in time, and the time since the epoch.
struct Moment {
    year: i64,
    month: usize,
    day: i64,
    weekday: usize,
    /// The parts of a second since the beginning of the day.
    of_day: i64,
    /// The parts of a second since the epoch.
    elapsed: i64,
    /// The number of parts that a second has.
    parts: i64,
}

/// Returns a number of days as these parts show it; `None` if it is none that has a date.
pub(super) fn show(parts: &[FormatPart], value: f64, epoch: Epoch) -> Option<String> {
    let elapses = parts.iter().any(|part| matches!(part, FormatPart::Elapsed(..)));
    let days = match epoch {
        Epoch::Of1904 if !elapses => value + BETWEEN,
        _ => value,
    };
    if !days.is_finite() || days.abs() >= LAST || (days < 0.0 && !elapses) {
        return None;
    }

    let moment = Moment::new(days.abs(), precision(parts));
    let is_halved = parts.iter().any(|part| matches!(part, FormatPart::Half(_)));
    let mut text = String::new();
    if days < 0.0 {
        text.push('-');
    }
    let mut after_second = false;
    let mut fraction = false;
    for part in parts {
        match part {
            // A point and digits behind seconds are parts of a second.
            FormatPart::Point if after_second => fraction = true,
            FormatPart::Digit('0') if fraction => continue,
            FormatPart::Digit(digit) => text.push(*digit),
            part => {
                text.push_str(&moment.part(part, is_halved));
                after_second = part.is_seconds();
            }
        }
        if fraction && matches!(part, FormatPart::Point) {
            text.push_str(&moment.fraction());
            after_second = false;
        } else {
            fraction = false;
        }
    }
    Some(text)
}

/// Returns the number of digits behind the seconds.
fn precision(parts: &[FormatPart]) -> u32 {
    let Some(place) = parts.iter().position(FormatPart::is_seconds) else { return 0 };
    let mut rest = parts.iter().skip(place + 1);
    if rest.next() != Some(&FormatPart::Point) {
        return 0;
    }
    let digits = rest.take_while(|part| **part == FormatPart::Digit('0')).count();
    u32::try_from(digits).unwrap_or(0).min(3)
}

impl Moment {
    fn new(days: f64, precision: u32) -> Self {
        let parts = 10_i64.pow(precision);
        let elapsed = (days * 86400.0 * parts as f64).round() as i64;
        let day_number = elapsed / (86400 * parts);
        let (year, month, day) = date(day_number);
        Moment {
            year,
            month,
            day,
            weekday: usize::try_from((day_number + 6) % 7).unwrap_or(0),
            of_day: elapsed % (86400 * parts),
            elapsed,
            parts,
        }
    }

    fn part(&self, part: &FormatPart, is_halved: bool) -> String {
        let seconds = self.of_day / self.parts;
        let hour = seconds / 3600;
        let shown_hour = if is_halved { (hour + 11) % 12 + 1 } else { hour };
        let month = MONTHS.get(self.month.saturating_sub(1)).copied().unwrap_or_default();
        let weekday = WEEKDAYS.get(self.weekday).copied().unwrap_or_default();
        match part {
            FormatPart::Literal(text) => text.clone(),
            FormatPart::Slash => "/".to_owned(),
            FormatPart::Point => ".".to_owned(),
            FormatPart::Comma => ",".to_owned(),
            FormatPart::Year(1 | 2) => format!("{:02}", self.year % 100),
            FormatPart::Year(_) => format!("{:04}", self.year),
            FormatPart::Month(digits @ 1..=2) => padded(self.month as i64, *digits),
            FormatPart::Month(3) => month.chars().take(3).collect(),
            FormatPart::Month(5) => month.chars().take(1).collect(),
            FormatPart::Month(_) => month.to_owned(),
            FormatPart::Day(digits @ 1..=2) => padded(self.day, *digits),
            FormatPart::Day(3) => weekday.chars().take(3).collect(),
            FormatPart::Day(_) => weekday.to_owned(),
            FormatPart::Hour(digits) => padded(shown_hour, *digits),
            FormatPart::Minute(digits) => padded(seconds / 60 % 60, *digits),
            FormatPart::Second(digits) => padded(seconds % 60, *digits),
            FormatPart::Elapsed(unit, digits) => padded(self.elapsed(*unit), *digits),
            FormatPart::Half(short) => half(hour < 12, *short).to_owned(),
            _ => String::new(),
        }
    }

    fn elapsed(&self, unit: char) -> i64 {
        let seconds = self.elapsed / self.parts;
        match unit {
            'h' => seconds / 3600,
            'm' => seconds / 60,
            _ => seconds,
        }
    }

    /// Returns the parts of the second, behind a point.
    fn fraction(&self) -> String {
        let digits = self.parts.ilog10() as usize;
        if digits == 0 { String::new() } else { format!(".{:0digits$}", self.of_day % self.parts) }
    }
}

fn padded(number: i64, digits: usize) -> String {
    let digits = digits.min(10);
    format!("{number:0digits$}")
}

fn half(morning: bool, short: bool) -> &'static str {
    match (morning, short) {
        (true, false) => "AM",
        (false, false) => "PM",
        (true, true) => "A",
        (false, true) => "P",
    }
}

/// Returns the year, the month and the day that a day of the epoch of 1900 is.
fn date(day_number: i64) -> (i64, usize, i64) {
    match day_number {
        0 => return (1900, 1, 0),
        60 => return (1900, 2, 29),
        _ => {}
    }
    // From the 29th of February 1900 on, which there was not, numbers are one more than there were days.
    let shift = if day_number < 60 { 1 } else { 0 };
    let (year, month, day) = civil(day_number + shift - FIRST_OF_1970);
    (year, usize::try_from(month).unwrap_or(1), day)
}
