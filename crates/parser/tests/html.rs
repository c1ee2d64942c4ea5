//! Reading web pages: what a user relies on.

#![allow(clippy::unwrap_used)]

use pgai_rs_parser::{ParseError, ParsedDocument, Source, parse};

fn read(html: &[u8], content_type: Option<&str>) -> Result<ParsedDocument, ParseError> {
    parse(&Source { bytes: html, name: Some("page.html"), content_type })
}

fn markdown(html: &str) -> String {
    read(html.as_bytes(), None).unwrap().text
}

#[test]
fn headings_paragraphs_and_emphasis() {
    let html = "<h1>A <em>title</em></h1><p>One <b>bold </b>and <i> thin</i>.<br>Next &lt;line&gt; of&nbsp;it, H<sub>2</sub>O, \
                10<sup>6</sup>.<p>Not a <del>heading</del>";
    assert_eq!(
        markdown(html),
        "# A title\n\nOne **bold** and *thin*.\nNext &lt;line> of it, H2O, 10^6.\n\nNot a ~~heading~~"
    );
}

#[test]
fn what_only_looks_like_markdown_is_escaped() {
    assert_eq!(markdown("<p># apt install<p>```<p>text<br>---"), "\\# apt install\n\n\\```\n\ntext\n\\---");
}

#[test]
fn lists_are_nested_and_numbered() {
    let html = "<ul><li>one<ul><li>two</ul><li><p>three</ul><ol start=4><li>four<li value=9>nine</ol>";
    assert_eq!(markdown(html), "- one\n  - two\n- three\n\n4. four\n9. nine");
}

#[test]
fn a_list_of_items_with_headings_is_no_list() {
    assert_eq!(markdown("<ul><li><h2>Card</h2><p>Text</ul>"), "## Card\n\nText");
}

#[test]
fn tables_keep_their_cells() {
    let html = "<table><caption>Sums</caption><tr><th>a|b<th colspan=2>c<tr><td rowspan=2>r<td>1<br>2<td>3<tr><td>4<td>\
                <table><tr><td>x<td>y<tr><td>z<td>w</table></table>";
    assert_eq!(
        markdown(html),
        "Sums\n\n| a\\|b | c |  |\n| --- | --- | --- |\n| r | 1<br>2 | 3 |\n| r | 4 | x, y<br>z, w |"
    );
}

#[test]
fn a_table_that_only_arranges_the_page_is_none() {
    let html = "<table><tr><td><p>menu</td><td><h1>Title</h1><p>Text<table><tr><th>k<th>v<tr><td>1<td>2</table></td></tr></table>";
    assert_eq!(markdown(html), "menu\n\n# Title\n\nText\n\n| k | v |\n| --- | --- |\n| 1 | 2 |");
}

#[test]
fn links_lead_out_of_the_page_and_run_nothing() {
    let html = "<p><a href='https://a.b/c'>far</a>, <a href=d/e.html>near</a>, <a href='java&#10;script:x()'>no</a>, \
                <a href='#here'>here</a>, <a href='https://a.b/c'>a.b/c</a>, <a href='x (1'>odd</a>";
    assert_eq!(markdown(html), "[far](https://a.b/c), [near](d/e.html), no, here, a.b/c, [odd](x%20%281)");
}

#[test]
fn images_are_their_alternative_text() {
    assert_eq!(
        markdown("<p>See <img src=a.png alt='A  plan'> <img src=b.png> <img alt=😀>"),
        "See ![A plan]() 😀"
    );
}

#[test]
fn code_is_fenced_with_its_language() {
    let html = "<pre><code class='hljs language-rust'>fn x() {\n  y\n}</code></pre><pre>\nbare\n  text</pre>\
                <div class='highlight-python notranslate'><div class=highlight><pre><span>def</span> f</pre></div></div>\
                <p>call <code>a`b</code>";
    assert_eq!(
        markdown(html),
        "```rust\nfn x() {\n  y\n}\n```\n\n```\nbare\n  text\n```\n\n```python\ndef f\n```\n\ncall ``a`b``"
    );
}

#[test]
fn terms_stay_with_their_definitions() {
    let html = "<dl><dt>Row<dd>A line.<dd>More.<dt>Key<dd><p>One.<p>Two.</dl>";
    assert_eq!(markdown(html), "Row\n: A line.\n: More.\n\nKey\n: One.\n\n  Two.");
}

#[test]
fn footnotes_are_references_and_definitions() {
    let html = "<p>Text<sup id=r1><a href='#n1'>[1]</a></sup> and<a class=footnote-ref href='#n2'>*</a>.\
                <ol><li id=n1><a href='#r1'>^</a> First.<li id=n2><p>Second. <a class=footnote-back href='#x'>↩</a></ol>";
    assert_eq!(markdown(html), "Text[^1] and[^*].\n\n[^1]: First.\n\n[^*]: Second.");
}

#[test]
fn quotations_are_nested() {
    let html = "<blockquote><p>a<p>b<blockquote>c</blockquote></blockquote>";
    assert_eq!(markdown(html), "> a\n>\n> b\n>\n> > c");
}

