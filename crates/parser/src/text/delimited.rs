//! Values in columns, between commas, semicolons, tabs or bars: a table, whose rows are a line each.

mod dialect;
mod head;

use csv::ByteRecord;

use crate::markdown::{Blocks, cell};
use crate::{Kind, ParsedDocument};

use dialect::{Dialect, Shape};

pub(crate) use dialect::is_delimited;

/// The number of lines that may stand above a table.
const LONGEST_PREAMBLE: usize = 20;

/// Returns the table in a text, or the text as it is if it has no columns.
pub(super) fn read(kind: Kind, text: &str) -> ParsedDocument {
    let (told, text) = told_delimiter(text);
    let preferred = told.or((kind == Kind::Tsv).then_some(b'\t'));
    match dialect::find(text, preferred) {
        Some((dialect, shape)) if !shape.is_mostly_padding() => {
            ParsedDocument::markdown(table(text, dialect, &shape))
        }
        _ => ParsedDocument::plain(text.to_owned()),
    }
}

/// Splits off the line `sep=;`, by which Excel tells itself the delimiter.
fn told_delimiter(text: &str) -> (Option<u8>, &str) {
    let Some((line, rest)) = text.split_once('\n') else { return (None, text) };
    match line.trim_end().to_ascii_lowercase().strip_prefix("sep=").map(str::as_bytes) {
        Some([delimiter]) => (Some(*delimiter), rest),
        _ => (None, text),
    }
}

fn table(text: &str, dialect: Dialect, shape: &Shape) -> String {
    let mut records = dialect.records(text);
    let mut blocks = Blocks::default();
    let mut record = ByteRecord::new();

    let mut more = next(&mut records, &mut record);
    for _ in 0..LONGEST_PREAMBLE {
        if !more || used(&record) >= shape.width.min(2) {
            break;
        }
        blocks.push(&values(&record).collect::<Vec<_>>().join(" "));
        more = next(&mut records, &mut record);
    }

    let mut table = String::with_capacity(text.len() + text.len() / 4);
    if head::is_missing(text, dialect, &record) {
        write_row(&mut table, std::iter::empty(), shape.widest);
        write_rule(&mut table, shape.widest);
        write_row(&mut table, values(&record), shape.widest);
    } else {
        write_row(&mut table, values(&record), shape.widest);
        write_rule(&mut table, shape.widest);
    }
    while next(&mut records, &mut record) {
        if used(&record) > 0 {
            write_row(&mut table, values(&record), shape.widest);
        }
    }

    blocks.push(&table);
    blocks.finish().0
}

/// Reads the next record. Records of any width, of bytes in memory, have no errors.
fn next(records: &mut csv::Reader<&[u8]>, record: &mut ByteRecord) -> bool {
    records.read_byte_record(record).unwrap_or(false)
}

/// Returns the values of a record, which are text as all of the file is.
fn values(record: &ByteRecord) -> impl Iterator<Item = &str> {
    record.iter().map(|value| std::str::from_utf8(value).unwrap_or_default())
}

/// Returns the number of a record's values up to the last that is not empty.
fn used(record: &ByteRecord) -> usize {
    let last = values(record).enumerate().filter(|(_, value)| !value.trim().is_empty()).last();
    last.map_or(0, |(place, _)| place + 1)
}

fn write_row<'a>(table: &mut String, values: impl Iterator<Item = &'a str>, width: usize) {
    let mut values = values.take(width);
    for _ in 0..width {
        table.push_str("| ");
        table.push_str(&cell(values.next().unwrap_or_default()));
        table.push(' ');
    }
    table.push_str("|\n");
}

fn write_rule(table: &mut String, width: usize) {
    table.push_str(&"| --- ".repeat(width));
    table.push_str("|\n");
}

#[cfg(test)]
mod tests {
    use pgai_rs_parser_protocol::Format;

    use super::*;

