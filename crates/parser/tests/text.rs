//! Documents that are text, from their bytes to their Markdown.

#![allow(clippy::unwrap_used)]

use pgai_rs_parser::{Kind, ParseError, ParsedDocument, Source, detect, parse};
use pgai_rs_parser_protocol::Format;

fn read(bytes: &[u8], name: &str) -> Result<ParsedDocument, ParseError> {
    parse(&Source { bytes, name: Some(name), content_type: None })
}

fn text(bytes: &[u8], name: &str) -> String {
    read(bytes, name).unwrap().text
}

#[test]
fn source_code_stays_text() {
    let parsed = read(b"fn main() {\r\n}\r\n", "main.rs").unwrap();
    assert_eq!((parsed.text.as_str(), parsed.format), ("fn main() {\n}\n", Format::Text));
}

#[test]
fn text_is_read_in_the_encoding_that_its_store_tells() {
    let bytes = b"\xbf\xf3\xb3\xe6";
    let source = Source { bytes, name: Some("a.txt"), content_type: Some("text/plain; charset=iso-8859-2") };
    assert_eq!(parse(&source).unwrap().text, "żółć");
}

#[test]
fn xml_is_read_in_the_encoding_that_it_declares() {
    let bytes = b"<?xml version='1.0' encoding='iso-8859-2'?><a><word>\xbf\xf3\xb3\xe6</word></a>";
    assert_eq!(text(bytes, "a.xml"), "- word: żółć");
}

#[test]
fn a_table_that_is_called_a_workbook_is_a_table() {
    let table = "| a | b |\n| --- | --- |\n| x | y |\n| z | w |";
    assert_eq!(text(b"a\tb\nx\ty\nz\tw\n", "export.xls"), table);
    let utf16: Vec<u8> =
        "\u{feff}a\tb\r\nx\ty\r\nz\tw\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(text(&utf16, "Export.XLS"), table);
}

#[test]
fn json_that_is_json_lines_is_read_by_its_lines() {
    assert_eq!(text(b"{\"a\": 1}\n{\"a\": 2}\n", "data.json"), "- a: 1\n\n- a: 2");
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let noise: Vec<u8> = (0..4000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for name in ["a.txt", "a.csv", "a.json", "a.xml", "a.ipynb", "a.srt", "a.md", "a.rst", "a.py"] {
        assert_eq!(read(&noise, name), Err(ParseError::UnknownEncoding), "{name}");
        assert!(matches!(read(b" \n", name), Err(ParseError::Empty(_))), "{name}");
    }
}

/// Documents with a bit of everything that their readers know.
const DOCUMENTS: &[(&str, &str)] = &[
    ("a.csv", "sep=;\nname;\"a \"\"b\"\"\";c\n1;\"x\ny\";é\n\n2;;\n"),
    (
        "a.json",
        "{\"title\": \"T\\u00e9\", \"a\": [[1, 2], [3, 4]], \"b\": [{\"x\": 1}, {\"x\": null}], \"c\": {\"d\": 1.5e3}} // c",
    ),
    ("a.jsonl", "{\"a\": \"é\"}\n[1]\nnull\n{\"a\": 2}\n"),
    (
        "a.ipynb",
        "{\"nbformat\": 4, \"cells\": [{\"cell_type\": \"code\", \"source\": [\"1\"], \"outputs\": [{\"output_type\": \"stream\", \"text\": \"\\u001b[1mé\\r\\n\"}]}, {\"cell_type\": \"markdown\", \"source\": \"![é](attachment:x)\"}]}",
    ),
    (
        "a.srt",
        "1\n00:00:01,000 --> 00:00:02,000\n- <i>é</i> &amp; {\\an8}x\n\n2\n00:00:03,000 --> 00:00:04,000\n>> y < z\n",
    ),
    (
        "a.vtt",
        "WEBVTT - é\nLanguage: en\n\nNOTE x\n\na\n00:01.000 --> 00:02.000 line:1\n<v.b Ann é>Hi <00:01.500>there\n",
    ),
    ("a.md", "---\ntitle: \"é\"\nauthor:\n  - name: x\n  - 'y'\nlist: [a, \"b\"]\n---\n# é\n\ntext\n"),
    (
        "a.rst",
        "===\n é\n===\n\n:Author: x\n\n* a\n\n  1. b_ `c <d>`__ |e| :f:`~g.h` ``i`` \\ [1]_\n\n+---+---+\n| é | b |\n+===+---+\n| 日 | d |\n+---+---+\n\n=== ==\na   é\n=== ==\nb   c\n=== ==\n\n.. note:: x\n   :y: z\n\n   w::\n\n     v\n\n.. list-table::\n\n   * - é\n     - b\n\n.. _b: http://x\n.. |e| replace:: é\n.. [1] n\n-o, --opt=é  q\n| l\n",
    ),
    (
        "a.xml",
        "<?xml version='1.0' encoding='utf-8'?><!DOCTYPE a [<!ENTITY e 'é'>]><article lang='é'><info><title>T &e;</title><author>A</author></info><section><label>1</label><title>S</title><para>p <link href='http://x'>é</link><footnote><para>n</para></footnote></para><itemizedlist><listitem><para>é</para></listitem></itemizedlist><table><row><entry>é</entry></row></table><screen>é</screen></section></article>",
    ),
    (
        "b.xml",
        "<rss><channel><title>é</title><item><title>a</title><description>&lt;p&gt;é &amp;amp; b&lt;/p&gt;</description><link>http://x</link></item></channel></rss>",
    ),
    ("c.xml", "<a b='é'><c>1</c><c d='&#233;'>2</c><e><f/><dict><key>é</key><true/></dict></e></a>"),
];

#[test]
fn the_documents_below_have_text() {
    for (name, document) in DOCUMENTS {
        let parsed = read(document.as_bytes(), name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(parsed.text.contains('é') || name.ends_with("ipynb"), "{name}: {}", parsed.text);
    }
}

#[test]
fn no_document_that_was_cut_off_or_spoilt_stops_the_reader() {
    for (name, document) in DOCUMENTS {
        let bytes = document.as_bytes();
        for end in 0..bytes.len() {
            let _ = read(&bytes[..end], name);
            let _ = read(&bytes[end..], name);
            for other in [b'\n', b'<', b'`', b'\xc3'] {
                let mut spoilt = bytes.to_vec();
                spoilt[end] = other;
                let _ = read(&spoilt, name);
            }
        }
    }
}

#[test]
fn a_document_that_says_nothing_of_its_type_is_known_by_its_content() {
    for (name, document) in DOCUMENTS {
        let found = detect(&Source { bytes: document.as_bytes(), name: None, content_type: None });
        let expected = match *name {
            "a.jsonl" => Kind::JsonLines,
            "a.ipynb" => Kind::Notebook,
            "a.srt" | "a.vtt" => Kind::Subtitles,
            "a.xml" | "b.xml" => Kind::Xml,
            // These look as a text may do, and a comment is none of JSON's.
            _ => Kind::Text,
        };
        assert_eq!(found, Ok(expected), "{name}");
    }
}
