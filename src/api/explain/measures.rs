//! The answer: each measure with its spread, and where it comes from.

use pgai_rs_pipeline::config::VectorizerConfig;
use pgai_rs_pipeline::estimate::{Observation, Total, total};
use pgai_rs_pipeline::usage::price_share;

use super::pricing::{Counting, Price};
use super::rehearsing::Looked;
use super::sampling::Frame;
use super::space;
use crate::pg::error::PgError;

/// A measure of what a vectorizer would come to.
pub struct Measure {
    /// Its name.
    pub name: &'static str,
    /// The amount; `None` if it is not known.
    pub amount: Option<f64>,
    /// The amount by which it may be off in either direction, with a confidence of 95 %; `None` if that is not known.
    pub spread: Option<f64>,
    /// The source of the amount, in words.
    pub note: String,
}

/// Returns what a vectorizer would come to.
pub fn of(
    config: &VectorizerConfig,
    frame: &Frame,
    looked: &[Looked],
    price: &Price,
) -> Result<Vec<Measure>, PgError> {
    let whole = |value: &dyn Fn(&Looked) -> f64| whole(frame, looked, value);
    let loaded = match frame.bytes {
        Some(bytes) => Total { amount: bytes, spread: 0.0 },
        None => whole(&|one| one.loaded),
    };
    let failed = whole(&|one| if one.failure.is_some() { 1.0 } else { 0.0 });
    let (chunks, text) = (whole(&|one| one.chunks), whole(&|one| one.chunk_bytes));
    let (inputs, bytes) = (whole(&|one| one.inputs), whole(&|one| one.bytes));
    let seconds = whole(&|one| one.seconds);
    let (tokens, counted) = match price.counting {
        Counting::Billed(rate) => (times(bytes, rate), "at the rate that was billed before"),
        Counting::Own => (whole(&|one| one.tokens), "in the model's own encoding, cl100k_base"),
        Counting::Other => {
            (whole(&|one| one.tokens), "in cl100k_base, which is not the model's own encoding")
        }
    };
    let requests = price.limits.requests(inputs.amount, bytes.amount);

    Ok(vec![
        measure("rows", Total { amount: frame.rows, spread: 0.0 }, told_of(frame, looked.len())),
        measure("set_aside", failed, reasons(looked)),
        measure("bytes", loaded, "of the documents".to_owned()),
        measure("chunks", chunks, String::new()),
        measure("inputs", inputs, "texts that are sent; equal ones of a document once".to_owned()),
        measure("tokens", tokens, counted.to_owned()),
        Measure {
            name: "requests",
            amount: Some(requests),
            spread: None,
            note: "the fewest; what comes in a trickle takes more".to_owned(),
        },
        usd(tokens, price, config.processing.backfills_by_batch()),
        measure(
            "seconds_here",
            seconds,
            "loading, parsing and cutting, one document after the other".to_owned(),
        ),
        match config.processing.backfills_by_batch() {
            true => seconds_by_batch(),
            false => seconds_at_provider(tokens, requests, price),
        },
        measure(
            "store_bytes",
            spread_like(space::store(config, chunks.amount, text.amount), chunks),
            String::new(),
        ),
        index_bytes(config, chunks),
    ])
}

/// Estimates the total of a value over all rows.
fn whole(frame: &Frame, looked: &[Looked], value: &dyn Fn(&Looked) -> f64) -> Total {
    let observed: Vec<Observation> = looked
        .iter()
        .map(|one| Observation {
            weight: one.weight,
            probability: (one.weight * frame.rate).min(1.0),
            value: value(one),
        })
        .collect();
    total(&observed, frame.weight)
}

fn times(of: Total, factor: f64) -> Total {
    Total { amount: of.amount * factor, spread: of.spread * factor }
}

/// Returns an amount that has the same relative spread as another.
fn spread_like(amount: f64, other: Total) -> Total {
    let relative = if other.amount > 0.0 { other.spread / other.amount } else { 0.0 };
    Total { amount, spread: amount * relative }
}

fn measure(name: &'static str, total: Total, note: String) -> Measure {
    Measure { name, amount: Some(total.amount), spread: Some(total.spread), note }
}

/// Says of how many rows it is known.
fn told_of(frame: &Frame, looked: usize) -> String {
    match frame.part < 1.0 {
        true => {
            format!("estimated from {:.2} % of the pages; {looked} rows were looked at", frame.part * 100.0)
        }
        false => format!("counted; {looked} of them were looked at"),
    }
}

/// Says why documents would be set aside.
fn reasons(looked: &[Looked]) -> String {
    let mut codes: Vec<&str> =
        looked.iter().filter_map(|one| one.failure.as_ref()).map(|failure| failure.code).collect();
    codes.sort_unstable();
    codes.dedup();
    match codes.is_empty() {
        true => String::new(),
        false => format!("for {}", codes.join(", ")),
    }
}

fn usd(tokens: Total, price: &Price, by_batch: bool) -> Measure {
    match price.usd_per_million_tokens {
        Some(usd) => {
            let as_of = price.as_of.as_deref().unwrap_or("an unknown day");
            let share = if by_batch { price_share(&price.model) } else { 1.0 };
            let way = match (by_batch, share < 1.0) {
                (true, true) => ", half of it by the batch API",
                (true, false) => "; what the batch API of this server costs is not known",
                (false, _) => "",
            };
            let note = format!("{} at {usd} USD for a million tokens{way}, as of {as_of}", price.model.model);
            measure("usd", times(tokens, share * usd / 1e6), note)
        }
        None => Measure {
            name: "usd",
            amount: None,
            spread: None,
            note: format!("ai.models has no price of {}", price.model.model),
        },
    }
}

/// Says how long the batch API takes, which is not known beforehand.
fn seconds_by_batch() -> Measure {
    Measure {
        name: "seconds_at_provider",
        amount: None,
        spread: None,
        note:
            "not known: the batch API promises each batch within 24 hours, and may have limits on what waits"
                .to_owned(),
    }
}

fn seconds_at_provider(tokens: Total, requests: f64, price: &Price) -> Measure {
    let minutes = [
        price.tokens_per_minute.map(|limit| tokens.amount / limit),
        price.requests_per_minute.map(|limit| requests / limit),
    ];
    let minutes = minutes.into_iter().flatten().reduce(f64::max);
    let note = match minutes {
        Some(_) => "by the limits in ai.models",
        None => "ai.models has no limits of the account",
    };
    Measure {
        name: "seconds_at_provider",
        amount: minutes.map(|minutes| minutes * 60.0),
        spread: None,
        note: note.to_owned(),
    }
}

fn index_bytes(config: &VectorizerConfig, chunks: Total) -> Measure {
    match space::index(config, chunks.amount) {
        Some(bytes) => measure("index_bytes", spread_like(bytes, chunks), String::new()),
        None => Measure {
            name: "index_bytes",
            amount: None,
            spread: None,
            note: "no index is declared, or none whose size is known beforehand".to_owned(),
        },
    }
}
