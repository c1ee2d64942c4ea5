//! Running heads, feet and page numbers: what repeats at the edges of pages.

use std::collections::{HashMap, HashSet};

use super::line::{Line, text_of};
use super::page::PdfPage;

/// The part of a page's height at its top, and at its bottom, where furniture stands.
const ZONE: f32 = 0.14;
/// The most lines of furniture at one edge.
const DEEP: usize = 4;
/// The number of pages from which a repetition is no chance.
const REPEATED: usize = 3;

/// A row of lines at the edge of a page.
#[derive(Debug)]
struct Row {
    /// The places of its lines in the page.
    lines: Vec<usize>,
    text: String,
    size: f32,
    /// The number of segments it is drawn in.
    cells: usize,
    /// Its words, of which numbers are `#`.
    shapes: Vec<String>,
    /// The place of its baseline, in units of 4 points.
    place: i32,
    numbers: Vec<i64>,
}

/// Removes the lines that repeat over pages at their edges.
pub(super) fn remove(pages: &mut [PdfPage]) {
    if pages.len() < 2 {
        return;
    }
    let middle = middle_texts(pages);
    for at_top in [true, false] {
        let edges: Vec<Vec<Row>> = pages.iter().map(|page| edge(page, at_top)).collect();
        let facts = Facts::of(&edges);
        for (number, (page, rows)) in pages.iter_mut().zip(&edges).enumerate() {
            let mut gone = HashSet::new();
            for row in rows {
                if !facts.is_furniture(row, number, &middle) {
                    break;
                }
                gone.extend(row.lines.iter().copied());
            }
            if !gone.is_empty() {
                let mut place = 0;
                page.lines.retain(|_| {
                    place += 1;
                    !gone.contains(&(place - 1))
                });
            }
        }
    }
}

/// The texts of lines that are in the middle of a page, with their sizes, and how often they are.
type Middle = HashMap<(String, i32), usize>;

/// Returns the texts in the middles of pages.
fn middle_texts(pages: &[PdfPage]) -> Middle {
    let mut texts = Middle::new();
    for page in pages {
        for line in &page.lines {
            let height = page.height.max(1.0);
            let inside = line.y > height * ZONE && line.y < height * (1.0 - ZONE);
            if inside && line.cells.len() < 4 {
                *texts.entry((line.text(), tenths(line.size))).or_default() += 1;
            }
        }
    }
    texts
}

fn tenths(size: f32) -> i32 {
    (size * 10.0).round() as i32
}

/// Returns the rows at an edge of a page, the outermost first.
fn edge(page: &PdfPage, at_top: bool) -> Vec<Row> {
    let zone = page.height * ZONE;
    let mut places: Vec<usize> = Vec::new();
    for (place, line) in page.lines.iter().enumerate() {
        if if at_top { line.y < zone } else { line.y > page.height - zone } {
            places.push(place);
        }
    }
    let y = |place: &usize| page.lines[*place].y;
    places.sort_by(|a, b| if at_top { y(a).total_cmp(&y(b)) } else { y(b).total_cmp(&y(a)) });

    let mut rows: Vec<Vec<usize>> = Vec::new();
    for place in places {
        let full = rows.len() == DEEP;
        match rows.last_mut() {
            Some(row) if row.last().is_some_and(|last| (y(last) - y(&place)).abs() < 3.0) => row.push(place),
            _ if full => break,
            _ => rows.push(vec![place]),
        }
    }
    rows.into_iter().map(|lines| row(page, lines)).collect()
}

fn row(page: &PdfPage, mut lines: Vec<usize>) -> Row {
    lines.sort_by(|a, b| page.lines[*a].area.left.total_cmp(&page.lines[*b].area.left));
    let members: Vec<&Line> = lines.iter().map(|place| &page.lines[*place]).collect();
    let text = text_of(members.iter().flat_map(|line| line.words()));
    let place = members.first().map_or(0.0, |line| line.y);
    let (shapes, numbers): (Vec<String>, Vec<Option<i64>>) = text.split_whitespace().map(opened).unzip();
    Row {
        place: (place / 4.0).round() as i32,
        size: members.iter().map(|line| line.size).fold(0.0, f32::max),
        cells: members.iter().map(|line| line.cells.len()).sum(),
        numbers: numbers.into_iter().flatten().collect(),
        lines,
        text,
        shapes,
    }
}

/// Returns a word in which numbers are left open, and its number if it is one.
fn opened(word: &str) -> (String, Option<i64>) {
    let bare = word.trim_matches(|letter: char| !letter.is_alphanumeric());
    if let Some(number) = roman(bare) {
        return (word.replace(bare, "#"), Some(number));
    }
    let mut shape = String::with_capacity(word.len());
    for letter in word.chars() {
        if letter.is_numeric() {
            if !shape.ends_with('#') {
                shape.push('#');
            }
        } else {
            shape.extend(letter.to_lowercase());
        }
    }
    (shape, bare.parse().ok())
}

