//! The names of elements in documents that are prose, and what becomes of such elements.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The fate of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ElementRole {
    /// It has a heading of its own, below that of the section around it.
    Section,
    /// It names the section.
    Title,
    /// It tells about the document: title, authors and abstract.
    Info,
    /// It is a paragraph, or a container of such.
    Block,
    /// It has a title that is no heading.
    Figure,
    /// It is a list with dots, or one with numbers.
    List(bool),
    /// It is a list of terms and what they mean.
    Terms,
    /// It is a table.
    Table,
    /// It is code, whose lines stay.
    Code,
    /// It is a quotation.
    Quote,
    /// It is a line of a poem.
    Verse,
    /// It is left out.
    Nothing,
    /// It is a part of a paragraph.
    Inline,
}

/// Elements that tell about the document.
pub(super) const INFOS: &[&str] =
    &["article-meta", "book-meta", "articleinfo", "bookinfo", "info", "teiHeader", "title-info"];

/// The names of elements, separated by spaces, and what becomes of them.
const ROLES: &[(ElementRole, &str)] = &[
    (ElementRole::Title, "title head article-title refname h1 h2 h3 h4 h5 h6 h"),
    (
        ElementRole::Section,
        "section sect1 sect2 sect3 sect4 sect5 simplesect refsection refsect1 refsect2 refsect3 refsynopsisdiv refentry \
         chapter part appendix preface article book glossary glossdiv bibliography bibliodiv colophon dedication qandadiv \
         sidebar sec app div div1 div2 div3 div4 topic concept task reference abstract ack ref-list sub-article notes page",
    ),
    (
        ElementRole::Info,
        "article-meta book-meta articleinfo bookinfo info teiHeader title-info setinfo partinfo chapterinfo prefaceinfo \
         appendixinfo sectioninfo sect1info sect2info refentryinfo",
    ),
    (
        ElementRole::Block,
        "para p simpara formalpara note tip warning caution important body front back text group shortdesc conbody taskbody \
         refbody context prereq result postreq qandaset qandaentry question answer lg caption figcaption bibliomixed \
         biblioentry ab sp stage speech statement boxed-text disp-formula equation informalequation subtitle refnamediv \
         refpurpose cmdsynopsis funcsynopsis legalnotice sect dita partintro main header footer titlepage epigraph \
         annotation textobject poem stanza td th entry li listitem ref revision mediawiki",
    ),
    (ElementRole::Figure, "figure fig fig-group example informalexample table-wrap"),
    (ElementRole::List(false), "itemizedlist list terms ul simplelist sl choices calloutlist listBibl"),
    (ElementRole::List(true), "orderedlist ol procedure steps substeps"),
    (ElementRole::Terms, "variablelist dl def-list glosslist parml"),
    (ElementRole::Table, "table informaltable simpletable tbl"),
    (
        ElementRole::Code,
        "programlisting screen literallayout codeblock pre preformat synopsis msgblock eg egXML",
    ),
    (ElementRole::Quote, "blockquote disp-quote lq"),
    (ElementRole::Verse, "l v"),
    // What is no text, or text that nobody searches for.
    (
        ElementRole::Nothing,
        "indexterm index graphic media imageobject imagedata inlinegraphic inline-graphic img image binary audioobject videoobject \
         script style math anchor toc lot pb colspec spanspec remark revhistory metadata prolog refmeta refclass \
         journal-meta article-id article-categories permissions history pub-date volume issue fpage lpage elocation-id \
         self-uri counts custom-meta-group funding-group object-id related-article aff author-notes issn isbn publisher \
         pPr rPr sectPr styles fonts docPr lists DocumentProperties",
    ),
];

/// Returns what becomes of an element of this name.
pub(super) fn role(name: &str) -> ElementRole {
    static ROLE_OF: LazyLock<HashMap<&str, ElementRole>> = LazyLock::new(|| {
        let mut role_of = HashMap::new();
        for (role, names) in ROLES {
            role_of.extend(names.split_whitespace().map(|name| (name, *role)));
        }
        role_of
    });
    ROLE_OF.get(name).copied().unwrap_or(ElementRole::Inline)
}