    fn markdown(text: &str) -> String {
        let parsed = read(Kind::Csv, text);
        assert_eq!(parsed.format, Format::Markdown, "{}", parsed.text);
        parsed.text
    }

    #[test]
    fn a_file_of_values_is_a_table() {
        let text = "name,age\n\"Smith, J.\",42\n\"two\nlines\",7\n\"say \"\"hi\"\"\",a|b\n";
        assert_eq!(
            markdown(text),
            "| name | age |\n| --- | --- |\n| Smith, J. | 42 |\n| two<br>lines | 7 |\n| say \"hi\" | a\\|b |"
        );
    }

    #[test]
    fn the_delimiter_is_found() {
        let expected = "| a | b |\n| --- | --- |\n| x | 1,5 |\n| y | 2,5 |";
        for delimiter in [";", "\t", "|"] {
            let text = format!("a{delimiter}b\nx{delimiter}1,5\ny{delimiter}2,5\n");
            assert_eq!(markdown(&text), expected, "{text}");
        }
        assert_eq!(markdown("sep=;\na;b\nx;1,5\ny;2,5"), expected);
    }

    #[test]
    fn shorter_and_longer_rows_stay_rows() {
        let text = "a,b,c\n1x,2x,3x\n1y\n1z,2z,3z,4z\n1,2,3\n4,5,6\n";
        let rows: Vec<_> = markdown(text).lines().map(str::to_owned).collect();
        assert_eq!(rows[0], "| a | b | c |  |");
        assert_eq!(rows[3], "| 1y |  |  |  |");
        assert_eq!(rows[4], "| 1z | 2z | 3z | 4z |");
    }

    #[test]
    fn lines_above_a_table_stay_above_it() {
        let text = "Sales of March\nprinted on Monday\nshop,pieces,sum\nX,1,2\nY,3,4\nZ,5,6\n";
        let expected = "Sales of March\n\nprinted on Monday\n\n| shop | pieces | sum |\n";
        assert!(markdown(text).starts_with(expected), "{}", markdown(text));
    }

    #[test]
    fn a_table_without_a_head_gets_an_empty_one() {
        assert!(
            markdown("1,x,2.5\n2,y,3.5\n3,z,4\n")
                .starts_with("|  |  |  |\n| --- | --- | --- |\n| 1 | x | 2.5 |\n")
        );
        assert!(markdown("land,2019,2020\nA,1,2\nB,3,4\n").starts_with("| land | 2019 | 2020 |\n"));
    }

    #[test]
    fn a_stray_quote_does_not_swallow_the_rest() {
        let text = "size\tname\n1\tone\n2\t\"two inch\n3\tthree\n4\tfour\n";
        assert!(read(Kind::Tsv, text).text.ends_with("| 4 | four |"));
    }

    #[test]
    fn quotes_may_be_escaped_by_a_backslash() {
        let text = "id,words\n1,\"he said \\\"no, no\\\"\"\n2,\"b, c\"\n3,\"d, e\"\n";
        assert!(markdown(text).contains("| 1 | he said \"no, no\" |"), "{}", markdown(text));
    }

    #[test]
    fn what_has_no_columns_stays_text() {
        let text = "Dear reader,\n\nthis is a letter, with commas, now and then.\nIt is no table.\n";
        assert_eq!(read(Kind::Csv, text), ParsedDocument::plain(text.to_owned()));
        let list = "name\nAnn\nBob\n";
        assert_eq!(read(Kind::Csv, list), ParsedDocument::plain(list.to_owned()));
    }

    #[test]
    fn one_wide_row_does_not_widen_a_long_table() {
        let text = format!("{}\n{}", ",".repeat(5000), "a,b\n".repeat(20_000));
        assert!(read(Kind::Csv, &text).text.len() < 3 * text.len());
        let text = format!("{}x\n{}", "x,".repeat(5000), "a,b\n".repeat(20_000));
        assert_eq!(read(Kind::Csv, &text).format, Format::Text);
    }
}
