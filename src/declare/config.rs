//! A part of a config as somebody declared it, and the checks that are common to all parts.

use pgrx::PgSqlErrorCode;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::pg::error::PgError;

/// Returns an error whose text is pgai's; see [`PgError::raised`].
pub(super) fn raise<T>(message: impl Into<String>) -> Result<T, PgError> {
    Err(PgError::raised(message))
}

/// A part of a config: as it was declared, for pgai's checks and for the catalog, which keeps keys that are
/// not known here; and as the pipeline reads it.
#[derive(Debug, Clone)]
pub struct ConfigPart<T> {
    kind: &'static str,
    declared: Option<Value>,
    read: Result<T, String>,
}

impl<T: DeserializeOwned> ConfigPart<T> {
    /// Parses the part of this kind, such as `loading`; `None` stands for NULL. Errors are kept for
    /// [`readable`](Self::readable), because pgai's checks come first.
    pub fn parse(kind: &'static str, declared: Option<Value>) -> Self {
        let read =
            T::deserialize(declared.as_ref().unwrap_or(&Value::Null)).map_err(|error| error.to_string());
        ConfigPart { kind, declared, read }
    }
}

impl<T> ConfigPart<T> {
    /// Returns whether it was declared at all.
    pub fn is_given(&self) -> bool {
        self.declared.is_some()
    }

    /// Makes the two checks that are common to all kinds of configs, and returns the implementation; `None`
    /// if there is none.
    pub fn implementation(&self) -> Result<Option<&str>, PgError> {
        let kind = self.kind;
        match &self.declared {
            Some(Value::Object(object))
                if object.get("config_type").and_then(Value::as_str) == Some(kind) =>
            {
                Ok(self.named_implementation())
            }
            Some(Value::Object(_)) | None => raise(format!("invalid config_type for {kind} config")),
            Some(_) => raise(format!("{kind} config is not a jsonb object")),
        }
    }

    /// Returns the implementation, whatever kind of config it is of; `None` if there is none.
    pub fn named_implementation(&self) -> Option<&str> {
        self.value("implementation")?.as_str()
    }

    /// Returns what a key was declared to be; `None` if it is missing.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.declared.as_ref()?.get(key)
    }

    /// Returns the part as the pipeline reads it. Errors if the worker could not read it, so that no such
    /// part is stored.
    pub fn readable(&self) -> Result<&T, PgError> {
        self.read.as_ref().map_err(|why| {
            let kind = self.kind;
            PgError::new(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("invalid {kind} config: {why}"),
            )
            .with_hint(format!("Use one of the functions ai.{kind}_*() to create it."))
        })
    }

    /// Returns the part as the pipeline reads it; `None` if it can't be read.
    pub fn get(&self) -> Option<&T> {
        self.read.as_ref().ok()
    }

    /// Returns the part as the pipeline reads it, or the reason why it can't be read.
    pub fn into_read(self) -> Result<T, String> {
        self.read
    }

    /// Returns the part as it was declared; NULL is JSON's `null`.
    pub fn into_declared(self) -> Value {
        self.declared.unwrap_or(Value::Null)
    }
}
