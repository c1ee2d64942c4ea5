//! Documents of every kind, as the parser reads them.
#![no_main]
#![allow(dead_code)]

#[path = "../../crates/parser/tests/support/invariants.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::named_document(input));
