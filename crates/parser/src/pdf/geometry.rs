//! Places on a page.

/// An affine map, as PDF writes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Matrix(pub(super) [f32; 6]);

impl Matrix {
    /// The map that changes nothing.
    pub(super) const IDENTITY: Matrix = Matrix([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    /// Returns the map that applies this one, then the other.
    pub(super) fn then(self, other: Matrix) -> Matrix {
        let [a, b, c, d, e, f] = self.0;
        let [p, q, r, s, t, u] = other.0;
        Matrix([
            a * p + b * r,
            a * q + b * s,
            c * p + d * r,
            c * q + d * s,
            e * p + f * r + t,
            e * q + f * s + u,
        ])
    }

    /// Returns the place that a place is mapped to.
    pub(super) fn apply(self, x: f32, y: f32) -> (f32, f32) {
        let [a, b, c, d, e, f] = self.0;
        (a * x + c * y + e, b * x + d * y + f)
    }

    /// Returns the rectangle around a rectangle's place.
    pub(super) fn area(self, (left, bottom): (f32, f32), (right, top): (f32, f32)) -> Area {
        let area = Area::between(self.apply(left, bottom), self.apply(right, top));
        area.union(&Area::between(self.apply(left, top), self.apply(right, bottom)))
    }

    /// Returns the length of what was a unit upwards.
    pub(super) fn height(self) -> f32 {
        length(self.0[2], self.0[3])
    }
}

/// Returns the length of a vector. `f32::hypot` is a newer function of glibc than all others that the program needs.
pub(super) fn length(x: f32, y: f32) -> f32 {
    let (x, y) = (f64::from(x), f64::from(y));
    (x * x + y * y).sqrt() as f32
}

/// A rectangle, with y downwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    /// The smallest x, in points.
    pub(super) left: f32,
    /// The smallest y, in points.
    pub(super) top: f32,
    /// The largest x, in points.
    pub(super) right: f32,
    /// The largest y, in points.
    pub(super) bottom: f32,
}

impl Area {
    /// Returns the rectangle around two corners.
    pub(super) fn between(a: (f32, f32), b: (f32, f32)) -> Area {
        Area { left: a.0.min(b.0), top: a.1.min(b.1), right: a.0.max(b.0), bottom: a.1.max(b.1) }
    }

    /// Returns the width, in points.
    pub(super) fn width(&self) -> f32 {
        self.right - self.left
    }

    /// Returns the height, in points.
    pub(super) fn height(&self) -> f32 {
        self.bottom - self.top
    }

    /// Returns the smallest rectangle around both.
    pub(super) fn union(&self, other: &Area) -> Area {
        Area {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// Returns the part that both have in common, which may be of a negative size.
    pub(super) fn intersection(&self, other: &Area) -> Area {
        Area {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
    }

    /// Returns whether a place is in it, or not further from it than this.
    pub(super) fn has_near(&self, (x, y): (f32, f32), far: f32) -> bool {
        x >= self.left - far && x <= self.right + far && y >= self.top - far && y <= self.bottom + far
    }

    /// Returns whether a place is in the rectangle or on its edge.
    pub(super) fn contains(&self, (x, y): (f32, f32)) -> bool {
        x >= self.left && x <= self.right && y >= self.top && y <= self.bottom
    }

    /// Returns the length that both have in common from left to right.
    pub(super) fn overlap_x(&self, other: &Area) -> f32 {
        self.right.min(other.right) - self.left.max(other.left)
    }

    /// Returns the length that both have in common from top to bottom.
    pub(super) fn overlap_y(&self, other: &Area) -> f32 {
        self.bottom.min(other.bottom) - self.top.max(other.top)
    }
}
