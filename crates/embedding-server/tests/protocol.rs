//! The API on the outside, with a model that needs no weights.

// In a test an unwrap is an assertion.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use base64::prelude::{BASE64_STANDARD, Engine};
use embedding_server::embed::{Embed, ModelError};
use embedding_server::queue::RequestQueue;
use embedding_server::server::{MAX_BODY, router};
use serde_json::{Value, json};
use tower::ServiceExt;

/// Tokens are bytes; the vector of a text is its length and a third of its first byte.
struct Fake;

impl Embed for Fake {
    fn tokenize(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        Ok(text.bytes().map(u32::from).collect())
    }

    fn embed(&self, sequences: &[&[u32]]) -> Result<Vec<Vec<f32>>, ModelError> {
        if sequences.iter().any(|sequence| sequence.contains(&u32::from(b'!'))) {
            return Err(ModelError("no exclamation marks".into()));
        }
        assert!(sequences.iter().all(|sequence| !sequence.contains(&u32::from(b'?'))), "a bug");
        Ok(sequences.iter().map(|s| vec![s.len() as f32, s[0] as f32 / 3.0]).collect())
    }
}

fn app() -> (Router, Arc<RequestQueue>) {
    let model: Arc<dyn Embed> = Arc::new(Fake);
    let queue = RequestQueue::start(&model, 2).unwrap();
    (router(model, Arc::clone(&queue)), queue)
}

async fn send(app: &Router, method: Method, path: &str, body: String) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn embed(app: &Router, body: Value) -> (StatusCode, Value) {
    send(app, Method::POST, "/v1/embeddings", body.to_string()).await
}

#[tokio::test]
async fn a_single_input_is_answered_in_the_shape_of_openai() {
    let (app, _queue) = app();
    let body = json!({"model": "all-MiniLM-L6-v2", "input": "ccc", "dimensions": 384, "user": "u"});
    let (status, answer) = embed(&app, body).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        answer,
        json!({
            "object": "list",
            "data": [{"object": "embedding", "index": 0, "embedding": [3.0, 33.0]}],
            "model": "all-MiniLM-L6-v2",
            "usage": {"prompt_tokens": 3, "total_tokens": 3},
        })
    );
}

#[tokio::test]
async fn many_inputs_keep_their_order() {
    let (app, _queue) = app();
    let lengths: Vec<usize> = (0..2048).map(|n| 1 + n * 7919 % 300).collect();
    let input: Vec<String> = lengths.iter().map(|length| "x".repeat(*length)).collect();
    let name = "sentence-transformers/all-MiniLM-L6-v2";
    let (status, answer) = embed(&app, json!({"model": name, "input": input})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["model"], name);
    assert_eq!(answer["usage"]["prompt_tokens"], lengths.iter().sum::<usize>());
    let data = answer["data"].as_array().unwrap();
    assert_eq!(data.len(), 2048);
    for (n, (embedding, length)) in data.iter().zip(lengths).enumerate() {
        assert_eq!(embedding["index"], n);
        assert_eq!(embedding["embedding"][0], length as f64);
    }
}

