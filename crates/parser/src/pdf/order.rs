//! The order of a page's blocks.
//!
//! Most programs draw text in the order in which it is read, whatever the columns. Only where they obviously do not,
//! by going up the page again and again, is the order made out of the places of the blocks.

use super::block::Block;
use super::geometry::Area;

/// The most blocks whose places are looked at.
const MAX_BLOCKS: usize = 3000;
/// The most times that a page is cut into parts.
const MAX_DEPTH: usize = 40;

/// Returns blocks in reading order.
pub(super) fn in_order(blocks: Vec<Block>) -> Vec<Block> {
    if blocks.len() < 3 || blocks.len() > MAX_BLOCKS || is_ordered(&blocks) {
        return blocks;
    }
    let areas: Vec<Area> = blocks.iter().map(Block::area).collect();
    let mut order = Vec::with_capacity(blocks.len());
    cut(&areas, (0..blocks.len()).collect(), 0, &mut order);

    let mut blocks: Vec<Option<Block>> = blocks.into_iter().map(Some).collect();
    order.into_iter().filter_map(|place| blocks.get_mut(place)?.take()).collect()
}

/// Returns whether the blocks are drawn downwards, and column by column.
fn is_ordered(blocks: &[Block]) -> bool {
    let mut back = 0;
    let mut right = 0;
    for pair in blocks.windows(2) {
        let (last, next) = (pair[0].area(), pair[1].area());
        let above = next.bottom <= last.top + 1.0;
        let beside = next.left >= last.right - 1.0;
        if above && !beside {
            back += 1;
        }
        // Columns that are drawn line by line, to and fro.
        if !above && beside && next.overlap_y(&last) > 0.0 {
            right += 1;
        }
    }
    let steps = blocks.len() - 1;
    let jumps = back >= 3 && back * 5 > steps;
    let zigzags = right >= 6 && right * 3 > steps;
    !jumps && !zigzags
}

/// Cuts a part of a page at its widest white gap, across or along, until nothing can be cut, and appends its blocks.
fn cut(areas: &[Area], mut places: Vec<usize>, depth: usize, order: &mut Vec<usize>) {
    if places.len() > 1 && depth < MAX_DEPTH {
        let columns = gap(areas, &places, |area| (area.left, area.right));
        let rows = gap(areas, &places, |area| (area.top, area.bottom));
        // Columns are cut first where they can be, unless a gap between rows is much wider: a head over both.
        let across = match (columns, rows) {
            (Some((_, white)), Some((_, between))) => white > 8.0 || white >= between,
            (columns, _) => columns.is_some(),
        };
        let at = if across { columns } else { rows };
        if let Some((at, _)) = at {
            let end = |area: &Area| if across { area.right } else { area.bottom };
            let (first, second): (Vec<usize>, Vec<usize>) =
                places.into_iter().partition(|place| end(&areas[*place]) <= at);
            cut(areas, first, depth + 1, order);
            cut(areas, second, depth + 1, order);
            return;
        }
    }
    places.sort_by(|a, b| {
        let (a, b) = (&areas[*a], &areas[*b]);
        a.top.total_cmp(&b.top).then(a.left.total_cmp(&b.left))
    });
    order.extend(places);
}

/// Returns the middle and the width of the widest gap between areas, by their extents in one direction.
fn gap(areas: &[Area], places: &[usize], extent: impl Fn(&Area) -> (f32, f32)) -> Option<(f32, f32)> {
    let mut extents: Vec<(f32, f32)> = places.iter().map(|place| extent(&areas[*place])).collect();
    extents.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut end = extents.first()?.1;
    let mut widest: Option<(f32, f32)> = None;
    for (from, to) in extents {
        let white = from - end;
        if white > 1.0 && widest.is_none_or(|(_, width)| white > width) {
            widest = Some(((from + end) / 2.0, white));
        }
        end = end.max(to);
    }
    widest
}
