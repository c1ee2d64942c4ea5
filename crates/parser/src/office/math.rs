//! Formulas, on a line.

use crate::package::Node;

/// Returns a formula as text: `(a+b)/c`, `x^2`, `√(y)`.
pub(super) fn text(formula: Node<'_>) -> String {
    let mut text = String::new();
    push_all(formula, &mut text);
    text
}

fn push_all(node: Node<'_>, text: &mut String) {
    for child in node.elements() {
        push(child, text);
    }
}

fn push(node: Node<'_>, text: &mut String) {
    let part = |name: &str| node.child(name).map(self::text).unwrap_or_default();
    match node.name() {
        "t" => text.push_str(&node.text()),
        "f" => text.push_str(&format!("{}/{}", grouped(&part("num")), grouped(&part("den")))),
        "sSup" => text.push_str(&format!("{}^{}", part("e"), grouped(&part("sup")))),
        "sSub" => text.push_str(&format!("{}_{}", part("e"), grouped(&part("sub")))),
        "sSubSup" => {
            text.push_str(&format!("{}_{}^{}", part("e"), grouped(&part("sub")), grouped(&part("sup"))));
        }
        "rad" => {
            let degree = part("deg");
            let degree = if degree.is_empty() { String::new() } else { grouped(&degree) };
            text.push_str(&format!("{degree}√{}", grouped(&part("e"))));
        }
        "nary" => text.push_str(&nary(node)),
        "d" => push_delimited(node, text),
        "m" => push_rows(node, "mr", text),
        "eqArr" => push_rows(node, "e", text),
        "rPr" | "ctrlPr" => {}
        name if name.ends_with("Pr") => {}
        _ => push_all(node, text),
    }
}

/// Returns a sum, an integral or the like.
fn nary(node: Node<'_>) -> String {
    let sign = node.at(&["naryPr", "chr"]).and_then(|sign| sign.attribute("val"));
    let mut text = sign.map_or_else(|| "∫".to_owned(), |sign| sign.into_owned());
    for (name, before) in [("sub", '_'), ("sup", '^')] {
        let limit = node.child(name).map(self::text).unwrap_or_default();
        if !limit.is_empty() {
            text.push(before);
            text.push_str(&grouped(&limit));
        }
    }
    text.push(' ');
    text.push_str(&node.child("e").map(self::text).unwrap_or_default());
    text
}

/// Appends what stands in brackets.
fn push_delimited(node: Node<'_>, text: &mut String) {
    text.push_str(&bracket(node, "begChr", "("));
    for (place, part) in node.elements_named("e").enumerate() {
        if place > 0 {
            text.push_str(&bracket(node, "sepChr", "|"));
        }
        push_all(part, text);
    }
    text.push_str(&bracket(node, "endChr", ")"));
}

/// Returns the sign that a property of brackets names; the usual one if it names none.
fn bracket(node: Node<'_>, property: &str, usual: &str) -> String {
    let sign = node.at(&["dPr", property]).and_then(|sign| sign.attribute("val"));
    sign.map_or_else(|| usual.to_owned(), |sign| sign.into_owned())
}

/// Appends rows, with semicolons between them.
fn push_rows(node: Node<'_>, row: &'static str, text: &mut String) {
    for (place, row) in node.elements_named(row).enumerate() {
        if place > 0 {
            text.push_str("; ");
        }
        let before = text.len();
        for cell in row.elements() {
            if text.len() > before && cell.name() == "e" {
                text.push(' ');
            }
            push(cell, text);
        }
    }
}

/// Returns a part of a formula in parentheses, unless it is one name or number.
fn grouped(part: &str) -> String {
    let part = part.trim();
    if part.chars().all(char::is_alphanumeric) { part.to_owned() } else { format!("({part})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Tree;

    #[test]
    fn formulas_are_written_on_a_line() {
        let run = |text: &str| format!("<m:r><m:t>{text}</m:t></m:r>");
        let xml = format!(
            "<m:oMath>{}<m:f><m:num>{}</m:num><m:den>{}</m:den></m:f><m:rad><m:deg/><m:e>{}</m:e></m:rad>\
             <m:nary><m:naryPr><m:chr m:val='∑'/></m:naryPr><m:sub>{}</m:sub><m:sup/><m:e>{}</m:e></m:nary></m:oMath>",
            run("y="),
            run("a+b"),
            run("c"),
            run("2"),
            run("i=1"),
            run("x")
        );
        let tree = Tree::parse(xml.into_bytes()).unwrap();
        assert_eq!(text(tree.root()), "y=(a+b)/c√2∑_(i=1) x");
    }
}
