//! The vectors against those of sentence-transformers (`golden/generate.py`).

// In a test an unwrap is an assertion.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{LazyLock, OnceLock};

use embedding_server::embed::{Embed, MiniLm};
use serde::Deserialize;

const TOLERANCE: f32 = 1e-5;

#[derive(Deserialize)]
struct Golden {
    texts: Vec<Text>,
}

#[derive(Deserialize)]
struct Text {
    text: String,
    tokens: usize,
    vector: Vec<f32>,
}

static GOLDEN: LazyLock<Golden> =
    LazyLock::new(|| serde_json::from_str(include_str!("golden/vectors.json")).unwrap());

fn model() -> &'static MiniLm {
    static MODEL: OnceLock<MiniLm> = OnceLock::new();
    // Outside the lock: every test shall say what is missing, not that another has failed.
    let dir = common::model_dir();
    MODEL.get_or_init(|| MiniLm::load(&dir).unwrap())
}

fn tokens() -> Vec<Vec<u32>> {
    GOLDEN.texts.iter().map(|golden| model().tokenize(&golden.text).unwrap()).collect()
}

/// The vectors of `sequences`, computed in batches of `size`.
fn embed(sequences: &[Vec<u32>], size: usize) -> Vec<Vec<f32>> {
    let batches = sequences.chunks(size).map(|batch| {
        let batch: Vec<&[u32]> = batch.iter().map(Vec::as_slice).collect();
        model().embed(&batch).unwrap()
    });
    batches.flatten().collect()
}

fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn token_counts_are_those_of_the_reference() {
    for (golden, tokens) in GOLDEN.texts.iter().zip(tokens()) {
        assert_eq!(tokens.len(), golden.tokens, "{:.60?}", golden.text);
    }
}

#[test]
fn vectors_are_those_of_the_reference() {
    let vectors = embed(&tokens(), 1);
    let mut worst = 0f32;
    for (golden, vector) in GOLDEN.texts.iter().zip(vectors) {
        let difference = difference(&golden.vector, &vector);
        assert!(difference <= TOLERANCE, "{difference} off: {:.60?}", golden.text);
        worst = worst.max(difference);
    }
    println!("largest difference: {worst:e}");
}

#[test]
fn a_vector_does_not_depend_on_its_batch() {
    let tokens = tokens();
    let alone = embed(&tokens, 1);
    for size in [2, 7, tokens.len()] {
        for (n, (alone, together)) in alone.iter().zip(embed(&tokens, size)).enumerate() {
            let difference = difference(alone, &together);
            assert!(difference <= TOLERANCE, "{difference} off: text {n} in batches of {size}");
        }
    }
}

#[test]
fn the_end_of_a_long_text_makes_no_difference() {
    // Long enough that only its beginning is tokenised.
    let long = "A claim without a lease is a promise without a date. ".repeat(1000);
    let tokens = model().tokenize(&long).unwrap();
    assert_eq!(tokens, model().tokenize(&long[..3000]).unwrap());
    assert_eq!(tokens.len(), 256);
    // Blanks without tokens push the words beyond the first cut.
    let late = format!("{}{long}", " \n".repeat(10_000));
    assert_eq!(tokens, model().tokenize(&late).unwrap());
}
