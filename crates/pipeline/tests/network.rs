//! Servers that answer without an end, and names that lead where they should not.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use pgai_rs_pipeline::config::{Author, S3Access};
use pgai_rs_pipeline::embed::{Groups, client};
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_pipeline::load::Loaders;
use pgai_rs_pipeline::s3::{Clients, check};
use pgai_rs_pipeline::settings::{S3Settings, Settings};
use support::http::{MOST_SENT, Reply, Request, Server};
use support::s3::{ROLE, error, fetch, in_role, is_sts, settings};

const URI: &str = "s3://bucket/key";

/// The settings of a server that is not waited for long.
fn hurried(server: &Server) -> Settings {
    Settings { load_timeout: Duration::from_secs(20), max_document_size: 1 << 20, ..settings(server) }
}

async fn load(settings: &Settings, access: &S3Access) -> Failure {
    fetch(&Loaders::new(settings, None), URI, access).await.unwrap_err()
}

/// Fails if the clients took much of what was sent.
fn assert_bounded(server: &Server) {
    assert!(!server.requests().is_empty());
    assert!(server.sent() < MOST_SENT, "{} bytes were taken", server.sent());
}

#[tokio::test]
async fn an_error_of_s3_without_an_end_is_cut_off() {
    // What its status says counts still.
    for (status, code) in [(403, "access_denied"), (404, "no_such_key"), (500, "s3_error")] {
        let server = Server::start(move |_| Reply::endless(status));
        let failure = load(&hurried(&server), &S3Access::default()).await;
        assert_eq!(failure.code, code, "{failure:?}");
        assert_bounded(&server);
    }
}

#[tokio::test]
async fn an_error_of_s3_is_understood_by_its_beginning() {
    let server = Server::start(|_| {
        let (head, body) =
            ("HTTP/1.1 404 X\r\nContent-Type: application/xml\r\n\r\n", error(404, "NoSuchKey"));
        let Reply::Http { body, .. } = body else { return Reply::Close };
        Reply::Endless { head: [head.as_bytes(), &body].concat(), part: vec![b' '; 1 << 16] }
    });
    assert_eq!(load(&hurried(&server), &S3Access::default()).await.code, "no_such_key");
    assert_bounded(&server);
}

#[tokio::test]
async fn an_object_without_an_end_is_cut_off() {
    let server = Server::start(|_| Reply::endless(200));
    assert_eq!(load(&hurried(&server), &S3Access::default()).await.code, "too_large");
    assert_bounded(&server);
}

#[tokio::test]
async fn an_answer_of_sts_without_an_end_is_cut_off() {
    for status in [200, 403] {
        let server = Server::start(move |_| Reply::endless(status));
        let failure = load(&hurried(&server), &in_role(ROLE)).await;
        assert!(server.requests().iter().all(is_sts), "{failure:?}");
        assert_bounded(&server);
    }
}

#[tokio::test]
async fn who_we_are_without_an_end_is_cut_off() {
    let server = Server::start(|request: &Request| match is_sts(request) {
        true => Reply::endless(200),
        false => Reply::new(200, "x"),
    });
    let clients = Clients::new(&hurried(&server));
    let steps = check(&clients, URI, &S3Access::default(), &["s3://".into()]).await;
    assert_eq!(steps.last().and_then(|step| step.ok), Some(true), "{steps:?}");
    assert_bounded(&server);
}

#[tokio::test]
async fn headers_without_an_end_are_cut_off() {
    let server = Server::start(|_| Reply::endless_headers());
    let failure = load(&hurried(&server), &S3Access::default()).await;
    assert_eq!(failure.code, "unreachable", "{failure:?}");
    assert_bounded(&server);

    let model = Server::start(|_| Reply::endless_headers());
    let failure = embed(&model.url, &Settings::default()).await.unwrap_err();
    assert_eq!(failure.code, "provider_unavailable", "{failure:?}");
    assert_bounded(&model);
}

#[tokio::test]
async fn an_answer_of_a_model_without_an_end_is_cut_off() {
    for status in [200, 400] {
        let model = Server::start(move |_| Reply::endless(status));
        embed(&model.url, &Settings::default()).await.unwrap_err();
        assert_bounded(&model);
    }
}

/// Asks a model for the vector of a text, in behalf of somebody who is no superuser.
async fn embed(base_url: &str, settings: &Settings) -> Result<Vec<Vec<f32>>, Failure> {
    let mut vectorizer = support::column_vectorizer(1, base_url);
    vectorizer.author = Author::Other;
    let allowed = match settings.allowed_base_urls.is_empty() {
        true => vec![base_url.to_owned()],
        false => settings.allowed_base_urls.clone(),
    };
    let settings = Settings { allowed_base_urls: allowed, embedding_retries: 0, ..settings.clone() };
    let aws = Arc::new(Clients::new(&settings));
    let groups = Groups::new(client().unwrap(), Arc::new(settings), aws);
    groups.group(&vectorizer)?.embed(["a text".into()]).await
}

#[tokio::test]
async fn a_models_redirect_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Server::start(|_| Reply::new(200, "{}"));
        let location = format!("{}/v1/embeddings", elsewhere.url);
        let model = Server::start(move |_| Reply::new(status, "").with("Location", &location));
        embed(&model.url, &Settings::default()).await.unwrap_err();
        assert_eq!((model.requests().is_empty(), elsewhere.requests().len()), (false, 0), "{status}");
    }
}

#[tokio::test]
async fn a_models_host_that_its_author_chose_does_not_lead_into_private_networks() {
    let model = Server::start(|_| Reply::new(200, "{}"));
    let port = model.url.rsplit(':').next().unwrap();
    let settings = Settings { allowed_base_urls: vec!["http://".into()], ..Settings::default() };
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
        "169.254.169.254",
        "10.0.0.1",
        "[fd00:ec2::254]",
        "[fe80::1]",
    ] {
        let failure = embed(&format!("http://{host}:{port}/v1"), &settings).await.unwrap_err();
        assert_eq!(failure.code, "address_not_allowed", "{host} {failure:?}");
        assert!(failure.hint.unwrap().contains("pgai_rs.allowed_base_urls"));
    }
    assert!(model.requests().is_empty());
}

#[tokio::test]
async fn an_s3_endpoint_that_its_author_chose_does_not_lead_into_private_networks() {
    let server = Server::start(|_| Reply::new(200, "text"));
    let port = server.url.rsplit(':').next().unwrap();
    let base = settings(&server);
    let of_scheme = vec!["http://".to_owned()];
    let s3 = S3Settings { allowed_endpoints: of_scheme, endpoint_url: None, ..base.s3.clone() };
    let narrow = Settings { s3, ..base };
    for host in
        ["127.0.0.1", "2130706433", "localhost", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254"]
    {
        let endpoint = format!("http://{host}:{port}");
        let access = S3Access { endpoint: Some(endpoint), ..S3Access::default() };
        let failure = load(&narrow, &access).await;
        assert_eq!(failure.code, "address_not_allowed", "{host} {failure:?}");
        assert!(failure.hint.unwrap().contains("pgai_rs.allowed_s3_endpoints"));
    }
    assert!(server.requests().is_empty());

    // The administrator names the host.
    let endpoint = format!("http://localhost:{port}");
    let s3 = S3Settings { allowed_endpoints: vec!["http://".into(), endpoint.clone()], ..narrow.s3.clone() };
    let access = S3Access { endpoint: Some(endpoint), ..S3Access::default() };
    fetch(&Loaders::new(&Settings { s3, ..narrow }, None), URI, &access).await.unwrap();
}
