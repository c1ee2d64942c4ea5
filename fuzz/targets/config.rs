//! Configs of vectorizers.
#![no_main]
#![allow(dead_code)]

#[path = "../../crates/pipeline/tests/support/invariants.rs"]
mod invariants;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| invariants::config(json));
