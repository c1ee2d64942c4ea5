//! Charts and diagrams, which are parts of their own in documents and presentations alike.

mod chart;
mod diagram;

use crate::ParseError;
use crate::package::{Node, Package, Relationships};

use super::block::Block;
use super::inline::{Inline, Mark};

/// Appends the data of a chart, or the text of a diagram, to which the element refers.
pub(super) fn read(
    package: &mut Package<'_>,
    relationships: &Relationships,
    reference: Node<'_>,
    output: &mut Vec<Block>,
) -> Result<(), ParseError> {
    let id = match reference.name() {
        "chart" => reference.prefixed_attribute("id"),
        "relIds" => reference.prefixed_attribute("dm"),
        _ => None,
    };
    let Some(part) = id.and_then(|id| relationships.part_by_id(&id)) else { return Ok(()) };
    let Some(tree) = package.optional_tree(part)? else { return Ok(()) };

    match reference.name() {
        "chart" => chart::read(tree.root(), output),
        _ => diagram::read(tree.root(), output),
    }
    Ok(())
}

/// Returns the paragraphs of a text of DrawingML, such as the body of a shape, without their looks.
pub(super) fn paragraphs(body: Node<'_>) -> Vec<String> {
    body.elements_named("p").map(paragraph).filter(|text| !text.trim().is_empty()).collect()
}

fn paragraph(node: Node<'_>) -> String {
    let mut text = Inline::default();
    for child in node.elements() {
        match child.name() {
            "r" | "fld" => {
                if let Some(own) = child.child("t") {
                    text.push(&Mark::default(), &own.text());
                }
            }
            "br" => text.push(&Mark::default(), "\n"),
            "m" => text.push(&Mark::default(), &super::math::text(child)),
            _ => {}
        }
    }
    text.plain()
}

/// Appends the text that stands for a picture, if a person wrote it.
pub(super) fn picture(properties: Node<'_>, output: &mut Vec<Block>) {
    const GENERATED: &[&str] = &["generated", "Grafik 1", "Picture 1"];

    let Some(text) = properties.attribute("descr") else { return };
    let text = crate::markdown::one_line(&text).replace(['[', ']'], "");
    let generated = GENERATED.iter().any(|words| text.contains(words));
    if !text.is_empty() && !generated && !is_name_of_picture(&text) && !text.contains("://") {
        output.push(Block::Paragraph(format!("![{text}]()")));
    }
}

/// Returns whether a text is the name of a picture's file.
fn is_name_of_picture(text: &str) -> bool {
    let Some((_, ending)) = text.rsplit_once('.') else { return false };
    let ending = ending.to_ascii_lowercase();
    matches!(ending.as_str(), "png" | "jpg" | "jpeg" | "gif" | "emf" | "wmf" | "bmp")
}
