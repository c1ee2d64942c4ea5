//! The blocks of a document, of a note, of a table's cell or of a text box.

use std::rc::Rc;

use crate::package::{Node, Package, Relationships};
use crate::{ParseError, Source};

use super::super::block::Block;
use super::super::fields::Fields;
use super::super::inline::Inline;
use super::super::lists::Lists;
use super::super::names;
use super::anchors::Anchors;
use super::notes::Notes;
use super::styles::Styles;

/// A document that is being read.
pub(super) struct Reader<'a, 'p> {
    /// The files of the document.
    pub(super) package: &'p mut Package<'a>,
    /// The references of the part that is being read.
    pub(super) relationships: Rc<Relationships>,
    /// The styles, by their ids.
    pub(super) styles: Styles,
    /// The lists, by their ids.
    pub(super) numbering: Lists,
    /// The footnotes and endnotes.
    pub(super) notes: Notes<'p>,
    /// The places that links within the document lead to.
    pub(super) anchors: Anchors,
    /// The fields that are open.
    pub(super) fields: Fields,
    /// `true` if letters of equal width make code of a text.
    pub(super) fixed_pitch_is_code: bool,
    /// The text of paragraphs whose end was deleted: the next one continues it.
    pub(super) carried: Option<Inline>,
    /// The number of cells, boxes and notes around what is being read.
    pub(super) inside: usize,
}

impl<'p> Reader<'_, 'p> {
    /// Returns the blocks of the document. Notes come after the blocks that refer to them.
    pub(super) fn document(&mut self, body: Node<'p>) -> Result<Vec<Block>, ParseError> {
        let mut output = Vec::new();
        self.blocks(body, &mut output)?;
        self.end_carried(&mut output);
        self.write_notes(&mut output)?;
        Ok(output)
    }

    /// Appends the blocks in an element.
    pub(super) fn blocks(&mut self, parent: Node<'p>, output: &mut Vec<Block>) -> Result<(), ParseError> {
        for node in parent.elements() {
            match node.name() {
                "p" => self.paragraph(node, output)?,
                "tbl" => self.table(node, output)?,
                "sdt" if is_prompt(node) => {}
                "sdt" => {
                    if let Some(content) = node.child("sdtContent") {
                        self.blocks(content, output)?;
                    }
                }
                "customXml" | "ins" | "moveTo" | "smartTag" => self.blocks(node, output)?,
                "bookmarkStart" => self.bookmark(node),
                "oMathPara" => output.push(Block::Paragraph(super::super::math::text(node))),
                "altChunk" => self.chunk(node, output)?,
                _ => continue,
            }
            if self.inside == 0 {
                self.write_notes(output)?;
            }
        }
        Ok(())
    }

    /// Returns the blocks of what is within others: a cell, a box, a note.
    pub(super) fn inner(&mut self, parent: Node<'p>) -> Result<Vec<Block>, ParseError> {
        let relationships = self.relationships.clone();
        self.within(relationships, |reader, output| reader.blocks(parent, output))
    }

    /// Returns the blocks that are read with these references, apart from what is around them.
    pub(super) fn within(
        &mut self,
        relationships: Rc<Relationships>,
        read: impl FnOnce(&mut Self, &mut Vec<Block>) -> Result<(), ParseError>,
    ) -> Result<Vec<Block>, ParseError> {
        let outer_relationships = std::mem::replace(&mut self.relationships, relationships);
        let outer_fields = std::mem::take(&mut self.fields);
        let outer_carried = self.carried.take();
        self.inside += 1;

        let mut output = Vec::new();
        let result = read(self, &mut output);
        self.end_carried(&mut output);

        self.inside -= 1;
        self.carried = outer_carried;
        self.fields = outer_fields;
        self.relationships = outer_relationships;
        result.map(|()| output)
    }

    /// Appends the notes that were referred to since the last time.
    fn write_notes(&mut self, output: &mut Vec<Block>) -> Result<(), ParseError> {
        // A note may refer to another.
        loop {
            let waiting = self.notes.take_waiting();
            if waiting.is_empty() {
                return Ok(());
            }
            for (label, node, relationships) in waiting {
                let text = self.within(relationships, |reader, text| reader.blocks(node, text))?;
                output.push(Block::Note { label, text });
            }
        }
    }

    /// Appends the text that no paragraph continues.
    fn end_carried(&mut self, output: &mut Vec<Block>) {
        if let Some(text) = self.carried.take().filter(|text| !text.is_blank()) {
            output.push(Block::Paragraph(text.markdown()));
        }
    }

    /// Notes that a bookmark begins.
    pub(super) fn bookmark(&mut self, node: Node<'_>) {
        if let Some(name) = node.attribute("name") {
            self.anchors.begin(&name);
        }
    }

    /// Appends a document of another type that this one has in it: a web page, a text. One of Word's own is left out,
    /// for it could hold itself.
    fn chunk(&mut self, node: Node<'_>, output: &mut Vec<Block>) -> Result<(), ParseError> {
        let id = node.prefixed_attribute("id").unwrap_or_default();
        let Some(part) = self.relationships.part_by_id(&id).map(str::to_owned) else { return Ok(()) };
        let Some(bytes) = self.package.part(&part)? else { return Ok(()) };

        let source = Source { bytes: &bytes, name: part.rsplit('/').next(), content_type: None };
        let textual = bytes.starts_with(b"{\\rtf") || !bytes.contains(&0);
        if let Ok(parsed) = textual.then(|| crate::parse(&source)).transpose() {
            output.extend(parsed.map(|parsed| Block::Paragraph(parsed.text)));
        }
        Ok(())
    }
}

/// Returns whether a field to fill in shows its prompt, and no text.
pub(super) fn is_prompt(sdt: Node<'_>) -> bool {
    let shows = sdt.at(&["sdtPr", "showingPlcHdr"]);
    shows.is_some_and(|shows| shows.attribute("val").is_none_or(|value| super::styles::is_on(&value)))
}

/// Returns whether most of the text has letters of equal width, so that this makes no code of it.
pub(super) fn is_mostly_fixed_pitch(body: Node<'_>) -> bool {
    let (mut all, mut fixed) = (0usize, 0usize);
    for run in body.descendants().filter(|node| node.name() == "r") {
        all += 1;
        let font = run.at(&["rPr", "rFonts"]).and_then(|fonts| fonts.attribute("ascii"));
        fixed += usize::from(font.is_some_and(|font| names::is_fixed_pitch(&font)));
    }
    fixed.saturating_mul(2) > all
}
