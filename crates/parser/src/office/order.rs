//! The order in which a person reads what stands on a slide: from top to bottom, columns one after the other.
//!
//! The slide is cut where nothing stands: into bands from top to bottom, each band into columns from left to right, each
//! column into bands again, and so on (a recursive XY cut).

/// The place of a shape on a slide, in any unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rect {
    /// The left edge.
    pub(super) left: i64,
    /// The upper edge; y grows downwards.
    pub(super) top: i64,
    /// The distance from the left edge to the right one.
    pub(super) width: i64,
    /// The distance from the upper edge to the lower one.
    pub(super) height: i64,
}

/// The deepest cut. What is left then is read from its top.
const DEEPEST: usize = 40;

/// Returns the shapes in the order in which they are read. Those without a place come last.
pub(super) fn sort<T>(shapes: Vec<(Option<Rect>, T)>) -> Vec<T> {
    let mut placed = Vec::new();
    let mut unplaced = Vec::new();
    for (rect, shape) in shapes {
        match rect {
            Some(rect) => placed.push((rect, shape)),
            None => unplaced.push(shape),
        }
    }
    let mut output = Vec::with_capacity(placed.len() + unplaced.len());
    cut(placed, 0, &mut output);
    output.extend(unplaced);
    output
}

fn cut<T>(mut shapes: Vec<(Rect, T)>, depth: usize, output: &mut Vec<T>) {
    if shapes.len() < 2 || depth > DEEPEST {
        shapes.sort_by_key(|(rect, _)| (rect.top, rect.left));
        output.extend(shapes.into_iter().map(|(_, shape)| shape));
        return;
    }

    let bands = split(shapes, vertical);
    let bands_are_heads = are_heads(&bands);
    if bands.len() > 1 && !bands_are_heads {
        for band in bands {
            cut(band, depth + 1, output);
        }
        return;
    }

    let columns = split(bands.into_iter().flatten().collect(), horizontal);
    if columns.len() > 1 {
        for column in columns {
            cut(column, depth + 1, output);
        }
        return;
    }
    let shapes: Vec<(Rect, T)> = columns.into_iter().flatten().collect();
    if !bands_are_heads {
        cut(shapes, DEEPEST + 1, output);
        return;
    }
    for band in split(shapes, vertical) {
        cut(band, depth + 1, output);
    }
}

/// Returns whether the first of these bands has the heads of columns: then each column is read from its head down.
fn are_heads<T>(bands: &[Vec<(Rect, T)>]) -> bool {
    let height = |band: &[(Rect, T)]| band.iter().map(|(rect, _)| rect.height).max().unwrap_or(0);
    match bands {
        [heads, bodies, ..] => {
            heads.len() > 1
                && heads.len() == bodies.len()
                && height(heads).saturating_mul(2) <= height(bodies)
        }
        _ => false,
    }
}

/// Returns a shape's beginning and end from top to bottom.
fn vertical(rect: &Rect) -> (i64, i64) {
    inset(rect.top, rect.height)
}

/// Returns a shape's beginning and end from left to right.
fn horizontal(rect: &Rect) -> (i64, i64) {
    inset(rect.left, rect.width)
}

/// Returns a beginning and an end without a tenth: the edges of shapes hold no text, and often overlap.
fn inset(start: i64, length: i64) -> (i64, i64) {
    let edge = length.max(0) / 20;
    (start.saturating_add(edge), start.saturating_add(length.max(0)).saturating_sub(edge))
}

/// Splits shapes where no shape is, along one axis.
fn split<T>(mut shapes: Vec<(Rect, T)>, extent: impl Fn(&Rect) -> (i64, i64)) -> Vec<Vec<(Rect, T)>> {
    shapes.sort_by_key(|(rect, _)| extent(rect).0);
    let mut groups: Vec<Vec<(Rect, T)>> = Vec::new();
    let mut reached = i64::MIN;
    for shape in shapes {
        let (start, end) = extent(&shape.0);
        match groups.last_mut() {
            Some(group) if start < reached => group.push(shape),
            _ => groups.push(vec![shape]),
        }
        reached = reached.max(end);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(shapes: &[(&'static str, [i64; 4])]) -> Vec<&'static str> {
        let shape = |(name, [left, top, width, height]): &(&'static str, [i64; 4])| {
            (Some(Rect { left: *left, top: *top, width: *width, height: *height }), *name)
        };
        sort(shapes.iter().map(shape).collect())
    }

    #[test]
    fn columns_are_read_one_after_the_other() {
        let shapes = [
            ("right", [55, 20, 40, 60]),
            ("footnote", [0, 90, 100, 5]),
            ("left below", [0, 55, 45, 25]),
            ("left above", [0, 20, 45, 30]),
            ("title", [0, 0, 100, 15]),
        ];
        assert_eq!(sorted(&shapes), ["title", "left above", "left below", "right", "footnote"]);
    }

    #[test]
    fn a_column_is_read_from_its_head_down() {
        let shapes = [
            ("head 1", [0, 0, 45, 10]),
            ("head 2", [50, 0, 45, 10]),
            ("body 1", [0, 12, 45, 60]),
            ("body 2", [50, 12, 45, 60]),
        ];
        assert_eq!(sorted(&shapes), ["head 1", "body 1", "head 2", "body 2"]);
    }

    #[test]
    fn equal_boxes_are_read_row_by_row() {
        let shapes =
            [("d", [50, 50, 45, 40]), ("b", [50, 0, 45, 40]), ("c", [0, 50, 45, 40]), ("a", [0, 0, 45, 40])];
        assert_eq!(sorted(&shapes), ["a", "b", "c", "d"]);
    }

    #[test]
    fn places_that_no_slide_has_are_sorted_all_the_same() {
        let shapes =
            [("b", [i64::MAX, i64::MAX, i64::MAX, i64::MAX]), ("a", [i64::MIN, i64::MIN, -1, i64::MIN])];
        assert_eq!(sorted(&shapes), ["a", "b"]);
    }
}
