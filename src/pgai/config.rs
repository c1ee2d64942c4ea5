//! pgai's configs as ours.

use serde_json::{json, Value};

use pgai_rs_pipeline::config::CONFIG_VERSION;

/// The config in the shape of today.
///
/// Until 0.9 there was no loading: the chunking named the column. pgai's own worker makes the same
/// of it (`migrations/v0_10_0.py`).
pub fn of_today(mut config: Value) -> Value {
    let column = config["chunking"].get("chunk_column").cloned();
    if let (Some(column), true) = (column, config.get("loading").is_none_or(Value::is_null)) {
        config["loading"] = json!({
            "config_type": "loading", "implementation": "column", "column_name": column, "retries": 6,
        });
        config["parsing"] = json!({"config_type": "parsing", "implementation": "none"});
    }
    config["version"] = CONFIG_VERSION.into();
    config
}
