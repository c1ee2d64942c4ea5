//! The fuzzer's corpus, a document of each type, and what is left of each when it is cut off or spoiled.
#![allow(clippy::unwrap_used)]

#[path = "support/invariants.rs"]
mod invariants;

use std::fs;
use std::path::Path;

use pgai_rs_parser::{Source, parse};

/// The documents are cut off, and spoiled, at so many places.
const PLACES: usize = 40;

/// The text of each document, once or over and over.
const SENTENCES: [&str; 6] = [
    "The heron stands in shallow water and waits until a careless minnow passes.",
    "Granite weathers slowly, but frost opens every crack that rain has found before.",
    "A lantern hung beside the harbour gate whenever the ferry crossed after midnight.",
    "Nobody remembered who planted the walnut orchard behind the abandoned observatory.",
    "Copper kettles, woollen blankets and seven violins were listed in the inventory.",
    "Glaciers carry boulders across valleys and leave them on meadows far from home.",
];

/// A check of what an input becomes; it panics if that is wrong.
type Promise = fn(&[u8]);

/// The fuzzer's targets, and what each promises of an input.
const TARGETS: [(&str, Promise); 2] =
    [("parser", invariants::named_document), ("package", invariants::unpacked_document)];

/// Documents that are changed at random, where the environment does not say how many: `FUZZ_CASES=100000`.
const CASES: u64 = 2_000;

/// The largest number of other words in a document, such as its heading, the names of columns and the times of subtitles.
const MOST_OTHERS: usize = 30;

/// Documents that are tables.
const TABLES: [&str; 6] = ["a.csv", "a.tsv", "a.xlsx", "a.xlsb", "a.xls", "a.ods"];

/// Returns what is in the fuzzer's corpus for a target of it.
fn corpus_of(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(!files.is_empty());
    files
}

/// Returns the documents of all targets, by their names.
fn documents() -> Vec<(String, Vec<u8>)> {
    let named = |input: &Vec<u8>| {
        let (name, bytes) = invariants::first_line(input);
        (name.unwrap().to_owned(), bytes.to_vec())
    };
    let packed = |input: &Vec<u8>| (named(input).0, invariants::pack(input).unwrap());
    let unpacked = corpus_of("package");
    corpus_of("parser").iter().map(named).chain(unpacked.iter().map(packed)).collect()
}

/// `make bench ARGS=parse` measures as much of real documents: words, their order, and cells.
#[test]
fn each_document_comes_out_whole_and_in_order() {
    for (name, bytes) in documents() {
        let parsed = parse(&Source { bytes: &bytes, name: Some(&name), content_type: None });
        let text = parsed.unwrap_or_else(|error| panic!("{name}: {error}")).text;

        let others = without_sentences(&text).unwrap_or_else(|missing| panic!("{name}: {missing}\n{text}"));
        let others = others.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        assert!(others.count() <= MOST_OTHERS, "{name} has other words:\n{text}");

        if TABLES.contains(&name.as_str()) {
            let is_cell = |sentence: &str| text.contains(&format!("| {sentence} |"));
            assert!(SENTENCES.into_iter().all(is_cell), "{name} is no table:\n{text}");
        }
    }
}

/// Returns a text without the sentences, which stand in it once or more often, in their order. The error is a sentence
/// that does not.
fn without_sentences(text: &str) -> Result<String, &'static str> {
    let mut rest = text.split_whitespace().collect::<Vec<_>>().join(" ");
    loop {
        let mut from = 0;
        for sentence in SENTENCES {
            from += rest[from..].find(sentence).ok_or(sentence)?;
            rest.replace_range(from..from + sentence.len(), "");
        }
        if !rest.contains(SENTENCES[0]) {
            return Ok(rest);
        }
    }
}

#[test]
fn what_is_left_of_a_document_is_text_or_refused() {
    for (target, promise) in TARGETS {
        damage_each_of(target, promise);
    }
}

/// Cuts each document of the corpus, and spoils a byte of it, at places all over it.
fn damage_each_of(target: &str, promise: Promise) {
    for input in corpus_of(target) {
        for place in (0..input.len()).step_by(input.len().div_ceil(PLACES)) {
            promise(&input[..place]);

            let mut spoiled = input.clone();
            spoiled[place] ^= 0x55;
            promise(&spoiled);
        }
    }
}

#[test]
fn what_is_changed_at_random_is_text_or_refused() {
    let cases = std::env::var("FUZZ_CASES").map_or(CASES, |cases| cases.parse().unwrap());
    let mut inputs = Vec::new();
    for (target, promise) in TARGETS {
        inputs.extend(corpus_of(target).into_iter().map(|input| (input, promise)));
    }

    for case in 0..cases {
        let mut random = Random(case.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (input, promise) = &inputs[random.below(inputs.len())];
        let changed = random.change(input);
        let kept = std::panic::catch_unwind(|| promise(&changed));
        assert!(kept.is_ok(), "case {case}: {}", String::from_utf8_lossy(&changed).escape_debug());
    }
}

#[test]
fn a_message_about_a_part_with_a_long_name_is_short() {
    for (input, part) in [("docx", "word/document.xml"), ("pptx", "ppt/presentation.xml")] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/package").join(input);
        let text = fs::read_to_string(path).unwrap();
        let long = format!("Target=\"{}", "a".repeat(2000));
        invariants::unpacked_document(text.replace(&format!("Target=\"{part}"), &long).as_bytes());
    }
}

/// Numbers that are the same for the same beginning: Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    /// Returns an input with up to eight changes: a byte set, or a part left out, repeated or moved elsewhere.
    fn change(&mut self, input: &[u8]) -> Vec<u8> {
        let mut changed = input.to_vec();
        for _ in 0..=self.below(8) {
            if changed.is_empty() {
                break;
            }
            let start = self.below(changed.len());
            let end = (start + 1 + self.below(64)).min(changed.len());
            let place = self.below(changed.len());
            match self.below(5) {
                0 => changed[start] = self.below(256) as u8,
                1 => changed[start] = [0, 1, 0x7f, 0x80, 0xff, b'<', b'&', b'('][self.below(8)],
                2 => drop(changed.drain(start..end)),
                3 => {
                    let part = changed[start..end].repeat(1 + self.below(40));
                    changed.splice(place..place, part);
                }
                _ => {
                    let part = changed[start..end].to_vec();
                    changed.splice(place..(place + part.len()).min(changed.len()), part);
                }
            }
        }
        changed
    }
}
