//! Elements that are left out: those that nobody sees, and those that stand on every page of a site.

use super::tag::Tag;
use super::tree::{Id, Name, Tree};

/// Classes and ids of elements that are no content.
const FURNITURE: &[&str] = &[
    "breadcrumb",
    "breadcrumbs",
    "catlinks",
    "copybtn",
    "cybotcookiebotdialog",
    "docnav",
    "headerlink",
    "linenos",
    "mw-editsection",
    "mw-jump-link",
    "navbar",
    "navbox",
    "navfooter",
    "navheader",
    "printfooter",
    "skip-link",
    "skip-nav",
    "skip-to-content",
    "skiplink",
    "sphinxsidebar",
    "viewcode-link",
];

/// Classes and ids of tables of contents, which say what headings say, if they consist of links.
const CONTENTS: &[&str] = &["contents", "table-of-contents", "tableofcontents", "toc", "toctree-wrapper"];

/// Returns whether an element is not seen, or not to be read, whatever the page is about.
pub(super) fn is_hidden(tree: &Tree, id: Id) -> bool {
    use Tag::*;
    let tag = tree.tag(id);
    match tag {
        Text | Document | Html | Body => false,
        Head | Script | Style | Template | Noscript | Svg | Iframe | Object | Embed | Canvas | Audio
        | Video | Select | Textarea | Datalist | Progress | Meter | Title | Map | Rp | Noframes | Frame
        | Area | Param | Source | Track | Link | Meta | Base => true,
        Dialog if tree.attribute(id, Name::Open).is_none() => true,
        _ => is_marked_hidden(tree, id),
    }
}

fn is_marked_hidden(tree: &Tree, id: Id) -> bool {
    if tree.attribute(id, Name::Hidden).is_some_and(|value| !value.eq_ignore_ascii_case("until-found"))
        || tree.attribute(id, Name::AriaHidden).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    {
        return true;
    }
    tree.attribute(id, Name::StyleText).is_some_and(|style| {
        style.split(';').filter_map(|part| part.split_once(':')).any(|(property, value)| {
            let value = value.split('!').next().unwrap_or_default().trim();
            (property.trim().eq_ignore_ascii_case("display") && value.eq_ignore_ascii_case("none"))
                || (property.trim().eq_ignore_ascii_case("visibility")
                    && value.eq_ignore_ascii_case("hidden"))
        })
    })
}

/// Returns whether an element stands there for the site, and not for the page. In the page's content, such as its
/// article, less does.
pub(super) fn is_furniture(tree: &Tree, id: Id, in_content: bool) -> bool {
    let tag = tree.tag(id);
    if matches!(tag, Tag::Text | Tag::Document | Tag::Html | Tag::Body | Tag::Main) {
        return false;
    }
    if is_note(tree, id) {
        return false;
    }

    let role = tree.attribute(id, Name::Role).unwrap_or_default().to_ascii_lowercase();
    match role.as_str() {
        "navigation" | "search" | "menu" | "menubar" | "dialog" | "alertdialog" | "toolbar" => return true,
        // The number of a page of the printed book.
        "doc-pagebreak" => return true,
        "contentinfo" => return !in_content,
        "banner" | "complementary" => return !in_content && !has_title(tree, id),
        _ => {}
    }
    if tree.any_word(id, Name::EpubType, |word| word == "pagebreak") {
        return true;
    }
    match tag {
        Tag::Nav | Tag::Search => true,
        Tag::Footer => !in_content,
        Tag::Header | Tag::Aside => !in_content && !has_title(tree, id),
        Tag::Button => !is_of_content(tree, id),
        _ => is_named_furniture(tree, id),
    }
}

/// Returns whether an element, or the one that it is in, makes a button a part of the text, such as a question that
/// unfolds its answer.
fn is_of_content(tree: &Tree, id: Id) -> bool {
    tree.parent(id).is_some_and(|parent| {
        let tag = tree.tag(parent);
        tag.heading().is_some() || matches!(tag, Tag::Dt | Tag::Summary)
    })
}

/// Returns whether an element says that it is a note to the text.
pub(super) fn is_note(tree: &Tree, id: Id) -> bool {
    let names = [Name::Class, Name::EpubType, Name::Role];
    names.into_iter().any(|name| tree.any_word(id, name, means_note))
}

fn means_note(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    word.contains("footnote") || word.contains("endnote") || word.contains("admonition") || word == "note"
}

/// Returns whether the page's title is in an element.
fn has_title(tree: &Tree, id: Id) -> bool {
    tree.find(id, |id| Some(tree.tag(id) == Tag::H1)).is_some()
}

fn is_named_furniture(tree: &Tree, id: Id) -> bool {
    [Name::Class, Name::Id].into_iter().any(|name| {
        tree.any_word(id, name, means_furniture)
            || (tree.any_word(id, name, means_contents) && is_made_of_links(tree, id))
    })
}

fn means_furniture(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    FURNITURE.contains(&word.as_str()) || is_about_cookies(&word)
}

fn means_contents(word: &str) -> bool {
    CONTENTS.iter().any(|name| word.eq_ignore_ascii_case(name))
}

/// Returns whether at least four fifths of an element's text is in links.
fn is_made_of_links(tree: &Tree, id: Id) -> bool {
    let mut all = 0;
    let mut linked = 0;
    tree.find(id, |id| {
        all += tree.text(id).trim().len();
        if tree.tag(id) == Tag::A {
            linked += tree.inner_text(id).trim().len();
        }
        Some(false)
    });
    linked * 5 >= all * 4
}

/// Returns whether this is the name of what asks for consent to cookies.
fn is_about_cookies(word: &str) -> bool {
    const ASKING: &[&str] = &["banner", "consent", "notice", "popup", "modal", "overlay", "bar"];
    (word.contains("cookie") && ASKING.iter().any(|part| word.contains(part)))
        || word.starts_with("onetrust-")
        || word == "gdpr-banner"
}

/// Returns whether an element is the page's content, or a part of it, whose head and foot are its own.
pub(super) fn is_content(tree: &Tree, id: Id) -> bool {
    matches!(tree.tag(id), Tag::Main | Tag::Article | Tag::Section | Tag::Td | Tag::Blockquote)
        || tree.attribute(id, Name::Role).is_some_and(|role| role.eq_ignore_ascii_case("main"))
}
