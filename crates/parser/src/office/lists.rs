//! Lists: how their levels look, and how far each has come.

use std::collections::HashMap;

use super::block::Block;
use super::numerals::Numeral;

/// The number of levels that a list has.
pub(super) const LEVELS: usize = 9;

/// The longest text around the numbers of a level, in letters. It stands before each paragraph.
pub(super) const LONGEST_LABEL: usize = 100;

/// The lists of a document, by the ids that paragraphs name.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// The looks of lists, which several lists may share.
    pub(super) definitions: HashMap<String, Levels>,
    /// The lists themselves, by the ids that paragraphs name.
    pub(super) numbers: HashMap<String, List>,
    /// The last number of each definition, by level.
    counters: HashMap<String, Counters>,
}

/// The levels of a list, as far as they are said.
pub(super) type Levels = [Option<Level>; LEVELS];

/// A list.
#[derive(Debug, Default)]
pub(super) struct List {
    /// The id of the definition that gives it its look.
    pub(super) definition: String,
    /// Levels that differ from its definition's.
    pub(super) levels: Levels,
    /// The first number of each level, where it differs from its definition's.
    pub(super) starts: [Option<u32>; LEVELS],
    /// `true` if a paragraph of it was seen: only then it starts anew where it says so.
    begun: bool,
}

/// A level of a list.
#[derive(Debug, Clone)]
pub(super) struct Level {
    /// The first number.
    pub(super) start: u32,
    /// The way in which its numbers are written.
    pub(super) numeral: Numeral,
    /// The text around the numbers, such as `%1.%2)`.
    pub(super) text: String,
    /// The level whose items let this one start anew, from 1; 0 if none does.
    pub(super) restart: Option<usize>,
    /// `true` if all numbers are in digits.
    pub(super) legal: bool,
    /// The style whose paragraphs are of this level.
    pub(super) style: Option<String>,
}

#[derive(Debug, Default)]
struct Counters {
    counts: [Option<u32>; LEVELS],
}

/// The sign before a paragraph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Label {
    /// The sign of a list without numbers.
    Bullet,
    /// A number as it is shown, such as `2.` or `(a)`.
    Number(String),
    /// Nothing.
    None,
}

impl List {
    /// Returns a list that looks as its definition says.
    pub(super) fn new(definition: String) -> Self {
        List { definition, ..List::default() }
    }
}

impl Lists {
    /// Returns the level of a list whose paragraphs have this style.
    pub(super) fn level_of_style(&self, id: &str, style: &str) -> Option<usize> {
        let number = self.numbers.get(id)?;
        let definition = self.definitions.get(&number.definition)?;
        definition
            .iter()
            .position(|level| level.as_ref().is_some_and(|level| level.style.as_deref() == Some(style)))
    }

    /// Counts a paragraph of a list, and returns the sign before it; `None` if there is no such list.
    pub(super) fn next(&mut self, id: &str, level: usize) -> Option<Label> {
        let level = level.min(LEVELS - 1);
        let number = self.numbers.get_mut(id)?;
        let definition = self.definitions.get(&number.definition)?;
        let counters = self.counters.entry(number.definition.clone()).or_default();

        if !number.begun {
            number.begun = true;
            for (count, start) in counters.counts.iter_mut().zip(&number.starts) {
                if start.is_some() {
                    *count = None;
                }
            }
        }
        let levels: Vec<Option<&Level>> = (0..LEVELS)
            .map(|place| number.levels.get(place)?.as_ref().or_else(|| definition.get(place)?.as_ref()))
            .collect();
        counters.count(level, &levels, &number.starts);
        Some(counters.label(level, &levels))
    }
}

impl Counters {
    /// Counts an item of a level. Those below it start anew, and those above it begin if they have not.
    fn count(&mut self, level: usize, levels: &[Option<&Level>], starts: &[Option<u32>; LEVELS]) {
        for (place, count) in self.counts.iter_mut().enumerate() {
            let start = || {
                let own = levels.get(place).copied().flatten().map_or(1, |level| level.start);
                starts.get(place).copied().flatten().unwrap_or(own)
            };
            if place < level {
                count.get_or_insert_with(start);
            } else if place == level {
                *count = Some(count.map_or_else(start, |count| count.saturating_add(1)));
            } else {
                let restart = levels.get(place).copied().flatten().and_then(|level| level.restart);
                if restart.is_none_or(|restart| restart > level) {
                    *count = None;
                }
            }
        }
    }

    fn label(&self, level: usize, levels: &[Option<&Level>]) -> Label {
        let Some(own) = levels.get(level).copied().flatten() else { return Label::Bullet };
        match own.numeral {
            Numeral::Bullet => return Label::Bullet,
            Numeral::None if !own.text.contains('%') => return text_label(&own.text),
            _ => {}
        }

        let mut label = String::new();
        let mut letters = own.text.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                label.push(letter);
                continue;
            }
            let Some(place) = letters.next().and_then(|digit| digit.to_digit(10)) else { continue };
            let place = (place as usize).saturating_sub(1);
            let numeral = match levels.get(place).copied().flatten() {
                Some(_) if own.legal => Numeral::Decimal,
                Some(level) => level.numeral,
                None => Numeral::Decimal,
            };
            label.push_str(&numeral.write(self.counts.get(place).copied().flatten().unwrap_or(1)));
        }
        text_label(&label)
    }
}

/// Returns the label of this text.
fn text_label(text: &str) -> Label {
    let text = text.trim();
    if text.is_empty() { Label::None } else { Label::Number(text.to_owned()) }
}

/// Returns the number of a label such as `3.` or `3)`.
fn plain_number(label: &str) -> Option<u32> {
    label.strip_suffix(['.', ')']).unwrap_or(label).parse().ok().filter(|number| *number < 1_000_000_000)
}

/// Returns an item of a list. Markdown has lists of bullets and of plain numbers; other numbers stand in the text.
pub(super) fn item(depth: usize, label: &Label, text: &str) -> Block {
    let (marker, text) = match label {
        Label::None => return Block::Paragraph(text.to_owned()),
        Label::Bullet => ("-".to_owned(), text.to_owned()),
        Label::Number(label) => match plain_number(label) {
            Some(number) => (format!("{number}."), text.to_owned()),
            None => ("-".to_owned(), format!("{label} {}", text.trim_start())),
        },
    };
    Block::Item { depth, marker, text }
}
