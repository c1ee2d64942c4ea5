//! Elements as values with names.

use super::tree::{Element, Node};
use crate::markdown::one_line;
use crate::text::data::Data;

/// The longest text behind which attributes stand in brackets.
const SHORT: usize = 100;

/// Returns the value of an element.
pub(super) fn of(element: &Element) -> Data {
    if element.name == "dict" && element.child("key").is_some() {
        return dictionary(element);
    }

    let has_text =
        element.children.iter().any(|child| matches!(child, Node::Text(text) if !text.trim().is_empty()));
    if has_text || element.elements().next().is_none() {
        return with_text(element);
    }
    let mut members = attributes(element);
    let mut places = std::collections::HashMap::<&str, usize>::new();
    for child in element.elements() {
        let value = of(child);
        match places.get(child.name.as_str()).and_then(|place| members.get_mut(*place)) {
            Some((_, Data::List(items))) => items.push(value),
            _ => {
                places.insert(&child.name, members.len());
                members.push((child.name.clone(), Data::List(vec![value])));
            }
        }
    }
    unwrapped(members, element.attributes.is_empty())
}

/// Returns an object whose lists of one are what is in them. One that is nothing but a list is the list.
fn unwrapped(mut members: Vec<(String, Data)>, is_plain: bool) -> Data {
    if is_plain
        && let [(_, Data::List(items))] = members.as_mut_slice()
        && items.len() > 1
    {
        return Data::List(std::mem::take(items));
    }
    for (_, value) in &mut members {
        if let Data::List(items) = value
            && items.len() == 1
            && let Some(item) = items.pop()
        {
            *value = item;
        }
    }
    Data::Object(members)
}

/// Returns the text of an element with the attributes behind it.
fn with_text(element: &Element) -> Data {
    let raw = element.raw_text();
    let text = if raw.trim().contains('\n') { dedented(&raw) } else { one_line(&raw) };
    let mut attributes = attributes(element);
    if attributes.is_empty() {
        return Data::text(text);
    }
    if text.is_empty() {
        return Data::Object(attributes);
    }
    if text.len() <= SHORT && !text.contains('\n') {
        let told: Vec<_> = attributes
            .iter()
            .filter_map(|(name, value)| Some(format!("{name}: {}", one_line(value.as_text()?))))
            .collect();
        return Data::Scalar(format!("{text} ({})", told.join(", ")));
    }
    attributes.push((element.name.clone(), Data::text(text)));
    Data::Object(attributes)
}

/// Returns the lines of a text without the indentation that they have from their elements, and with single blank lines.
fn dedented(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.trim().lines().map(str::trim) {
        if !(line.is_empty() && out.ends_with("\n\n")) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn attributes(element: &Element) -> Vec<(String, Data)> {
    const TECHNICAL: &[&str] = &["schemaLocation", "noNamespaceSchemaLocation", "space"];

    let told = element.attributes.iter().filter(|(name, _)| !TECHNICAL.contains(&name.as_str()));
    told.map(|(name, value)| (name.clone(), Data::text(value.clone()))).collect()
}

/// Returns the values of a property list of Apple's, whose names are elements before them.
fn dictionary(element: &Element) -> Data {
    let mut members = Vec::new();
    let mut name = String::new();
    for child in element.elements() {
        match child.name.as_str() {
            "key" => name = child.text(),
            "true" | "false" => members.push((std::mem::take(&mut name), Data::Scalar(child.name.clone()))),
            _ => members.push((std::mem::take(&mut name), of(child))),
        }
    }
    Data::Object(members)
}
