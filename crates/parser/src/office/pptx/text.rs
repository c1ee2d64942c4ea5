//! The paragraphs of a shape.

use std::rc::Rc;

use crate::package::{Node, Relationships};

use super::super::block::Block;
use super::super::inline::{Inline, Mark};
use super::super::{math, names};
use super::template::{Bullet, Bullets, LEVELS, bullet, bullets, or};

/// Appends the paragraphs of a shape's text.
pub(super) fn read(
    body: Node<'_>,
    inherited: Bullets,
    relationships: &Relationships,
    output: &mut Vec<Block>,
) {
    let bullets = or(body.child("lstStyle").map(bullets).unwrap_or_default(), inherited);
    let mut counts = [0u32; LEVELS];
    for node in body.elements_named("p") {
        let text = paragraph(node, relationships);
        if text.is_blank() {
            continue;
        }

        let properties = node.child("pPr");
        let level = properties.and_then(|properties| properties.number("lvl")).unwrap_or(0).min(LEVELS - 1);
        let own = properties.and_then(bullet);
        let sign = own.or(bullets.get(level).copied().flatten()).unwrap_or(Bullet::None);
        output.push(block(sign, level, &mut counts, text));
    }
}

/// Returns the text of a shape on one line.
pub(super) fn title(body: Node<'_>, relationships: &Relationships) -> String {
    let mut title = String::new();
    for node in body.elements_named("p") {
        title.push_str(&paragraph(node, relationships).linked());
        title.push(' ');
    }
    title
}

fn block(sign: Bullet, level: usize, counts: &mut [u32; LEVELS], text: Inline) -> Block {
    let is_code = text.is_code();
    let text = text.markdown();
    // Levels below this one start anew.
    for (place, count) in counts.iter_mut().enumerate() {
        let continues = place == level && matches!(sign, Bullet::Number { .. });
        if place > level || (place == level && !continues) {
            *count = 0;
        }
    }

    let item = |marker: String, text: String| Block::Item { depth: level, marker, text };
    match sign {
        Bullet::None if is_code => Block::Code(text.trim_matches('`').to_owned()),
        Bullet::None => Block::Paragraph(text),
        Bullet::Sign => item("-".to_owned(), text),
        Bullet::Number { numeral, start, before, after } => {
            let count = counts.get_mut(level).map_or(0, |count| {
                *count = count.saturating_add(1);
                *count - 1
            });
            let number = numeral.write(start.saturating_add(count));
            match number.parse::<u32>() {
                Ok(_) if number.len() < 10 => item(format!("{number}."), text),
                _ => item("-".to_owned(), format!("{before}{number}{after} {text}")),
            }
        }
    }
}

/// Returns the text of a paragraph.
fn paragraph(node: Node<'_>, relationships: &Relationships) -> Inline {
    let mut text = Inline::default();
    for child in node.elements() {
        match child.name() {
            "r" => push_run(child, relationships, &mut text),
            // The number of a slide, or the date at which it is shown.
            "fld" if child.attribute("type").is_some_and(|kind| is_furniture(&kind)) => {}
            "fld" => push_run(child, relationships, &mut text),
            "br" => text.push(&Mark::default(), "\n"),
            "m" => text.push(&Mark::default(), &math::text(child)),
            _ => {}
        }
    }
    text
}

fn is_furniture(field: &str) -> bool {
    field == "slidenum" || field.starts_with("datetime")
}

fn push_run(run: Node<'_>, relationships: &Relationships, text: &mut Inline) {
    let Some(own) = run.child("t") else { return };
    let mark = run.child("rPr").map(|properties| mark(properties, relationships)).unwrap_or_default();
    // A line break that a person made within a run.
    let own = own.text().replace("_x000B_", "\n").replace(['\u{b}', '\u{2028}'], "\n");
    text.push(&mark, &own);
}

fn mark(properties: Node<'_>, relationships: &Relationships) -> Mark {
    let is_on = |name: &str| properties.attribute(name).is_some_and(|value| matches!(&*value, "1" | "true"));
    let font = properties.child("latin").and_then(|font| font.attribute("typeface"));
    let link = properties
        .child("hlinkClick")
        .and_then(|link| link.prefixed_attribute("id"))
        .and_then(|id| relationships.get(&id))
        .filter(|target| target.external && !target.target.is_empty());
    Mark {
        bold: is_on("b"),
        italic: is_on("i"),
        strike: properties.attribute("strike").is_some_and(|strike| strike != "noStrike"),
        code: font.is_some_and(|font| names::is_fixed_pitch(&font)),
        link: link.map(|target| Rc::from(target.target.as_str())),
    }
}
