//! Templates.
#![no_main]
#![allow(dead_code, clippy::unwrap_used)]

#[path = "../../crates/pipeline/tests/support/invariants.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: &str| invariants::targets::template(input));
