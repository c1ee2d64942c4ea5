//! A slide's shapes, and what there is to read in them.

use crate::ParseError;
use crate::package::{Node, Package, Relationships};

use super::super::block::{self, Block};
use super::super::grid::Grid;
use super::super::order::{self, Rect};
use super::super::{drawing, math};
use super::template::{Inherited, Placeholder, Template, place};
use super::text;

/// The level of the heading that is a title in the middle of its slide, until it is known whether it is that of all.
pub(super) const DECK_TITLE: usize = 0;

/// The deepest nesting of groups that are read.
const DEEPEST: usize = 50;

/// Returns the blocks of a slide, its title first.
pub(super) fn read(
    package: &mut Package<'_>,
    relationships: &Relationships,
    layout: &Template,
    slide: Node<'_>,
) -> Result<Vec<Block>, ParseError> {
    let mut reader = Reader { package, relationships, layout, titles: Vec::new() };
    let shapes = slide.at(&["cSld", "spTree"]);
    let blocks = shapes.map(|shapes| reader.shapes(shapes, 0)).transpose()?.unwrap_or_default();
    let mut output = reader.titles;
    output.extend(blocks);
    Ok(output)
}

/// Returns the blocks of speaker notes.
pub(super) fn notes(relationships: &Relationships, notes: Node<'_>) -> Vec<Block> {
    let mut output = Vec::new();
    let shapes = notes.at(&["cSld", "spTree"]).into_iter().flat_map(|shapes| shapes.elements_named("sp"));
    for shape in shapes {
        let is_body = Placeholder::of(shape).is_some_and(|role| role.kind == "body");
        if let Some(body) = shape.child("txBody").filter(|_| is_body) {
            text::read(body, Default::default(), relationships, &mut output);
        }
    }
    output
}

struct Reader<'a, 'p> {
    package: &'p mut Package<'a>,
    relationships: &'p Relationships,
    layout: &'p Template,
    /// The slide's titles, wherever they stand on it.
    titles: Vec<Block>,
}

impl Reader<'_, '_> {
    /// Returns the blocks of the shapes in an element, in the order in which they are read.
    fn shapes(&mut self, parent: Node<'_>, depth: usize) -> Result<Vec<Block>, ParseError> {
        if depth > DEEPEST {
            let problem = format!("groups of shapes are nested more than {DEEPEST} deep");
            return Err(ParseError::TooComplex { kind: self.package.kind(), problem });
        }

        let mut shapes: Vec<(Option<Rect>, Vec<Block>)> = Vec::new();
        for shape in parent.elements() {
            let mut blocks = Vec::new();
            let mut at = place(shape);
            match shape.name() {
                "sp" => at = self.shape(shape, &mut blocks),
                "grpSp" => blocks = self.shapes(shape, depth + 1)?,
                "graphicFrame" => at = self.frame(shape, &mut blocks)?,
                "pic" => {
                    if let Some(properties) = shape.at(&["nvPicPr", "cNvPr"]) {
                        drawing::picture(properties, &mut blocks);
                    }
                }
                _ => {}
            }
            if !blocks.is_empty() {
                shapes.push((at, blocks));
            }
        }
        Ok(order::sort(shapes).into_iter().flatten().collect())
    }

    /// Appends the text of a shape, and returns its place.
    fn shape(&mut self, shape: Node<'_>, output: &mut Vec<Block>) -> Option<Rect> {
        let role = Placeholder::of(shape);
        let inherited = role.as_ref().map(|role| self.layout.inherited(role)).unwrap_or_default();
        let Inherited { place: inherited_place, bullets } = inherited;
        let at = place(shape).or(inherited_place);
        let body = shape.child("txBody")?;

        match role {
            Some(role) if role.is_furniture() => {}
            Some(role) if role.is_title() => {
                let level = if role.kind == "ctrTitle" { DECK_TITLE } else { 1 };
                let text = text::title(body, self.relationships);
                if !text.trim().is_empty() {
                    self.titles.push(Block::Heading { level, text });
                }
            }
            _ => text::read(body, bullets, self.relationships, output),
        }
        at
    }

    /// Appends the table, the chart or the diagram in a frame, and returns its place.
    fn frame(&mut self, frame: Node<'_>, output: &mut Vec<Block>) -> Result<Option<Rect>, ParseError> {
        let inherited = Placeholder::of(frame).and_then(|role| self.layout.inherited(&role).place);
        if let Some(data) = frame.at(&["graphic", "graphicData"]) {
            for node in data.elements() {
                match node.name() {
                    "tbl" => output.push(Block::Table(table(node, self.relationships))),
                    "oMathPara" | "oMath" => output.push(Block::Paragraph(math::text(node))),
                    _ => drawing::read(self.package, self.relationships, node, output)?,
                }
            }
        }
        Ok(place(frame).or(inherited))
    }
}

/// Returns a table. Its merged cells are there as often as they are wide and high, but for the first without text.
fn table(node: Node<'_>, relationships: &Relationships) -> Grid {
    let mut grid = Grid::default();
    for row in node.elements_named("tr") {
        grid.begin_row();
        for cell in row.elements_named("tc") {
            let merged = ["hMerge", "vMerge"]
                .iter()
                .any(|name| cell.attribute(name).is_some_and(|value| matches!(&*value, "1" | "true")));
            let mut blocks = Vec::new();
            if let Some(body) = cell.child("txBody").filter(|_| !merged) {
                text::read(body, Default::default(), relationships, &mut blocks);
            }
            grid.cell(block::lines(blocks), 1);
        }
    }
    grid
}
