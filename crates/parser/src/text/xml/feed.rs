//! Feeds, RSS and Atom: a section for each item.

use pgai_rs_parser_protocol::Metadata;

use super::prose;
use super::tree::Element;
use crate::markdown::{Blocks, some_line, some_text};
use crate::{ParsedDocument, html};

/// Returns whether this is the root of a feed.
pub(super) fn is_feed(root: &Element) -> bool {
    match root.name.as_str() {
        "rss" => true,
        "RDF" => root.child("channel").is_some(),
        "feed" => root.child("entry").is_some() || root.child("title").is_some(),
        _ => false,
    }
}

/// Returns the text of a feed.
pub(super) fn read(root: &Element) -> ParsedDocument {
    let channel = root.child("channel").unwrap_or(root);
    let mut blocks = Blocks::default();
    let title = named(channel, &["title"]).map(readable);
    blocks.heading(1, title.as_deref().unwrap_or_default());
    if let Some(description) = named(channel, &["description", "subtitle", "tagline"]) {
        blocks.push(&readable(description));
    }

    // In RSS 1.0 the items stand beside the channel.
    let mut items: Vec<_> = items_of(channel).collect();
    if items.is_empty() {
        items = items_of(root).collect();
    }
    for item in items {
        write_item(&mut blocks, item);
    }

    let metadata = Metadata {
        title: title.as_deref().and_then(some_line),
        author: named(channel, &["author", "creator", "managingEditor"]).map(author).and_then(some_text),
        modified: named(channel, &["updated"]).map(Element::text),
        language: named(channel, &["language"])
            .map(Element::text)
            .or_else(|| root.attribute("lang").map(str::to_owned)),
        ..Metadata::default()
    };
    ParsedDocument { metadata, ..ParsedDocument::markdown(blocks.finish().0) }
}

fn items_of(element: &Element) -> impl Iterator<Item = &Element> {
    element.elements().filter(|child| ["item", "entry"].contains(&child.name.as_str()))
}

fn write_item(blocks: &mut Blocks, item: &Element) {
    blocks.heading(2, &named(item, &["title"]).map(readable).unwrap_or_default());

    let date = named(item, &["pubDate", "published", "date", "updated"]).map(Element::text);
    let author = named(item, &["author", "creator"]).map(author);
    let told: Vec<_> =
        date.into_iter().chain(author).chain(link(item)).filter(|text| !text.is_empty()).collect();
    blocks.push(&told.join(" · "));

    let summary = named(item, &["description", "summary"]).map(readable).unwrap_or_default();
    let content = named(item, &["encoded", "content"]).map(readable).unwrap_or_default();
    // A summary often is the beginning of the content.
    let beginning = summary.trim_end_matches(['.', '…', ' ', ']', '[']);
    if !content.contains(beginning) {
        blocks.push(&summary);
    }
    blocks.push(&content);
}

/// Returns the first of these children that has text in it.
fn named<'a>(element: &'a Element, names: &[&str]) -> Option<&'a Element> {
    names
        .iter()
        .find_map(|name| element.elements().find(|child| child.name == *name && !child.children.is_empty()))
}

fn author(element: &Element) -> String {
    element.child("name").unwrap_or(element).text()
}

/// Returns the address of the item's page.
fn link(item: &Element) -> Option<String> {
    let links = item.elements().filter(|child| child.name == "link");
    let page = links.filter(|link| ["alternate", ""].contains(&link.attribute("rel").unwrap_or_default()));
    page.map(|link| link.attribute("href").map_or_else(|| link.text(), str::to_owned)).next()
}

/// Returns the text of an element whose text is HTML, or which has HTML in it.
fn readable(element: &Element) -> String {
    if element.elements().next().is_some() {
        return prose::flow(element);
    }
    let text = element.raw_text();
    html::fragment(&text).unwrap_or(text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::read;

    #[test]
    fn items_of_rss_are_sections() {
        let text = "<rss version='2.0' xmlns:dc='d' xmlns:content='c'><channel><title>News</title><link>http://n</link>
            <description>All of it</description><language>en-us</language>
            <item><title>One &amp;amp; only</title><link>http://n/1</link><pubDate>Mon, 1 Jan 2026</pubDate><dc:creator>Ann</dc:creator>
            <description>&lt;p&gt;First &lt;b&gt;words&lt;/b&gt;&lt;/p&gt;&lt;p&gt;then&lt;/p&gt;</description></item>
            <item><title>Two</title><description>Short…</description><content:encoded><![CDATA[<p>Short and long.</p>]]></content:encoded></item></channel></rss>";
        let parsed = read(text).unwrap();
        assert_eq!(
            parsed.text,
            "# News\n\nAll of it\n\n## One & only\n\nMon, 1 Jan 2026 · Ann · http://n/1\n\nFirst **words**\n\nthen\n\n## Two\n\nShort and long."
        );
        assert_eq!(parsed.metadata.language.as_deref(), Some("en-us"));
    }

    #[test]
    fn entries_of_atom_are_sections() {
        let text = "<feed xmlns='http://www.w3.org/2005/Atom' xml:lang='de'><title>Log</title><updated>2026-01-01T00:00:00Z</updated>
            <entry><title type='html'>A</title><link rel='self' href='http://s'/><link href='http://a'/><author><name>Bob</name></author>
            <content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'><p>One <a href='http://x'>link</a></p><ul><li>item</li></ul></div></content></entry></feed>";
        let parsed = read(text).unwrap();
        assert_eq!(parsed.text, "# Log\n\n## A\n\nBob · http://a\n\nOne [link](http://x)\n\n- item");
        assert_eq!(parsed.metadata.modified.as_deref(), Some("2026-01-01T00:00:00Z"));
    }
}
