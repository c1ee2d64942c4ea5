//! S3 against a server that makes mistakes.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pgai_rs_pipeline::config::S3Access;
use pgai_rs_pipeline::document::{Failure, Retry};
use pgai_rs_pipeline::load::{Loaded, Loaders};
use pgai_rs_pipeline::settings::Settings;
use support::http::{Reply, Request, Server};
use support::s3::{error, settings};

async fn load_with(settings: &Settings, uri: &str) -> Result<Loaded, Failure> {
    Loaders::new(settings, None).load(uri, &S3Access::default()).await
}

async fn load(server: &Server) -> Result<Loaded, Failure> {
    load_with(&settings(server), "s3://bucket/key").await
}

/// How it ends when the server answers everything like this.
async fn failure(reply: Reply) -> Failure {
    let server = Server::start(move |_| reply.clone());
    load(&server).await.unwrap_err()
}

/// The region that a request was signed for.
fn region(request: &Request) -> &str {
    request.header("authorization").unwrap().split('/').nth(2).unwrap()
}

#[tokio::test]
async fn loads_an_object() {
    let server = Server::start(|_| Reply::new(200, "text").with("Content-Type", "text/markdown"));
    let loaded = load_with(&settings(&server), "s3://bucket/a dir/b+c%20é.md").await.unwrap();
    assert_eq!(loaded.bytes.as_ref(), b"text");
    assert_eq!(loaded.name.as_deref(), Some("b+c%20é.md"));
    assert_eq!(loaded.content_type.as_deref(), Some("text/markdown"));
    let target = &server.requests()[0].target;
    assert!(target.starts_with("/bucket/a%20dir/b%2Bc%2520%C3%A9.md"), "{target}");
}

#[tokio::test]
async fn an_address_may_name_the_region_and_the_version() {
    let server = Server::start(|_| Reply::new(200, "text"));
    let loaders = Loaders::new(&settings(&server), None);
    for (uri, target, asked) in [
        ("s3://bucket/key?versionId=3.x", "/bucket/key?versionId=3.x", "us-east-1"),
        (
            "https://bucket.s3.eu-west-1.amazonaws.com/a+key?versionId=4",
            "/bucket/a%20key?versionId=4",
            "eu-west-1",
        ),
    ] {
        loaders.load(uri, &S3Access::default()).await.unwrap();
        let request = server.requests().pop().unwrap();
        assert_eq!(region(&request), asked);
        // The SDK names the operation, too.
        assert_eq!(request.target.replace("x-id=GetObject&", ""), target);
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    for (status, code, expected, retry) in [
        (404, "NoSuchKey", "no_such_key", Some(Retry::Never)),
        (404, "NoSuchBucket", "no_such_bucket", Some(Retry::Never)),
        (403, "InvalidObjectState", "object_archived", Some(Retry::Never)),
        (400, "KeyTooLongError", "invalid_uri", Some(Retry::Never)),
        (403, "AccessDenied", "access_denied", Some(Retry::Backoff)),
        (403, "InvalidAccessKeyId", "wrong_credentials", None),
        (403, "SignatureDoesNotMatch", "wrong_credentials", None),
        (400, "InvalidToken", "wrong_credentials", None),
        (400, "ExpiredToken", "expired_credentials", None),
        (403, "RequestTimeTooSkewed", "clock_skew", None),
        (301, "PermanentRedirect", "wrong_region", Some(Retry::Backoff)),
        (400, "MalformedSomething", "s3_error", Some(Retry::Backoff)),
    ] {
        let failure = failure(error(status, code)).await;
        assert_eq!(failure.code, expected, "{status} {code}: {failure:?}");
        assert_eq!(failure.retry, retry.unwrap_or(Retry::After(Duration::from_secs(60))), "{code}");
        assert!(!format!("{failure:?}").contains("the-secret"));
    }
}

#[tokio::test]
async fn an_answer_without_a_code_is_told_by_its_status() {
    assert_eq!(failure(Reply::new(403, "")).await.code, "access_denied");
    assert_eq!(failure(Reply::new(404, "")).await.code, "no_such_key");
    assert!(failure(Reply::new(403, "")).await.hint.unwrap().contains("s3:ListBucket"));
}

#[tokio::test]
async fn a_server_that_is_overrun_is_left_alone() {
    let failure = failure(error(503, "SlowDown")).await;
    assert_eq!((failure.code, failure.retry), ("throttled", Retry::After(Duration::from_secs(10))));
}

#[tokio::test]
async fn an_unreachable_server_is_named_as_such() {
    let mut settings = settings(&Server::start(|_| Reply::Close));
    settings.s3.endpoint_url = Some("http://127.0.0.1:1".into());
    let failure = load_with(&settings, "s3://bucket/key").await.unwrap_err();
    assert_eq!((failure.code, failure.retry), ("connection_refused", Retry::Backoff), "{failure:?}");
}

#[tokio::test]
async fn the_buckets_own_region_is_asked_and_remembered() {
    let redirects = [
        Reply::new(301, "").with("x-amz-bucket-region", "eu-west-1"),
        Reply::new(307, "").with("x-amz-bucket-region", "eu-west-1"),
        error(400, "AuthorizationHeaderMalformed").with("x-amz-bucket-region", "eu-west-1"),
        Reply::new(400, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"),
    ];
    for redirect in redirects {
        let server = Server::start(move |request| match region(request) {
            "eu-west-1" => Reply::new(200, "text"),
            _ => redirect.clone(),
        });
        let loaders = Loaders::new(&settings(&server), None);
        for _ in 0..2 {
            assert_eq!(
                loaders.load("s3://bucket/key", &S3Access::default()).await.unwrap().bytes.as_ref(),
                b"text"
            );
        }
        let requests = server.requests();
        let regions: Vec<&str> = requests.iter().map(region).collect();
        assert_eq!(regions, ["us-east-1", "eu-west-1", "eu-west-1"]);
    }
}

#[tokio::test]
async fn a_redirect_in_a_circle_ends() {
    let server = Server::start(|_| Reply::new(301, "").with("x-amz-bucket-region", "eu-west-1"));
    assert_eq!(load(&server).await.unwrap_err().code, "wrong_region");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_fetched_again() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::cut(200, 100, "the beginn"),
        _ => Reply::new(200, "the whole"),
    });
    assert_eq!(load(&server).await.unwrap().bytes.as_ref(), b"the whole");

    let failure = failure(Reply::cut(200, 100, "the beginn")).await;
    assert_eq!((failure.code, failure.retry), ("truncated", Retry::Backoff));
}

