//! Tables: words in the cells of grids, between rules, or in columns.

use pgai_rs_parser_protocol::Page;

use super::columns::{Cells, WordRow, is_list, is_table, separators, without_blanks};
use super::geometry::Area;
use super::grid::{Rule, RuledGrid, Rules, bands, grids};
use super::line::{Line, text_of};
use super::segment::{Segment, Word};

/// The least gap between columns between rules, and without rules, in sizes of letters.
const RULED_GAP: f32 = 0.5;
const WHITE_GAP: f32 = 0.9;
/// The most cells of a grid; one with more is a drawing.
const MAX_CELLS: usize = 40_000;
/// The most comparisons of words with lines that a grid may cost.
const MAX_COMPARISONS: usize = 50_000_000;
/// The most grids of a page, rules with the same ends, and rows between them.
const MAX_GRIDS: usize = 100;
const MAX_BAND: usize = 60;
const MAX_ROWS: usize = 200;
/// The most lines of a page that has tables.
const MAX_LINES: usize = 3000;
/// The way that text may reach beyond the ends of rules, and that is looked at above them.
const REACH: f32 = 4.0;
const ABOVE: f32 = 30.0;

/// A table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// The texts of the cells, from the top, and in each row from the left.
    pub(super) rows: Vec<Vec<String>>,
    /// The rectangle around the table.
    pub(super) area: Area,
    /// The places of the lines between its columns, and at its sides, from the left; none without such lines.
    pub(super) columns: Vec<f32>,
    /// The pages that begin within it, each with the number of rows before it.
    pub(super) pages: Vec<Page>,
}

impl Table {
    fn new(rows: Vec<Vec<String>>, area: Area) -> Table {
        Table { rows, area, columns: Vec::new(), pages: Vec::new() }
    }
}

/// A part of a page.
#[derive(Debug, Clone)]
pub(super) enum PagePart {
    /// A line that is in no table.
    Line(Line),
    /// A table, in the place of its lines.
    Table(Table),
}

/// Returns a page's lines, in their order, of which those of tables are tables.
pub(super) fn with_tables(lines: Vec<Line>, rules: &Rules) -> Vec<PagePart> {
    let mut parts: Vec<PagePart> = lines.into_iter().map(PagePart::Line).collect();
    if parts.len() > MAX_LINES {
        return parts;
    }
    for grid in grids(rules).into_iter().take(MAX_GRIDS) {
        parts = ruled(parts, &grid);
    }
    for band in bands(rules) {
        parts = between(parts, &band);
    }
    white(parts)
}

/// Takes what is in an area out of lines. Returns the rest, the segments that were in the area, and the place of the
/// first of them.
fn take(parts: Vec<PagePart>, area: &Area) -> (Vec<PagePart>, Vec<Segment>, usize) {
    let mut rest = Vec::with_capacity(parts.len());
    let mut taken = Vec::new();
    let mut first = None;
    for part in parts {
        let PagePart::Line(line) = part else {
            rest.push(part);
            continue;
        };
        let inside = |cell: &Segment| is_within(cell, area);
        if !line.cells.iter().any(inside) {
            rest.push(PagePart::Line(line));
            continue;
        }
        let (within, outside): (Vec<Segment>, Vec<Segment>) = line.cells.into_iter().partition(inside);
        taken.extend(within);
        rest.extend(Line::new(outside).map(PagePart::Line));
        first.get_or_insert(rest.len());
    }
    let place = first.unwrap_or(rest.len());
    (rest, taken, place)
}

/// Returns whether a segment is in an area.
fn is_within(cell: &Segment, area: &Area) -> bool {
    area.contains(((cell.area.left + cell.area.right) / 2.0, cell.y - 0.3 * cell.size))
}

