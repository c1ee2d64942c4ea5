//! Diagrams (SmartArt): their points as a list, each below the one that it belongs to.

use std::collections::{HashMap, HashSet};

use crate::package::Node;

use super::super::block::Block;

/// The deepest point that is written as deeper than the one it belongs to.
const DEEPEST: usize = 8;

/// Appends the points of a diagram.
pub(super) fn read(root: Node<'_>, output: &mut Vec<Block>) {
    let points: Vec<Node<'_>> =
        root.child("ptLst").map(|list| list.elements_named("pt").collect()).unwrap_or_default();
    let mut children: HashMap<String, Vec<(i64, String)>> = HashMap::new();
    for link in root.child("cxnLst").into_iter().flat_map(|list| list.elements_named("cxn")) {
        let is_parent = link.attribute("type").is_none_or(|kind| kind == "parOf");
        let (Some(from), Some(to)) = (link.attribute("srcId"), link.attribute("destId")) else { continue };
        if is_parent {
            let place = link.number("srcOrd").unwrap_or(0);
            children.entry(from.into_owned()).or_default().push((place, to.into_owned()));
        }
    }
    for siblings in children.values_mut() {
        siblings.sort_by_key(|(place, _)| *place);
    }

    let mut texts: HashMap<String, String> = HashMap::new();
    let mut order = Vec::new();
    for point in points {
        let Some(id) = point.attribute("modelId") else { continue };
        let kind = point.attribute("type").unwrap_or("node".into());
        if matches!(&*kind, "node" | "asst" | "doc") {
            let text = point.child("t").map(|text| super::paragraphs(text).join("\n")).unwrap_or_default();
            texts.insert(id.clone().into_owned(), text);
            order.push((kind == "doc", id.into_owned()));
        }
    }
    // The document's own point is the root of the others.
    order.sort_by_key(|(is_root, _)| !is_root);

    let mut seen = HashSet::new();
    for (_, id) in order {
        push(id, &children, &texts, &mut seen, output);
    }
}

/// Appends a point and those that belong to it, each once.
fn push(
    id: String,
    children: &HashMap<String, Vec<(i64, String)>>,
    texts: &HashMap<String, String>,
    seen: &mut HashSet<String>,
    output: &mut Vec<Block>,
) {
    let mut open = vec![(0, id)];
    while let Some((depth, id)) = open.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        let text = texts.get(&id).map(|text| text.trim()).unwrap_or_default();
        let below = if text.is_empty() { depth } else { (depth + 1).min(DEEPEST) };
        if !text.is_empty() {
            output.push(Block::Item { depth, marker: "-".to_owned(), text: text.to_owned() });
        }
        let siblings = children.get(&id).map(Vec::as_slice).unwrap_or_default();
        open.extend(siblings.iter().rev().map(|(_, id)| (below, id.clone())));
    }
}
