//! A slide's shapes, and what there is to read in them.

use std::collections::HashSet;

use super::super::block::{self, Block};
use super::super::grid::Grid;
use super::super::numbers::{long, short};
use super::super::order::{self, Rect};
use super::records::{Record, kinds};
use super::text::Text;
use crate::{Kind, ParseError};

/// The deepest nesting of groups that are read.
const DEEPEST: usize = 50;

/// The level of the heading that is a title in the middle of its slide, until it is known whether it is that of all.
pub(super) const DECK_TITLE: usize = 0;

/// The blocks of a slide, in the order in which they are read.
#[derive(Default)]
struct Slide {
    titles: Vec<Block>,
    /// `true` if only speaker notes are wanted.
    notes: bool,
    /// The texts of the outline that were read.
    outlined: HashSet<usize>,
}

/// Returns the blocks of a slide, whose titles and bodies are in its outline. One that has no drawing is its outline.
pub(super) fn read(slide: Record<'_>, outline: &[Text]) -> Result<Vec<Block>, ParseError> {
    let mut reader = Slide::default();
    let blocks = match shapes(slide) {
        Some(shapes) => reader.group(shapes, outline, 0)?,
        None => reader.texts(outline, false),
    };
    let mut output = reader.titles;
    output.extend(blocks);
    Ok(output)
}

/// Returns the blocks of speaker notes.
pub(super) fn notes(page: Record<'_>) -> Result<Vec<Block>, ParseError> {
    let mut reader = Slide { notes: true, ..Slide::default() };
    shapes(page).map_or(Ok(Vec::new()), |shapes| reader.group(shapes, &[], 0))
}

/// Returns the group of all shapes of a page; `None` if it has no drawing.
fn shapes(page: Record<'_>) -> Option<Record<'_>> {
    page.child(kinds::DRAWING)?.child(kinds::DRAWING_CONTAINER)?.child(kinds::GROUP)
}

impl Slide {
    /// Returns the blocks of a group of shapes.
    fn group(&mut self, group: Record<'_>, outline: &[Text], depth: usize) -> Result<Vec<Block>, ParseError> {
        if depth > DEEPEST {
            let problem = format!("groups of shapes are nested more than {DEEPEST} deep");
            return Err(ParseError::TooComplex { kind: Kind::Ppt.name(), problem });
        }

        let mut shapes = Vec::new();
        for record in group.children() {
            let (place, blocks) = match record.kind {
                kinds::SHAPE => (place(record), self.shape(record, outline)),
                kinds::GROUP => {
                    let place = record.child(kinds::SHAPE).and_then(place);
                    (place, self.group(record, outline, depth + 1)?)
                }
                _ => continue,
            };
            if !blocks.is_empty() {
                shapes.push((place, blocks));
            }
        }
        if group.child(kinds::SHAPE).is_some_and(is_table) {
            return Ok(vec![Block::Table(table(shapes))]);
        }
        Ok(order::sort(shapes).into_iter().flatten().collect())
    }

    /// Returns the blocks of a shape's text.
    fn shape(&mut self, shape: Record<'_>, outline: &[Text]) -> Vec<Block> {
        let Some(text_box) = shape.child(kinds::TEXT_BOX).filter(|_| !is_furniture(shape)) else {
            return Vec::new();
        };

        let mut texts = Text::read(text_box.children());
        // What is in the outline is there alone.
        let reference = text_box.child(kinds::OUTLINE_REFERENCE).and_then(|reference| reference.number(0));
        let outlined = reference.and_then(|index| usize::try_from(index).ok());
        // Each text of the outline belongs to one shape.
        let outlined =
            outlined.filter(|index| self.outlined.insert(*index)).and_then(|index| outline.get(index));
        texts.extend(outlined.cloned());
        self.texts(&texts, matches!(role(shape), Some(0x0d | 0x0f | 0x11)))
    }

    /// Returns the blocks of texts, and keeps those that are titles apart.
    fn texts(&mut self, texts: &[Text], is_title: bool) -> Vec<Block> {
        let mut output = Vec::new();
        for text in texts {
            if text.is_notes() != self.notes {
                continue;
            }
            if text.is_title() || is_title {
                let level = if text.is_center_title() { DECK_TITLE } else { 1 };
                let text = text.line();
                if !text.is_empty() {
                    self.titles.push(Block::Heading { level, text });
                }
            } else {
                text.write(&mut output);
            }
        }
        output
    }
}

/// Returns whether a shape holds a date, a slide's number, a footer or a header: what stands on each slide.
fn is_furniture(shape: Record<'_>) -> bool {
    matches!(role(shape), Some(0x07..=0x0a))
}

/// Returns the number of the role of a shape that gets its place from a layout.
fn role(shape: Record<'_>) -> Option<u8> {
    let data = shape.child(kinds::CLIENT_DATA)?;
    data.child(kinds::PLACEHOLDER)?.bytes.get(4).copied()
}

/// Returns the place of a shape.
fn place(shape: Record<'_>) -> Option<Rect> {
    if let Some(anchor) = shape.child(kinds::CHILD_ANCHOR) {
        return rect(anchor, [0, 1, 2, 3]);
    }
    rect(shape.child(kinds::ANCHOR)?, [1, 0, 2, 3])
}

/// Returns the place that an anchor gives, whose left, top, right and bottom are its numbers at these indexes.
fn rect(anchor: Record<'_>, [left, top, right, bottom]: [usize; 4]) -> Option<Rect> {
    let left = number(anchor, left)?;
    let top = number(anchor, top)?;
    Some(Rect { left, top, width: number(anchor, right)? - left, height: number(anchor, bottom)? - top })
}

/// Returns a number of an anchor, which has four of two bytes or of four.
fn number(anchor: Record<'_>, index: usize) -> Option<i64> {
    if anchor.bytes.len() == 8 {
        let value = short(anchor.bytes, index * 2)?;
        return Some(i64::from(i16::from_le_bytes(value.to_le_bytes())));
    }
    let value = long(anchor.bytes, index * 4)?;
    Some(i64::from(i32::from_le_bytes(value.to_le_bytes())))
}

/// Returns whether a group is a table: the shape that stands for the group says so.
fn is_table(shape: Record<'_>) -> bool {
    const PROPERTY: u16 = 0x039f;
    const ENTRY: usize = 6;

    let Some(properties) = shape.child(kinds::MORE_PROPERTIES) else { return false };
    (0..usize::from(properties.instance)).any(|index| {
        let code = short(properties.bytes, index * ENTRY).map(|code| code & 0x3fff);
        code == Some(PROPERTY)
            && long(properties.bytes, index * ENTRY + 2).is_some_and(|value| value & 1 == 1)
    })
}

/// Returns the table whose cells are these shapes.
fn table(shapes: Vec<(Option<Rect>, Vec<Block>)>) -> Grid {
    let mut cells: Vec<(i64, i64, String)> = shapes
        .into_iter()
        .filter_map(|(place, blocks)| place.map(|place| (place.top, place.left, block::lines(blocks))))
        .collect();
    cells.sort_by_key(|(top, left, _)| (*top, *left));
    let mut edges: Vec<i64> = cells.iter().map(|(_, left, _)| *left).collect();
    edges.sort_unstable();
    edges.dedup();

    let mut grid = Grid::default();
    let (mut row, mut width) = (None, 0);
    for (top, left, text) in cells {
        if row != Some(top) {
            grid.begin_row();
            (row, width) = (Some(top), 0);
        }
        let column = edges.partition_point(|edge| *edge < left);
        grid.blank(column.saturating_sub(width));
        grid.cell(text, 1);
        width = column + 1;
    }
    grid
}
