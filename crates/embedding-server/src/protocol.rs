//! The types of the OpenAI embeddings API: requests, answers, errors.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::DIMENSIONS;

/// The names of the model that requests may use.
pub const MODEL_NAMES: [&str; 2] = ["all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"];
/// The largest number of inputs of one request, the same as OpenAI's.
pub const MAX_INPUTS: usize = 2048;

/// An error in OpenAI's format: `{"error": {"message", "type", "param", "code"}}`.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    message: String,
    param: Option<&'static str>,
    code: Option<&'static str>,
}

impl ApiError {
    /// Returns an error with this status and nothing but a message.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), param: None, code: None }
    }

    /// Returns an error with status 400 about one member of the request.
    fn invalid(param: &'static str, message: impl Into<String>) -> Self {
        Self { param: Some(param), ..Self::new(StatusCode::BAD_REQUEST, message) }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let kind = if self.status.is_server_error() { "server_error" } else { "invalid_request_error" };
        let error = json!({
            "message": self.message,
            "type": kind,
            "param": self.param,
            "code": self.code,
        });
        (self.status, Json(json!({ "error": error }))).into_response()
    }
}

/// The encoding of vectors in an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Encoding {
    /// A JSON array of numbers.
    Float,
    /// Little-endian f32 in base64.
    Base64,
}

/// A valid request.
#[derive(Debug)]
pub struct EmbeddingRequest {
    /// The model's name as the client wrote it; one of [`MODEL_NAMES`].
    pub model: String,
    /// The texts: 1 to [`MAX_INPUTS`], none of them empty.
    pub texts: Vec<String>,
    /// The encoding of the vectors in the answer.
    pub encoding: Encoding,
}

/// A request before it is checked. Members not named here, such as `user`, are ignored.
#[derive(Deserialize)]
struct Body {
    model: Option<String>,
    input: Option<Value>,
    dimensions: Option<Value>,
    encoding_format: Option<Value>,
}

impl EmbeddingRequest {
    /// Parses and checks the body of `POST /v1/embeddings`.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body: Body = serde_json::from_slice(body).map_err(|error| {
            let message = format!("The JSON body of the request is not right: {error}");
            ApiError::new(StatusCode::BAD_REQUEST, message)
        })?;

        let model = check_model(body.model)?;
        check_dimensions(body.dimensions)?;
        let encoding = check_encoding(body.encoding_format)?;

        Ok(Self { model, texts: check_input(body.input)?, encoding })
    }
}

fn check_model(model: Option<String>) -> Result<String, ApiError> {
    let model = model.ok_or_else(|| ApiError::invalid("model", "You must provide a model."))?;
    if MODEL_NAMES.contains(&model.as_str()) {
        return Ok(model);
    }

    let message = format!("The model `{model}` does not exist; this server has {}.", MODEL_NAMES[0]);
    Err(ApiError {
        status: StatusCode::NOT_FOUND,
        code: Some("model_not_found"),
        ..ApiError::invalid("model", message)
    })
}

fn check_dimensions(dimensions: Option<Value>) -> Result<(), ApiError> {
    match dimensions {
        None => Ok(()),
        Some(value) if value == DIMENSIONS => Ok(()),
        Some(value) => {
            let message = format!("This model has {DIMENSIONS} dimensions and no other; got {value}.");
            Err(ApiError::invalid("dimensions", message))
        }
    }
}

fn check_encoding(format: Option<Value>) -> Result<Encoding, ApiError> {
    match format.as_ref().map(Value::as_str) {
        None | Some(Some("float")) => Ok(Encoding::Float),
        Some(Some("base64")) => Ok(Encoding::Base64),
        Some(_) => {
            let message = "encoding_format must be \"float\" or \"base64\".";
            Err(ApiError::invalid("encoding_format", message))
        }
    }
}

fn check_input(input: Option<Value>) -> Result<Vec<String>, ApiError> {
    let invalid = |message: String| ApiError::invalid("input", message);
    let values = match input {
        Some(Value::Array(values)) => values,
        Some(value) => vec![value],
        None => return Err(invalid("You must provide an input.".into())),
    };

    if values.is_empty() || values.len() > MAX_INPUTS {
        let count = values.len();
        return Err(invalid(format!("input must have 1 to {MAX_INPUTS} elements; it has {count}.")));
    }

    values.into_iter().enumerate().map(|(n, value)| check_text(value, n).map_err(invalid)).collect()
}

/// Returns the text of input `n`. Errors with a message if it is no text.
fn check_text(value: Value, n: usize) -> Result<String, String> {
    match value {
        Value::String(text) if text.is_empty() => Err(format!("input {n} is an empty string.")),
        Value::String(text) => Ok(text),
        Value::Number(_) | Value::Array(_) => {
            Err("Token ids are not accepted: those of OpenAI mean nothing to this model. Send text.".into())
        }
        _ => Err(format!("input {n} is not a string.")),
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector {
    /// An array of numbers.
    Float(Vec<f32>),
    /// Little-endian f32 in base64.
    Base64(String),
}

impl Vector {
    fn encode(vector: Vec<f32>, encoding: Encoding) -> Self {
        match encoding {
            Encoding::Float => Self::Float(vector),
            Encoding::Base64 => {
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                Self::Base64(BASE64_STANDARD.encode(bytes))
            }
        }
    }
}

#[derive(Serialize)]
struct Embedding {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: usize,
    total_tokens: usize,
}

#[derive(Serialize)]
struct Embeddings<'a> {
    object: &'static str,
    data: Vec<Embedding>,
    model: &'a str,
    usage: Usage,
}

/// Returns the JSON of an answer with `vectors` in the order of the inputs. `tokens` is the number of tokens
/// that the model has read, with the two that it adds to each input.
pub fn answer(
    model: &str,
    vectors: Vec<Vec<f32>>,
    encoding: Encoding,
    tokens: usize,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut data = Vec::with_capacity(vectors.len());
    for (index, vector) in vectors.into_iter().enumerate() {
        data.push(Embedding { object: "embedding", index, embedding: Vector::encode(vector, encoding) });
    }

    serde_json::to_vec(&Embeddings {
        object: "list",
        data,
        model,
        usage: Usage { prompt_tokens: tokens, total_tokens: tokens },
    })
}

/// Returns the body of `GET /v1/models`.
pub fn models() -> Value {
    let owner = "sentence-transformers";
    let model = |id| json!({"id": id, "object": "model", "created": 0, "owned_by": owner});
    json!({"object": "list", "data": MODEL_NAMES.map(model)})
}
