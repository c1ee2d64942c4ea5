//! Times that documents state in words.

/// Returns a time in ISO 8601, as precise as it is stated; `None` if this is none. It may be in ISO 8601 already, or
/// as e-mails state it.
pub(crate) fn iso(text: &str) -> Option<String> {
    let text = text.trim();
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
    let is_number = |part: &str, length: usize, most: u32| {
        part.len() == length
            && part.bytes().all(|b| b.is_ascii_digit())
            && part.parse::<u32>().is_ok_and(|number| (1..=most).contains(&number))
    };
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
    }
}
