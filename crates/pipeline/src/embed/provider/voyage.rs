//! Voyage AI.

use super::plain::{Dialect, DimensionsName, Plain};
use super::protocol::{OptionShape, Profile};
use crate::embed::limits::pack::Limits;
use crate::embed::request::dimensions::Dimensions;
use crate::embed::request::input_type::InputTypes;

/// The profile of Voyage AI. Vectors with and without an `input_type` may be compared.
pub(super) const PROFILE: Profile = Profile {
    name: "Voyage AI",
    prefix: "voyage",
    home: Some("https://api.voyageai.com/v1"),
    local_url: None,
    api_key_name: Some("VOYAGE_API_KEY"),
    options: &[("input_type", OptionShape::Text), ("truncation", OptionShape::Flag)],
    input_types: Some(InputTypes {
        option: "input_type",
        all: &["query", "document"],
        document: "document",
        query: "query",
        default: None,
        untyped_query: Some("query"),
    }),
    dimensions,
    protocol: |endpoint| Plain::protocol(endpoint, DIALECT),
};

/// The requests of Voyage AI, by <https://docs.voyageai.com/reference/embeddings-api>.
const DIALECT: Dialect = Dialect {
    dimensions: DimensionsName::OutputDimension,
    limits: |model| Limits { inputs: INPUTS, tokens: tokens(model) },
    leaves_lengths: false,
    unknown_model: Some("supported models are"),
};

/// The limit of the API's first years, at which pgai and LiteLLM cut, too; by
/// <https://docs.voyageai.com/reference/embeddings-api> it is 1,000 now.
const INPUTS: usize = 128;

/// Returns the dimensions by <https://docs.voyageai.com/docs/embeddings>.
fn dimensions(model: &str) -> Dimensions {
    match model {
        "voyage-3-large" | "voyage-3.5" | "voyage-3.5-lite" | "voyage-code-3" => {
            Dimensions::OneOf(&[256, 512, 1024, 2048])
        }
        "voyage-3" | "voyage-finance-2" | "voyage-law-2" | "voyage-multilingual-2" => Dimensions::Fixed(1024),
        "voyage-2" | "voyage-large-2-instruct" => Dimensions::Fixed(1024),
        "voyage-3-lite" => Dimensions::Fixed(512),
        "voyage-code-2" | "voyage-large-2" => Dimensions::Fixed(1536),
        _ => Dimensions::Unknown,
    }
}

/// Returns the largest number of tokens of a request, by
/// <https://docs.voyageai.com/reference/embeddings-api>; for models that are not named there, the least
/// of them.
fn tokens(model: &str) -> usize {
    match model {
        "voyage-3.5-lite" | "voyage-3-lite" => 1_000_000,
        "voyage-3.5" | "voyage-3" | "voyage-2" => 320_000,
        _ => 120_000,
    }
}
