//! Tables that go on from the foot of a page to the head of the next one: one table, in which the head is not repeated.
//!
//! They are joined only where nothing stands between them, and where the second repeats the head of the first or the
//! lines between the columns of both are at the same places.

use pgai_rs_parser_protocol::Page;

use super::block::Block;
use super::table::Table;

/// The distance to which two columns, or the sides of two tables, are at one place.
const NEAR: f32 = 3.0;

/// The parts of a page's height below which a table reaches its foot, and above which it begins at its head.
const FOOT: f32 = 0.65;
const HEAD: f32 = 0.25;

/// Joins tables over pages, of which these are the blocks and the heights.
pub(super) fn join(pages: &mut [Vec<Block>], heights: &[f32]) {
    // The page with the table that may go on.
    let mut home: Option<usize> = None;
    for (place, height) in heights.iter().enumerate() {
        let Some((before, [page, ..])) = pages.split_at_mut_checked(place) else { return };
        let table = home.and_then(|home| match before.get_mut(home)?.last_mut()? {
            Block::Table(table) => Some(table),
            Block::Text(_) => None,
        });
        let reaches_foot =
            matches!(page.last(), Some(Block::Table(last)) if last.area.bottom > FOOT * height);
        let joined = table.is_some_and(|table| take(table, page, place + 1, *height));
        let goes_on = joined && page.is_empty();
        if !reaches_foot {
            home = None;
        } else if !goes_on {
            home = Some(place);
        }
    }
}

/// Takes the table at the head of a page of this number, from 1, to one that it goes on with.
fn take(table: &mut Table, page: &mut Vec<Block>, number: usize, height: f32) -> bool {
    let Some(Block::Table(next)) = page.first() else { return false };
    if next.area.top > HEAD * height || !are_of_one_width(table, next) {
        return false;
    }
    let repeated = usize::from(has_same_head(table, next));
    if repeated == 0 && !have_same_columns(table, next) {
        return false;
    }
    if let Block::Table(next) = page.remove(0) {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        table.pages.push(Page { number, start: table.rows.len() });
        table.rows.extend(next.rows.into_iter().skip(repeated));
    }
    true
}

fn are_of_one_width(first: &Table, second: &Table) -> bool {
    let columns = |table: &Table| table.rows.iter().map(Vec::len).max();
    (first.area.left - second.area.left).abs() < NEAR
        && (first.area.right - second.area.right).abs() < NEAR
        && columns(first) == columns(second)
}

fn has_same_head(first: &Table, second: &Table) -> bool {
    let head = first.rows.first();
    let filled = head.map_or(0, |head| head.iter().filter(|text| !text.is_empty()).count());
    filled >= 2 && head == second.rows.first() && second.rows.len() > 1
}

fn have_same_columns(first: &Table, second: &Table) -> bool {
    let pairs = first.columns.iter().zip(&second.columns);
    !first.columns.is_empty()
        && first.columns.len() == second.columns.len()
        && pairs.into_iter().all(|(first, second)| (first - second).abs() < NEAR)
}
