//! Invariants of the parts that read what comes from outside, whatever comes: none of them
//! panics, what they make is bounded, and what they promise is so.
//!
//! `tests/properties.rs` tries them on inputs from a seeded generator and on the corpus of `fuzz/`, whose
//! targets try them on whatever libFuzzer finds.

use bytes::Bytes;
use pgai_rs_pipeline::chunk::{Allowance, chunker};
use pgai_rs_pipeline::config::{Chunking, Embedding, ParserChoice, VectorizerConfig};
use pgai_rs_pipeline::embed::offline::{read_answer, read_headers, read_refusal};
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_pipeline::format::Template;
use pgai_rs_pipeline::parse::{Input, UnparsedDocument, parse_plain};
use pgai_rs_pipeline::s3::S3Uri;

/// Longest message about an input of any length: it goes into an error row.
const LONGEST_MESSAGE: usize = 1000;

/// An address is read back as it was written, allowed by its own bucket, and else refused briefly.
pub fn uri(text: &str) {
    match S3Uri::parse(text) {
        Ok(uri) => {
            // The region of an https URL is not a part of the address.
            let written = uri.to_string();
            assert_eq!(S3Uri::parse(&written).map(|again| again.to_string()), Ok(written));
            assert!(uri.is_allowed(&[format!("s3://{}", uri.bucket())]));
            assert!(!uri.is_allowed(&[format!("s3://{}x", uri.bucket())]));
            // An https URL writes its key in percents; a version follows the key.
            let as_written = text.starts_with("s3://") && !text.contains("versionId=");
            assert!(!uri.key().is_empty() && (!as_written || text.ends_with(uri.key())));
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
    assert_eq!(filled.len(), template.length(chunk, &fields));
    assert!(filled.len() <= text.len() + (text.matches('$').count()) * chunk.len().max("value".len()));
    if !text.contains('$') {
        assert_eq!(filled, text);
    }
    if let Some(unknown) = names.iter().find(|name| **name != "chunk") {
        assert!(template.render(chunk, &[]).is_err(), "nobody knows {unknown}");
    }
}

/// A document is text that Postgres can hold, hardly longer than its bytes, or for the parser to read; or it is
/// refused briefly.
pub fn document(bytes: &[u8], name: Option<String>, content_type: Option<String>) {
    let loaded = UnparsedDocument { bytes: Bytes::copy_from_slice(bytes), name, content_type };
    match parse_plain(ParserChoice::Auto, Input::Document(loaded)) {
        Ok(None) => {}
        // Two bytes of UTF-16 are three of UTF-8 at most.
        Ok(Some(parsed)) => {
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
    let chunks = chunker(config).ok()?.chunk(text, Allowance::new(1 << 30, 0)).ok()?;
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

/// Every letter of a text in which none occurs twice is in some chunk, and they are in order.
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

/// Prefixes of the providers whose answers are read.
pub const PROVIDERS: [&str; 8] =
    ["azure", "cohere", "gemini", "huggingface", "mistral", "ollama", "openai", "voyage"];

/// An answer is as many vectors as inputs, each as long as asked for, or is refused briefly; so is a
/// refusal, whatever it says.
pub fn answer(provider: &str, status: u16, body: &[u8]) {
    const DIMENSIONS: usize = 3;
    let embedding: Embedding = serde_json::from_value(serde_json::json!({
        "implementation": "litellm", "model": format!("{provider}/m"), "dimensions": DIMENSIONS,
        "extra_options": {"api_base": "http://127.0.0.1"},
    }))
    .unwrap();
    if status != 200 {
        return brief(&read_refusal(&embedding, status, body).unwrap_err().message);
    }
    for inputs in 1..4 {
        match read_answer(&embedding, inputs, body) {
            Ok(vectors) => {
                assert_eq!(vectors.len(), inputs);
                assert!(vectors.iter().all(|vector| vector.len() == DIMENSIONS));
            }
            Err(failure) => brief(&failure.message),
        }
    }
}

/// Headers, `name: value` a line, never make anybody wait for more than a day.
pub fn headers(text: &str) {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let wait = read_headers(lines.map(|(name, value)| (name.trim(), value.trim())));
    assert!(wait.as_secs() <= 24 * 3600, "{wait:?}");
}

/// The work of the fuzz targets on their inputs, by name.
pub mod targets {
    use super::Chunking;

    /// Its name, and what it tries.
    pub type Target = (&'static str, fn(&[u8]));

    /// All of them.
    pub const ALL: [Target; 7] = [
        ("answer", answer),
        ("chunks", |bytes| text(bytes, chunks)),
        ("config", super::config),
        ("document", document),
        ("headers", |bytes| text(bytes, super::headers)),
        ("template", |bytes| text(bytes, template)),
        ("uri", |bytes| text(bytes, super::uri)),
    ];

    fn text(bytes: &[u8], of: fn(&str)) {
        if let Ok(text) = std::str::from_utf8(bytes) {
            of(text);
        }
    }

    /// The first line is a provider and a status, the rest its answer.
    pub fn answer(bytes: &[u8]) {
        let (first, body) = first_line(bytes);
        let (provider, status) = first.split_once(' ').unwrap_or((first, "200"));
        let known = super::PROVIDERS.iter().find(|known| **known == provider);
        super::answer(known.unwrap_or(&"openai"), status.parse().unwrap_or(200), body);
    }

    /// A chunking as JSON, NUL, and the text.
    pub fn chunks(input: &str) {
        let (json, text) = input.split_once('\0').unwrap_or(("", input));
        super::chunks(&serde_json::from_str::<Chunking>(json).unwrap_or_default(), text);
    }

    /// The first line, if it is one, is the document's name.
    pub fn document(bytes: &[u8]) {
        let (name, rest) = first_line(bytes);
        match name {
            "" => super::document(bytes, None, None),
            name => super::document(rest, Some(name.to_owned()), None),
        }
    }

    /// Tries a template on a chunk, which follows the first NUL.
    pub fn template(text: &str) {
        let (template, chunk) = text.split_once('\0').unwrap_or((text, "chunk"));
        super::template(template, chunk);
    }

    fn first_line(bytes: &[u8]) -> (&str, &[u8]) {
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        match std::str::from_utf8(&bytes[..end]) {
            Ok(line) if !line.is_empty() => (line, &bytes[end + 1..]),
            _ => ("", bytes),
        }
    }
}

fn brief(message: &str) {
    assert!(!message.is_empty() && message.len() <= LONGEST_MESSAGE, "{} bytes of message", message.len());
}
