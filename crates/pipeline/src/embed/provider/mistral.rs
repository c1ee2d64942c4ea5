//! Mistral AI.

use super::plain::{Dialect, DimensionsName, Plain};
use super::protocol::Profile;
use crate::embed::limits::pack::Limits;
use crate::embed::request::dimensions::Dimensions;

/// The profile of Mistral AI.
pub(super) const PROFILE: Profile = Profile {
    name: "Mistral AI",
    prefix: "mistral",
    home: Some("https://api.mistral.ai/v1"),
    local_url: None,
    api_key_name: Some("MISTRAL_API_KEY"),
    options: &[],
    input_types: None,
    dimensions,
    protocol: |endpoint| Plain::protocol(endpoint, DIALECT),
};

/// The requests of Mistral AI, by <https://docs.mistral.ai/api/endpoint/embeddings>.
const DIALECT: Dialect = Dialect {
    dimensions: DimensionsName::OutputDimension,
    limits: |_| LIMITS,
    leaves_lengths: true,
    unknown_model: Some("\"invalid_model\""),
};

/// pgai's limits, 128 inputs and 16,000 tokens; Mistral publishes none, and refuses larger requests
/// with "Too many inputs in request, split into more batches" or "Too many tokens in batch".
const LIMITS: Limits = Limits { inputs: 128, tokens: 16_000 };

/// Returns the dimensions by <https://docs.mistral.ai/capabilities/embeddings/text_embeddings> and
/// <https://docs.mistral.ai/capabilities/embeddings/code_embeddings>.
fn dimensions(model: &str) -> Dimensions {
    match model {
        "mistral-embed" | "mistral-embed-2312" => Dimensions::Fixed(1024),
        "codestral-embed" | "codestral-embed-2505" => Dimensions::UpTo(3072),
        _ => Dimensions::Unknown,
    }
}
