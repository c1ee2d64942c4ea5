//! Ruled tables: the grids that lines form.

use super::geometry::Area;
use super::path::MAX_RULES;

/// The distance to which two lines are at one place, or meet.
const NEAR: f32 = 2.5;
/// The most lines along, and across, that are looked at; a page with more is a drawing.
const MAX_LINES: usize = 800;

/// A line along or across a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// Its place: the y of a line along, the x of one across.
    pub(super) at: f32,
    /// Its beginning: the x of a line along, the y of one across.
    pub(super) from: f32,
    /// Its end, not before its beginning.
    pub(super) to: f32,
}

impl Rule {
    fn covers(&self, place: f32) -> bool {
        place >= self.from - NEAR && place <= self.to + NEAR
    }
}

/// The lines of a page.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// The lines from left to right.
    pub(super) along: Vec<Rule>,
    /// The lines from top to bottom.
    pub(super) across: Vec<Rule>,
}

/// Returns a page's lines, of which those in one are one; none if there are so many that they are a drawing.
pub(super) fn rules(areas: &[Area]) -> Rules {
    if areas.len() >= MAX_RULES {
        return Rules::default();
    }
    let mut along = Vec::new();
    let mut across = Vec::new();
    for area in areas {
        if area.width() > area.height() {
            along.push(Rule { at: (area.top + area.bottom) / 2.0, from: area.left, to: area.right });
        } else {
            across.push(Rule { at: (area.left + area.right) / 2.0, from: area.top, to: area.bottom });
        }
    }
    let rules = Rules { along: joined(along), across: joined(across) };
    if rules.along.len() > MAX_LINES || rules.across.len() > MAX_LINES { Rules::default() } else { rules }
}

/// Returns lines of which those that go on in each other are one.
fn joined(mut lines: Vec<Rule>) -> Vec<Rule> {
    lines.sort_by(|a, b| (a.at.round() as i64).cmp(&(b.at.round() as i64)).then(a.from.total_cmp(&b.from)));
    let mut joined: Vec<Rule> = Vec::new();
    for line in lines {
        match joined.last_mut() {
            Some(last) if (last.at - line.at).abs() < 1.5 && line.from <= last.to + NEAR => {
                last.to = last.to.max(line.to);
            }
            _ => joined.push(line),
        }
    }
    joined.retain(|line| line.to - line.from > 4.0);
    joined
}

/// The lines of one table.
#[derive(Debug)]
pub(super) struct RuledGrid {
    /// The rectangle around all of its lines.
    pub(super) area: Area,
    along: Vec<Rule>,
    across: Vec<Rule>,
    /// The places of its lines along, from the top, and across, from the left.
    pub(super) rows: Vec<f32>,
    /// The places of its lines across, from the left.
    pub(super) columns: Vec<f32>,
}

impl RuledGrid {
    fn new(along: Vec<Rule>, across: Vec<Rule>) -> Option<RuledGrid> {
        let rows = places(along.iter().map(|rule| rule.at).chain(ends(&across)));
        let columns = places(across.iter().map(|rule| rule.at).chain(ends(&along)));
        let area = Area {
            left: *columns.first()?,
            top: *rows.first()?,
            right: *columns.last()?,
            bottom: *rows.last()?,
        };
        (rows.len() >= 3 && columns.len() >= 3).then_some(RuledGrid { area, along, across, rows, columns })
    }

    /// Returns the number of comparisons that finding a cell may take.
    pub(super) fn cost(&self) -> usize {
        self.rows.len() * self.along.len() + self.columns.len() * self.across.len()
    }

    /// Returns the row and the column of a place. Where there is no line between two cells they are the first of both.
    pub(super) fn cell(&self, (x, y): (f32, f32)) -> (usize, usize) {
        let column = last_before(&self.columns, x, |at| self.across.iter().any(|rule| is_at(rule, at, y)));
        let row = last_before(&self.rows, y, |at| self.along.iter().any(|rule| is_at(rule, at, x)));
        (row, column)
    }
}

fn is_at(rule: &Rule, at: f32, place: f32) -> bool {
    (rule.at - at).abs() < NEAR && rule.covers(place)
}

/// Returns the number of the last of these lines that are before a place, and drawn there; else of the first of all.
fn last_before(lines: &[f32], place: f32, is_drawn: impl Fn(f32) -> bool) -> usize {
    let before = lines.iter().take_while(|line| **line <= place).count();
    let inner = lines.get(1..before).unwrap_or_default();
    inner.iter().rposition(|line| is_drawn(*line)).map_or(0, |place| place + 1)
}

/// Returns both ends of all lines.
fn ends(lines: &[Rule]) -> impl Iterator<Item = f32> {
    let from = lines.iter().map(|rule| rule.from).fold(f32::INFINITY, f32::min);
    let to = lines.iter().map(|rule| rule.to).fold(f32::NEG_INFINITY, f32::max);
    [from, to].into_iter().filter(|end| end.is_finite())
}

/// Returns places in order, without those that are near others.
fn places(places: impl Iterator<Item = f32>) -> Vec<f32> {
    let mut sorted: Vec<f32> = places.collect();
    sorted.sort_by(f32::total_cmp);
    sorted.dedup_by(|next, last| *next - *last < NEAR * 1.5);
    sorted
}

/// Returns the grids that lines form where they meet.
pub(super) fn grids(rules: &Rules) -> Vec<RuledGrid> {
    let along = rules.along.len();
    let total = along + rules.across.len();
    let mut home: Vec<usize> = (0..total).collect();
    for (row, horizontal) in rules.along.iter().enumerate() {
        for (column, vertical) in rules.across.iter().enumerate() {
            if horizontal.covers(vertical.at) && vertical.covers(horizontal.at) {
                let (a, b) = (root(&mut home, row), root(&mut home, along + column));
                home[a.max(b)] = a.min(b);
            }
        }
    }

    let mut groups: Vec<(Vec<Rule>, Vec<Rule>)> = vec![Default::default(); total];
    for (place, rule) in rules.along.iter().enumerate() {
        groups[root(&mut home, place)].0.push(*rule);
    }
    for (place, rule) in rules.across.iter().enumerate() {
        groups[root(&mut home, along + place)].1.push(*rule);
    }
    groups.into_iter().filter_map(|(along, across)| RuledGrid::new(along, across)).collect()
}

fn root(home: &mut [usize], mut place: usize) -> usize {
    while home[place] != place {
        home[place] = home[home[place]];
        place = home[place];
    }
    place
}

fn ends_alike(a: &Rule, b: &Rule) -> bool {
    (a.from - b.from).abs() < 4.0 && (a.to - b.to).abs() < 4.0
}

/// Returns the areas between lines along that have the same ends, as tables without lines across have them.
pub(super) fn bands(rules: &Rules) -> Vec<Vec<Rule>> {
    let mut bands: Vec<Vec<Rule>> = Vec::new();
    let mut along = rules.along.clone();
    along.sort_by(|a, b| a.at.total_cmp(&b.at));
    for rule in along {
        let same = bands.iter_mut().find(|band| band.first().is_some_and(|first| ends_alike(first, &rule)));
        match same {
            Some(band) => band.push(rule),
            None => bands.push(vec![rule]),
        }
    }
    bands.retain(|band| band.len() >= 2 && band.first().is_some_and(|rule| rule.to - rule.from > 40.0));
    bands
}
