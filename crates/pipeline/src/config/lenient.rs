//! A part of a config that may be unreadable without affecting the others.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A part that the pipeline does not need. If it can't be read, only its own purpose fails.
///
/// ```
/// use pgai_rs_pipeline::config::Lenient;
/// use pgai_rs_pipeline::config::indexing::Indexing;
///
/// let read = |json| serde_json::from_str::<Lenient<Indexing>>(json).unwrap();
/// assert_eq!(read(r#"{"implementation": "none"}"#).get(), Ok(&Indexing::None));
/// let error = read(r#"{"implementation": "of a later version"}"#).get().unwrap_err().to_owned();
/// assert!(error.starts_with("unknown variant `of a later version`"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Lenient<T> {
    /// The part.
    Readable(T),
    /// The part as it is stored, and the reason why it can't be read.
    Unreadable(Value, String),
}

impl<T> Lenient<T> {
    /// Returns the part.
    ///
    /// # Errors
    ///
    /// The reason why it can't be read.
    pub fn get(&self) -> Result<&T, &str> {
        match self {
            Lenient::Readable(part) => Ok(part),
            Lenient::Unreadable(_, why) => Err(why),
        }
    }
}

impl<T: Default> Default for Lenient<T> {
    fn default() -> Self {
        Lenient::Readable(T::default())
    }
}

impl<'de, T: for<'a> Deserialize<'a>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Value::deserialize(deserializer)?;
        Ok(match T::deserialize(&stored) {
            Ok(part) => Lenient::Readable(part),
            Err(error) => Lenient::Unreadable(stored, error.to_string()),
        })
    }
}

impl<T: Serialize> Serialize for Lenient<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Lenient::Readable(part) => part.serialize(serializer),
            Lenient::Unreadable(stored, _) => stored.serialize(serializer),
        }
    }
}
