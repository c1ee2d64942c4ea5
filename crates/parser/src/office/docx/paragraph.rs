//! A paragraph's place in the document: a heading, an item of a list, code, or text.

use crate::ParseError;
use crate::markdown::one_line;
use crate::package::Node;

use super::super::block::Block;
use super::super::inline::Inline;
use super::super::lists::{Label, item};
use super::super::names::List;
use super::body::Reader;
use super::run::Line;
use super::styles::{Look, NumberingRef, ParagraphStyle};

impl<'p> Reader<'_, 'p> {
    /// Appends a paragraph, and what is anchored in it.
    pub(super) fn paragraph(&mut self, node: Node<'p>, output: &mut Vec<Block>) -> Result<(), ParseError> {
        let properties = node.child("pPr");
        let id = properties.and_then(|properties| properties.child("pStyle")?.attribute("val"));
        let style = self.style(properties, id.as_deref());

        let look = Look { bold: None, italic: None, ..style.look };
        let mut line = Line::new(look, self.carried.take());
        self.inline(node, &mut line)?;
        self.fields.end_paragraph();
        let Line { text, blocks, .. } = line;

        if properties.is_some_and(is_end_deleted) {
            self.carried = Some(text);
        } else {
            self.place(&style, id.as_deref(), text, output);
        }
        output.extend(blocks);
        Ok(())
    }

    /// Returns the meaning of the paragraph's style, with what it says itself.
    fn style(&self, properties: Option<Node<'_>>, id: Option<&str>) -> ParagraphStyle {
        let mut style = self.styles.paragraph(id);
        let Some(properties) = properties else { return style };
        match properties.child("outlineLvl").and_then(|level| level.number::<usize>("val")) {
            Some(level) if level < 9 => style.heading = Some(level + 1),
            Some(_) => style.heading = None,
            None => {}
        }
        if let Some(own) = NumberingRef::read(properties) {
            let inherited = style.numbering.take().unwrap_or_default();
            style.numbering = Some(NumberingRef {
                number: own.number.or(inherited.number),
                level: own.level.or(inherited.level),
            });
        }
        style
    }

    /// Appends the text of a paragraph as what its style says.
    fn place(&mut self, style: &ParagraphStyle, id: Option<&str>, text: Inline, output: &mut Vec<Block>) {
        let fixed_pitch =
            self.fixed_pitch_is_code && (text.is_code() || style.look.fixed_pitch == Some(true));
        let is_code = style.heading.is_none() && (style.code || fixed_pitch);
        if is_code && style.numbering.is_none() {
            let after_code = matches!(output.last(), Some(Block::Code(_)));
            if !text.is_blank() || after_code {
                output.extend(text.plain().split('\n').map(|line| Block::Code(line.to_owned())));
            }
            return;
        }
        if text.is_blank() {
            return;
        }

        let label = self.label(style, id);
        if let Some(level) = style.heading {
            output.push(self.heading(level, &label, &text));
            return;
        }
        self.anchors.text();
        output.push(match (label, style.contents) {
            (_, Some(level)) => {
                Block::Item { depth: level - 1, marker: "-".to_owned(), text: one_line(&text.linked()) }
            }
            (Some((depth, label)), None) => item(depth, &label, &text.markdown()),
            (None, None) if style.quote => Block::Quote(text.markdown()),
            (None, None) => Block::Paragraph(text.markdown()),
        });
    }

    fn heading(&mut self, level: usize, label: &Option<(usize, Label)>, text: &Inline) -> Block {
        let mut title = one_line(&text.linked());
        let mut plain = one_line(&text.plain());
        if let Some((_, Label::Number(number))) = label {
            title = format!("{number} {title}");
            plain = format!("{number} {plain}");
        }
        // A heading in a cell has no place that a link could lead to.
        if self.inside == 0 {
            self.anchors.heading(&plain);
        } else {
            self.anchors.text();
        }
        Block::Heading { level, text: title }
    }

    /// Counts a paragraph of a list, and returns its depth and the sign before it.
    fn label(&mut self, style: &ParagraphStyle, id: Option<&str>) -> Option<(usize, Label)> {
        if let Some(NumberingRef { number: Some(number), level }) = &style.numbering {
            if number == "0" {
                return None;
            }
            let of_style = || id.and_then(|id| self.numbering.level_of_style(number, id));
            let level = level.or_else(of_style).unwrap_or(0);
            if let Some(label) = self.numbering.next(number, level) {
                return Some((level, label));
            }
        }

        // A list by its style's name alone. Its numbers are not known.
        match style.list? {
            (List::Bullets | List::Numbers, level) => Some((level - 1, Label::Bullet)),
            (List::Continued, _) => None,
        }
    }
}

/// Returns whether the end of the paragraph was deleted, and the deletion is not yet accepted.
fn is_end_deleted(properties: Node<'_>) -> bool {
    let mark = properties.child("rPr");
    mark.is_some_and(|mark| mark.child("del").is_some() || mark.child("moveFrom").is_some())
}