/// Returns the parts with the table of a grid, if it is one.
fn ruled(parts: Vec<PagePart>, grid: &RuledGrid) -> Vec<PagePart> {
    let (rows, columns) = (grid.rows.len() - 1, grid.columns.len() - 1);
    if rows.saturating_mul(columns) > MAX_CELLS {
        return parts;
    }
    let before = parts.clone();
    let (mut rest, taken, place) = take(parts, &grid.area);
    let words: usize = taken.iter().map(|segment| segment.words.len()).sum();
    if words < 3 || words.saturating_mul(grid.cost()) > MAX_COMPARISONS {
        return before;
    }
    let mut cells: Vec<Vec<Vec<Word>>> = vec![vec![Vec::new(); columns]; rows];
    let mut lines: Vec<Vec<f32>> = vec![Vec::new(); rows];
    let mut order: Vec<&Segment> = taken.iter().collect();
    order.sort_by(|a, b| a.y.total_cmp(&b.y).then(a.area.left.total_cmp(&b.area.left)));
    let mut baselines: Vec<Vec<Vec<(f32, Word)>>> = vec![vec![Vec::new(); columns]; rows];
    for segment in order {
        for word in &segment.words {
            let middle = ((word.left + word.right) / 2.0, segment.y - 0.3 * segment.size);
            let (row, column) = grid.cell(middle);
            let (row, column) = (row.min(rows - 1), column.min(columns - 1));
            cells[row][column].push(word.clone());
            baselines[row][column].push((segment.y, word.clone()));
            if lines[row].last().is_none_or(|last| segment.y - last > 0.4 * segment.size) {
                lines[row].push(segment.y);
            }
        }
    }

    let mut texts: Vec<Vec<String>> = Vec::new();
    for row in 0..rows {
        texts.extend(ruled_row(&cells[row], &baselines[row], &lines[row]));
    }
    let texts = without_blanks(texts);
    if !is_table(&texts, 0.25) {
        return before;
    }
    rest.insert(
        place.min(rest.len()),
        PagePart::Table(Table { columns: grid.columns.clone(), ..Table::new(texts, grid.area) }),
    );
    rest
}

/// Returns the rows that a row of a grid holds: one, unless only its columns are ruled.
fn ruled_row(cells: &[Vec<Word>], placed: &[Vec<(f32, Word)>], lines: &[f32]) -> Vec<Vec<String>> {
    let filled = cells.iter().filter(|words| !words.is_empty()).count();
    let as_one = || vec![cells.iter().map(|words| wrapped(words)).collect()];
    if lines.len() < 4 || filled < 2 {
        return as_one();
    }

    let mut shared = 0;
    let mut rows = Vec::new();
    for line in lines {
        let row: Vec<Vec<&Word>> = placed.iter().map(|words| words_on(*line, words)).collect();
        let used = row.iter().filter(|words| !words.is_empty()).count();
        shared += usize::from(used * 3 >= filled * 2);
        rows.push(row.into_iter().map(|words| text_of(words.into_iter())).collect());
    }
    if shared * 10 >= lines.len() * 8 { rows } else { as_one() }
}

/// Returns the words of a cell that stand on a line.
fn words_on(line: f32, words: &[(f32, Word)]) -> Vec<&Word> {
    words.iter().filter(|(y, _)| (y - line).abs() < 3.0).map(|(_, word)| word).collect()
}

/// Returns the text of a cell, whose lines are one.
fn wrapped(words: &[Word]) -> String {
    let mut text = String::new();
    let mut line: Vec<&Word> = Vec::new();
    for word in words {
        if line.last().is_some_and(|last| word.left < last.left - 1.0) {
            super::paragraph::join(&mut text, &text_of(line.drain(..)), &Default::default());
        }
        line.push(word);
    }
    super::paragraph::join(&mut text, &text_of(line.drain(..)), &Default::default());
    text
}

/// Returns the parts with the tables between rules of one width.
fn between(mut parts: Vec<PagePart>, band: &[Rule]) -> Vec<PagePart> {
    let band = band.get(..MAX_BAND).unwrap_or(band);
    let mut first = 0;
    while first + 1 < band.len() {
        let rows = rows_within(&parts, band, first);
        let mut end = band.len() - 1;
        while end > first {
            let rules: Vec<f32> = band[first..=end].iter().map(|rule| rule.at).collect();
            if let Some((texts, top)) = table_from(&rows, &rules) {
                let area = Area {
                    left: band[first].from - REACH,
                    top,
                    right: band[first].to + REACH,
                    bottom: band[end].at,
                };
                let (mut rest, _, place) = take(parts, &area);
                rest.insert(place.min(rest.len()), PagePart::Table(Table::new(texts, area)));
                parts = rest;
                break;
            }
            end -= 1;
        }
        first = end.max(first + 1);
    }
    parts
}

