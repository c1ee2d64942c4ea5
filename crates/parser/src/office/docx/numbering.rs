//! The numbers of paragraphs: lists as `numbering.xml` defines them, and how far each has come.

use std::collections::HashMap;

use crate::package::{Node, Tree};

use super::super::numerals::Numeral;

/// The number of levels that a list has.
const LEVELS: usize = 9;

/// The lists, by the ids that paragraphs name.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    definitions: HashMap<String, Definition>,
    numbers: HashMap<String, Number>,
    /// How far each definition has come.
    counters: HashMap<String, Counters>,
}

/// The look of a list, which several lists may share.
#[derive(Debug, Default)]
struct Definition {
    levels: [Option<Level>; LEVELS],
    /// The style that has the levels in its place.
    link: Option<String>,
    /// The style whose levels it has.
    linked: Option<String>,
}

/// A list.
#[derive(Debug, Default)]
struct Number {
    definition: String,
    levels: [Option<Level>; LEVELS],
    starts: [Option<u32>; LEVELS],
    /// Whether a paragraph of it was seen: only then it starts anew where it says so.
    begun: bool,
}

#[derive(Debug, Clone)]
struct Level {
    start: u32,
    numeral: Numeral,
    /// The text around the numbers, such as `%1.%2)`.
    text: String,
    /// The level whose items let this one start anew, from 1; 0 if none does.
    restart: Option<usize>,
    /// Whether all numbers are in digits.
    legal: bool,
    /// The style whose paragraphs are of this level.
    style: Option<String>,
}

#[derive(Debug, Default)]
struct Counters {
    counts: [Option<u32>; LEVELS],
}

/// The sign before a paragraph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Label {
    Bullet,
    /// A number as it is shown, such as `2.` or `(a)`.
    Number(String),
    /// Nothing.
    None,
}

impl Numbering {
    /// Returns the lists of this part.
    pub(super) fn read(tree: &Tree) -> Self {
        let mut numbering = Numbering::default();
        for node in tree.root().elements_named("abstractNum") {
            if let Some(id) = node.attribute("abstractNumId") {
                numbering.definitions.insert(id.into_owned(), Definition::read(node));
            }
        }
        for node in tree.root().elements_named("num") {
            if let Some(id) = node.attribute("numId") {
                numbering.numbers.insert(id.into_owned(), Number::read(node));
            }
        }
        numbering.follow_links();
        numbering
    }

    /// Lets lists whose levels are those of a style have them.
    fn follow_links(&mut self) {
        let by_style: HashMap<String, String> = self
            .definitions
            .iter()
            .filter_map(|(id, definition)| Some((definition.linked.clone()?, id.clone())))
            .collect();
        for number in self.numbers.values_mut() {
            let link =
                self.definitions.get(&number.definition).and_then(|definition| definition.link.as_ref());
            if let Some(target) = link.and_then(|style| by_style.get(style)) {
                number.definition.clone_from(target);
            }
        }
    }

    /// Returns the level of a list whose paragraphs have this style.
    pub(super) fn level_of_style(&self, id: &str, style: &str) -> Option<usize> {
        let number = self.numbers.get(id)?;
        let definition = self.definitions.get(&number.definition)?;
        definition
            .levels
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
            .map(|place| {
                number.levels.get(place)?.as_ref().or_else(|| definition.levels.get(place)?.as_ref())
            })
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

impl Definition {
    fn read(node: Node<'_>) -> Self {
        let value = |name: &str| node.child(name)?.attribute("val").map(|value| value.into_owned());
        Definition { levels: read_levels(node), link: value("numStyleLink"), linked: value("styleLink") }
    }
}

impl Number {
    fn read(node: Node<'_>) -> Self {
        let definition = node.child("abstractNumId").and_then(|definition| definition.attribute("val"));
        let mut number =
            Number { definition: definition.unwrap_or_default().into_owned(), ..Number::default() };
        for changed in node.elements_named("lvlOverride") {
            let Some(place) = changed.number::<usize>("ilvl") else { continue };
            if let Some(start) = number.starts.get_mut(place) {
                *start = changed.child("startOverride").and_then(|start| start.number("val"));
            }
            for (own, level) in number.levels.iter_mut().zip(read_levels(changed)) {
                if level.is_some() {
                    *own = level;
                }
            }
        }
        number
    }
}

fn read_levels(node: Node<'_>) -> [Option<Level>; LEVELS] {
    let mut levels: [Option<Level>; LEVELS] = Default::default();
    for level in node.elements_named("lvl") {
        let place = level.number::<usize>("ilvl").and_then(|place| levels.get_mut(place));
        if let Some(place) = place {
            *place = Some(Level::read(level));
        }
    }
    levels
}

impl Level {
    fn read(node: Node<'_>) -> Self {
        let value = |name: &str| node.child(name)?.attribute("val");
        Level {
            start: node.child("start").and_then(|start| start.number("val")).unwrap_or(1),
            numeral: value("numFmt").map_or(Numeral::Decimal, |name| Numeral::named(&name)),
            text: value("lvlText").unwrap_or_default().into_owned(),
            restart: node.child("lvlRestart").and_then(|restart| restart.number("val")),
            legal: node.child("isLgl").is_some(),
            style: value("pStyle").map(|style| style.into_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbering(xml: &str) -> Numbering {
        Numbering::read(&Tree::parse(format!("<w:numbering>{xml}</w:numbering>").into_bytes()).unwrap())
    }

    fn level(place: usize, format: &str, text: &str) -> String {
        format!("<w:lvl w:ilvl='{place}'><w:numFmt w:val='{format}'/><w:lvlText w:val='{text}'/></w:lvl>")
    }

    fn labels(numbering: &mut Numbering, items: &[(&str, usize)]) -> Vec<String> {
        let label = |(id, level): &(&str, usize)| match numbering.next(id, *level) {
            Some(Label::Number(label)) => label,
            Some(Label::Bullet) => "-".to_owned(),
            Some(Label::None) => String::new(),
            None => "no list".to_owned(),
        };
        items.iter().map(label).collect()
    }

    #[test]
    fn levels_count_within_each_other() {
        let levels =
            level(0, "decimal", "%1.") + &level(1, "lowerLetter", "(%2)") + &level(2, "upperRoman", "%1.%3");
        let mut numbering = numbering(&format!(
            "<w:abstractNum w:abstractNumId='0'>{levels}</w:abstractNum>\
             <w:num w:numId='1'><w:abstractNumId w:val='0'/></w:num>"
        ));
        let items = [("1", 0), ("1", 1), ("1", 1), ("1", 2), ("1", 0), ("1", 1), ("2", 0)];
        assert_eq!(labels(&mut numbering, &items), ["1.", "(a)", "(b)", "1.I", "2.", "(a)", "no list"]);
    }

    #[test]
    fn a_list_starts_where_it_says() {
        let mut numbering = numbering(&format!(
            "<w:abstractNum w:abstractNumId='0'>{}</w:abstractNum>\
             <w:num w:numId='1'><w:abstractNumId w:val='0'/></w:num>\
             <w:num w:numId='2'><w:abstractNumId w:val='0'/>\
             <w:lvlOverride w:ilvl='0'><w:startOverride w:val='5'/></w:lvlOverride></w:num>\
             <w:num w:numId='3'><w:abstractNumId w:val='0'/></w:num>",
            level(0, "decimal", "%1.")
        ));
        let items = [("1", 0), ("1", 0), ("2", 0), ("2", 0), ("3", 0)];
        assert_eq!(labels(&mut numbering, &items), ["1.", "2.", "5.", "6.", "7."]);
    }
}
