//! Charts: their data as a table.

use std::collections::BTreeMap;

use crate::package::Node;

use super::super::block::Block;
use super::super::grid::Grid;

/// The largest number of points that are written of a chart's data.
const MOST_POINTS: usize = 10_000;

/// A series of data: its name, and its values by their places.
struct Series {
    name: String,
    categories: BTreeMap<usize, String>,
    values: BTreeMap<usize, String>,
}

/// Appends a chart's title and data.
pub(super) fn read(root: Node<'_>, output: &mut Vec<Block>) {
    let Some(chart) = root.child("chart") else { return };
    if let Some(text) = chart.at(&["title", "tx", "rich"]) {
        output.extend(super::paragraphs(text).into_iter().map(Block::Paragraph));
    }
    let Some(area) = chart.child("plotArea") else { return };
    for title in area.elements().filter_map(|axis| axis.at(&["title", "tx", "rich"])) {
        output.extend(super::paragraphs(title).into_iter().map(Block::Paragraph));
    }

    let plots = area.elements().filter(|plot| plot.name().ends_with("Chart"));
    let series: Vec<Series> = plots.flat_map(|plot| plot.elements_named("ser")).map(series).collect();
    if series.iter().any(|series| !series.values.is_empty()) {
        output.push(Block::Table(table(&series)));
    }
}

fn series(node: Node<'_>) -> Series {
    let name: Vec<String> = axis(node, &["tx"]).into_values().collect();
    Series {
        name: name.join(" "),
        categories: axis(node, &["cat", "xVal"]),
        values: axis(node, &["val", "yVal"]),
    }
}

/// Returns the values of the first of these children that there is.
fn axis(series: Node<'_>, names: &[&str]) -> BTreeMap<usize, String> {
    let found = names.iter().find_map(|name| series.child(name));
    found.map(points).unwrap_or_default()
}

/// Returns values by their places: those that Office kept when it last drew the chart.
fn points(node: Node<'_>) -> BTreeMap<usize, String> {
    let mut points = BTreeMap::new();
    for point in node.descendants().filter(|point| matches!(point.name(), "pt" | "v")) {
        let (place, value) = match point.name() {
            "pt" => (point.number("idx").unwrap_or(0), point.child("v")),
            // A name that is given as it is.
            _ if points.is_empty() => (0, Some(point)),
            _ => continue,
        };
        let value = value.map(|value| value.text().trim().to_owned()).unwrap_or_default();
        if !value.is_empty() && points.len() < MOST_POINTS {
            points.entry(place).and_modify(|text: &mut String| join(text, &value)).or_insert(value);
        }
    }
    points
}

/// Appends another level of a category's name, which is outside the one before it.
fn join(text: &mut String, outer: &str) {
    if text != outer {
        *text = format!("{outer} {text}");
    }
}

/// Returns a table with a row a category and a column a series.
fn table(series: &[Series]) -> Grid {
    let mut grid = Grid::default();
    grid.begin_row();
    grid.blank(1);
    for series in series {
        grid.cell(series.name.clone(), 1);
    }

    let mut places: Vec<usize> = series.iter().flat_map(|series| series.values.keys().copied()).collect();
    places.sort_unstable();
    places.dedup();
    for place in places.into_iter().take(MOST_POINTS / series.len().max(1)) {
        grid.begin_row();
        let category = series.iter().find_map(|series| series.categories.get(&place));
        grid.cell(category.cloned().unwrap_or_default(), 1);
        for series in series {
            grid.cell(series.values.get(&place).cloned().unwrap_or_default(), 1);
        }
    }
    grid
}