/// Returns the rows from a little above a rule to the last rule of a band.
fn rows_within(parts: &[PagePart], band: &[Rule], first: usize) -> Vec<WordRow> {
    let (Some(rule), Some(last)) = (band.get(first), band.last()) else { return Vec::new() };
    let area =
        Area { left: rule.from - REACH, top: rule.at - ABOVE, right: rule.to + REACH, bottom: last.at };
    let mut segments = Vec::new();
    for part in parts {
        if let PagePart::Line(line) = part {
            segments.extend(line.cells.iter().filter(|cell| is_within(cell, &area)).cloned());
        }
    }
    rows_of(segments)
}

/// Returns the table that is between the first and the last of rules, and the top of it; `None` if there is none. Its
/// head may have no rule above it, but then fills its columns.
fn table_from(rows: &[WordRow], rules: &[f32]) -> Option<(Vec<Vec<String>>, f32)> {
    let (top, bottom) = (*rules.first()?, *rules.last()?);
    let begin = rows.partition_point(|row| row.y - 0.3 * row.size < top);
    let end = rows.partition_point(|row| row.y - 0.3 * row.size <= bottom);
    let inside = rows.get(begin..end)?;
    let texts = table_between(inside, rules)?;

    let size = inside.first()?.size;
    if let Some(head) = begin.checked_sub(1).and_then(|above| rows.get(above))
        && head.y > top - 1.9 * size
        && let Some(more) = table_between(rows.get(begin - 1..end)?, rules)
        && more.len() == texts.len() + 1
        && more.first().is_some_and(|head| head.len() > 1 && head.iter().all(|text| !text.is_empty()))
    {
        return Some((more, head.y - 0.9 * head.size));
    }
    Some((texts, top))
}

/// Returns the rows of a table between rules, of which the first part its head from the rest; `None` if it is none.
fn table_between(rows: &[WordRow], rules: &[f32]) -> Option<Vec<Vec<String>>> {
    let size = rows.first()?.size;
    if rows.len() < 2 || rows.len() > MAX_ROWS || rules.len() < 2 {
        return None;
    }
    let separators = separators(rows, RULED_GAP * size);
    if separators.is_empty() {
        return None;
    }
    let cells: Vec<Cells> = rows.iter().map(|row| row.cells(&separators)).collect();
    let full = cells.iter().filter(|cells| cells.filled() >= 2).count();
    let words: usize = rows.iter().map(|row| row.words.len()).sum();
    let filled: usize = cells.iter().map(Cells::filled).sum();
    if full * 10 < rows.len() * 6 || words > filled * 9 {
        return None;
    }

    // The lines above the second rule are one head, unless a cell of them is over several columns.
    let head =
        rows.iter().filter(|row| rules.len() > 2 && rules.get(1).is_some_and(|rule| row.y < *rule)).count();
    let one = (2..=4).contains(&head) && !cells.iter().take(head).any(|cells| cells.spanning);
    let mut texts: Vec<Vec<String>> = Vec::new();
    for (place, (row, cells)) in rows.iter().zip(&cells).enumerate() {
        let in_head = one && place > 0 && place < head;
        let tight = place > 0 && rows.get(place - 1).is_some_and(|above| row.y - above.y < 1.45 * row.size);
        let goes_on = in_head || (tight && place > head && continues(cells, texts.last()));
        add_row(&mut texts, cells, goes_on);
    }
    is_table(&texts, 0.3).then_some(texts)
}

/// Returns whether a row goes on with the cells of the one before it: its first cell is empty, and most others.
fn continues(cells: &Cells, before: Option<&Vec<String>>) -> bool {
    let Some(before) = before else { return false };
    let filled_before = before.iter().filter(|text| !text.is_empty()).count();
    cells.words.first().is_some_and(Vec::is_empty)
        && cells.filled() < filled_before
        && cells.filled() * 2 <= before.len()
        && cells.words.iter().zip(before).all(|(words, above)| words.is_empty() || !above.is_empty())
}

