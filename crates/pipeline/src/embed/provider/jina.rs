//! Jina AI's `/embeddings`.

use super::plain::{Dialect, DimensionsName, Plain};
use super::protocol::{OptionShape, Profile};
use crate::embed::limits::pack::Limits;
use crate::embed::request::dimensions::Dimensions;
use crate::embed::request::input_type::InputTypes;

/// The profile of Jina AI. A text has no `task` unless one is declared: older models know none.
pub(super) const PROFILE: Profile = Profile {
    name: "Jina AI",
    prefix: "jina_ai",
    home: Some("https://api.jina.ai/v1"),
    // Servers that people run speak its protocol for relevance.
    local_url: Some("http://localhost/v1"),
    api_key_name: Some("JINA_AI_API_KEY"),
    options: &[(TASK, OptionShape::Text), ("truncate", OptionShape::Flag)],
    input_types: Some(InputTypes {
        option: TASK,
        all: &[
            "retrieval.passage",
            "retrieval.query",
            "text-matching",
            "classification",
            "separation",
            "code.passage",
            "code.query",
        ],
        document: "retrieval.passage",
        query: "retrieval.query",
        default: None,
        untyped_query: None,
    }),
    dimensions,
    protocol: |endpoint| Plain::protocol(endpoint, DIALECT),
};

const TASK: &str = "task";

/// The requests of Jina AI, by <https://api.jina.ai/docs>. It publishes no limit of a request; larger ones than it takes are made
/// smaller.
const DIALECT: Dialect = Dialect {
    dimensions: DimensionsName::Dimensions,
    limits: |_| Limits::NONE,
    leaves_lengths: true,
    unknown_model: None,
};

/// Returns the dimensions by <https://jina.ai/models>.
fn dimensions(model: &str) -> Dimensions {
    match model {
        "jina-embeddings-v3" => Dimensions::UpTo(1_024),
        "jina-embeddings-v4" => Dimensions::UpTo(2_048),
        _ => Dimensions::Unknown,
    }
}
