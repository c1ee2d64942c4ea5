//! The time to read a document, without the start of the program: `make bench-pure`.
//!
//! The small ones are those that the fuzzer begins with: what is measured is what any document of the type takes. How long
//! real ones take, and what comes out, is what `make bench ARGS=parse` says.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pgai_rs_parser::{Source, parse};

const TYPES: [&str; 8] = ["pdf", "docx", "xlsx", "odt", "html", "epub", "eml", "rtf"];
/// The parts of the large documents.
const PARTS: usize = 1_000;

fn small(criterion: &mut Criterion) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/parser");
    let mut group = criterion.benchmark_group("a small document");
    for kind in TYPES {
        // Its name is the first line.
        let file = fs::read(corpus.join(kind)).unwrap();
        let end = file.iter().position(|byte| *byte == b'\n').unwrap();
        let name = std::str::from_utf8(&file[..end]).unwrap();
        let source = Source { bytes: &file[end + 1..], name: Some(name), content_type: None };
        group.bench_function(kind, |bencher| bencher.iter(|| parse(black_box(&source)).unwrap()));
    }
}

fn large(criterion: &mut Criterion) {
    let section = "<h2>A heading</h2><p>A paragraph with <em>emphasis</em> &amp; a <a href='/a'>link</a>.</p>\
                   <table><tr><td>one</td><td>two</td></tr></table>";
    let line = "1,\"a text, with a comma\",2026-01-01,3.14\n";
    let documents = [
        ("large.html", format!("<html><body>{}</body></html>", section.repeat(PARTS))),
        ("large.csv", format!("id,text,day,number\n{}", line.repeat(PARTS))),
    ];

    let mut group = criterion.benchmark_group("a large document");
    for (name, text) in &documents {
        group.throughput(Throughput::Bytes(text.len() as u64));
        let source = Source { bytes: text.as_bytes(), name: Some(name), content_type: None };
        group.bench_function(*name, |bencher| bencher.iter(|| parse(black_box(&source)).unwrap()));
    }
}

criterion_group! {
    name = documents;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    targets = small, large
}
criterion_main!(documents);
