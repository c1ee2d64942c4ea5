//! Sidecars: an object `FILE.metadata.json` says what `FILE` is.
//!
//! The names and the form are those of knowledge bases of Amazon Bedrock (User Guide, "Connect to Amazon S3 for your
//! knowledge base"): an object `metadataAttributes`, whose values are plain, or say their types. Without it, the whole
//! object is taken.

use serde_json::{Map, Value};

use super::Invalid;

/// The end of a sidecar's key.
const ENDING: &str = ".metadata.json";
/// The most bytes of a sidecar, Bedrock's limit ("Quotas for Amazon Bedrock", "Metadata file size").
pub(super) const LARGEST: usize = 10 << 10;
/// Some programs begin a text in UTF-8 with it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Returns the key of the object that a sidecar with this key speaks of; `None` if it is the key of no sidecar.
pub(in crate::source) fn document_of(key: &str) -> Option<&str> {
    key.strip_suffix(ENDING)
}

/// Returns the key of an object's sidecar.
pub(super) fn sidecar_of(key: &str) -> String {
    format!("{key}{ENDING}")
}

/// Reads a sidecar.
pub(super) fn parse(bytes: &[u8]) -> Result<Map<String, Value>, Invalid> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let value: Value = serde_json::from_slice(bytes).map_err(|error| Invalid::NotJson(error.to_string()))?;
    let Value::Object(mut object) = value else { return Err(Invalid::NoObject) };

    match object.remove("metadataAttributes") {
        None => Ok(object),
        Some(Value::Object(attributes)) => {
            Ok(attributes.into_iter().map(|(key, value)| (key, plain(value))).collect())
        }
        Some(_) => Err(Invalid::NoAttributes),
    }
}

/// Returns the value of an attribute that says its type, such as
/// `{"value": {"type": "STRING", "stringValue": "x"}, "includeForEmbedding": true}`; any other as it is.
fn plain(mut attribute: Value) -> Value {
    let typed = attribute.get_mut("value").and_then(|value| {
        let name = match value.get("type")?.as_str()? {
            "STRING" => "stringValue",
            "NUMBER" => "numberValue",
            "BOOLEAN" => "booleanValue",
            "STRING_LIST" => "stringListValue",
            _ => return None,
        };
        value.get_mut(name).map(Value::take)
    });
    typed.unwrap_or(attribute)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(text: &str) -> Value {
        Value::Object(parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_sidecar_is_known_by_its_key() {
        assert_eq!(document_of("a/b.md.metadata.json"), Some("a/b.md"));
        assert_eq!(document_of("a/b.md.METADATA.json"), None);
        assert_eq!(document_of("a/metadata.json"), None);
        assert_eq!(sidecar_of("a/b.md"), "a/b.md.metadata.json");
    }

    #[test]
    fn attributes_are_read_as_bedrock_writes_them() {
        let plain = json!({"metadataAttributes": {"department": "legal", "year": 2024, "draft": false},
                           "documentStructureConfiguration": {"type": "RECORD_BASED_STRUCTURE_METADATA"}});
        assert_eq!(parsed(&plain.to_string()), json!({"department": "legal", "year": 2024, "draft": false}));

        let typed = |kind: &str, name: &str, value: Value| json!({"value": {"type": kind, name: value}, "includeForEmbedding": true});
        let attributes = json!({"metadataAttributes": {
            "department": typed("STRING", "stringValue", json!("legal")),
            "year": typed("NUMBER", "numberValue", json!(2024)),
            "draft": typed("BOOLEAN", "booleanValue", json!(false)),
            "of": typed("STRING_LIST", "stringListValue", json!(["a", "b"])),
        }});
        assert_eq!(
            parsed(&attributes.to_string()),
            json!({"department": "legal", "year": 2024, "draft": false, "of": ["a", "b"]})
        );
    }

    #[test]
    fn what_says_no_type_is_taken_as_it_is() {
        let odd = json!({"a": {"value": {"type": "DATE", "dateValue": 1}}, "b": {"value": {"type": "STRING"}}, "c": {"value": 1}});
        assert_eq!(parsed(&json!({ "metadataAttributes": odd }).to_string()), odd);
    }

    #[test]
    fn any_object_will_do() {
        assert_eq!(
            parsed("\u{feff}{\"a\": {\"b\": [1, null]}, \"a2\": \"é\"}"),
            json!({"a": {"b": [1, null]}, "a2": "é"})
        );
        assert_eq!(parsed("{}"), json!({}));
        // Only among Bedrock's attributes does a type mean something.
        let typed = json!({"a": {"value": {"type": "STRING", "stringValue": "x"}}});
        assert_eq!(parsed(&typed.to_string()), typed);
    }

    #[test]
    fn what_is_no_object_is_invalid_and_is_not_repeated() {
        assert_eq!(parse(b"[1]"), Err(Invalid::NoObject));
        assert_eq!(parse(br#"{"metadataAttributes": "secret"}"#), Err(Invalid::NoAttributes));
        let deep = format!("{}1{}", "[".repeat(4_000), "]".repeat(4_000));
        for text in [
            "",
            "secret",
            "{\"secret\": secret}",
            "{\"a\": \"secret",
            r#"{"a": "\ud800"}"#,
            "{\"a\": 1e999}",
            &deep,
        ] {
            let Err(Invalid::NotJson(why)) = parse(text.as_bytes()) else { panic!("{text}") };
            assert!(!why.contains("secret"), "{why}");
        }
        assert!(matches!(parse(b"{\"a\": \"\xff\"}"), Err(Invalid::NotJson(_))));
    }
}
