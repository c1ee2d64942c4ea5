//! Chunkers: a chunking as JSON, NUL, and the text.
#![no_main]
#![allow(dead_code)]

#[path = "../../crates/pipeline/tests/support/invariants.rs"]
mod invariants;

use libfuzzer_sys::fuzz_target;
use pgai_rs_pipeline::config::Chunking;

fuzz_target!(|input: &str| {
    let (json, text) = input.split_once('\0').unwrap_or(("", input));
    let config = serde_json::from_str::<Chunking>(json).unwrap_or_default();
    invariants::chunks(&config, text);
});
