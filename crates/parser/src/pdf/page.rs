//! One page: its lines and rules.

use std::sync::Arc;

use unpdf::parser::backend::{PageBox, PageId, PdfBackend};

use super::geometry::{Area, Matrix};
use super::glyph::{Glyph, Glyphs};
use super::interpret::{Interpreter, Painted};
use super::limits::Budget;
use super::line::{Line, lines};
use super::segment::segments;
use crate::ParseError;

/// The most links of a page.
const MAX_LINKS: usize = 300;

/// The lines of a page, as seen by one who turns it to read most of them.
#[derive(Debug, Default)]
pub(super) struct PdfPage {
    /// The height of the page as it is turned, in points.
    pub(super) height: f32,
    /// The lines of text in the direction of most of the text, from top to bottom.
    pub(super) lines: Vec<Line>,
    /// Lines in other directions, such as the names of axes.
    pub(super) turned: Vec<Line>,
    /// The thin areas that are drawn: lines of tables, underlines and the like.
    pub(super) rules: Vec<Area>,
    /// The targets of links; the words of a link have its number, which counts from 1.
    pub(super) links: Vec<Arc<str>>,
    /// The number of images.
    pub(super) images: usize,
    /// The number of content streams and forms that could not be read.
    pub(super) unreadable: usize,
}

/// Reads a page.
pub(super) fn read_page(
    backend: &dyn PdfBackend,
    id: PageId,
    budget: &mut Budget,
) -> Result<PdfPage, ParseError> {
    let visible = backend.crop_box(id);
    let (shown, extent) = shown(visible, backend.page_rotation(id));
    let (links, areas) = links(backend, id, shown);
    let content = backend.page_content_with_losses(id);
    let Ok(content) = content else {
        return Ok(PdfPage { height: extent.1, unreadable: 1, ..PdfPage::default() });
    };
    let painted = Interpreter::new(backend, id, shown, extent, &areas, budget).run(&content.data)?;
    let mut page = arrange(painted, extent);
    page.links = links;
    page.unreadable += content.undecodable_streams;
    Ok(page)
}

/// Returns the map from a page's own coordinates to those in which it is shown, with y downwards, and its size there.
fn shown(visible: PageBox, rotation: u16) -> (Matrix, (f32, f32)) {
    let PageBox { llx, lly, urx, ury } = visible;
    let (width, height) = (urx - llx, ury - lly);
    match rotation {
        90 => (Matrix([0.0, 1.0, 1.0, 0.0, -lly, -llx]), (height, width)),
        180 => (Matrix([-1.0, 0.0, 0.0, 1.0, urx, -lly]), (width, height)),
        270 => (Matrix([0.0, -1.0, -1.0, 0.0, ury, urx]), (height, width)),
        _ => (Matrix([1.0, 0.0, 0.0, -1.0, -llx, ury]), (width, height)),
    }
}

/// Returns the targets of a page's links, and the places of each, by its number from 1.
fn links(backend: &dyn PdfBackend, id: PageId, shown: Matrix) -> (Vec<Arc<str>>, Vec<(Area, u16)>) {
    let mut targets: Vec<Arc<str>> = Vec::new();
    let mut areas = Vec::new();
    for link in backend.link_annotations(id).annotations {
        if areas.len() >= MAX_LINKS {
            break;
        }
        let number = match targets.iter().position(|target| *target == link.target) {
            Some(place) => place + 1,
            None => {
                targets.push(link.target);
                targets.len()
            }
        };
        for area in link.areas {
            let corner = |place: usize| shown.apply(area.points[place].0, area.points[place].1);
            let around = Area::between(corner(0), corner(2)).union(&Area::between(corner(1), corner(3)));
            areas.push((around, u16::try_from(number).unwrap_or(0)));
        }
    }
    (targets, areas)
}

/// Returns a page with its lines, turned to where most of them can be read.
fn arrange(painted: Painted, (width, height): (f32, f32)) -> PdfPage {
    let counts = painted.glyphs.each_ref().map(Glyphs::len);
    // Slanted text has no page of its own.
    let main = (0..4).rev().max_by_key(|turn| counts[*turn]).unwrap_or(0);
    let sideways = main == 1 || main == 3;
    let mut page = PdfPage {
        height: if sideways { width } else { height },
        rules: painted.rules.iter().map(|rule| turned(*rule, main, (width, height))).collect(),
        images: painted.images,
        unreadable: painted.unreadable,
        ..PdfPage::default()
    };
    for (turn, glyphs) in painted.glyphs.into_iter().enumerate() {
        let glyphs: Vec<Glyph> = glyphs.finish();
        let read = lines(segments(glyphs));
        if turn == main { page.lines = read } else { page.turned.extend(read) }
    }
    page
}

/// Returns an area as seen by one who turned the page.
fn turned(area: Area, turn: usize, (width, height): (f32, f32)) -> Area {
    let corners = [(area.left, area.top), (area.right, area.bottom)];
    let [from, to] = corners.map(|(x, y)| match turn {
        1 => (y, width - x),
        2 => (width - x, height - y),
        3 => (height - y, x),
        _ => (x, y),
    });
    Area::between(from, to)
}
