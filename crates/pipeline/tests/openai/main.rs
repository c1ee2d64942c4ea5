//! OpenAI's protocol against a server that makes mistakes.
#![allow(clippy::unwrap_used)]

mod answers;
mod batches;
mod blame;
mod outages;
mod pacing;
mod queries;
mod request_size;
#[path = "../support/mod.rs"]
mod support;

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pgai_rs_pipeline::config::{Author, Embedding, Processing};
use pgai_rs_pipeline::embed::{Groups, client, embed_query, embed_tokens};
use pgai_rs_pipeline::failure::{Failure, Retry, Scope};
use pgai_rs_pipeline::s3::Clients;
use pgai_rs_pipeline::secret::{ApiKey, Secret};
use pgai_rs_pipeline::settings::Settings;
use pgai_rs_pipeline::threads::{RequestLife, current_thread_runtime};
use pgai_rs_pipeline::usage::Bill;
use serde_json::json;
use support::http::{Gate, Reply, Request, Server};
use support::openai::{DIMENSIONS, answer, inputs, refusal, vector};
use support::queue::settings;

type Vectors = Vec<Vec<f32>>;

async fn embed_with(settings: Settings, base_url: &str, texts: &[&str]) -> Result<Vectors, Failure> {
    let groups =
        Groups::new(client().unwrap(), Arc::new(settings.clone()), Arc::new(Clients::new(&settings)));
    let group = groups.group(&support::column_vectorizer(1, base_url))?;
    group.embed(texts.iter().map(|&text| text.into())).await
}

async fn embed(server: &Server, texts: &[&str]) -> Result<Vectors, Failure> {
    embed_with(settings(), &server.url, texts).await
}

/// Embeds each text for a document of its own, in one request.
async fn each(server: &Server, texts: &[String]) -> Vec<Result<Vectors, Failure>> {
    let groups = Groups::new(client().unwrap(), Arc::new(settings()), Arc::new(Clients::new(&settings())));
    let group = groups.group(&support::column_vectorizer(1, &server.url)).unwrap();
    futures_util::future::join_all(texts.iter().map(|text| group.embed([text.as_str().into()]))).await
}

fn vectors(texts: &[&str]) -> Vectors {
    texts.iter().map(|text| vector(text)).collect()
}

/// A server that gives these answers first, then right ones.
fn faulty(faults: Vec<fn(&Request) -> Reply>) -> Server {
    let asked = AtomicUsize::new(0);
    Server::start(move |request| match faults.get(asked.fetch_add(1, Ordering::Relaxed)) {
        Some(fault) => fault(request),
        None => answer(request),
    })
}

fn with_data(data: serde_json::Value) -> Reply {
    Reply::new(200, json!({ "data": data }).to_string())
}

#[tokio::test]
async fn asks_as_openai_wants_to_be_asked() {
    let server = support::openai::server();
    assert_eq!(embed(&server, &["a", "bc"]).await.unwrap(), vectors(&["a", "bc"]));
    let request = &server.requests()[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/embeddings"));
    assert_eq!(request.header("authorization"), Some("Bearer sk-test"));
    assert_eq!(
        request.json(),
        json!({"model": "test-model", "input": ["a", "bc"], "dimensions": DIMENSIONS, "encoding_format": "base64"})
    );
}

#[tokio::test]
async fn what_a_server_does_not_know_is_left_out() {
    let server = Server::start(|request| {
        let asked = request.json();
        if asked["encoding_format"] != "float" {
            return refusal(400, "encoding_format base64 is not supported", Some("encoding_format"));
        }
        if !asked["dimensions"].is_null() {
            return Reply::new(422, r#"{"message": "Model does not support matryoshka representation"}"#);
        }
        answer(request)
    });
    let groups = Groups::new(client().unwrap(), Arc::new(settings()), Arc::new(Clients::new(&settings())));
    let group = groups.group(&support::column_vectorizer(1, &server.url)).unwrap();
    assert_eq!(group.embed(["a".into()]).await, Ok(vectors(&["a"])));
    assert_eq!(group.embed(["b".into()]).await, Ok(vectors(&["b"])));
    assert_eq!(server.requests().len(), 4, "what was learned is remembered");
}

#[tokio::test]
async fn words_of_an_input_that_is_refused_change_nothing_for_others() {
    const WORDS: &str = "on matryoshka dimensions";
    let server = Server::start(|request| match request.json()["input"][0] == WORDS {
        true => Reply::new(422, format!(r#"{{"detail": [{{"msg": "too odd", "input": "{WORDS}"}}]}}"#)),
        false => answer(request),
    });
    let groups = Groups::new(client().unwrap(), Arc::new(settings()), Arc::new(Clients::new(&settings())));
    let group = groups.group(&support::column_vectorizer(1, &server.url)).unwrap();

    assert!(group.embed([WORDS.into()]).await.is_err());
    assert_eq!(group.embed(["a".into()]).await, Ok(vectors(&["a"])));
    assert_eq!(server.requests().last().unwrap().json()["dimensions"], DIMENSIONS);
}

#[tokio::test]
async fn equal_inputs_are_sent_once() {
    let server = support::openai::server();
    let texts: Vec<String> = (0..100).map(|n| (n % 3).to_string()).collect();
    for (text, result) in texts.iter().zip(each(&server, &texts).await) {
        assert_eq!(result, Ok(vectors(&[text])));
    }
    assert_eq!(server.requests().len(), 1);
    assert_eq!(inputs(&server.requests()[0]), ["0", "1", "2"]);
}
