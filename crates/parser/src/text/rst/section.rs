//! Titles, by the lines below and above them.

use super::Reader;
use crate::markdown::one_line;

/// The shortest line that divides a text.
const SHORTEST_TRANSITION: usize = 4;

/// Reads a title or a line that divides the text.
pub(super) fn read(reader: &mut Reader, lines: &[&str], depth: usize) -> Option<usize> {
    let first = lines.first()?;
    if let Some(adornment) = adornment(first) {
        let (title, under) =
            (lines.get(1).copied().unwrap_or_default(), lines.get(2).copied().unwrap_or_default());
        if !title.trim().is_empty() && under == *first {
            heading(reader, title, (adornment, true), depth);
            return Some(3);
        }
        let is_transition = first.len() >= SHORTEST_TRANSITION && title.is_empty();
        return is_transition.then(|| {
            reader.blocks.push("---");
            1
        });
    }

    let under = lines.get(1)?;
    let adornment = adornment(under)?;
    let width = first.chars().count();
    let is_long_enough = under.len() >= width || under.len() >= SHORTEST_TRANSITION;
    // In a list, two lines of which one is dots are words more likely than a title.
    (is_long_enough && depth == 0).then(|| {
        heading(reader, first, (adornment, false), depth);
        2
    })
}

fn heading(reader: &mut Reader, title: &str, adornment: (char, bool), depth: usize) {
    let known = reader.adornments.iter().position(|known| *known == adornment);
    let place = known.unwrap_or_else(|| {
        if depth == 0 {
            reader.adornments.push(adornment);
        }
        reader.adornments.len().saturating_sub(1)
    });
    let title = one_line(&reader.targets.inline(title.trim()));
    if place == 0 && known.is_none() {
        reader.note("title", &title);
    }
    reader.blocks.heading(place + 1, &title);
}

/// Returns the character that all of a line consists of, if it is one that stands under titles.
fn adornment(line: &str) -> Option<char> {
    let first = line.chars().next().filter(char::is_ascii_punctuation)?;
    (line.len() >= 2 && line.chars().all(|c| c == first) && line != "::" && line != "..").then_some(first)
}
