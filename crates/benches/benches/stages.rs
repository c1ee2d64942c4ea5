//! The time of each stage of the pipeline that needs neither network nor Postgres: `make bench-pure`.

#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pgai_rs_benches::markdown;
use pgai_rs_pipeline::chunk::{Allowance, chunker};
use pgai_rs_pipeline::config::{Chunking, Embedding, ParserChoice};
use pgai_rs_pipeline::embed::offline::read_answer;
use pgai_rs_pipeline::format::Template;
use pgai_rs_pipeline::parse::{Input, UnparsedDocument, parse_plain};
use pgai_rs_pipeline::search::bm25::{Collection, Question};
use pgai_rs_pipeline::search::choice::{Candidate, Terms, choose};
use pgai_rs_pipeline::search::fusion::{Arm, Fusion, fuse};
use pgai_rs_pipeline::search::metric::Metric;
use serde_json::{Value, json};

/// The length of the texts, in bytes.
const LENGTH: usize = 100_000;
/// The inputs of a request, and the numbers of a vector.
const INPUTS: usize = 100;
const DIMENSIONS: usize = 768;
/// The chunks that an arm of a search has found, of which some are chosen.
const FOUND: usize = 1_000;
const CHOSEN: usize = 10;

fn parsing(criterion: &mut Criterion) {
    let text = markdown(LENGTH);
    let utf_16: Vec<u8> =
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();

    let mut group = criterion.benchmark_group("parsing text");
    for (encoding, bytes) in [("UTF-8", text.clone().into_bytes()), ("UTF-16", utf_16)] {
        let bytes = Bytes::from(bytes);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(encoding, |bencher| {
            bencher.iter(|| {
                let document =
                    UnparsedDocument { bytes: bytes.clone(), name: Some("a.txt".into()), content_type: None };
                parse_plain(ParserChoice::Auto, Input::Document(document)).unwrap()
            })
        });
    }
}

fn chunking(criterion: &mut Criterion) {
    let text = markdown(LENGTH);
    let chunkings = [
        (
            "recursive",
            json!({"implementation": "recursive_character_text_splitter", "chunk_size": 800, "chunk_overlap": 400}),
        ),
        (
            "character",
            json!({"implementation": "character_text_splitter", "chunk_size": 800, "chunk_overlap": 400}),
        ),
        ("text_splitter", json!({"implementation": "text_splitter", "chunk_size": 800})),
        (
            "text_splitter, tokens",
            json!({"implementation": "text_splitter", "chunk_size": 200, "unit": "tokens"}),
        ),
        ("markdown", json!({"implementation": "markdown", "chunk_size": 800})),
    ];

    let mut group = criterion.benchmark_group("chunking");
    group.throughput(Throughput::Bytes(text.len() as u64));
    for (name, config) in chunkings {
        let chunking: Chunking = serde_json::from_value(config).unwrap();
        let chunker = chunker(&chunking).unwrap();
        group.bench_function(name, |bencher| {
            bencher.iter(|| chunker.chunk(black_box(&text), Allowance::new(1 << 30, 0)).unwrap())
        });
    }
}

fn formatting(criterion: &mut Criterion) {
    let template = Template::parse("Title: $title\nBy $author\n\n$chunk").unwrap();
    let fields = [("title".to_owned(), "A title".to_owned()), ("author".to_owned(), "Somebody".to_owned())];
    let chunk = markdown(800);

    criterion.bench_function("formatting", |bencher| {
        bencher.iter(|| template.render(black_box(&chunk), &fields).unwrap())
    });
}

fn reading_an_answer(criterion: &mut Criterion) {
    let config =
        json!({"implementation": "openai", "model": "text-embedding-3-small", "dimensions": DIMENSIONS});
    let embedding: Embedding = serde_json::from_value(config).unwrap();
    let vector: Vec<f32> = (0..DIMENSIONS).map(|place| (place as f32).sin()).collect();
    let binary = STANDARD.encode(vector.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>());

    let mut group = criterion.benchmark_group("reading an answer");
    group.throughput(Throughput::Elements(INPUTS as u64));
    for (form, vector) in [("numbers", json!(vector)), ("base64", json!(binary))] {
        let answer = answer_with(&vector);
        group.bench_function(form, |bencher| {
            bencher.iter(|| read_answer(&embedding, INPUTS, black_box(&answer)).unwrap())
        });
    }
}

/// Returns OpenAI's answer with this vector for each input.
fn answer_with(vector: &Value) -> Vec<u8> {
    let data: Vec<Value> = (0..INPUTS)
        .map(|index| json!({"object": "embedding", "index": index, "embedding": vector}))
        .collect();
    let usage = json!({"prompt_tokens": 8 * INPUTS, "total_tokens": 8 * INPUTS});
    json!({"object": "list", "data": data, "model": "text-embedding-3-small", "usage": usage})
        .to_string()
        .into_bytes()
}

fn searching(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("searching");

    let arms = [arm(1), arm(7)];
    for fusion in [Fusion::Ranks, Fusion::Scores] {
        let name = format!("fusion by {}", fusion.name());
        group.bench_function(name, |bencher| bencher.iter(|| fuse(black_box(&arms), fusion)));
    }

    let question = Question::new(Collection { texts: 1e6, mean_length: 120.0 }, &[10.0, 1e3, 1e5]);
    group.bench_function("BM25", |bencher| bencher.iter(|| question.score(black_box(&[1, 0, 3]), 130)));

    let candidates: Vec<Candidate> = (0..FOUND / 10).map(candidate).collect();
    let terms = Terms { k: CHOSEN, per_document: Some(2), diversity: Some(0.5), metric: Metric::Cosine };
    group.bench_function("diversity", |bencher| {
        bencher.iter(|| choose(black_box(&candidates), &terms, || ()))
    });
}

/// Returns an arm that has found the numbers up to a thousand in an order that `step`, a number without 2 and 5, decides.
fn arm(step: usize) -> Arm<usize> {
    let found = (0..FOUND).map(|place| (place * step % FOUND, 1.0 / (1 + place) as f64)).collect();
    Arm { weight: 1.0, found }
}

fn candidate(place: usize) -> Candidate {
    let vector = (0..DIMENSIONS).map(|dimension| ((place * dimension) as f32).cos()).collect();
    Candidate { score: 1.0 / (1 + place) as f64, document: (place / 4).to_string(), vector }
}

criterion_group! {
    name = stages;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    targets = parsing, chunking, formatting, reading_an_answer, searching
}
criterion_main!(stages);
