//! The metadata of objects: what S3 keeps with them, and what lies in a file beside them.
//!
//! * `request`: asks S3 for it
//! * `sidecar`: the file beside an object
//! * `encoded_word`: what a header says that holds more than ASCII
//!
//! It becomes a single JSON object, so that a filter names a key and not the place that the key comes from.

mod encoded_word;
mod request;
mod sidecar;

use serde_json::{Map, Value};
use thiserror::Error;

pub(super) use self::request::{NotRead, ask};
pub(super) use self::sidecar::document_of;
use crate::config::MetadataPlace;

/// The most bytes of an object's metadata as JSON. S3 takes 2 KB of headers and ten tags of 384 characters (User Guide,
/// "Working with object metadata" and "Categorizing your objects using tags"), which is some 17 KB, and a sidecar has
/// 10 KB; other servers may take more.
const LARGEST: usize = 32 << 10;

/// The metadata of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMetadata {
    /// A JSON object, which Postgres can store as `jsonb`.
    pub json: String,
    /// The places and the sidecar that it was read from, as [`metadata_version`] writes them.
    pub version: String,
}

/// Returns a text that says what metadata was read from: the places, and the ETag of the sidecar, which is empty if there
/// was none. Of all that makes the metadata, this can change without the object.
///
/// ```
/// use pgai_rs_pipeline::config::MetadataPlace::{Sidecar, User};
/// use pgai_rs_pipeline::source::metadata_version;
///
/// assert_eq!(metadata_version(&[Sidecar, User], "9e10"), "sidecar,user:9e10");
/// ```
pub fn metadata_version(places: &[MetadataPlace], sidecar: &str) -> String {
    let names: Vec<&str> = places.iter().map(|place| place.name()).collect();
    format!("{}:{sidecar}", names.join(","))
}

/// The metadata that the places have.
#[derive(Debug, Default)]
struct Found {
    user: Map<String, Value>,
    tags: Map<String, Value>,
    sidecar: Map<String, Value>,
    /// The version of the sidecar; empty if there is none.
    sidecar_etag: String,
}

/// The reason why metadata can't be stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
enum Invalid {
    #[error("its sidecar has more than {} bytes", sidecar::LARGEST)]
    LargeSidecar,
    /// With what the parser says, which repeats nothing of the text.
    #[error("its sidecar is not JSON: {0}")]
    NotJson(String),
    #[error("its sidecar is not a JSON object")]
    NoObject,
    #[error("metadataAttributes of its sidecar is not a JSON object")]
    NoAttributes,
    #[error("it contains a NUL character")]
    Nul,
    #[error("it has more than {LARGEST} bytes as JSON")]
    Large,
}

/// Puts together what was found. Of two that have the same key, the place that comes first counts.
fn merged(places: &[MetadataPlace], found: Found) -> Result<ObjectMetadata, Invalid> {
    let Found { mut user, mut tags, mut sidecar, sidecar_etag } = found;
    let mut all = Map::new();
    for place in places.iter().rev() {
        all.append(match place {
            MetadataPlace::User => &mut user,
            MetadataPlace::Tags => &mut tags,
            MetadataPlace::Sidecar => &mut sidecar,
        });
    }

    let all = Value::Object(all);
    if has_nul(&all) {
        return Err(Invalid::Nul);
    }
    let json = all.to_string();
    if json.len() > LARGEST {
        return Err(Invalid::Large);
    }
    Ok(ObjectMetadata { json, version: metadata_version(places, &sidecar_etag) })
}

/// Returns whether a text in it has a character that Postgres can't store. JSON that was read is not nested more deeply than
/// serde_json reads.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(values) => values.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn found() -> Found {
        Found {
            user: map(json!({"who": "user", "u": "1"})),
            tags: map(json!({"who": "tags", "t": "2"})),
            sidecar: map(json!({"who": "sidecar", "s": [3]})),
            sidecar_etag: "v1".into(),
        }
    }

    fn merge(places: &[MetadataPlace]) -> Value {
        serde_json::from_str(&merged(places, found()).unwrap().json).unwrap()
    }

    #[test]
    fn of_two_that_have_a_key_the_first_counts() {
        use MetadataPlace::{Sidecar, Tags, User};
        assert_eq!(merge(&[Sidecar, Tags, User]), json!({"who": "sidecar", "u": "1", "t": "2", "s": [3]}));
        assert_eq!(merge(&[User, Tags, Sidecar])["who"], "user");
        assert_eq!(merge(&[Tags, Sidecar]), json!({"who": "tags", "t": "2", "s": [3]}));
        assert_eq!(merged(&[Tags, Sidecar], found()).unwrap().version, "tags,sidecar:v1");
    }

    #[test]
    fn what_postgres_can_not_store_is_invalid() {
        for nul in [json!({"a": "\0"}), json!({"\0": 1}), json!({"a": [{"b": ["x\0"]}]})] {
            let found = Found { sidecar: map(nul), ..Found::default() };
            assert_eq!(merged(&MetadataPlace::ALL, found), Err(Invalid::Nul));
        }
        let found = Found { user: map(json!({"a": "x".repeat(LARGEST)})), ..Found::default() };
        assert_eq!(merged(&MetadataPlace::ALL, found), Err(Invalid::Large));
    }
}
