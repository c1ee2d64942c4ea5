//! Times that documents state in words.

/// The days that programs write where they know none: .NET its least one, and calibre its `UNDEFINED_DATE`
/// (`calibre/utils/date.py`).
const UNKNOWN: [&str; 2] = ["0001-01-01", "0101-01-01"];

/// Returns a time in ISO 8601, as precise as it is stated; `None` if this is none, or stands for none. It may be in ISO
/// 8601 already, or as e-mails state it.
pub(crate) fn iso(text: &str) -> Option<String> {
    let text = text.trim();
    if UNKNOWN.iter().any(|day| text.starts_with(day)) {
        return None;
    }
    if is_iso(text) {
        return Some(text.to_owned());
    }
    let time = mail_parser::DateTime::parse_rfc822(text)?;
    (time.is_valid() && time.year > 0).then(|| time.to_rfc3339())
}

/// Returns whether a text is a year, a month, a day or a time of ISO 8601.
fn is_iso(text: &str) -> bool {
    let (day, time) = match text.split_once(['T', ' ']) {
        Some((day, time)) => (day, Some(time)),
        None => (text, None),
    };
    let mut parts = day.split('-');
    let is_day = parts.next().is_some_and(|year| is_number(year, 4, 9999))
        && parts.next().is_none_or(|month| is_number(month, 2, 12))
        && parts.next().is_none_or(|day| is_number(day, 2, 31))
        && parts.next().is_none();
    let is_time = time.is_none_or(|time| {
        day.len() == 10
            && time.len() >= 5
            && time.bytes().all(|b| b.is_ascii_digit() || b":.+-Z".contains(&b))
            && time.as_bytes().get(2) == Some(&b':')
    });
    is_day && is_time
}

/// Returns whether a text is a number from 1 to the largest one, in so many digits.
fn is_number(text: &str, digits: usize, most: u32) -> bool {
    text.len() == digits
        && text.bytes().all(|b| b.is_ascii_digit())
        && text.parse::<u32>().is_ok_and(|number| (1..=most).contains(&number))
}

/// Returns the year, the month and the day of a day since 1970, in the Gregorian calendar.
pub(crate) fn civil(day: i64) -> (i64, i64, i64) {
    // Years are counted from March, so that a leap day is the last of one; 400 of them are an era.
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_as_precise_as_it_is_stated() {
        for text in ["2024", "2024-02", "2024-02-29", "2024-02-29T12:30", "2024-02-29T12:30:01.5+02:00"] {
            assert_eq!(iso(text).as_deref(), Some(text));
        }
        assert_eq!(iso("Tue, 13 Feb 2024 20:01:02 +0100").as_deref(), Some("2024-02-13T20:01:02+01:00"));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["", "yesterday", "2024-13", "0000", "24", "2024-02T12:30", "1/2/2024"] {
            assert_eq!(iso(text), None, "{text}");
        }
        for unknown in ["0101-01-01T00:00:00+00:00", "0001-01-01"] {
            assert_eq!(iso(unknown), None, "{unknown}");
        }
    }
}