fn add_row(texts: &mut Vec<Vec<String>>, cells: &Cells, goes_on: bool) {
    let row: Vec<String> = cells.words.iter().map(|words| text_of(words.iter())).collect();
    match texts.last_mut() {
        Some(last) if goes_on => {
            for (text, more) in last.iter_mut().zip(row) {
                super::paragraph::join(text, &more, &Default::default());
            }
        }
        _ => texts.push(row),
    }
}

/// Returns segments as rows, from top to bottom.
fn rows_of(mut segments: Vec<Segment>) -> Vec<WordRow> {
    segments.sort_by(|a, b| a.y.total_cmp(&b.y));
    let mut rows: Vec<WordRow> = Vec::new();
    for segment in segments {
        match rows.last_mut() {
            Some(row) if segment.y - row.y < 0.45 * row.size.max(segment.size) => {
                row.words.extend(segment.words)
            }
            _ => rows.push(WordRow { words: segment.words, y: segment.y, size: segment.size }),
        }
    }
    for row in &mut rows {
        row.words.sort_by(|a, b| a.left.total_cmp(&b.left));
    }
    rows
}

/// Returns the parts with the tables that nothing but white gaps makes.
fn white(parts: Vec<PagePart>) -> Vec<PagePart> {
    let mut result = Vec::with_capacity(parts.len());
    let mut run: Vec<Line> = Vec::new();
    for part in parts {
        match part {
            PagePart::Line(line) if run.last().is_none_or(|last| goes_on_below(last, &line)) => {
                run.push(line)
            }
            part => {
                white_tables(std::mem::take(&mut run), &mut result);
                match part {
                    PagePart::Line(line) => run.push(line),
                    table => result.push(table),
                }
            }
        }
    }
    white_tables(run, &mut result);
    result
}

fn goes_on_below(last: &Line, next: &Line) -> bool {
    let size = last.size.max(next.size);
    let down = next.y - last.y;
    down > 0.5 * size && down < 3.2 * size && !last.monospace && !next.monospace
}

/// Appends lines that follow each other, of which those with columns are tables.
fn white_tables(lines: Vec<Line>, result: &mut Vec<PagePart>) {
    let mut table: Vec<Line> = Vec::new();
    for line in lines {
        // A line of one part may go on with a cell of the row before it.
        let is_row = line.cells.len() >= 2;
        let inside = table.first().is_some_and(|first: &Line| line.area.left > first.area.left + line.size);
        if is_row || (inside && !table.is_empty()) {
            table.push(line);
            continue;
        }
        end_white_table(std::mem::take(&mut table), result);
        result.push(PagePart::Line(line));
    }
    end_white_table(table, result);
}

fn end_white_table(mut lines: Vec<Line>, result: &mut Vec<PagePart>) {
    let rows = lines.iter().rposition(|line| line.cells.len() >= 2).map_or(0, |last| last + 1);
    let after = lines.split_off(rows);
    match white_table(&lines) {
        Some(table) => result.push(PagePart::Table(table)),
        None => result.extend(lines.into_iter().map(PagePart::Line)),
    }
    result.extend(after.into_iter().map(PagePart::Line));
}

fn white_table(lines: &[Line]) -> Option<Table> {
    let parted = lines.iter().filter(|line| line.cells.len() >= 2).count();
    if parted < 3 || parted * 10 < lines.len() * 6 {
        return None;
    }
    let size = lines.first()?.size;
    let segments = lines.iter().flat_map(|line| line.cells.iter().cloned()).collect();
    let rows = rows_of(segments);
    let separators = separators(&rows, WHITE_GAP * size);
    let cells: Vec<Cells> = rows.iter().map(|row| row.cells(&separators)).collect();
    let full = cells.iter().filter(|cells| cells.filled() * 2 > separators.len()).count();
    if separators.is_empty() || full * 10 < rows.len() * 6 || is_list(&cells) {
        return None;
    }

    let mut texts = Vec::new();
    for (place, (row, cells)) in rows.iter().zip(&cells).enumerate() {
        let tight = place > 0 && rows.get(place - 1).is_some_and(|above| row.y - above.y < 1.45 * row.size);
        let goes_on = tight && continues(cells, texts.last());
        add_row(&mut texts, cells, goes_on);
    }
    let area = lines.iter().map(|line| line.area).reduce(|all, area| all.union(&area))?;
    is_table(&texts, 0.45).then(|| Table::new(texts, area))
}
