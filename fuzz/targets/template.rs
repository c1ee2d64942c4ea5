//! Templates; what follows the first NUL is the chunk.
#![no_main]
#![allow(dead_code)]

#[path = "../../crates/pipeline/tests/support/invariants.rs"]
mod invariants;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (template, chunk) = text.split_once('\0').unwrap_or((text, "chunk"));
    invariants::template(template, chunk);
});
