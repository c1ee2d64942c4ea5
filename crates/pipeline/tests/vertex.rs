//! Vertex AI: the service account's token. How it is asked otherwise: `providers.rs`.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use pgai_rs_pipeline::config::{Author, Embedding};
use pgai_rs_pipeline::embed::{Groups, check, client};
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_pipeline::s3::Clients;
use pgai_rs_pipeline::secret::{ApiKey, Secret};
use pgai_rs_pipeline::settings::Settings;
use serde_json::{Value, json};
use support::http::{MOST_SENT, Reply, Request, Server};
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

/// The vector of a text at length 1, to which a model's is brought that is asked for fewer dimensions than it
/// has.
fn normalized(text: &str) -> Vec<f32> {
    let vector = vector(text);
    let length = vector.iter().map(|&number| f64::from(number).powi(2)).sum::<f64>().sqrt();
    vector.into_iter().map(|number| (f64::from(number) / length) as f32).collect()
}

/// Embeds each text for a document of its own, one after the other.
async fn embed(server: &Server, key: &str, texts: &[&str]) -> Vec<Result<Vec<f32>, Failure>> {
    embed_with(server, ApiKey::of_server(Secret::new(key)), texts).await
}

async fn embed_with(server: &Server, key: ApiKey, texts: &[&str]) -> Vec<Result<Vec<f32>, Failure>> {
    let mut vectorizer = support::column_vectorizer(1, "");
    vectorizer.config.embedding = embedding(3, json!({"api_base": server.url}));
    vectorizer.api_key = Some(key);
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
async fn of_a_token_servers_refusal_only_the_word_is_repeated() {
    for (told, repeated) in [("invalid_grant", true), ("No-Such-Key sk-1", false), ("a{secret}", false)] {
        let server = Server::start(move |_| Reply::new(400, json!({ "error": told }).to_string()));
        let failure = embed(&server, &service_account(&server), &["a"]).await.remove(0).unwrap_err();
        assert_eq!(failure.code, "provider_refused_key");
        assert_eq!(failure.message.contains(told), repeated, "{failure:?}");
    }
}

/// A key that somebody brings along, with this in the place of that.
fn brought(server: &Server, changes: Value) -> ApiKey {
    let mut key: Value = serde_json::from_str(&service_account(server)).unwrap();
    key.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    ApiKey::of_caller(Secret::new(key.to_string()))
}

/// The same key, set for the database and this server.
fn set_for_the_database(server: &Server, key: &ApiKey) -> ApiKey {
    ApiKey::of_database(key.secret().clone(), Some(server.url.clone()))
}

#[tokio::test]
async fn a_key_that_a_caller_brings_names_no_server() {
    let server = Server::start(vertex);
    for token_uri in [
        format!("{}/token", server.url),
        "http://169.254.169.254/computeMetadata/v1/".to_owned(),
        "http://oauth2.googleapis.com/token".to_owned(),
        "https://oauth2.googleapis.com.evil.example/token".to_owned(),
        "https://oauth2.googleapis.com/token/".to_owned(),
        "https://oauth2.googleapis.com:444/token".to_owned(),
        "https://u@oauth2.googleapis.com/token".to_owned(),
        "https://oauth2.googleapis.com/token\u{0}".to_owned(),
        "file:///etc/passwd".to_owned(),
        "http://[".to_owned(),
        "http:// ".to_owned(),
        String::new(),
    ] {
        let caller = brought(&server, json!({"token_uri": token_uri}));
        for key in [set_for_the_database(&server, &caller), caller] {
            let failure = embed_with(&server, key, &["a"]).await.remove(0).unwrap_err();
            assert_eq!(failure.code, "invalid_credentials", "{token_uri}");
            assert!(failure.message.contains("token_uri"), "{failure:?}");
        }
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_key_that_a_caller_brings_is_no_path() {
    let server = Server::start(vertex);
    let file = std::env::temp_dir().join(format!("pgai_rs-vertex-of-caller-{}.json", std::process::id()));
    std::fs::write(&file, service_account(&server)).unwrap();
    let mut failures = Vec::new();
    for path in [file.to_str().unwrap(), "/no/such/file", "/dev/zero"] {
        let caller = ApiKey::of_caller(Secret::new(path));
        for key in [set_for_the_database(&server, &caller), caller] {
            failures.push(embed_with(&server, key, &["a"]).await.remove(0).unwrap_err());
        }
    }
    std::fs::remove_file(&file).unwrap();
    // Whether there is such a file can't be told either.
    assert!(failures.iter().all(|failure| *failure == failures[0]), "{failures:?}");
    assert_eq!(failures[0].code, "invalid_credentials");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn credentials_that_lead_elsewhere_are_refused_whoever_brings_them() {
    let server = Server::start(vertex);
    for changes in [
        json!({"type": "external_account", "credential_source": {"file": "/etc/passwd"}}),
        json!({"type": "impersonated_service_account"}),
        json!({"universe_domain": "evil.example"}),
        json!({"token_uri": "file:///etc/passwd"}),
        json!({"token_uri": "http://["}),
        json!({"private_key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"}),
    ] {
        let brought = brought(&server, changes.clone());
        let ours = ApiKey::of_server(brought.secret().clone());
        for key in [brought, ours] {
            let failure = embed_with(&server, key, &["a"]).await.remove(0).unwrap_err();
            assert_eq!(failure.code, "invalid_credentials", "{changes}");
        }
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_token_servers_answer_is_bounded() {
    for status in [200, 400] {
        let server = Server::start(move |_| Reply::endless(status));
        let failure = embed(&server, &service_account(&server), &["a"]).await.remove(0).unwrap_err();
        assert!(["provider_unavailable", "provider_refused_key"].contains(&failure.code), "{failure:?}");
        assert!(server.sent() < MOST_SENT, "{}", server.sent());
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
        check(&embedding(dimensions, options), Author::Superuser, None, &Settings::default())
            .err()
            .map(|failure| failure.message)
    };
    assert_eq!(objection(768, json!({"vertex_project": "p"})), None);
    assert_eq!(
        objection(769, json!({"vertex_project": "p"})).unwrap(),
        "dimensions must be at most 768 for text-embedding-005"
    );
    assert_eq!(objection(768, json!({})).unwrap(), "no project for Vertex AI is specified");
}
