//! The fuzzer's corpus, a document of each type, and what is left of each when it is cut off or spoiled.
#![allow(clippy::unwrap_used)]

#[path = "support/invariants.rs"]
mod invariants;

use std::fs;
use std::path::Path;

use pgai_rs_parser::{Source, parse};

/// The documents are cut off, and spoiled, at so many places.
const PLACES: usize = 40;

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/parser");
    let files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(!files.is_empty());
    files
}

#[test]
fn each_document_is_read_by_name_and_content() {
    for input in corpus() {
        let end = input.iter().position(|byte| *byte == b'\n').unwrap();
        let (name, bytes) = (std::str::from_utf8(&input[..end]).unwrap(), &input[end + 1..]);
        let parsed = parse(&Source { bytes, name: Some(name), content_type: None });
        assert!(parsed.is_ok_and(|parsed| !parsed.text.trim().is_empty()), "{name}");
    }
}

#[test]
fn what_is_left_of_a_document_is_text_or_refused() {
    for input in corpus() {
        for place in (0..input.len()).step_by(input.len().div_ceil(PLACES)) {
            invariants::named_document(&input[..place]);

            let mut spoiled = input.clone();
            spoiled[place] ^= 0x55;
            invariants::named_document(&spoiled);
        }
    }
}
