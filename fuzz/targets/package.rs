//! Documents that are archives, such as those of Word and of OpenDocument, by the files in them.
#![no_main]
#![allow(dead_code)]

#[path = "../../crates/parser/tests/support/invariants.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::unpacked_document(input));
