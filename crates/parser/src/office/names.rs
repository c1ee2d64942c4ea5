//! Names of styles and fonts, and what they mean.
//!
//! Word writes the English names of its own styles whatever its language, and translates them as it shows them. Other
//! programs write what they show.

/// A kind of list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    /// Items with the same sign.
    Bullets,
    /// Items with numbers.
    Numbers,
    /// A further paragraph of an item.
    Continued,
}

/// The names of headings, in lower case; a number follows them.
const HEADINGS: &[&str] = &[
    "heading",
    "überschrift",
    "berschrift",
    "titre",
    "título",
    "titulo",
    "titolo",
    "encabezado",
    "cabeçalho",
    "kop",
    "rubrik",
    "overskrift",
    "otsikko",
    "nagłówek",
    "nagwek",
    "nadpis",
    "naslov",
    "címsor",
    "cmsor",
    "titlu",
    "başlık",
    "balk",
    "заголовок",
    "επικεφαλίδα",
    "标题",
    "標題",
    "見出し",
    "제목",
    "כותרת",
    "عنوان",
];

/// The names of a document's title, in lower case.
const TITLES: &[&str] = &[
    "title",
    "titel",
    "titre",
    "título",
    "titolo",
    "tittel",
    "otsikko",
    "tytuł",
    "название",
    "标题",
    "表題",
];

/// Returns the level of the heading that a style of this name is, from 1.
pub(super) fn heading(name: &str) -> Option<usize> {
    if TITLES.contains(&name) || name == "toc heading" || name == "tocheading" {
        return Some(1);
    }
    HEADINGS.iter().find_map(|heading| level(name.strip_prefix(heading)?))
}

/// Returns the level of the entry of a table of contents that a style of this name is, from 1.
pub(super) fn contents(name: &str) -> Option<usize> {
    ["toc", "contents"].iter().find_map(|contents| level(name.strip_prefix(contents)?))
}

/// Returns the kind and the level of the list that a style of this name is, from 1.
pub(super) fn list(name: &str) -> Option<(List, usize)> {
    let rest = name.strip_prefix("list")?.trim_start();
    let kinds = [("bullet", List::Bullets), ("number", List::Numbers), ("continue", List::Continued)];
    let (kind, rest) = kinds.iter().find_map(|(word, kind)| Some((*kind, rest.strip_prefix(word)?)))?;
    if rest.is_empty() { Some((kind, 1)) } else { level(rest).map(|level| (kind, level)) }
}

/// Returns the level that stands at the end of a name, from 1 to 9.
fn level(rest: &str) -> Option<usize> {
    rest.trim().parse().ok().filter(|level| (1..=9).contains(level))
}

/// Returns whether a style of this name is for code.
pub(super) fn is_code(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "code",
        "codeblock",
        "sourcecode",
        "preformatted",
        "htmlpreformatted",
        "verbatim",
        "listing",
        "console",
        "macro",
        "monospace",
    ];

    let mut words = name.split(|letter: char| !letter.is_alphanumeric());
    words.any(|word| WORDS.contains(&word))
}

/// Returns whether a style of this name is for quotations.
pub(super) fn is_quote(name: &str) -> bool {
    matches!(
        name,
        "quote" | "intense quote" | "quotations" | "block text" | "intensequote" | "zitat" | "citation"
    )
}

/// Returns whether the letters of this font are all equally wide.
pub(super) fn is_fixed_pitch(font: &str) -> bool {
    const FONTS: &[&str] = &[
        "courier",
        "consolas",
        "menlo",
        "monaco",
        "lucida console",
        "source code",
        "cascadia",
        "inconsolata",
        "fira code",
        "fira mono",
        "jetbrains mono",
        "liberation mono",
        "dejavu sans mono",
        "ubuntu mono",
        "roboto mono",
        "andale mono",
        "sf mono",
    ];

    let font = font.trim().to_lowercase();
    FONTS.iter().any(|name| font.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_known_in_other_languages() {
        let names = ["heading 1", "heading1", "überschrift 2", "titre 3", "标题 1", "заголовок 4", "title"];
        let levels: Vec<Option<usize>> = names.into_iter().map(heading).collect();
        assert_eq!(levels, [Some(1), Some(1), Some(2), Some(3), Some(1), Some(4), Some(1)]);
        assert_eq!(heading("heading"), None);
        assert_eq!(heading("heading 1 char"), None);
        assert_eq!(heading("subtitle"), None);
    }

    #[test]
    fn lists_are_known_by_the_names_of_their_styles() {
        assert_eq!(list("list bullet"), Some((List::Bullets, 1)));
        assert_eq!(list("list number 3"), Some((List::Numbers, 3)));
        assert_eq!(list("listbullet2"), Some((List::Bullets, 2)));
        assert_eq!(list("list paragraph"), None);
    }

    #[test]
    fn a_barcode_is_no_code() {
        assert!(is_code("source code"));
        assert!(is_code("html preformatted"));
        assert!(!is_code("barcode"));
        assert!(!is_code("normal"));
    }
}
