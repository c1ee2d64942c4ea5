//! Documents; the first line, if it is one, is the name.
#![no_main]
#![allow(dead_code)]

#[path = "../../crates/pipeline/tests/support/invariants.rs"]
mod invariants;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let name = std::str::from_utf8(&bytes[..end]).ok().filter(|name| !name.is_empty());
    let rest = if name.is_some() { &bytes[end + 1..] } else { bytes };
    invariants::document(rest, name.map(str::to_owned), None);
});
