//! Straight lines along and across the page: the rules of tables.

use super::geometry::{Area, Matrix};

/// The most lines that are kept of a page; a page with more is a drawing.
pub(super) const MAX_RULES: usize = 6000;
/// The thickness to which a filled area is a line.
const THICK: f32 = 3.0;

/// The lines of the path that is being made.
#[derive(Debug, Default)]
pub(super) struct Path {
    edges: Vec<((f32, f32), (f32, f32))>,
    /// The rectangles around the subpaths.
    boxes: Vec<Area>,
    start: (f32, f32),
    at: (f32, f32),
    /// The rectangle around all of it, curves included.
    around: Option<Area>,
    /// `true` if what is drawn later is to be seen only within it.
    pub(super) clips: bool,
}

impl Path {
    /// Adds an instruction's lines.
    pub(super) fn add(&mut self, name: &[u8], numbers: &[f32], matrix: Matrix) {
        for corner in numbers.chunks_exact(2) {
            if let ([x, y], false) = (corner, name == b"re") {
                self.reach(matrix.apply(*x, *y));
            }
        }
        if let (b"re", [x, y, width, height]) = (name, numbers) {
            for corner in [(*x, *y), (x + width, *y), (x + width, y + height), (*x, y + height)] {
                self.reach(matrix.apply(corner.0, corner.1));
            }
        }
        if self.edges.len() > MAX_RULES {
            return;
        }
        match (name, numbers) {
            (b"m", [.., x, y]) => {
                self.at = matrix.apply(*x, *y);
                self.start = self.at;
                self.boxes.push(Area::between(self.at, self.at));
            }
            (b"l", [.., x, y]) => self.line(matrix.apply(*x, *y)),
            (b"c" | b"v" | b"y", [.., x, y]) => {
                // A curve is no rule, and what it bounds is no cell.
                self.at = matrix.apply(*x, *y);
                self.boxes.pop();
            }
            (b"h", _) => self.line(self.start),
            (b"re", [x, y, width, height]) => {
                self.at = matrix.apply(*x, *y);
                self.start = self.at;
                self.boxes.push(Area::between(self.at, self.at));
                for corner in [(x + width, *y), (x + width, y + height), (*x, y + height), (*x, *y)] {
                    self.line(matrix.apply(corner.0, corner.1));
                }
            }
            _ => {}
        }
    }

    fn reach(&mut self, place: (f32, f32)) {
        let place = Area::between(place, place);
        self.around = Some(self.around.map_or(place, |around| around.union(&place)));
    }

    /// Returns the area within which what is drawn later is to be seen, if the path says so.
    pub(super) fn clipped(&self) -> Option<Area> {
        self.around.filter(|_| self.clips)
    }

    fn line(&mut self, to: (f32, f32)) {
        self.edges.push((self.at, to));
        if let Some(last) = self.boxes.last_mut() {
            *last = last.union(&Area::between(to, to));
        }
        self.at = to;
    }

    /// Adds the path's lines to the rules.
    pub(super) fn stroke(&self, clip: &Area, rules: &mut Vec<Area>) {
        for (from, to) in &self.edges {
            let area = Area::between(*from, *to).intersection(clip);
            if area.width() < 0.0 || area.height() < 0.0 {
                continue;
            }
            if (area.width() < 1.0) != (area.height() < 1.0) && rules.len() <= MAX_RULES {
                rules.push(area);
            }
        }
    }

    /// Adds the thin areas of the path to the rules.
    pub(super) fn fill(&self, clip: &Area, rules: &mut Vec<Area>) {
        for area in &self.boxes {
            let area = area.intersection(clip);
            if area.width() < 0.0 || area.height() < 0.0 {
                continue;
            }
            let thin = area.width().min(area.height()) <= THICK;
            let long = area.width().max(area.height()) > 2.0 * THICK;
            if thin && long && rules.len() <= MAX_RULES {
                rules.push(area);
            }
        }
    }

    /// Forgets the path, as after it was drawn.
    pub(super) fn clear(&mut self) {
        self.edges.clear();
        self.boxes.clear();
        self.around = None;
        self.clips = false;
    }
}
