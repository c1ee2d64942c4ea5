//! The two LangChain splitters against LangChain itself.
//!
//! `langchain/cases.json` holds what the Python library made of a few thousand texts; see
//! `langchain/generate.py`. The variable `LANGCHAIN_CASES` names another file of that shape.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;

use pgai_rs_pipeline::chunk::{Allowance, chunker};
use pgai_rs_pipeline::config::Chunking;
use serde::Deserialize;

#[derive(Deserialize)]
struct Cases {
    texts: Vec<String>,
    separators: Vec<Separators>,
    cases: Vec<Case>,
}

#[derive(Deserialize, Clone, Debug)]
#[serde(untagged)]
enum Separators {
    Character(String),
    Recursive(Vec<String>),
}

#[derive(Deserialize)]
struct Case {
    text: usize,
    size: i64,
    overlap: i64,
    separators: usize,
    is_regex: bool,
    /// None where Python raises.
    chunks: Option<Vec<Expected>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Expected {
    Text(String),
    /// Code points of the text.
    Slice(usize, usize),
}

impl Expected {
    fn of(&self, text: &str) -> String {
        match self {
            Expected::Text(chunk) => chunk.clone(),
            Expected::Slice(start, end) => text.chars().skip(*start).take(end - start).collect(),
        }
    }
}

fn cases() -> Cases {
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/langchain/cases.json");
    let path = std::env::var("LANGCHAIN_CASES").unwrap_or_else(|_| committed.to_owned());
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn config(case: &Case, separators: &Separators) -> Chunking {
    let &Case { size: chunk_size, overlap: chunk_overlap, is_regex: is_separator_regex, .. } = case;
    match separators.clone() {
        Separators::Character(separator) => {
            Chunking::CharacterTextSplitter { chunk_size, chunk_overlap, separator, is_separator_regex }
        }
        Separators::Recursive(separators) => Chunking::RecursiveCharacterTextSplitter {
            chunk_size,
            chunk_overlap,
            separators,
            is_separator_regex,
        },
    }
}

/// The chunks at which two lists part, or nothing.
fn difference(expected: &Option<Vec<String>>, got: &Result<Vec<String>, String>) -> Option<String> {
    match (expected, got) {
        (None, Err(_)) => None,
        (None, Ok(got)) => Some(format!("  LangChain: an error\n  ours:      {got:?}")),
        (Some(expected), Err(error)) => Some(format!("  LangChain: {expected:?}\n  ours:      {error}")),
        (Some(expected), Ok(got)) if expected == got => None,
        (Some(expected), Ok(got)) => {
            let at = expected.iter().zip(got).take_while(|(expected, got)| expected == got).count();
            let rest = |chunks: &[String]| chunks[at..].iter().take(3).cloned().collect::<Vec<_>>();
            Some(format!(
                "  from chunk {at} on ({} and {} chunks)\n  LangChain: {:?}\n  ours:      {:?}",
                expected.len(),
                got.len(),
                rest(expected),
                rest(got)
            ))
        }
    }
}

#[test]
fn chunks_are_langchains_to_the_byte() {
    let Cases { texts, separators, cases } = cases();
    let mut report = String::new();
    let mut failed = 0;
    for (number, case) in cases.iter().enumerate() {
        let text = &texts[case.text];
        let config = config(case, &separators[case.separators]);
        let expected =
            case.chunks.as_ref().map(|chunks| chunks.iter().map(|chunk| chunk.of(text)).collect::<Vec<_>>());
        let got = chunker(&config)
            .and_then(|chunker| chunker.chunk(text, Allowance::new(1 << 30, 0)))
            .map_err(|error| error.to_string());
        if let Some(difference) = difference(&expected, &got) {
            failed += 1;
            if failed <= 20 {
                writeln!(report, "case {number}: {config:?}\n  text: {text:?}\n{difference}").unwrap();
            }
        }
    }
    assert!(cases.len() > 2000, "only {} cases", cases.len());
    assert!(failed == 0, "{failed} of {} cases differ, the first are\n{report}", cases.len());
}