#[tokio::test]
async fn too_large_an_object_is_not_read() {
    let server = Server::start(|_| Reply::cut(200, 101, ""));
    let settings = Settings { max_document_size: 100, ..settings(&server) };
    let failure = load_with(&settings, "s3://bucket/key").await.unwrap_err();
    assert_eq!((failure.code, failure.retry), ("too_large", Retry::Never));
    assert!(failure.message.contains("101 bytes"), "{}", failure.message);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_object_of_unknown_size_is_cut_at_the_limit() {
    let chunked = |parts: &str| {
        Reply::Raw(format!("HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n{parts}").into())
    };
    let whole = chunked("5\r\nhello\r\n0\r\n\r\n");
    let server = Server::start(move |_| whole.clone());
    assert_eq!(load(&server).await.unwrap().bytes.as_ref(), b"hello");

    let endless = chunked(&"5\r\nhello\r\n".repeat(100));
    let server = Server::start(move |_| endless.clone());
    let settings = Settings { max_document_size: 100, ..settings(&server) };
    assert_eq!(load_with(&settings, "s3://bucket/key").await.unwrap_err().code, "too_large");
}

#[tokio::test]
async fn a_hung_server_is_given_up() {
    let server = Server::start_gated(|_, gate| {
        gate.wait();
        Reply::Close
    });
    let settings = Settings { load_timeout: Duration::from_millis(200), ..settings(&server) };
    let failure = load_with(&settings, "s3://bucket/key").await.unwrap_err();
    assert_eq!((failure.code, failure.retry), ("timeout", Retry::Backoff));
}

#[tokio::test]
async fn who_has_no_room_waits_without_a_slot() {
    let server = Server::start(|request| match request.target.contains("large") {
        true => Reply::new(200, vec![b'x'; 80 << 10]),
        false => Reply::new(200, "small"),
    });
    let settings = Settings { max_bytes_in_flight: 100 << 10, load_concurrency: 1, ..settings(&server) };
    let loaders = Loaders::new(&settings, None);
    let first = loaders.load("s3://bucket/large", &S3Access::default()).await.unwrap();
    let small = loaders.load("s3://bucket/small", &S3Access::default()).await.unwrap();
    let anybody = S3Access::default();
    let second = loaders.load("s3://bucket/large2", &anybody);
    tokio::pin!(second);
    // One poll at a time until the second has asked, and found no room.
    while server.requests().len() < 3 {
        tokio::select! {
            biased;
            _ = &mut second => panic!("there is no room"),
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
    }
    drop((first, small));
    assert_eq!(second.await.unwrap().bytes.len(), 80 << 10);
}

#[tokio::test]
async fn connections_survive_settings_that_do_not_concern_them() {
    let server = Server::start(|_| Reply::new(200, "text"));
    let settings = settings(&server);
    let loaders = Loaders::new(&settings, None);
    loaders.load("s3://bucket/key", &S3Access::default()).await.unwrap();
    let narrowed = Settings { allowed_uris: vec!["s3://other/".into()], ..settings };
    let loaders = Loaders::new(&narrowed, Some(&loaders));
    assert_eq!(
        loaders.load("s3://bucket/key", &S3Access::default()).await.unwrap_err().code,
        "uri_not_allowed"
    );
    assert_eq!(server.requests().len(), 1);
}
