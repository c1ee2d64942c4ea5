//! The question whether the first row of a table names its columns.

use csv::ByteRecord;

use super::{Dialect, next, values};

/// The number of rows that are compared with the first.
const COMPARED: usize = 25;

/// Returns whether the first row is a row as any other, for there are numbers in it where the others have them.
pub(super) fn is_missing(text: &str, dialect: Dialect, first: &ByteRecord) -> bool {
    let mut records = dialect.records(text);
    let mut record = ByteRecord::new();
    let mut columns: Vec<Option<bool>> = vec![None; first.len()];

    // The first may follow a preamble, whose lines are none of the columns'.
    while next(&mut records, &mut record) && record != *first {}
    for _ in 0..COMPARED {
        if !next(&mut records, &mut record) {
            break;
        }
        for (column, value) in columns.iter_mut().zip(values(&record)) {
            if !value.trim().is_empty() {
                *column = Some(column.unwrap_or(true) && is_number(value));
            }
        }
    }

    let (mut with, mut without) = (0, 0);
    for (column, value) in columns.iter().zip(values(first)) {
        if *column == Some(true) {
            with += usize::from(!is_number(value) || is_year(value));
            without += usize::from(is_number(value) && !is_year(value));
        }
    }
    without > with
}

fn is_number(value: &str) -> bool {
    let value = value.trim().trim_end_matches('%');
    value.parse::<f64>().is_ok() || value.replace(',', ".").parse::<f64>().is_ok()
}

/// Returns whether a number may be the name of a column.
fn is_year(value: &str) -> bool {
    value.trim().parse::<u32>().is_ok_and(|year| (1800..2200).contains(&year))
}