#[tokio::test]
async fn base64_says_the_same_as_float() {
    let (app, _queue) = app();
    let ask = |format| json!({"model": "all-MiniLM-L6-v2", "input": "a", "encoding_format": format});
    let (_, float) = embed(&app, ask("float")).await;
    let float: Vec<f32> = serde_json::from_value(float["data"][0]["embedding"].clone()).unwrap();
    let (_, base64) = embed(&app, ask("base64")).await;
    let bytes = BASE64_STANDARD.decode(base64["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let base64: Vec<f32> =
        bytes.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    assert_eq!(float, [1.0, 97.0 / 3.0]);
    assert_eq!(base64, float);
}

/// Asserts that `body` is refused, and how.
async fn refused(body: Value, status: u16, param: &str, code: Value, message: &str) {
    let (app, _queue) = app();
    let (found, answer) = embed(&app, body).await;
    let error = &answer["error"];
    assert_eq!(found.as_u16(), status, "{answer}");
    assert_eq!(error["type"], "invalid_request_error", "{answer}");
    assert_eq!((&error["param"], &error["code"]), (&json!(param), &code), "{answer}");
    assert!(error["message"].as_str().unwrap().contains(message), "{answer}");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said() {
    let m = "all-MiniLM-L6-v2";
    let none = Value::Null;
    let bad = |body: Value, param: &'static str, message: &'static str| {
        refused(body, 400, param, Value::Null, message)
    };
    refused(json!({"model": "gpt", "input": "x"}), 404, "model", json!("model_not_found"), "`gpt`").await;
    bad(json!({"input": "x"}), "model", "provide a model").await;
    bad(json!({"model": m}), "input", "provide an input").await;
    bad(json!({"model": m, "input": none}), "input", "provide an input").await;
    bad(json!({"model": m, "input": ""}), "input", "input 0 is an empty string").await;
    bad(json!({"model": m, "input": ["x", ""]}), "input", "input 1 is an empty string").await;
    bad(json!({"model": m, "input": []}), "input", "1 to 2048").await;
    bad(json!({"model": m, "input": vec!["x"; 2049]}), "input", "it has 2049").await;
    bad(json!({"model": m, "input": [1, 2]}), "input", "Token ids").await;
    bad(json!({"model": m, "input": [[1, 2]]}), "input", "Token ids").await;
    bad(json!({"model": m, "input": {"text": "x"}}), "input", "not a string").await;
    bad(json!({"model": m, "input": "x", "dimensions": 256}), "dimensions", "384").await;
    bad(json!({"model": m, "input": "x", "dimensions": "384"}), "dimensions", "384").await;
    bad(json!({"model": m, "input": "x", "encoding_format": "int8"}), "encoding_format", "base64").await;
}

#[tokio::test]
async fn errors_outside_the_request_have_the_same_shape() {
    let (app, _queue) = app();
    let too_large = format!(r#"{{"input":"{}"}}"#, "x".repeat(MAX_BODY));
    for (method, path, body, status) in [
        (Method::POST, "/v1/embeddings", "{".to_string(), 400),
        (Method::POST, "/v1/embeddings", r#"{"model": 1}"#.to_string(), 400),
        (Method::POST, "/v1/embeddings", too_large, 413),
        (Method::GET, "/v1/embeddings", String::new(), 405),
        (Method::POST, "/v1/completions", String::new(), 404),
    ] {
        let (found, answer) = send(&app, method, path, body).await;
        assert_eq!(found.as_u16(), status, "{answer}");
        let error = answer["error"].as_object().unwrap();
        assert_eq!(error.keys().collect::<Vec<_>>(), ["code", "message", "param", "type"]);
    }
}

#[tokio::test]
async fn a_failure_of_the_model_is_a_500_and_the_next_request_is_answered() {
    let (app, _queue) = app();
    for (input, message) in [("Ah!", "no exclamation marks"), ("Eh?", "panicked")] {
        // More often than there are threads: none may die.
        for _ in 0..3 {
            let (status, answer) = embed(&app, json!({"model": "all-MiniLM-L6-v2", "input": input})).await;
            assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(answer["error"]["type"], "server_error");
            assert!(answer["error"]["message"].as_str().unwrap().contains(message), "{answer}");
        }
    }
    let (status, _) = embed(&app, json!({"model": "all-MiniLM-L6-v2", "input": "x"})).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_closed_queue_is_a_503() {
    let (app, queue) = app();
    queue.close();
    let (status, answer) = embed(&app, json!({"model": "all-MiniLM-L6-v2", "input": "x"})).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer["error"]["type"], "server_error");
}

#[tokio::test]
async fn many_clients_at_once_each_get_their_own() {
    let (app, _queue) = app();
    let mut clients = tokio::task::JoinSet::new();
    for n in 1..=200 {
        let app = app.clone();
        clients.spawn(async move {
            let body = json!({"model": "all-MiniLM-L6-v2", "input": ["x".repeat(n), "y".repeat(n)]});
            let (_, answer) = embed(&app, body).await;
            for place in 0..2 {
                assert_eq!(answer["data"][place]["embedding"][0], n as f64);
            }
        });
    }
    clients.join_all().await;
}

#[tokio::test]
async fn models_and_health_are_told() {
    let (app, _queue) = app();
    let (status, models) = send(&app, Method::GET, "/v1/models", String::new()).await;
    assert_eq!((status, &models["data"][0]["id"]), (StatusCode::OK, &json!("all-MiniLM-L6-v2")));
    let (status, _) = send(&app, Method::GET, "/health", String::new()).await;
    assert_eq!(status, StatusCode::OK);
}
