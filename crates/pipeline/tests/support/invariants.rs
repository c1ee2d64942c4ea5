//! What must hold of the parts that read what comes from outside, whatever comes: none of them
//! panics, what they make is bounded, and what they promise is so.
//!
//! `tests/properties.rs` tries them on inputs from a seeded generator.

use bytes::Bytes;
use pgai_rs_pipeline::chunk::chunker;
use pgai_rs_pipeline::config::{Chunking, Parsing, VectorizerConfig};
use pgai_rs_pipeline::document::Failure;
use pgai_rs_pipeline::format::Template;
use pgai_rs_pipeline::parse::{parse, Input, Loaded};
use pgai_rs_pipeline::s3::S3Uri;

/// Longest message about an input of any length: it goes into an error row.
const LONGEST_MESSAGE: usize = 1000;

/// An address is read back as it was written, allowed by its own bucket, and else refused briefly.
pub fn uri(text: &str) {
    match S3Uri::parse(text) {
        Ok(uri) => {
            assert_eq!(S3Uri::parse(&uri.to_string()).as_ref(), Ok(&uri));
            assert!(uri.is_allowed(&[format!("s3://{}", uri.bucket())]));
            assert!(!uri.is_allowed(&[format!("s3://{}x", uri.bucket())]));
            assert!(text.ends_with(uri.key()) && !uri.key().is_empty());
        }
        Err(failure) => brief(&failure.message),
    }
}

/// A template is filled with values as often as it names them, and with nothing else.
pub fn template(text: &str, chunk: &str) {
    let Ok(template) = Template::parse(text) else { return };
    let names: Vec<&str> = template.placeholders().collect();
    let fields: Vec<_> = names.iter().map(|name| ((*name).to_owned(), "value".to_owned())).collect();
    let filled = template.render(chunk, &fields).unwrap();
    assert!(filled.len() <= text.len() + (text.matches('$').count()) * chunk.len().max("value".len()));
    if !text.contains('$') {
        assert_eq!(filled, text);
    }
    if let Some(unknown) = names.iter().find(|name| **name != "chunk") {
        assert!(template.render(chunk, &[]).is_err(), "nobody knows {unknown}");
    }
}

/// A document is text that Postgres can hold, hardly longer than its bytes; or it is refused briefly.
pub fn document(bytes: &[u8], name: Option<String>, content_type: Option<String>) {
    let loaded = Loaded { bytes: Bytes::copy_from_slice(bytes), name, content_type };
    match parse(Parsing::Auto, Input::Document(loaded)) {
        // Two bytes of UTF-16 are three of UTF-8 at most.
        Ok(parsed) => {
            assert!(!parsed.text.contains('\0') && parsed.text.len() <= bytes.len() / 2 * 3 + 1);
        }
        Err(error) => brief(&Failure::from(error).message),
    }
}

/// A config that can be read can be written, and is then the same.
pub fn config(json: &[u8]) {
    if let Ok(config) = serde_json::from_slice::<VectorizerConfig>(json) {
        let written = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<VectorizerConfig>(&written).unwrap(), config);
    }
}

/// Chunks are no more than the text has characters, but for what Python's `re.split` repeats; none is
/// empty, and none is longer than asked for if the splitter can split anywhere.
pub fn chunks(config: &Chunking, text: &str) -> Option<Vec<String>> {
    let chunks = chunker(config).ok()?.chunk(text).ok()?;
    let most = text.chars().count().saturating_mul(repeats(config));
    assert!(chunks.len() <= most, "{} chunks of at most {most}", chunks.len());
    assert!(chunks.iter().all(|chunk| !chunk.is_empty()));
    if let Some(most) = hard_limit(config) {
        assert!(chunks.iter().all(|chunk| chunk.chars().count() <= most), "more than {most}: {chunks:?}");
    }
    if *config == Chunking::None {
        assert_eq!(chunks.concat(), text);
    }
    Some(chunks)
}

/// How often a text may come: Python's `re.split` gives what a group has matched once more, and so
/// does each finer separator.
fn repeats(config: &Chunking) -> usize {
    let times = |separator: &String| 1 + separator.matches('(').count();
    match config {
        Chunking::CharacterTextSplitter { separator, is_separator_regex: true, .. } => times(separator),
        Chunking::RecursiveCharacterTextSplitter { separators, is_separator_regex: true, .. } => {
            separators.iter().map(times).fold(1, usize::saturating_mul)
        }
        _ => 1,
    }
}

/// How long a chunk may be in characters, of a splitter that goes down to single ones.
fn hard_limit(config: &Chunking) -> Option<usize> {
    match config {
        Chunking::RecursiveCharacterTextSplitter { chunk_size, separators, is_separator_regex, .. } => {
            let anywhere = !is_separator_regex && separators.iter().any(String::is_empty);
            usize::try_from(*chunk_size).ok().filter(|_| anywhere)
        }
        _ => None,
    }
}

/// Of a text in which no letter occurs twice, every letter is in some chunk, and they are in order.
/// (Letters are what is neither blank nor a part of a separator.)
pub fn coverage(config: &Chunking, text: &str, is_letter: impl Fn(char) -> bool) {
    let Some(chunks) = chunks(config, text) else { return };
    let mut covered: Vec<char> = Vec::new();
    for chunk in &chunks {
        let letters: Vec<char> = chunk.chars().filter(|c| is_letter(*c)).collect();
        let repeated = letters.iter().take_while(|letter| covered.contains(letter)).count();
        covered.extend(&letters[repeated..]);
    }
    let wanted: Vec<char> = text.chars().filter(|c| is_letter(*c)).collect();
    assert_eq!(covered, wanted, "{chunks:?}");
}

fn brief(message: &str) {
    assert!(!message.is_empty() && message.len() <= LONGEST_MESSAGE, "{} bytes of message", message.len());
}
