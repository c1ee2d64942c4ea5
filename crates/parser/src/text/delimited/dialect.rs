//! The way in which a file writes its values: between which delimiters, and how quoted.

use std::collections::HashMap;

use csv::{ByteRecord, ReaderBuilder};

use super::{next, used};

/// Delimiters, the likelier first.
const DELIMITERS: &[u8] = b",;\t|";

/// The number of bytes from which the delimiter is found.
const SAMPLE: usize = 256 << 10;

/// A way of writing values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    delimiter: u8,
    quotes: Quotes,
}

/// The meaning of a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    /// It begins and ends a value, in which it is doubled.
    Doubled,
    /// It begins and ends a value, in which there is a backslash before it.
    Escaped,
    /// It is a character as any other.
    Plain,
}

impl Dialect {
    /// Returns a reader of the records in a text.
    pub(super) fn records(self, text: &str) -> csv::Reader<&[u8]> {
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(self.delimiter);
        match self.quotes {
            Quotes::Doubled => {}
            Quotes::Escaped => {
                builder.double_quote(false).escape(Some(b'\\'));
            }
            Quotes::Plain => {
                builder.quoting(false);
            }
        }
        builder.from_reader(text.as_bytes())
    }
}

/// The numbers of values in the records of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// The number of values that most records have.
    pub(super) width: usize,
    /// The largest number of values, those left out that are empty at the end.
    pub(super) widest: usize,
    /// The number of records that have as many values as most.
    regular: usize,
    records: usize,
    values: usize,
}

impl Shape {
    fn of(text: &str, dialect: Dialect) -> Self {
        let mut records = dialect.records(text);
        let mut record = ByteRecord::new();
        let mut widths = HashMap::<usize, usize>::new();
        let (mut widest, mut values) = (0, 0);

        while next(&mut records, &mut record) {
            let used = used(&record);
            if used > 0 {
                *widths.entry(record.len()).or_default() += 1;
                widest = widest.max(used);
                values += record.len();
            }
        }
        let most = widths.iter().map(|(width, count)| (*count, *width)).max();
        let (regular, width) = most.unwrap_or_default();
        Shape { width, widest, regular, records: widths.values().sum(), values }
    }

    /// Returns the share of records that have as many values as most, in thousandths; 0 if there is one column only.
    fn regularity(&self) -> usize {
        if self.width < 2 { 0 } else { self.regular * 1000 / self.records.max(1) }
    }

    /// Returns the place of this shape among those of other delimiters: the largest is the best.
    fn rank(&self) -> (usize, usize) {
        (self.regularity(), self.width)
    }

    /// Returns whether a table of this shape would consist of nothing, by far.
    pub(super) fn is_mostly_padding(&self) -> bool {
        self.widest.saturating_mul(self.records) > self.values.saturating_mul(4).saturating_add(1000)
    }
}

/// Returns how a text writes its values; `None` if it has no columns.
pub(super) fn find(text: &str, preferred: Option<u8>) -> Option<(Dialect, Shape)> {
    const ENOUGH: usize = 600;

    let delimiter = delimiter(text, preferred, ENOUGH)?;
    // The first of the best. A quote that stands alone makes one record of all that follows, hence the most records.
    let rank = |shape: &Shape| (shape.regularity(), shape.records);
    let mut best: Option<(Dialect, Shape)> = None;
    for quotes in [Quotes::Doubled, Quotes::Escaped, Quotes::Plain] {
        let dialect = Dialect { delimiter, quotes };
        let shape = Shape::of(text, dialect);
        if best.is_none_or(|(_, best)| rank(&shape) > rank(&best)) {
            best = Some((dialect, shape));
        }
    }
    best.filter(|(_, shape)| shape.regularity() >= ENOUGH)
}

/// Returns whether a text that nobody called a table is one: at least three rows, of which next to all have the same
/// number of values, more than two if these are between commas, as they are in sentences.
pub(crate) fn is_delimited(text: &str) -> bool {
    const SURE: usize = 950;

    find(sample(text), None).is_some_and(|(dialect, shape)| {
        let least = if dialect.delimiter == b',' { 3 } else { 2 };
        shape.regularity() >= SURE && shape.records >= 3 && shape.width >= least
    })
}

/// Returns the delimiter by which the most records have the same number of values, and the more values.
fn delimiter(text: &str, preferred: Option<u8>, enough: usize) -> Option<u8> {
    let text = sample(text);
    if let Some(preferred) = preferred
        && best_shape(text, preferred).regularity() >= enough
    {
        return Some(preferred);
    }

    let mut best: Option<(u8, Shape)> = None;
    for delimiter in DELIMITERS {
        let shape = best_shape(text, *delimiter);
        if best.is_none_or(|(_, best)| shape.rank() > best.rank()) {
            best = Some((*delimiter, shape));
        }
    }
    let (delimiter, shape) = best?;
    (shape.regularity() >= enough).then_some(delimiter)
}

/// Returns the shape of a text with this delimiter, its values quoted or not, whichever is the more regular.
fn best_shape(text: &str, delimiter: u8) -> Shape {
    let quoted = Shape::of(text, Dialect { delimiter, quotes: Quotes::Doubled });
    let plain = Shape::of(text, Dialect { delimiter, quotes: Quotes::Plain });
    if plain.regularity() > quoted.regularity() { plain } else { quoted }
}

/// Returns the lines at the beginning of a text.
fn sample(text: &str) -> &str {
    if text.len() <= SAMPLE {
        return text;
    }
    let head = &text[..text.floor_char_boundary(SAMPLE)];
    head.rfind('\n').map_or(head, |end| &head[..end])
}
