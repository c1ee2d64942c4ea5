//! Lists as `numbering.xml` defines them.

use std::collections::HashMap;

use crate::package::{Node, Tree};

use super::super::lists::{LEVELS, LONGEST_LABEL, Level, Levels, List, Lists};
use super::super::numerals::Numeral;

/// Returns the lists of this part.
pub(super) fn read(tree: &Tree) -> Lists {
    let mut lists = Lists::default();
    // Definitions whose levels are those of another one: the names of styles link them.
    let mut links = HashMap::new();
    let mut linked = HashMap::new();
    for node in tree.root().elements_named("abstractNum") {
        let Some(id) = node.attribute("abstractNumId") else { continue };
        let value = |name: &str| node.child(name)?.attribute("val").map(|value| value.into_owned());
        if let Some(style) = value("numStyleLink") {
            links.insert(id.clone().into_owned(), style);
        }
        if let Some(style) = value("styleLink") {
            linked.insert(style, id.clone().into_owned());
        }
        lists.definitions.insert(id.into_owned(), levels(node));
    }

    for node in tree.root().elements_named("num") {
        let Some(id) = node.attribute("numId") else { continue };
        let mut list = list(node);
        if let Some(definition) = links.get(&list.definition).and_then(|style| linked.get(style)) {
            list.definition.clone_from(definition);
        }
        lists.numbers.insert(id.into_owned(), list);
    }
    lists
}

fn list(node: Node<'_>) -> List {
    let definition = node.child("abstractNumId").and_then(|definition| definition.attribute("val"));
    let mut list = List::new(definition.unwrap_or_default().into_owned());
    for changed in node.elements_named("lvlOverride") {
        let Some(place) = changed.number::<usize>("ilvl") else { continue };
        if let Some(start) = list.starts.get_mut(place) {
            *start = changed.child("startOverride").and_then(|start| start.number("val"));
        }
        for (own, level) in list.levels.iter_mut().zip(levels(changed)) {
            if level.is_some() {
                *own = level;
            }
        }
    }
    list
}

fn levels(node: Node<'_>) -> Levels {
    let mut levels: [Option<Level>; LEVELS] = Default::default();
    for found in node.elements_named("lvl") {
        let place = found.number::<usize>("ilvl").and_then(|place| levels.get_mut(place));
        if let Some(place) = place {
            *place = Some(level(found));
        }
    }
    levels
}

fn level(node: Node<'_>) -> Level {
    let value = |name: &str| node.child(name)?.attribute("val");
    Level {
        start: node.child("start").and_then(|start| start.number("val")).unwrap_or(1),
        numeral: value("numFmt").map_or(Numeral::Decimal, |name| Numeral::named(&name)),
        text: value("lvlText").unwrap_or_default().chars().take(LONGEST_LABEL).collect(),
        restart: node.child("lvlRestart").and_then(|restart| restart.number("val")),
        legal: node.child("isLgl").is_some(),
        style: value("pStyle").map(|style| style.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::lists::Label;
    use super::*;

    fn numbering(xml: &str) -> Lists {
        read(&Tree::parse(format!("<w:numbering>{xml}</w:numbering>").into_bytes()).unwrap())
    }

    fn level(place: usize, format: &str, text: &str) -> String {
        format!("<w:lvl w:ilvl='{place}'><w:numFmt w:val='{format}'/><w:lvlText w:val='{text}'/></w:lvl>")
    }

    fn labels(numbering: &mut Lists, items: &[(&str, usize)]) -> Vec<String> {
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
