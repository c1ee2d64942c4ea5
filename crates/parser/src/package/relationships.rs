//! The parts that a part of an Office file refers to, by the ids that it gives them.

use std::collections::HashMap;

use super::Tree;

/// The references of a part.
#[derive(Debug, Default)]
pub(crate) struct Relationships {
    by_id: HashMap<String, Relationship>,
    /// The ids, in the order of the file.
    ids: Vec<String>,
}

/// A reference of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relationship {
    /// The last word of the type's URL, such as `styles`: the URLs before it differ between editions of the standard.
    pub(crate) kind: String,
    /// The name of the part, or a URL if it is external.
    pub(crate) target: String,
    /// `true` if it refers to what is outside the file.
    pub(crate) external: bool,
}

impl Relationships {
    /// Returns the references of a part, from the tree of the part that holds them.
    pub(super) fn read(part: &str, tree: &Tree) -> Self {
        let mut found = Relationships::default();
        for node in tree.root().elements_named("Relationship") {
            let (Some(id), Some(kind)) = (node.attribute("Id"), node.attribute("Type")) else { continue };
            let target = node.attribute("Target").unwrap_or_default();
            let external =
                node.attribute("TargetMode").is_some_and(|mode| mode.eq_ignore_ascii_case("external"));

            let target = if external { target.trim().to_owned() } else { resolve(part, &target) };
            let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
            found.ids.push(id.clone().into_owned());
            found.by_id.insert(id.into_owned(), Relationship { kind, target, external });
        }
        found
    }

    /// Returns the reference with this id.
    pub(crate) fn get(&self, id: &str) -> Option<&Relationship> {
        self.by_id.get(id)
    }

    /// Returns the name of the first part of this kind.
    pub(crate) fn part(&self, kind: &str) -> Option<&str> {
        let of_kind = |found: &&Relationship| !found.external && found.kind == kind;
        self.ids.iter().filter_map(|id| self.by_id.get(id)).find(of_kind).map(|found| found.target.as_str())
    }

    /// Returns the name of the part with this id, if it is of this kind.
    pub(crate) fn part_of_kind(&self, id: &str, kind: &str) -> Option<&str> {
        self.part_by_id(id).filter(|_| self.get(id).is_some_and(|found| found.kind == kind))
    }

    /// Returns the name of the part with this id.
    pub(crate) fn part_by_id(&self, id: &str) -> Option<&str> {
        self.get(id).filter(|found| !found.external).map(|found| found.target.as_str())
    }
}

/// Returns the name of the part that holds the references of this one; the package's own for an empty name.
pub(super) fn path(part: &str) -> String {
    let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
    let separator = if folder.is_empty() { "" } else { "/" };
    format!("{folder}{separator}_rels/{name}.rels")
}

/// Returns the name of the part that a path in another one leads to.
fn resolve(part: &str, target: &str) -> String {
    let target = target.trim().replace('\\', "/");
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }

    let mut folders: Vec<&str> = part.split('/').collect();
    folders.pop();
    for step in target.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                folders.pop();
            }
            name => folders.push(name),
        }
    }
    folders.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_names_of_parts_or_urls() {
        let xml = "<Relationships>\
            <Relationship Id='a' Type='http://x/relationships/styles' Target='styles.xml'/>\
            <Relationship Id='b' Type='http://x/image' Target='../media/../p.png'/>\
            <Relationship Id='c' Type='http://x/chart' Target='/word/charts/c.xml'/>\
            <Relationship Id='d' Type='http://x/hyperlink' Target='' TargetMode='External'/>\
            </Relationships>";
        let tree = Tree::parse(xml.as_bytes().to_vec()).unwrap();
        let found = Relationships::read("word/document.xml", &tree);

        assert_eq!(found.part("styles"), Some("word/styles.xml"));
        assert_eq!(found.part_by_id("b"), Some("p.png"));
        assert_eq!(found.part_by_id("c"), Some("word/charts/c.xml"));
        assert_eq!(found.part_by_id("d"), None);
        assert!(found.get("d").unwrap().external);
    }

    #[test]
    fn references_lie_beside_their_part() {
        assert_eq!(path("word/document.xml"), "word/_rels/document.xml.rels");
        assert_eq!(path(""), "_rels/.rels");
    }
}
