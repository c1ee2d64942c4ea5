//! JSON: values as a document, or a line or block for each of them.

mod relaxed;
mod value;

use pgai_rs_parser_protocol::Metadata;
use serde_json::Deserializer;

use super::data::{Data, Writer};
use crate::markdown::some_line;
use crate::{Kind, ParseError, ParsedDocument};

/// The most values in a document; each takes up memory even if it is a digit.
const MOST_VALUES: usize = 8 << 20;

/// Returns the text of a JSON document. One that consists of several values, as JSON Lines does, is read as such, and
/// comments and commas too many are forgiven.
pub(super) fn read(text: &str) -> Result<ParsedDocument, ParseError> {
    let value = match parse(text) {
        Ok(value) => value,
        Err(error) => {
            if let Some(values) = several(text) {
                return finish_records(&values);
            }
            let text = relaxed::strict(text);
            serde_json::from_str(&text).map_err(|_| refusal(Kind::Json, &error))?
        }
    };

    let mut writer = Writer::default();
    writer.document(&value);
    let metadata = metadata(&value);
    Ok(ParsedDocument { metadata, ..ParsedDocument::markdown(non_empty(Kind::Json, writer)?) })
}

/// Returns the text of a JSON Lines file. A line that can't be read stays as it is, if most can.
pub(super) fn read_lines(text: &str) -> Result<ParsedDocument, ParseError> {
    if let Some(values) = several(text) {
        return finish_records(&values);
    }
    if let Ok(value) = parse(text) {
        return finish_records(match &value {
            Data::List(items) => items,
            other => std::slice::from_ref(other),
        });
    }

    let mut writer = Writer::default();
    let (mut read, mut failed, mut first_error) = (0_usize, 0_usize, None);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match parse(line) {
            Ok(value) => {
                read += 1;
                writer.record(&value);
            }
            Err(error) => {
                failed += 1;
                first_error = first_error.or(Some(error));
                writer.line(line);
            }
        }
    }
    match first_error {
        Some(error) if failed > read => Err(refusal(Kind::JsonLines, &error)),
        _ => Ok(ParsedDocument::markdown(non_empty(Kind::JsonLines, writer)?)),
    }
}

/// Returns a value in JSON.
pub(super) fn parse(text: &str) -> Result<Data, serde_json::Error> {
    let separators = memchr::memchr3_iter(b',', b'[', b'{', text.as_bytes()).count();
    if separators > MOST_VALUES {
        return Err(serde::de::Error::custom(value::TOO_MANY));
    }
    serde_json::from_str(text)
}

/// Returns the reason why a document can't be read.
pub(super) fn refusal(kind: Kind, error: &serde_json::Error) -> ParseError {
    let problem = error.to_string();
    if problem.contains("recursion limit") {
        let problem = "its values are nested too deeply".to_owned();
        return ParseError::TooComplex { kind: kind.name(), problem };
    }
    if problem.contains(value::TOO_MANY) {
        return ParseError::TooComplex { kind: kind.name(), problem: value::TOO_MANY.to_owned() };
    }
    ParseError::Damaged { kind: kind.name(), problem }
}

/// Returns the values of a text that has several, one after the other.
fn several(text: &str) -> Option<Vec<Data>> {
    let separators = memchr::memchr3_iter(b',', b'[', b'{', text.as_bytes()).count();
    if separators > MOST_VALUES {
        return None;
    }
    let values = Deserializer::from_str(text).into_iter().collect::<Result<Vec<Data>, _>>().ok()?;
    (values.len() > 1).then_some(values)
}

fn finish_records(values: &[Data]) -> Result<ParsedDocument, ParseError> {
    let mut writer = Writer::default();
    for value in values {
        writer.record(value);
    }
    Ok(ParsedDocument::markdown(non_empty(Kind::JsonLines, writer)?))
}

fn non_empty(kind: Kind, writer: Writer) -> Result<String, ParseError> {
    let text = writer.finish();
    if text.is_empty() { Err(ParseError::Empty(kind.name())) } else { Ok(text) }
}

/// Returns what an object says of the document that it is.
fn metadata(value: &Data) -> Metadata {
    let told =
        |names: &[&str]| some_line(names.iter().find_map(|name| value.get(name).and_then(Data::as_text))?);
    let time = |names: &[&str]| told(names).filter(|time| is_time(time));
    Metadata {
        title: told(&["title", "headline"]),
        author: told(&["author", "creator"]),
        created: time(&["created", "created_at", "date", "datePublished", "published", "published_at"]),
        modified: time(&["modified", "updated", "updated_at", "dateModified"]),
        language: told(&["language", "lang", "inLanguage"]),
        page_count: None,
    }
}

