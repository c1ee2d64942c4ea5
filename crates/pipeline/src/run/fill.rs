//! The template filled for each chunk, from the row, the document and the chunk's place.

use crate::chunk::{Allowance, Piece};
use crate::citation::Citation;
use crate::failure::Failure;
use crate::format::{DocumentField, Template};
use crate::parse::Metadata;

/// Values of placeholders, by their names.
type Fields = [(String, String)];

/// Returns the bytes that the chunks will take once the template is filled, as far as these fit: it may repeat a long column in
/// each, and have thousands of placeholders.
pub(super) fn filled_bytes(
    template: &Template,
    bytes_per_chunk: u64,
    pieces: &[Piece],
    citations: &[Citation],
    mut values: Values<'_>,
    allowance: &Allowance<'_>,
) -> Result<u64, Failure> {
    let mut bytes = 0_u64;
    for (place, piece) in pieces.iter().enumerate() {
        // A template may have tens of thousands of placeholders, and a document as many chunks.
        allowance.check_time()?;
        values.go_on_to(citations.get(place));

        let length = template.length(&piece.text, values.all()) as u64;
        bytes = bytes.saturating_add(length).saturating_add(bytes_per_chunk);
        allowance.check_bytes(bytes)?;
    }
    Ok(bytes)
}

/// Fills the template for each chunk.
pub(super) fn fill(
    template: &Template,
    pieces: Vec<Piece>,
    citations: &[Citation],
    mut values: Values<'_>,
    allowance: &Allowance<'_>,
) -> Result<Vec<String>, Failure> {
    let mut texts = Vec::with_capacity(pieces.len());
    for (place, piece) in pieces.into_iter().enumerate() {
        allowance.check_time()?;
        values.go_on_to(citations.get(place));
        texts.push(template.render(&piece.text, values.all())?);
    }
    Ok(texts)
}

/// The values for one chunk after the other.
pub(super) struct Values<'a> {
    of_row: &'a Fields,
    /// The row's and the document's, if there are some of the document.
    extended: Vec<(String, String)>,
    /// The places of the values that each chunk has its own of.
    of_chunk: Vec<(usize, DocumentField)>,
}

impl<'a> Values<'a> {
    /// Returns the values of a row's columns, and those that these placeholders have from the document.
    pub(super) fn new<'n>(
        of_row: &'a Fields,
        document_fields: impl Iterator<Item = (&'n str, DocumentField)>,
        metadata: &Metadata,
    ) -> Self {
        let mut values = Values { of_row, extended: Vec::new(), of_chunk: Vec::new() };
        for (name, field) in document_fields {
            if values.extended.is_empty() {
                values.extended = of_row.to_vec();
            }
            if field.is_of_chunk() {
                values.of_chunk.push((values.extended.len(), field));
            }
            values.extended.push((name.to_owned(), field.of_document(metadata)));
        }
        values
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
        let values = || Values::new(fields, std::iter::empty(), &Metadata::default());
        let (template, pieces) = (template("$title $chunk"), pieces(number));
        let bytes = filled_bytes(&template, 0, &pieces, &[], values(), &allowance)?;
        let texts = fill(&template, pieces, &[], values(), &allowance)?;
        assert_eq!(bytes, texts.iter().map(|text| text.len() as u64).sum::<u64>());
        Ok(texts)
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
    fn a_document_fills_what_was_no_column() {
        let metadata = Metadata { title: Some("Its title".into()), ..Metadata::default() };
        let headings = ["A", "B"].map(str::to_owned).into();
        let places = [Citation { page: Some(3), headings, ..Citation::default() }, Citation::default()];
        let template = template("$title|$author|$page|$headings|$chunk");

        let of_row = [("author".to_owned(), "The row's".to_owned())];
        let fields = ["title", "page", "headings"].map(|name| (name, DocumentField::named(name).unwrap()));
        let values = Values::new(&of_row, fields.into_iter(), &metadata);
        let texts = fill(&template, pieces(2), &places, values, &Allowance::new(1 << 20, 0)).unwrap();
        assert_eq!(texts, ["Its title|The row's|3|A > B|a", "Its title|The row's|||a"]);
    }
}
