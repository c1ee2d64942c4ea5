//! Blocks: lines that belong together, such as those of a paragraph.

use super::geometry::Area;
use super::line::Line;
use super::list::{is_bullet, is_leader, ordinal};
use super::table::{PagePart, Table};

/// A block of a page.
#[derive(Debug)]
pub(super) enum Block {
    /// Text, such as a paragraph or a title.
    Text(TextBlock),
    /// A table, which is in no paragraph.
    Table(Table),
}

impl Block {
    /// Returns the rectangle around the block.
    pub(super) fn area(&self) -> Area {
        match self {
            Block::Text(text) => text.area,
            Block::Table(table) => table.area,
        }
    }
}

/// Lines of one look, which follow each other closely.
#[derive(Debug)]
pub(super) struct TextBlock {
    /// The lines, from top to bottom.
    pub(super) lines: Vec<Line>,
    /// The rectangle around all lines.
    pub(super) area: Area,
    /// The size of the first line's letters, in points.
    pub(super) size: f32,
    /// `true` if the first line is bold.
    pub(super) bold: bool,
    /// `true` if all letters of the first line have one width.
    pub(super) monospace: bool,
}

impl TextBlock {
    fn new(line: Line) -> TextBlock {
        TextBlock {
            area: line.area,
            size: line.size,
            bold: line.bold,
            monospace: line.monospace,
            lines: vec![line],
        }
    }

    fn push(&mut self, line: Line) {
        self.area = self.area.union(&line.area);
        self.lines.push(line);
    }
}

/// Returns the blocks of a page, in the order of its lines. A line that is a title is a block of its own.
pub(super) fn blocks(parts: Vec<PagePart>, is_title: impl Fn(&Line) -> bool) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut after_title = false;
    for part in parts {
        let apart = after_title;
        let title = matches!(&part, PagePart::Line(line) if is_title(line));
        after_title = title;
        match (part, blocks.last_mut()) {
            (PagePart::Table(table), _) => blocks.push(Block::Table(table)),
            (PagePart::Line(line), Some(Block::Text(text))) if !title && !apart && goes_on(text, &line) => {
                text.push(line);
            }
            (PagePart::Line(line), _) => blocks.push(Block::Text(TextBlock::new(line))),
        }
    }
    blocks
}

/// Returns whether a line is the next one of a block.
fn goes_on(text: &TextBlock, line: &Line) -> bool {
    let Some(last) = text.lines.last() else { return false };
    let size = text.size.max(line.size);
    let down = line.y - last.y;
    if text.size.min(line.size) < 0.87 * size || down < 0.4 * size {
        return false;
    }
    if text.monospace != line.monospace || (text.bold != line.bold && !text.monospace) {
        return false;
    }
    if line.area.overlap_x(&text.area) < -0.5 * size {
        return false;
    }
    if text.monospace {
        return down < 3.0 * size;
    }

    let leading = text.lines.windows(2).map(|pair| pair[1].y - pair[0].y).fold(f32::INFINITY, f32::min);
    let most = if leading.is_finite() { (leading * 1.28).max(leading + 1.0) } else { 1.75 * size };
    down <= most && !begins_item(line) && !has_leader(last) && !begins_paragraph(text, last, line)
}

/// Returns whether a line begins with the mark of an item.
fn begins_item(line: &Line) -> bool {
    let mut words = line.words().filter(|word| !word.glued);
    let Some(first) = words.next() else { return false };
    if words.next().is_none() {
        return false;
    }
    is_bullet(&first.text) || ordinal(&first.text).is_some()
}

/// Returns whether a line is an entry of a table of contents.
pub(super) fn has_leader(line: &Line) -> bool {
    let dots = line.words().filter(|word| word.text == ".").count();
    dots >= 4 || line.words().any(|word| is_leader(&word.text) || word.text.ends_with("....."))
}

/// Returns whether a line's indentation, or the end of the line before it, shows that a paragraph begins.
fn begins_paragraph(text: &TextBlock, last: &Line, line: &Line) -> bool {
    let size = text.size;
    let step = line.area.left - last.area.left;
    let middle = |line: &Line| (line.area.left + line.area.right) / 2.0;
    if (middle(last) - middle(line)).abs() < 0.6 * size {
        // Centred lines, or lines of one width.
        return false;
    }
    let Some(first) = text.lines.first() else { return false };
    let hanging = text.lines.len() >= 2 && last.area.left > first.area.left + 0.8 * size;
    if begins_item(first) {
        return line.area.left < first.area.left - 0.5 * size;
    }
    if hanging {
        return line.area.left <= first.area.left + 0.4 * size;
    }
    if text.lines.len() >= 2 && step > 0.8 * size && step < 4.0 * size {
        return true;
    }
    // The last line of a paragraph is short, and ends a sentence.
    let width = text.area.width().max(line.area.width());
    let short = last.area.right < text.area.left.min(line.area.left) + 0.8 * width;
    short && step.abs() < 0.5 * size && last.text().ends_with(['.', '!', '?', ':', '。'])
}
