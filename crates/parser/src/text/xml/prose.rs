//! Books and articles in XML: DocBook, JATS, TEI, DITA, and what else names its paragraphs and sections as these do.
//!
//! * `names`: what becomes of an element of some name
//! * `writer`: blocks; `list` and `table` are theirs
//! * `inline`: a line of text

mod inline;
mod list;
mod names;
mod table;
mod writer;

use pgai_rs_parser_protocol::Metadata;

use super::tree::Element;
use crate::ParsedDocument;
use crate::markdown::some_text;
use crate::text::json::is_time;

use writer::Writer;

/// Roots of documents that are prose, separated by spaces.
const ROOTS: &str = "article book set part chapter appendix preface section sect1 refentry reference glossary TEI TEI.2 \
    teiCorpus topic concept task dita page FictionBook html wordDocument document";

/// Returns whether this is the root of a document that is prose: by its name and by paragraphs in it.
pub(super) fn is_prose(root: &Element) -> bool {
    let is_known = ROOTS.split_whitespace().any(|name| name == root.name);
    is_known
        && ["para", "p", "simpara", "sect1", "sec", "refsection", "desc"]
            .iter()
            .any(|name| root.descendant(name).is_some())
}

/// Returns the text of a document.
pub(super) fn read(root: &Element) -> ParsedDocument {
    let mut writer = Writer::default();
    writer.section(root, 1);
    let text = writer.finish();
    ParsedDocument { metadata: metadata(root), ..ParsedDocument::markdown(text) }
}

/// Returns the text of an element in which there are paragraphs, such as those of HTML.
pub(super) fn flow(element: &Element) -> String {
    let mut writer = Writer::default();
    writer.section(element, 3);
    writer.finish()
}

fn metadata(root: &Element) -> Metadata {
    let info = names::INFOS.iter().find_map(|name| root.descendant(name)).unwrap_or(root);
    let title = ["article-title", "title", "book-title"]
        .iter()
        .find_map(|name| info.descendant(name).or_else(|| root.child(name)));
    let date = ["pubdate", "date", "publicationdate"].iter().find_map(|name| info.descendant(name));
    let date = date.map(|date| date.attribute("when").map_or_else(|| date.text(), str::to_owned));

    Metadata {
        title: title.map(Element::text).and_then(some_text),
        author: some_text(authors(info).join(", ")),
        created: date
            .filter(|date| is_time(date))
            .or_else(|| info.descendant("pub-date").and_then(parts_of_date)),
        language: root.attribute("lang").map(str::to_owned).and_then(some_text),
        ..Metadata::default()
    }
}

/// Returns the names of the authors.
pub(super) fn authors(info: &Element) -> Vec<String> {
    let mut found = Vec::new();
    collect_authors(info, &mut found);
    found
}

fn collect_authors(element: &Element, found: &mut Vec<String>) {
    for child in element.elements() {
        let is_author = child.name == "author"
            || (child.name == "credit"
                && child.attribute("type").is_some_and(|role| role.contains("author")))
            || (child.name == "contrib"
                && child.attribute("contrib-type").is_none_or(|role| role == "author"));
        if !is_author {
            collect_authors(child, found);
            continue;
        }
        let name = person(child);
        if !name.is_empty() && !found.contains(&name) {
            found.push(name);
        }
    }
}

