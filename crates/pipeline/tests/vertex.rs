//! Vertex AI: the service account's token. How it is asked otherwise: `providers.rs`.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::engine::general_purpose::STANDARD as BASE64;
use base64::Engine;
use pgai_rs_pipeline::config::Embedding;
use pgai_rs_pipeline::document::{Failure, Secret};
use pgai_rs_pipeline::embed::{check, client, Groups};
use pgai_rs_pipeline::s3::Clients;
use pgai_rs_pipeline::settings::Settings;
use serde_json::{json, Value};
use support::http::{Reply, Request, Server};
use support::openai::vector;
use support::queue::settings;

const MODEL: &str = "vertex_ai/text-embedding-005";

fn embedding(dimensions: u32, options: Value) -> Embedding {
    let config = json!({"implementation": "litellm", "model": MODEL, "dimensions": dimensions, "extra_options": options});
    serde_json::from_value(config).unwrap()
}

/// The key of a service account whose tokens this server gives.
fn service_account(server: &Server) -> String {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem =
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64.encode(der.as_ref()));
    json!({
        "type": "service_account", "project_id": "p", "private_key_id": "1", "private_key": pem,
        "client_email": "me@p.iam.gserviceaccount.com", "client_id": "1", "auth_uri": server.url,
        "token_uri": format!("{}/token", server.url), "auth_provider_x509_cert_url": server.url,
        "client_x509_cert_url": server.url,
    })
    .to_string()
}

fn vertex(request: &Request) -> Reply {
    if request.target == "/token" {
        return Reply::new(
            200,
            r#"{"access_token": "the-token", "expires_in": 3600, "token_type": "Bearer"}"#,
        );
    }
    let body = request.json();
    let one =
        |instance: &Value| json!({"embeddings": {"values": vector(instance["content"].as_str().unwrap())}});
    let predictions: Vec<_> = body["instances"].as_array().unwrap().iter().map(one).collect();
    Reply::new(200, json!({ "predictions": predictions }).to_string())
}

/// The vector of a text at length 1, to which a model's is brought that is asked for fewer dimensions than it has.
fn normalized(text: &str) -> Vec<f32> {
    let vector = vector(text);
    let length = vector.iter().map(|&number| f64::from(number).powi(2)).sum::<f64>().sqrt();
    vector.into_iter().map(|number| (f64::from(number) / length) as f32).collect()
}

/// Embeds each text for a document of its own, one after the other.
async fn embed(server: &Server, key: &str, texts: &[&str]) -> Vec<Result<Vec<f32>, Failure>> {
    let mut vectorizer = support::column_vectorizer(1, "");
    vectorizer.config.embedding = embedding(3, json!({"api_base": server.url}));
    vectorizer.api_key = Some(Secret::new(key));
    let aws = Arc::new(Clients::new(&settings()));
    let group = Groups::new(client().unwrap(), Arc::new(settings()), aws).group(&vectorizer).unwrap();
    let mut results = Vec::new();
    for text in texts {
        results.push(group.embed([(*text).into()]).await.map(|vectors| vectors[0].clone()));
    }
    results
}

#[tokio::test]
async fn one_token_serves_many_requests() {
    let server = Server::start(vertex);
    let results = embed(&server, &service_account(&server), &["a", "b"]).await;
    assert_eq!(results, [Ok(normalized("a")), Ok(normalized("b"))]);
    let (tokens, asked): (Vec<_>, Vec<_>) =
        server.requests().into_iter().partition(|request| request.target == "/token");
    assert_eq!((tokens.len(), asked.len()), (1, 2));
    assert!(asked.iter().all(|request| request.header("authorization") == Some("Bearer the-token")));
}

#[tokio::test]
async fn the_key_may_be_in_a_file() {
    let server = Server::start(vertex);
    let file = std::env::temp_dir().join(format!("pgai_rs-vertex-{}.json", std::process::id()));
    std::fs::write(&file, service_account(&server)).unwrap();
    let results = embed(&server, file.to_str().unwrap(), &["a"]).await;
    std::fs::remove_file(&file).unwrap();
    assert_eq!(results, [Ok(normalized("a"))]);
}

#[tokio::test]
async fn a_key_that_is_none_and_one_that_is_refused_are_told_and_not_repeated() {
    let server = Server::start(|_| Reply::new(400, r#"{"error": "invalid_grant"}"#));
    for (key, code) in [
        ("/no/such/file".to_owned(), "invalid_credentials"),
        ("{\"private_key\": \"the-secret\"}".to_owned(), "invalid_credentials"),
        (service_account(&server), "provider_refused_key"),
    ] {
        let failure = embed(&server, &key, &["a"]).await.remove(0).unwrap_err();
        assert_eq!(failure.code, code);
        assert!(failure.hint.is_some() && !format!("{failure:?}").contains("the-secret"), "{failure:?}");
    }
}

#[tokio::test]
async fn googles_own_server_wants_a_key() {
    let mut vectorizer = support::column_vectorizer(1, "");
    vectorizer.config.embedding = embedding(768, json!({"vertex_project": "p"}));
    vectorizer.api_key = None;
    let aws = Arc::new(Clients::new(&settings()));
    let groups = Groups::new(client().unwrap(), Arc::new(settings()), aws);
    assert_eq!(groups.group(&vectorizer).err().unwrap().code, "no_api_key");
}

#[test]
fn what_can_not_work_is_refused_when_it_is_declared() {
    let objection = |dimensions, options| {
        check(&embedding(dimensions, options), &Settings::default()).err().map(|failure| failure.message)
    };
    assert_eq!(objection(768, json!({"vertex_project": "p"})), None);
    assert_eq!(
        objection(769, json!({"vertex_project": "p"})).unwrap(),
        "dimensions must be at most 768 for text-embedding-005"
    );
    assert_eq!(objection(768, json!({})).unwrap(), "Vertex AI's project is not known");
}
