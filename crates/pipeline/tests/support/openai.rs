//! A model that everybody can compute.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::http::{Reply, Request, Server};

/// Numbers of a vector.
pub const DIMENSIONS: u32 = 3;

/// The vector of a text.
pub fn vector(text: &str) -> Vec<f32> {
    let sum: u32 = text.bytes().map(u32::from).sum();
    vec![text.len() as f32, sum as f32, 0.5]
}

/// The inputs of a request.
pub fn inputs(request: &Request) -> Vec<String> {
    serde_json::from_value(request.json()["input"].clone()).unwrap()
}

/// The right answer, in the encoding that is asked for.
pub fn answer(request: &Request) -> Reply {
    let base64 = request.json()["encoding_format"] == "base64";
    let data: Vec<Value> = inputs(request)
        .iter()
        .enumerate()
        .map(|(index, input)| {
            let numbers = vector(input);
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            let embedding = if base64 { json!(BASE64.encode(bytes)) } else { json!(numbers) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    Reply::new(200, json!({"object": "list", "data": data}).to_string())
}

/// OpenAI's refusal.
pub fn refusal(status: u16, message: &str, param: Option<&str>) -> Reply {
    Reply::new(status, json!({"error": {"message": message, "param": param}}).to_string())
}

/// A model that makes no mistakes.
pub fn server() -> Server {
    Server::start(answer)
}
