//! The tokens, the money, the time and the space that a vectorizer would take, before it exists.
//!
//! Some rows are taken through the stages of the worker, up to the model, which is not asked; what they come to tells what all
//! come to. Nothing is written.
//!
//! * [`source`]: the table whose rows are looked at
//! * [`sampling`]: choosing rows, as the table's owner
//! * [`rehearsing`]: taking them through the stages
//! * [`pricing`]: the price of tokens, and the way in which a model counts them
//! * [`space`]: the store and its index
//! * [`measures`]: the answer

pub mod measures;
pub mod pricing;
pub mod rehearsing;
pub mod sampling;
pub mod source;
pub mod space;

use pgai_rs_pipeline::config::VectorizerConfig;

use self::measures::Measure;
use self::rehearsing::rehearse;
use self::sampling::{Sample, choose};
use self::source::ExplainedSource;
use crate::pg::error::PgError;

/// Returns what a vectorizer with this config would come to. Of its rows about so many are looked at.
pub fn explain(
    source: &ExplainedSource,
    config: &VectorizerConfig,
    rows: usize,
) -> Result<Vec<Measure>, PgError> {
    let Sample { frame, chosen } = choose(source, rows)?;
    let rehearsed = rehearse(source, config, chosen)?;
    let price = pricing::of(&config.embedding, source.author)?;
    measures::of(config, &frame, &rehearsed, &price)
}
