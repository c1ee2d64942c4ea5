//! Conversion of pgai's configs.

use serde_json::{Value, json};

use pgai_rs_pipeline::config::CONFIG_VERSION;

/// Returns a config in the current form.
///
/// Until pgai 0.9 there was no loading config: the chunking config named the column. pgai's own worker
/// converts it in the same way (`migrations/v0_10_0.py`).
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
