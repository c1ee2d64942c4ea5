//! The statements of an Office file of before 2007 about itself: its summary information.

use pgai_rs_parser_protocol::Metadata;

use super::numbers::{long, short, size, slice, utf16};
use crate::charset::CodePage;
use crate::compound::Compound;
use crate::date;
use crate::markdown::some_line;

/// The largest number of properties that are looked at.
const MOST_PROPERTIES: usize = 200;

/// Seconds from 1601, where Windows' time begins, to 1970.
const EPOCH: i64 = 11_644_473_600;

/// The statements of a file.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// The title, the authors and the like.
    pub(super) metadata: Metadata,
    /// The code page of its texts, if it says one.
    pub(super) code_page: Option<u16>,
}

/// Returns the statements of a file; none if they can't be read.
pub(super) fn read(file: &mut Compound<'_>) -> Summary {
    let stream = file.stream("/\u{5}SummaryInformation");
    stream.ok().flatten().and_then(|stream| properties(&stream)).unwrap_or_default()
}

fn properties(stream: &[u8]) -> Option<Summary> {
    let set = stream.get(size(stream, 44)?..)?;
    let count = size(set, 4)?.min(MOST_PROPERTIES);
    let find = |wanted: u32| {
        let place = (0..count).map(|place| 8 + place * 8).find(|at| long(set, *at) == Some(wanted))?;
        set.get(size(set, place + 4)?..)
    };

    let stated = find(1).and_then(|value| short(value, 4));
    let code_page = stated.unwrap_or(1252);
    let text = |wanted: u32| some_line(text(find(wanted)?, code_page)?.trim_end_matches('\0'));
    let metadata = Metadata {
        title: text(2),
        author: text(4),
        created: find(12).and_then(time),
        modified: find(13).and_then(time),
        ..Metadata::default()
    };
    Some(Summary { metadata, code_page: stated })
}

/// Returns the text of a property.
fn text(value: &[u8], code_page: u16) -> Option<String> {
    let length = size(value, 4)?;
    match long(value, 0)? {
        0x1e if code_page == 1200 => Some(utf16(slice(value, 8, length)?)),
        0x1e => {
            let code_page = CodePage::by_number_or_default(code_page.into());
            Some(code_page.decode(slice(value, 8, length)?).into_owned())
        }
        0x1f => Some(utf16(slice(value, 8, length.checked_mul(2)?)?)),
        _ => None,
    }
}

/// Returns the time of a property in ISO 8601.
fn time(value: &[u8]) -> Option<String> {
    if long(value, 0)? != 0x40 {
        return None;
    }
    let ticks = (i64::from(long(value, 8)?) << 32) | i64::from(long(value, 4)?);
    let seconds = ticks / 10_000_000 - EPOCH;
    // A document of before 1980 has a clock that was never set.
    (seconds > 315_532_800 && seconds < 253_402_300_800).then(|| iso(seconds))
}

/// Returns seconds since 1970 in ISO 8601.
fn iso(seconds: i64) -> String {
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date::civil(day);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_iso_8601() {
        assert_eq!(iso(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(iso(1_704_067_199), "2023-12-31T23:59:59Z");
    }
}
