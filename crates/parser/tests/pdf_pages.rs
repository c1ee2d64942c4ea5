//! Reading PDFs where text and page meet: footnotes, and tables over several pages.

#![allow(clippy::unwrap_used)]

#[path = "support/pdf.rs"]
mod support;

use pgai_rs_parser::{ParsedDocument, Source, parse};
use support::{Pdf, lines, rule, text};

fn read(pdf: &Pdf) -> ParsedDocument {
    parse(&Source { bytes: &pdf.write(), name: Some("a.pdf"), content_type: None }).unwrap()
}

/// Returns instructions for a line of this size with a raised number after its first words.
fn with_mark(size: f32, y: f32, before: &str, mark: &str, after: &str) -> String {
    let small = size * 0.7;
    let raise = size * 0.35;
    format!(
        "BT /F {size} Tf 50 {y} Td ({before}) Tj /F {small} Tf {raise} Ts ({mark}) Tj /F {size} Tf 0 Ts ({after}) Tj ET\n"
    )
}

#[test]
fn footnotes_are_told_as_such() {
    let page = |words: &str| {
        with_mark(
            10.0,
            700.0,
            &format!("{words} that are in the river"),
            "1",
            " lie on its ground for years.",
        ) + &with_mark(10.0, 688.0, "They are round", "2", ", as everybody knows who was there.")
            + &with_mark(8.0, 90.0, "", "1", "Most of them, to be exact.")
            + &with_mark(8.0, 80.0, "", "2", "So it is said, at least by those")
            + &text('F', 8.0, 50.0, 70.0, "who live there.")
    };
    let mut pdf = Pdf::new();
    pdf.page(&page("Stones")).page(&page("Boats"));
    assert_eq!(
        read(&pdf).text,
        "Stones that are in the river[^1] lie on its ground for years. They are round[^2], as everybody knows who was \
         there.\n\n[^1]: Most of them, to be exact.\n\n[^2]: So it is said, at least by those who live there.\n\n\
         Boats that are in the river[^1-2] lie on its ground for years. They are round[^2-2], as everybody knows who \
         was there.\n\n[^1-2]: Most of them, to be exact.\n\n[^2-2]: So it is said, at least by those who live there."
    );
}

#[test]
fn a_raised_number_that_may_be_something_else_stays() {
    let twice = with_mark(10.0, 700.0, "The field has 4 m", "2", " of grass, in all.")
        + &with_mark(10.0, 688.0, "It was measured", "2", " by those who own it.")
        + &with_mark(8.0, 80.0, "", "2", "Twice, in fact.");
    let text = read(Pdf::new().page(&twice)).text;
    assert!(text.contains("4 m2 of") && text.contains("measured2 by") && !text.contains("[^"), "{text}");

    let power = with_mark(10.0, 700.0, "It is about 10", "2", " years old, or even more than that.")
        + &with_mark(8.0, 80.0, "", "2", "Some say less.");
    let text = read(Pdf::new().page(&power)).text;
    assert!(!text.contains("[^"), "{text}");

    let large = with_mark(10.0, 700.0, "It is old", "2", ", or even older than that, as some say.")
        + &with_mark(10.0, 80.0, "", "2", "This is of the same size as the text.");
    assert!(!read(Pdf::new().page(&large)).text.contains("[^"));
}

/// Returns instructions for a table between rules, whose first row has its top there.
fn table(top: f32, columns: &[f32], rows: &[[&str; 2]]) -> String {
    let mut content = rule((columns[0], top), (columns[2], top));
    for (row, cells) in rows.iter().enumerate() {
        let y = top - 20.0 * (row + 1) as f32;
        for (left, cell) in columns.iter().zip(cells) {
            content += &text('F', 10.0, left + 5.0, y + 6.0, cell);
        }
        content += &rule((columns[0], y), (columns[2], y));
    }
    for x in columns {
        content += &rule((*x, top - 20.0 * rows.len() as f32), (*x, top));
    }
    content
}

const COLUMNS: &[f32] = &[50.0, 200.0, 350.0];

#[test]
fn a_table_that_goes_on_over_pages_is_one() {
    let mut pdf = Pdf::new();
    pdf.page(
        &(lines(50.0, 780.0, &["Stones of the river"])
            + &table(200.0, COLUMNS, &[["Name", "Left"], ["Flint", "3"], ["Chalk", "7"]])),
    );
    pdf.page(&table(
        760.0,
        COLUMNS,
        &[["Name", "Left"]; 1].iter().copied().chain((0..30).map(|_| ["Sand", "12"])).collect::<Vec<_>>(),
    ));
    pdf.page(
        &(table(760.0, COLUMNS, &[["Clay", "1"], ["Loam", "2"]])
            + &lines(50.0, 400.0, &["That was all of them."])),
    );
    let parsed = read(&pdf);
    let expected = format!(
        "Stones of the river\n\n| Name | Left |\n| --- | --- |\n| Flint | 3 |\n| Chalk | 7 |\n{}| Clay | 1 |\n| Loam | 2 |\n\n\
         That was all of them.",
        "| Sand | 12 |\n".repeat(30)
    );
    assert_eq!(parsed.text, expected);
    let starts: Vec<(u32, &str)> =
        parsed.pages.iter().map(|page| (page.number, &parsed.text[page.start..page.start + 6])).collect();
    assert_eq!(starts, [(1, "Stones"), (2, "| Sand"), (3, "| Clay")]);
}

#[test]
fn tables_that_only_follow_each_other_stay_apart() {
    let first = table(200.0, COLUMNS, &[["Name", "Left"], ["Flint", "3"]]);
    let other = &[50.0, 120.0, 350.0];
    for second in [
        // Other columns, text between, or a place that is not the head of the page.
        table(760.0, other, &[["Town", "Size"], ["Bath", "3"]]),
        lines(50.0, 785.0, &["Towns at the river, as they were:"])
            + &table(760.0, COLUMNS, &[["Town", "Size"], ["Bath", "3"]]),
        table(500.0, COLUMNS, &[["Town", "Size"], ["Bath", "3"]]),
    ] {
        let mut pdf = Pdf::new();
        pdf.page(&first).page(&second);
        assert_eq!(read(&pdf).text.matches("| --- | --- |").count(), 2);
    }
}