#[test]
fn what_stands_on_every_page_is_left_out() {
    let html = "<body><header><a href=/>Site</a></header><nav>menu</nav><div role=navigation>more</div>\
                <div id=cookie-banner>We use cookies</div><aside>Ads</aside>\
                <main><article><header><h1>Title</h1></header><p>Text<aside>Beside</aside><footer>Signed</footer></article></main>\
                <footer>Imprint</footer>";
    assert_eq!(markdown(html), "# Title\n\nText\n\nBeside\n\nSigned");
}

#[test]
fn a_page_of_nothing_else_is_read_whole() {
    assert_eq!(markdown("<nav><a href=/a>Start</a></nav><footer>Imprint</footer>"), "[Start](/a)\n\nImprint");
}

#[test]
fn what_nobody_sees_is_left_out() {
    let html = "<style>p{}</style><script>'<p>no'</script><p>yes<div hidden>a</div><div style='color:red; DISPLAY : none'>b</div>\
                <span aria-hidden=true>c</span><template>d</template><noscript>e</noscript><svg><title>f</title></svg><!-- g -->";
    assert_eq!(markdown(html), "yes");
    let hidden = b"<script>x</script><div hidden>a</div>";
    assert_eq!(read(hidden, None), Err(ParseError::Empty("an HTML page")));
}

#[test]
fn soft_hyphens_split_no_words() {
    assert_eq!(markdown("<p>Donau&shy;dampf\u{200b}schiff"), "Donaudampfschiff");
}

#[test]
fn formulas_are_tex_if_the_page_has_it() {
    let html = "<p><math><mi>x</mi><annotation encoding='application/x-tex'>x^2</annotation></math> <math><mi>y</mi><mo>=</mo><mn>1</mn></math>";
    assert_eq!(markdown(html), "$x^2$ y=1");
}

#[test]
fn a_page_says_who_wrote_it_and_when() {
    let html = "<html lang=pt-BR><title>A &amp; B</title><meta name=author content='Ann Example'>\
                <meta property='article:published_time' content='2024-05-06T07:08:09Z'>\
                <meta http-equiv=last-modified content='Tue, 13 Feb 2024 20:01:02 +0100'><p>Text";
    let metadata = read(html.as_bytes(), None).unwrap().metadata;
    assert_eq!(metadata.title.as_deref(), Some("A & B"));
    assert_eq!(metadata.author.as_deref(), Some("Ann Example"));
    assert_eq!(metadata.created.as_deref(), Some("2024-05-06T07:08:09Z"));
    assert_eq!(metadata.modified.as_deref(), Some("2024-02-13T20:01:02+01:00"));
    assert_eq!(metadata.language.as_deref(), Some("pt-BR"));
}

#[test]
fn the_encoding_is_the_declared_one() {
    let latin = b"<p>na\xefve \xe4\xf6";
    assert_eq!(read(latin, Some("text/html; charset=iso-8859-1")).unwrap().text, "naïve äö");
    assert_eq!(read(b"<meta charset=koi8-r><p>\xf0\xd2\xc9\xd7\xc5\xd4", None).unwrap().text, "Привет");
    let meta = b"<meta http-equiv=Content-Type content='text/html; charset=Shift_JIS'><p>\x93\xfa\x96\x7b";
    assert_eq!(read(meta, None).unwrap().text, "日本");
    let xml = b"<?xml version='1.0' encoding='windows-1250'?><html><body><p>\x8aest</p></body></html>";
    assert_eq!(read(xml, None).unwrap().text, "Šest");
}

#[test]
fn an_element_of_xhtml_can_end_itself() {
    let html = "<?xml version='1.0'?><html><head><title/><script src='x'/></head><body><a id='x'/><p>Text</p><![CDATA[a<b]]></body></html>";
    assert_eq!(markdown(html), "Text\n\na&lt;b");
}

#[test]
fn deep_nesting_costs_no_more_than_its_length() {
    let tags =
        ["div", "b", "ul", "li", "blockquote", "table", "td", "dl", "span", "a", "sup", "section", "q", "h1"];
    for tag in tags {
        let html = format!("<{tag}>").repeat(20_000) + "<p>Text";
        assert!(markdown(&html).contains("Text"), "{tag}");
    }
    let html = "<table><tr><td>".repeat(20_000) + "Text";
    assert!(markdown(&html).contains("Text"));
}

#[test]
fn an_element_of_many_attributes_is_read_in_linear_time() {
    let attributes: String = (0..100_000).map(|number| format!(" a{number}=b")).collect();
    assert_eq!(markdown(&format!("<p{attributes}>Text")), "Text");
}

#[test]
fn spans_of_a_table_are_bounded() {
    let row = "<tr><td colspan=1000 rowspan=60000>x<td>y";
    let text = markdown(&format!("<table><tr><th>h{}</table>", row.repeat(20_000)));
    assert!(text.len() < 4 << 20, "{}", text.len());
    let long = format!("<table><tr>{}{}</table>", "<td>x".repeat(50_000), "<tr><td>y".repeat(50_000));
    assert!(markdown(&long).len() < 4 << 20);
}

#[test]
fn a_run_of_backticks_is_fenced_in_linear_time() {
    let text = markdown(&format!("<pre>{}</pre>", "`".repeat(1_000_000)));
    assert!(text.len() > 3_000_000);
}