/// Returns the value of a number in small Roman figures.
fn roman(word: &str) -> Option<i64> {
    if word.is_empty() || word.len() > 8 {
        return None;
    }
    let mut value = 0;
    let mut last = 0;
    for letter in word.chars().rev() {
        let figure = match letter {
            'i' => 1,
            'v' => 5,
            'x' => 10,
            'l' => 50,
            'c' => 100,
            _ => return None,
        };
        if figure < last {
            value -= figure;
        } else {
            value += figure;
            last = figure;
        }
    }
    Some(value)
}

/// The repetitions at one edge of all pages.
struct Facts {
    /// The number of pages that have a text at a place.
    texts: HashMap<(String, i32), usize>,
    /// The differences between a number at a place and that of its page, and how often they occur.
    counted: HashMap<(i32, i64), usize>,
    /// The number of pages that have furniture at a place.
    places: HashMap<i32, usize>,
    pages: usize,
}

impl Facts {
    fn of(edges: &[Vec<Row>]) -> Facts {
        let mut facts = Facts {
            texts: HashMap::new(),
            counted: HashMap::new(),
            places: HashMap::new(),
            pages: edges.iter().filter(|rows| !rows.is_empty()).count(),
        };
        for (page, rows) in edges.iter().enumerate() {
            for row in rows {
                for place in row.place - 1..=row.place + 1 {
                    *facts.texts.entry((row.text.clone(), place)).or_default() += 1;
                }
                for number in outer_numbers(row) {
                    for place in row.place - 1..=row.place + 1 {
                        *facts.counted.entry((place, number - page as i64)).or_default() += 1;
                    }
                }
            }
        }
        for (page, rows) in edges.iter().enumerate() {
            for row in rows {
                if facts.repeats(row) || facts.counts(row, page) {
                    *facts.places.entry(row.place).or_default() += 1;
                }
            }
        }
        facts
    }

    /// Returns whether a row is furniture on the page with this place among all.
    fn is_furniture(&self, row: &Row, page: usize, middle: &Middle) -> bool {
        if self.counts(row, page) {
            return true;
        }
        if self.is_content(row, middle) {
            return false;
        }
        self.repeats(row) || self.stands_in(row)
    }

    /// Returns whether a row is a line that is in the middle of pages, too, in the same size, and not much more often
    /// at their edges: it is content wherever it is.
    fn is_content(&self, row: &Row, middle: &Middle) -> bool {
        let size = tenths(row.size);
        let inside: usize =
            (size - 1..=size + 1).filter_map(|size| middle.get(&(row.text.clone(), size))).sum();
        let outside = self.texts.get(&(row.text.clone(), row.place)).copied().unwrap_or(0);
        inside * 5 > outside
    }

    /// Returns whether a row with these words is at this place of several pages.
    fn repeats(&self, row: &Row) -> bool {
        // Rows of more parts are the heads of tables that go on from page to page.
        row.cells <= 3
            && self.texts.get(&(row.text.clone(), row.place)).is_some_and(|pages| *pages >= REPEATED)
    }

    /// Returns whether a row begins or ends with a number that counts the pages.
    fn counts(&self, row: &Row, page: usize) -> bool {
        let needed = REPEATED.min(self.pages.max(2));
        let short = row.text.chars().count() < 120;
        short
            && outer_numbers(row).into_iter().any(|number| {
                let pages = self.counted.get(&(row.place, number - page as i64)).copied().unwrap_or(0);
                pages >= needed
            })
    }

    /// Returns whether a row is the furniture of a section whose name is on few pages: almost all pages have
    /// furniture at its place, and it is as short.
    fn stands_in(&self, row: &Row) -> bool {
        let pages: usize = (row.place - 1..=row.place + 1).filter_map(|place| self.places.get(&place)).sum();
        self.pages >= 6 && row.cells <= 3 && pages * 10 >= self.pages * 7 && row.text.chars().count() < 90
    }
}

/// Returns the numbers that a row begins and ends with, or that it is about, such as "page 3 of 12".
fn outer_numbers(row: &Row) -> Vec<i64> {
    let is_number = |shape: &&String| shape.chars().all(|letter| letter == '#' || !letter.is_alphanumeric());
    let mut numbers = Vec::new();
    if row.shapes.first().as_ref().is_some_and(is_number) {
        numbers.extend(row.numbers.first());
    }
    if row.shapes.last().as_ref().is_some_and(is_number) {
        numbers.extend(row.numbers.last());
    }
    if row.shapes.len() <= 5 && row.numbers.len() <= 2 {
        numbers.extend(row.numbers.first());
    }
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}