/// Returns whether a text begins as a date in ISO 8601.
pub(super) fn is_time(text: &str) -> bool {
    let pattern = b"dddd-dd-dd";
    text.len() >= pattern.len()
        && text.len() <= 40
        && text.bytes().zip(pattern).all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            other => byte == *other,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markdown(text: &str) -> String {
        read(text).unwrap().text
    }

    #[test]
    fn short_values_are_a_list_and_long_ones_sections() {
        let body = "A long text. ".repeat(30);
        let text = format!(
            r#"{{"title": "The bee", "id": 7, "ok": true, "none": null, "empty": [], "tags": ["a", "b"],
            "where": {{"town": "Ulm", "at": [1.5, 2]}}, "body": "{body}\nSecond line."}}"#
        );
        let expected = format!(
            "# The bee\n\n- id: 7\n- ok: true\n- tags: a, b\n- where:\n  - town: Ulm\n  - at: 1.5, 2\n\n## body\n\n{body}\nSecond line."
        );
        assert_eq!(markdown(&text), expected);
        assert_eq!(read(&text).unwrap().metadata.title.as_deref(), Some("The bee"));
    }

    #[test]
    fn objects_that_are_alike_are_a_table() {
        let text = r#"{"rows": [{"a": 1, "b": "x"}, {"a": 2, "b": "y|z"}], "n": 2}"#;
        assert_eq!(markdown(r#"[{"a": 1, "b": "x"}, {"a": 2}, {"a": 3, "b": "z"}]"#).lines().count(), 5);
        assert_eq!(markdown(text), "- rows:\n  - a: 1; b: x\n  - a: 2; b: y|z\n- n: 2");
    }

    #[test]
    fn things_with_names_are_sections_of_their_names() {
        let long = "word ".repeat(60);
        let text = format!(r#"[{{"name": "Ann", "story": "{long}"}}, {{"name": "Bob", "story": "{long}"}}]"#);
        let long = long.trim();
        assert_eq!(markdown(&text), format!("# Ann\n\n## story\n\n{long}\n\n# Bob\n\n## story\n\n{long}"));
    }

    #[test]
    fn a_record_of_json_lines_is_a_block() {
        let text = "{\"a\": 1, \"b\": \"x\"}\n\n{\"a\": 2, \"b\": \"y\"}\n";
        let expected = "- a: 1\n- b: x\n\n- a: 2\n- b: y";
        assert_eq!(read_lines(text).unwrap().text, expected);
        assert_eq!(markdown(text), expected, "named .json");
        assert_eq!(read_lines("{\"a\": 1}\n").unwrap().text, "- a: 1");
    }

    #[test]
    fn one_broken_line_costs_itself_only() {
        let text = "{\"a\": 1}\nnot json\n{\"a\": 2}\n{\"a\": 3}";
        assert_eq!(read_lines(text).unwrap().text, "- a: 1\n\nnot json\n\n- a: 2\n\n- a: 3");
        assert!(matches!(read_lines("{\"a\": \n[[["), Err(ParseError::Damaged { .. })));
    }

    #[test]
    fn comments_and_trailing_commas_are_forgiven() {
        let text = "// settings\n{\"url\": \"http://x//y\", /* two */ \"list\": [1, 2,],}\n";
        assert_eq!(markdown(text), "- url: http://x//y\n- list: 1, 2");
    }

    #[test]
    fn what_is_not_json_is_refused_without_quoting_it() {
        let Err(error) = read("{\"secret\": nonsense") else { panic!("no error") };
        assert_eq!(
            error.to_string(),
            "the document is a JSON document that is damaged: expected ident at line 1 column 13"
        );
        assert_eq!(read("{}"), Err(ParseError::Empty("a JSON document")));
        assert_eq!(read("[null, \"\"]"), Err(ParseError::Empty("a JSON document")));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(read(&deep), Err(ParseError::TooComplex { .. })));
        let depth = 120;
        let nested = format!("{}\"leaf\"{}", "{\"k\": ".repeat(depth), "}".repeat(depth));
        let text = markdown(&nested);
        assert!(text.contains("leaf") && text.len() < 4000, "{text}");
    }
}
