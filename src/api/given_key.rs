//! Keys of rows as callers give them, in JSON.

use pgrx::PgSqlErrorCode;
use serde_json::{Map, Value};

use crate::catalog::key::{Key, KeyValues};
use crate::pg::error::PgError;

/// The hint of an error about such a key.
pub const KEY_HINT: &str = "Specify an object of the primary key's columns, such as {\"id\": 1}, or an array of such \
     objects. ai.vectorizer_errors contains that of each row as details -> 'key'.";

/// Returns the keys that the caller names with an object or an array of objects.
pub fn all(key: &Key, given: &Value) -> Result<Vec<KeyValues>, PgError> {
    match given {
        Value::Array(objects) => objects.iter().map(|value| one(key, value)).collect(),
        value => one(key, value).map(|values| vec![values]),
    }
}

/// Returns the key that the caller names with an object.
pub fn one(key: &Key, given: &Value) -> Result<KeyValues, PgError> {
    match given {
        Value::Object(object) => values(key, object),
        _ => Err(invalid_key("The argument is neither an object nor an array of objects.")),
    }
}

fn values(key: &Key, object: &Map<String, Value>) -> Result<KeyValues, PgError> {
    let columns = key.columns();
    let stray = object.keys().find(|name| !columns.iter().any(|column| column.name == **name));
    if let Some(name) = stray {
        return Err(invalid_key(format!("{name:?} is not a column of the primary key.")));
    }
    columns.iter().map(|column| value(object, &column.name)).collect::<Result<_, _>>().map(KeyValues)
}

/// Returns the value of a column as text.
fn value(object: &Map<String, Value>, name: &str) -> Result<String, PgError> {
    match object.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
        Some(_) => Err(invalid_key(format!("The value of {name:?} is neither a string nor a number."))),
        None => Err(invalid_key(format!("There is no value for {name:?}."))),
    }
}

fn invalid_key(detail: impl Into<String>) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "invalid key for the vectorizer's source")
        .with_detail(detail)
        .with_hint(KEY_HINT)
}
