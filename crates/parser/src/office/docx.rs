//! Documents of Word since 2007.
//!
//! * `body`: the blocks of a document, of a note, of a table's cell
//! * `paragraph`: a paragraph's place in the document: heading, item of a list, code, or text
//! * `run`: the text within a paragraph, with its fields and drawings
//! * `table`: tables
//! * `notes`: footnotes and endnotes
//! * `anchors`: links within the document
//! * `styles`, `numbering`: what the document says of these

mod anchors;
mod body;
mod notes;
mod numbering;
mod paragraph;
mod run;
mod styles;
mod table;

use std::rc::Rc;

use pgai_rs_parser_protocol::{Format, Metadata};

use crate::markdown::Blocks;
use crate::package;
use crate::package::{Package, Relationships, Tree, properties};
use crate::{Kind, ParseError, ParsedDocument, Source};

use super::block;
use super::fields::Fields;
use super::lists::Lists;
use anchors::Anchors;
use body::Reader;
use notes::Notes;
use styles::Styles;

/// Returns the text of a document of Word's.
pub(super) fn read(source: &Source<'_>) -> Result<ParsedDocument, ParseError> {
    let kind = Kind::Docx.name();
    let mut package = Package::open(kind, source.bytes)?;
    let root = package.relationships("")?;
    let metadata = properties::read(&mut package, &root)?;
    let main = root.part("officeDocument").unwrap_or("word/document.xml").to_owned();

    let problem = || format!("{} is missing", package::printable(&main));
    let document = package.tree(&main)?.ok_or_else(|| ParseError::Damaged { kind, problem: problem() })?;
    let body = document.root().child("body").ok_or_else(|| ParseError::Damaged {
        kind,
        problem: format!("{} has no body", package::printable(&main)),
    })?;

    let parts = Parts::read(&mut package, &main)?;
    let language = parts.styles.language.clone();
    let mut reader = Reader {
        package: &mut package,
        relationships: Rc::new(parts.relationships),
        fixed_pitch_is_code: !parts.styles.fixed_pitch && !body::is_mostly_fixed_pitch(body),
        styles: parts.styles,
        numbering: parts.numbering,
        notes: Notes::new(parts.footnotes.as_ref(), parts.endnotes.as_ref()),
        anchors: Anchors::default(),
        fields: Fields::default(),
        carried: None,
        inside: 0,
    };
    let blocks = reader.document(body)?;
    let anchors = reader.anchors;

    let mut output = Blocks::default();
    block::write(blocks, &mut output);
    let (text, _) = output.finish();
    let metadata = Metadata { language: metadata.language.clone().or(language), ..metadata };
    Ok(ParsedDocument { text: anchors.resolve(&text), format: Format::Markdown, pages: Vec::new(), metadata })
}

/// The parts of a document beside its main one.
struct Parts {
    relationships: Relationships,
    styles: Styles,
    numbering: Lists,
    footnotes: Option<notes::NotesPart>,
    endnotes: Option<notes::NotesPart>,
}

impl Parts {
    fn read(package: &mut Package<'_>, main: &str) -> Result<Self, ParseError> {
        let relationships = package.relationships(main)?;
        let styles = optional(package, &relationships, "styles")?;
        let numbering = optional(package, &relationships, "numbering")?;
        Ok(Parts {
            styles: styles.map(|tree| Styles::read(&tree)).unwrap_or_default(),
            numbering: numbering.map(|tree| numbering::read(&tree)).unwrap_or_default(),
            footnotes: notes::NotesPart::read(package, relationships.part("footnotes"))?,
            endnotes: notes::NotesPart::read(package, relationships.part("endnotes"))?,
            relationships,
        })
    }
}

/// Returns the part of this kind; `None` if there is none that can be read.
fn optional(
    package: &mut Package<'_>,
    relationships: &Relationships,
    kind: &str,
) -> Result<Option<Tree>, ParseError> {
    match relationships.part(kind) {
        Some(part) => package.optional_tree(part),
        None => Ok(None),
    }
}
