//! The parts that read bytes from outside, on inputs that a generator makes from a seed.
//!
//! `FUZZ_CASES=100000 make test-pure ARGS='--test properties'` tries as many as one likes. A failure
//! names the seed of its case.
#![allow(clippy::unwrap_used)]

#[path = "support/generate.rs"]
mod generate;
#[path = "support/invariants.rs"]
mod invariants;
mod support;

use std::sync::{Arc, Mutex};

use generate::Generator;
use pgai_rs_pipeline::config::{Author, Embedding};

use pgai_rs_pipeline::embed::embed_query;
use pgai_rs_pipeline::settings::Settings;
use pgai_rs_pipeline::usage::Bill;
use support::http::{Reply, Server};

/// How many cases of each property, unless the environment says otherwise.
const CASES: u64 = 2000;

/// Says which case it was if a property fails.
struct Case(u64);

impl Drop for Case {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the case has the seed {}: FUZZ_SEED={} FUZZ_CASES=1", self.0, self.0);
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

fn cases(share: u64, property: impl Fn(&mut Generator)) {
    let first = number("FUZZ_SEED").unwrap_or(0);
    for seed in first..first + (number("FUZZ_CASES").unwrap_or(CASES) / share).max(1) {
        let _case = Case(seed);
        property(&mut Generator::new(seed));
    }
}

/// Tries what libFuzzer starts from, and what it found, without libFuzzer.
#[test]
fn the_corpus_of_the_fuzzer_holds() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, target) in invariants::targets::ALL {
        let files: Vec<_> = std::fs::read_dir(corpus.join(name)).unwrap().map(Result::unwrap).collect();
        assert!(!files.is_empty(), "{name}");
        for file in files {
            eprintln!("{}", file.path().display());
            target(&std::fs::read(file.path()).unwrap());
        }
    }
}

#[test]
fn addresses_are_read_back_as_written() {
    cases(1, |g| invariants::uri(&g.uri()));
}

#[test]
fn templates_hold_nothing_but_their_text_and_values() {
    cases(1, |g| invariants::template(&g.template(), &g.text()));
}

#[test]
fn documents_are_text_that_postgres_can_hold() {
    cases(1, |g| invariants::document(&g.bytes(), g.file_name(), g.media_type()));
}

#[test]
fn configs_are_read_back_as_written() {
    cases(1, |g| invariants::config(&g.config()));
}

#[test]
fn chunkers_take_any_text() {
    cases(4, |g| {
        invariants::chunks(&g.chunking(), &g.text());
    });
}

#[test]
fn chunks_cover_the_text_in_order() {
    cases(4, |g| {
        let text = g.distinct_letters();
        invariants::coverage(&g.chunking_anywhere(), &text, generate::is_letter);
    });
}

/// Through the client itself: what a provider sends is a whole finite vector or an error.
#[test]
fn answers_of_providers_are_vectors_or_errors() {
    let body = Arc::new(Mutex::new(Vec::new()));
    let sent = Arc::clone(&body);
    let server = Server::start(move |_| Reply::new(200, sent.lock().unwrap().clone()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let embedding = Embedding::Openai {
        model: "test-model".into(),
        dimensions: support::openai::DIMENSIONS,
        shortened_from: None,
        user: None,
        api_key_name: None,
        base_url: Some(server.url.clone()),
    };
    let settings = Settings { embedding_retries: 0, ..Settings::default() };
    let taken = std::cell::Cell::new(0);
    cases(4, |g| {
        *body.lock().unwrap() = g.answer();
        match runtime.block_on(embed_query(
            &embedding,
            Author::Superuser,
            None,
            &settings,
            "a text",
            None,
            &Bill::default(),
        )) {
            Ok(vector) => {
                taken.set(taken.get() + 1);
                assert_eq!(vector.len(), support::openai::DIMENSIONS as usize);
                assert!(vector.iter().all(|number| number.is_finite()));
            }
            Err(failure) => assert!(failure.message.len() <= 1000, "{}", failure.message.len()),
        }
    });
    // Else the generator's answers are too wrong to say much.
    assert!(taken.get() > 0);
}
