//! The template filled for each chunk, from the row, the document and the chunk's place.

use crate::chunk::{Allowance, Piece};
use crate::citation::Citation;
use crate::failure::Failure;
use crate::format::{DocumentField, Template};
use crate::parse::Metadata;

/// Values of placeholders, by their names.
type Fields = [(String, String)];

/// Fills the template for each chunk, as far as what comes of it fits: it may repeat a long column in each, and
/// have thousands of placeholders.
pub(super) fn fill(
    template: &Template,
    bytes_per_chunk: u64,
    pieces: Vec<Piece>,
    citations: &[Citation],
    metadata: &Metadata,
    fields: &Fields,
    allowance: &Allowance<'_>,
) -> Result<Vec<String>, Failure> {
    let mut values = Values::new(template, fields, metadata);
    let mut texts = Vec::with_capacity(pieces.len());
    let mut bytes = 0_u64;

    for (place, piece) in pieces.into_iter().enumerate() {
        // A template may have tens of thousands of placeholders, and a document as many chunks.
        allowance.check_time()?;
        values.go_on_to(citations.get(place));

        let length = template.length(&piece.text, values.all()) as u64;
        bytes = bytes.saturating_add(length).saturating_add(bytes_per_chunk);
        allowance.check_bytes(bytes)?;
        texts.push(template.render(&piece.text, values.all())?);
    }
    Ok(texts)
}

/// Returns whether the template has a placeholder whose value depends on a chunk's place in its document.
pub(super) fn needs_places(template: &Template, fields: &Fields) -> bool {
    document_fields(template, fields).iter().any(|(_, field)| field.is_of_chunk())
}

/// Returns the template's placeholders that are filled from the document: no column has these names.
fn document_fields<'t>(template: &'t Template, fields: &Fields) -> Vec<(&'t str, DocumentField)> {
    let is_column = |name: &str| fields.iter().any(|(column, _)| column == name);
    let names = template.placeholders().filter(|name| !is_column(name));
    names.filter_map(|name| Some((name, DocumentField::named(name)?))).collect()
}

/// The values for one chunk after the other.
struct Values<'a> {
    of_row: &'a Fields,
    /// The row's and the document's, if there are some of the document.
    extended: Vec<(String, String)>,
    /// The places of the values that each chunk has its own of.
    of_chunk: Vec<(usize, DocumentField)>,
}

impl<'a> Values<'a> {
    fn new(template: &Template, of_row: &'a Fields, metadata: &Metadata) -> Self {
        let asked = document_fields(template, of_row);
        if asked.is_empty() {
            return Values { of_row, extended: Vec::new(), of_chunk: Vec::new() };
        }

        let mut extended = of_row.to_vec();
        let mut of_chunk = Vec::new();
        for (name, field) in asked {
            if field.is_of_chunk() {
                of_chunk.push((extended.len(), field));
            }
            extended.push((name.to_owned(), field.of_document(metadata)));
        }
        Values { of_row, extended, of_chunk }
    }

    /// Sets the values of a chunk.
    fn go_on_to(&mut self, citation: Option<&Citation>) {
        for (place, field) in &self.of_chunk {
            let value = match (field, citation) {
                (DocumentField::Page, Some(citation)) => citation.page.map(|page| page.to_string()),
                (DocumentField::Headings, Some(citation)) => Some(citation.headings.join(" > ")),
                _ => None,
            };
            self.extended[*place].1 = value.unwrap_or_default();
        }
    }

    fn all(&self) -> &Fields {
        if self.extended.is_empty() { self.of_row } else { &self.extended }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::chunk::ChunkError;

    fn template(text: &str) -> Template {
        Template::parse(text).unwrap()
    }

    fn pieces(number: usize) -> Vec<Piece> {
        vec![Piece { text: "a".to_owned(), span: None }; number]
    }

    fn filled(number: usize, fields: &Fields, allowance: Allowance<'_>) -> Result<Vec<String>, Failure> {
        fill(&template("$title $chunk"), 0, pieces(number), &[], &Metadata::default(), fields, &allowance)
    }

    #[test]
    fn texts_that_take_too_much_are_not_filled() {
        let fields = [("title".to_owned(), "x".repeat(1 << 20))];
        assert!(filled(4, &fields, Allowance::new(8 << 20, 0)).is_ok());
        let failure = filled(100, &fields, Allowance::new(8 << 20, 0)).unwrap_err();
        assert_eq!(failure, ChunkError::TooLarge { limit: 8 << 20 }.into());
    }

    #[test]
    fn texts_that_nobody_wants_are_not_filled() {
        let stop = AtomicBool::new(true);
        let allowance = Allowance::new(8 << 20, 0).until_stopped(&stop);
        assert_eq!(filled(1, &[], allowance).unwrap_err(), ChunkError::Stopped.into());
    }

    #[test]
    fn a_document_fills_what_no_column_does() {
        let metadata = Metadata { title: Some("Its title".into()), ..Metadata::default() };
        let headings = ["A", "B"].map(str::to_owned).to_vec();
        let places = [Citation { page: Some(3), headings, ..Citation::default() }, Citation::default()];
        let template = template("$title|$author|$page|$headings|$chunk");

        let of_row = [("author".to_owned(), "The row's".to_owned())];
        let allowance = Allowance::new(1 << 20, 0);
        let texts = fill(&template, 0, pieces(2), &places, &metadata, &of_row, &allowance).unwrap();
        assert_eq!(texts, ["Its title|The row's|3|A > B|a", "Its title|The row's|||a"]);
    }
}