/// Returns the name of a person: of its parts, if it has such.
fn person(element: &Element) -> String {
    let part = |names: &[&str]| names.iter().find_map(|name| element.descendant(name)).map(Element::text);
    let given = part(&["firstname", "givenname", "given-names", "forename", "first-name"]);
    let family = part(&["surname", "last-name"]);
    if given.is_none() && family.is_none() {
        let named = part(&["personname", "persName", "string-name", "collab", "orgname", "name"]);
        return named.unwrap_or_else(|| element.text());
    }
    let parts: Vec<_> = given.into_iter().chain(family).filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

/// Returns a date that is written in elements, as precise as it is.
fn parts_of_date(date: &Element) -> Option<String> {
    let number = |name: &str| date.child(name).and_then(|part| part.text().parse::<u16>().ok());
    let year = number("year")?;
    Some(match (number("month"), number("day")) {
        (Some(month), Some(day)) => format!("{year:04}-{month:02}-{day:02}"),
        (Some(month), None) => format!("{year:04}-{month:02}"),
        _ => format!("{year:04}"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::read;

    #[test]
    fn a_docbook_is_read_as_a_book() {
        let text = "<book xml:lang='en'><info><title>The Bee</title><author><personname><firstname>Ann</firstname><surname>Lee</surname></personname></author>
            <pubdate>2026-01-02</pubdate><legalnotice><para>Free.</para></legalnotice></info>
            <chapter><title>Flight</title><indexterm><primary>flight</primary></indexterm><para>Bees
              <emphasis>fly</emphasis> to <ulink url='http://x'>flowers</ulink> with <command>wings</command>.<footnote><para>Two pairs.</para></footnote></para>
            <section><title>How</title><itemizedlist><listitem><para>one</para><para>more</para></listitem><listitem><para>two</para>
              <orderedlist><listitem><para>a</para></listitem></orderedlist></listitem></itemizedlist>
            <programlisting language='c'>int x;
  y();</programlisting><note><para>Mind.</para></note>
            <variablelist><varlistentry><term>sting</term><listitem><para>It hurts.</para></listitem></varlistentry></variablelist>
            <table><title>Sizes</title><tgroup cols='2'><thead><row><entry>name</entry><entry>mm</entry></row></thead><tbody><row><entry><para>worker</para></entry><entry>12</entry></row></tbody></tgroup></table>
            </section></chapter></book>";
        let parsed = read(text).unwrap();
        let expected = "# The Bee\n\nAnn Lee\n\nFree.\n\n## Flight\n\nBees fly to [flowers](http://x) with `wings`.[^1]\n\n[^1]: Two pairs.\n\n### How\n\n- one\n\n  more\n- two\n\n  1. a\n\n```c\nint x;\n  y();\n```\n\nMind.\n\n- sting: It hurts.\n\nSizes\n\n| name | mm |\n| --- | --- |\n| worker | 12 |";
        assert_eq!(parsed.text, expected);
        assert_eq!(parsed.metadata.title.as_deref(), Some("The Bee"));
        assert_eq!(parsed.metadata.author.as_deref(), Some("Ann Lee"));
        assert_eq!(parsed.metadata.created.as_deref(), Some("2026-01-02"));
        assert_eq!(parsed.metadata.language.as_deref(), Some("en"));
    }

    #[test]
    fn an_article_of_jats_is_read_as_an_article() {
        let text = "<article xmlns:xlink='l'><front><journal-meta><journal-title>J</journal-title></journal-meta><article-meta><article-id>10.1</article-id>
            <title-group><article-title>On <italic>bees</italic></article-title></title-group>
            <contrib-group><contrib contrib-type='author'><name><surname>Lee</surname><given-names>Ann</given-names></name><xref ref-type='aff'>1</xref></contrib></contrib-group>
            <pub-date><day>3</day><month>2</month><year>2026</year></pub-date><abstract><p>Short.</p></abstract></article-meta></front>
            <body><sec><label>1</label><title>Introduction</title><p>Text <xref ref-type='bibr'>[1]</xref> and <ext-link xlink:href='http://e'>e</ext-link>.</p>
            <list list-type='bullet'><list-item><p>x</p></list-item></list>
            <table-wrap><caption><p>Tab</p></caption><table><tr><th>a</th><th>b</th></tr><tr><td colspan='2'>c</td></tr></table></table-wrap>
            <fig><caption><p>A figure.</p></caption><graphic/></fig></sec></body>
            <back><ref-list><title>References</title><ref><label>1</label><mixed-citation>Who, <italic>What</italic>.</mixed-citation></ref><ref><element-citation><name><surname>Lee</surname><given-names>A</given-names></name><article-title>That</article-title><source>J</source><volume>3</volume></element-citation></ref></ref-list></back></article>";
        let parsed = read(text).unwrap();
        let expected = "# On bees\n\nAnn Lee\n\n## Abstract\n\nShort.\n\n## 1 Introduction\n\nText [1] and [e](http://e).\n\n- x\n\nTab\n\n| a | b |\n| --- | --- |\n| c |  |\n\nA figure.\n\n## References\n\n1 Who, What.\n\nLee A That J 3";
        assert_eq!(parsed.text, expected);
        assert_eq!(parsed.metadata.author.as_deref(), Some("Ann Lee"));
        assert_eq!(parsed.metadata.created.as_deref(), Some("2026-02-03"));
    }

    #[test]
    fn a_page_of_mallard_is_read() {
        let text = "<page xmlns='http://projectmallard.org/1.0/' type='topic'><info><link type='guide'/><credit type='author'><name>Ann</name></credit></info>
            <title>Power</title><p>Off.</p><steps><item><p>Wait.</p></item></steps><terms><item><title>on</title><p>Not off.</p></item></terms></page>";
        assert_eq!(read(text).unwrap().text, "# Power\n\nOff.\n\n1. Wait.\n\n- on\n\n  Not off.");
    }

    #[test]
    fn a_text_of_tei_and_a_topic_of_dita_are_read() {
        let text = "<TEI><teiHeader><fileDesc><titleStmt><title>Poems</title><author>Bob</author></titleStmt><publicationStmt><p>none</p></publicationStmt></fileDesc></teiHeader>
            <text><body><div><head>First</head><lg><l>one line</l><l>two lines</l></lg><p>A <hi>word</hi>.</p></div></body></text></TEI>";
        assert_eq!(read(text).unwrap().text, "# Poems\n\nBob\n\n## First\n\none line\ntwo lines\n\nA word.");

        let text = "<task><title>Do</title><shortdesc>Soon.</shortdesc><taskbody><steps><step><cmd>Click.</cmd></step><step><cmd>Wait.</cmd><info><p>Long.</p></info></step></steps></taskbody></task>";
        assert_eq!(
            read("<concept><title>C</title><conbody><p>x</p></conbody></concept>").unwrap().text,
            "# C\n\nx"
        );
        assert_eq!(read(text).unwrap().text, "# Do\n\nSoon.\n\n1. Click.\n2. Wait.\n\n   Long.");
    }
}
