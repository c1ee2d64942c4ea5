//! Addresses of objects.
#![no_main]
#![allow(dead_code)]

#[path = "../../crates/pipeline/tests/support/invariants.rs"]
mod invariants;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| invariants::uri(text));
