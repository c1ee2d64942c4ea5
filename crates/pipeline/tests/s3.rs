//! S3 against a server that makes mistakes.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pgai_rs_pipeline::config::S3Access;
use pgai_rs_pipeline::failure::{Failure, Retry, Scope};
use pgai_rs_pipeline::load::{Loaded, Loaders};
use pgai_rs_pipeline::quota::Account;
use pgai_rs_pipeline::settings::{S3Settings, Settings};
use support::http::{Reply, Request, Server};
use support::s3::{error, fetch, settings};
use support::tls::untrusted_server;

async fn load_with(settings: &Settings, uri: &str) -> Result<Loaded, Failure> {
    fetch(&Loaders::new(settings, None), uri, &S3Access::default()).await
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
        fetch(&loaders, uri, &S3Access::default()).await.unwrap();
        let request = server.requests().pop().unwrap();
        assert_eq!(region(&request), asked);
        // The SDK names the operation, too.
        assert_eq!(request.target.replace("x-id=GetObject&", ""), target);
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    for (status, code, expected, scope, retry) in [
        (404, "NoSuchKey", "no_such_key", Scope::Row, Retry::Never),
        (404, "NoSuchBucket", "no_such_bucket", Scope::Row, Retry::Never),
        (403, "InvalidObjectState", "object_archived", Scope::Row, Retry::Never),
        (400, "KeyTooLongError", "invalid_uri", Scope::Row, Retry::Never),
        // The bucket says the same of itself.
        (403, "AccessDenied", "access_denied", Scope::Store, Retry::Backoff),
        (403, "InvalidAccessKeyId", "wrong_credentials", Scope::Store, Retry::OnRecovery),
        (403, "SignatureDoesNotMatch", "wrong_credentials", Scope::Store, Retry::OnRecovery),
        (400, "InvalidToken", "wrong_credentials", Scope::Store, Retry::OnRecovery),
        (400, "ExpiredToken", "expired_credentials", Scope::Store, Retry::OnRecovery),
        (403, "RequestTimeTooSkewed", "clock_skew", Scope::Store, Retry::OnRecovery),
        (301, "PermanentRedirect", "wrong_region", Scope::Store, Retry::OnRecovery),
        (400, "MalformedSomething", "s3_error", Scope::Row, Retry::Backoff),
        (500, "InternalError", "s3_error", Scope::Store, Retry::OnRecovery),
        (502, "", "s3_error", Scope::Store, Retry::OnRecovery),
    ] {
        let failure = failure(error(status, code)).await;
        assert_eq!(failure.code, expected, "{status} {code}: {failure:?}");
        assert_eq!((failure.scope, failure.retry), (scope, retry), "{code}");
        assert!(!format!("{failure:?}").contains("the-secret"));
    }
}

#[tokio::test]
async fn a_blank_that_nobody_sees_is_pointed_at() {
    let server = Server::start(|_| error(404, "NoSuchKey"));
    for (uri, points) in
        [("s3://bucket/a.txt", false), ("s3://bucket/a.txt ", true), ("s3://bucket/a.txt\n", true)]
    {
        let failure = load_with(&settings(&server), uri).await.unwrap_err();
        assert_eq!(failure.code, "no_such_key");
        assert_eq!(failure.hint.unwrap().contains("line break"), points, "{uri:?}");
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
    assert_eq!(
        (failure.code, failure.scope, failure.retry),
        ("throttled", Scope::Store, Retry::After(Duration::from_secs(10)))
    );
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_told_by_what_is_in_the_way() {
    let plain = Server::start(|_| Reply::Raw(b"SSH-2.0-nothing of S3\r\n".to_vec()));
    let closes = Server::start(|_| Reply::Close);
    for (url, code, hint) in [
        ("http://127.0.0.1:1".to_owned(), "connection_refused", "port"),
        ("http://no-such-host.invalid".to_owned(), "unknown_host", "pgai_rs.aws_endpoint_url"),
        (untrusted_server(), "tls_error", "SSL_CERT_FILE"),
        (plain.url.replace("http:", "https:"), "tls_error", "http://"),
        (plain.url.clone(), "unreachable", "network"),
        (closes.url.clone(), "unreachable", "network"),
        ("nonsense".to_owned(), "invalid_request", "endpoint"),
    ] {
        let base = settings(&closes);
        let s3 = S3Settings { endpoint_url: Some(url.clone()), ..base.s3.clone() };
        let failure = load_with(&Settings { s3, ..base }, "s3://bucket/key").await.unwrap_err();
        let whose = (failure.scope, failure.retry);
        assert_eq!((failure.code, whose), (code, (Scope::Store, Retry::OnRecovery)), "{url}: {failure:?}");
        assert!(failure.hint.as_ref().unwrap().contains(hint), "{failure:?}");
        assert!(failure.message.contains("s3://bucket/key"), "{failure:?}");
    }
}

/// Returns whether this asks for a bucket, and not for an object in it.
fn asks_for_bucket(request: &Request) -> bool {
    request.method == "HEAD"
}

#[tokio::test]
async fn an_object_that_fails_alone_is_its_rows_matter() {
    for (reply, code) in [
        (error(500, "InternalError"), "s3_error"),
        (error(403, "AccessDenied"), "access_denied"),
        (Reply::Close, "unreachable"),
        (Reply::cut(200, 100, "the beginn"), "truncated"),
    ] {
        let server = Server::start(move |request| match asks_for_bucket(request) {
            true => Reply::new(200, ""),
            false => reply.clone(),
        });
        let failure = load(&server).await.unwrap_err();
        assert_eq!((failure.code, failure.scope, failure.retry), (code, Scope::Row, Retry::Backoff));
    }
}

#[tokio::test]
async fn a_store_that_refuses_itself_answers_nevertheless() {
    let server = Server::start(|request| match asks_for_bucket(request) {
        true => Reply::new(403, ""),
        false => error(500, "InternalError"),
    });
    let failure = load(&server).await.unwrap_err();
    assert_eq!((failure.code, failure.scope), ("s3_error", Scope::Row));
}

#[tokio::test]
async fn who_doubts_a_store_together_asks_it_once_and_who_waits_does_not_at_all() {
    let server = Server::start(|_| Reply::new(500, ""));
    let settings = Settings { load_concurrency: 8, ..settings(&server) };
    let loaders = Loaders::new(&settings, None);
    let anybody = S3Access::default();
    let since = Instant::now();
    let uris: Vec<String> = (0..100).map(|number| format!("s3://bucket/{number}")).collect();
    let account = Account::default();
    let loads = uris.iter().map(|uri| loaders.load(uri, &anybody, None, since, &account));
    for result in futures_util::future::join_all(loads).await {
        let failure = result.unwrap_err();
        assert_eq!((failure.scope, failure.retry), (Scope::Store, Retry::OnRecovery));
    }
    let asked = server.requests().iter().filter(|request| !asks_for_bucket(request)).count();
    // As often as the SDK does for each of those who had a slot.
    assert!(asked <= 3 * 8, "{asked}");
    let probes = server.requests().len() - asked;
    assert!(probes <= 3 * 2, "{probes}");
}

#[tokio::test]
async fn an_access_point_has_no_path_style() {
    let server = Server::start(|_| Reply::new(200, "text"));
    let uri = "s3://arn:aws:s3:us-west-2:123456789012:accesspoint/reports/key";
    let failure = load_with(&settings(&server), uri).await.unwrap_err();
    assert_eq!(failure.code, "invalid_request", "{failure:?}");
    assert!(failure.message.contains("Path-style") && failure.hint.unwrap().contains("URL style"));
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
                fetch(&loaders, "s3://bucket/key", &S3Access::default()).await.unwrap().bytes.as_ref(),
                b"text"
            );
        }
        let requests = server.requests();
        let regions: Vec<&str> = requests.iter().map(region).collect();
        assert_eq!(regions, ["us-east-1", "eu-west-1", "eu-west-1"]);
    }
}

#[tokio::test]
async fn a_region_that_is_none_is_not_asked() {
    for region in ["eu-west-1.evil.example/".to_owned(), "x".repeat(10_000)] {
        let server = Server::start(move |_| Reply::new(301, "").with("x-amz-bucket-region", &region));
        let failure = load(&server).await.unwrap_err();
        assert_eq!((failure.code, server.requests().len()), ("wrong_region", 1));
    }
}

#[tokio::test]
async fn a_version_that_can_not_be_stored_is_none() {
    let server = Server::start(|_| Reply::new(200, "text").with("ETag", &"x".repeat(10_000)));
    assert_eq!(load(&server).await.unwrap().etag, None);
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
    // The bucket itself answers.
    assert_eq!((failure.code, failure.scope, failure.retry), ("truncated", Scope::Row, Retry::Backoff));
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

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn what_is_stored_compressed_is_decompressed() {
    let text = b"# A title".repeat(100_000);
    let packed = gzip(&text);
    let server = Server::start(move |request| match request.target.contains(".gz") {
        true => Reply::new(200, packed.clone()).with("Content-Type", "application/gzip"),
        false => Reply::new(200, packed.clone())
            .with("Content-Type", "text/markdown")
            .with("Content-Encoding", "gzip"),
    });
    // So well compressed that what is made room for at first does not suffice, and little altogether.
    let settings = Settings { memory_limit: 4 << 20, ..settings(&server) };
    let loaders = Loaders::new(&settings, None);
    for (uri, name, content_type) in [
        ("s3://bucket/notes.md.gz", "notes.md", None),
        ("s3://bucket/notes.md", "notes.md", Some("text/markdown")),
    ] {
        let loaded = fetch(&loaders, uri, &S3Access::default()).await.unwrap();
        assert!(loaded.bytes == text);
        assert_eq!((loaded.name.as_deref(), loaded.content_type.as_deref()), (Some(name), content_type));
    }
}

#[tokio::test]
async fn a_bomb_is_too_large_and_a_broken_archive_is_set_aside() {
    let bomb = gzip(&vec![0; 10 << 20]);
    let broken = bomb[..bomb.len() / 2].to_vec();
    let server = Server::start(move |request| match request.target.contains("bomb") {
        true => Reply::new(200, bomb.clone()),
        false => Reply::new(200, broken.clone()),
    });
    let settings = Settings { max_document_size: 1 << 20, ..settings(&server) };
    let failure = load_with(&settings, "s3://bucket/bomb.gz").await.unwrap_err();
    assert_eq!((failure.code, failure.retry), ("too_large", Retry::Never));
    let settings = Settings { max_document_size: 20 << 20, ..settings };
    let failure = load_with(&settings, "s3://bucket/broken.gz").await.unwrap_err();
    assert_eq!((failure.code, failure.retry), ("broken_archive", Retry::Never));
    assert!(failure.message.contains("s3://bucket/broken.gz"));
}

#[tokio::test]
async fn a_known_version_is_not_read_again() {
    let server = Server::start(|request| match request.header("if-none-match") {
        Some("\"1\"") => Reply::new(304, ""),
        // As a store that knows nothing of conditions.
        _ => Reply::new(200, "text").with("ETag", "\"2\""),
    });
    let loaders = Loaders::new(&settings(&server), None);
    let anybody = S3Access::default();
    for (known, etag) in
        [(None, Some("\"2\"")), (Some("\"0\""), Some("\"2\"")), (Some("\"1\""), None), (Some("\"2\""), None)]
    {
        let loaded = loaders
            .load("s3://bucket/key", &anybody, known, Instant::now(), &Account::default())
            .await
            .unwrap();
        assert_eq!(loaded.map(|loaded| loaded.etag.unwrap()).as_deref(), etag, "{known:?}");
    }
}

#[tokio::test]
async fn a_hung_server_is_given_up() {
    let server = Server::start_gated(|_, gate| {
        gate.wait();
        Reply::Close
    });
    let settings = Settings { load_timeout: Duration::from_millis(200), ..settings(&server) };
    let failure = load_with(&settings, "s3://bucket/key").await.unwrap_err();
    let whose = (failure.scope, failure.retry);
    assert_eq!((failure.code, whose), ("timeout", (Scope::Store, Retry::OnRecovery)));
}

#[tokio::test]
async fn a_server_that_hangs_in_the_middle_of_an_object_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut connection in listener.incoming().flatten() {
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 10\r\n\r\nx");
            open.push(connection);
        }
    });

    let server = Server::start(|_| Reply::Close);
    let settings = settings(&server);
    let s3 = S3Settings { endpoint_url: Some(url), ..settings.s3.clone() };
    let settings = Settings { s3, load_timeout: Duration::from_millis(200), ..settings };
    let loading = load_with(&settings, "s3://bucket/key");
    let failure = tokio::time::timeout(Duration::from_secs(60), loading).await.unwrap().unwrap_err();
    assert_eq!(failure.code, "timeout");
}

#[tokio::test]
async fn who_has_no_room_waits_without_a_slot() {
    let server = Server::start(|request| match request.target.contains("large") {
        true => Reply::new(200, vec![b'x'; 80 << 10]),
        false => Reply::new(200, "small"),
    });
    let settings = Settings { memory_limit: 400 << 10, load_concurrency: 1, ..settings(&server) };
    let loaders = Loaders::new(&settings, None);
    let first = fetch(&loaders, "s3://bucket/large", &S3Access::default()).await.unwrap();
    let small = fetch(&loaders, "s3://bucket/small", &S3Access::default()).await.unwrap();
    let anybody = S3Access::default();
    let second = fetch(&loaders, "s3://bucket/large2", &anybody);
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
    fetch(&loaders, "s3://bucket/key", &S3Access::default()).await.unwrap();
    let narrowed = Settings { allowed_uris: vec!["s3://other/".into()], ..settings };
    let loaders = Loaders::new(&narrowed, Some(&loaders));
    assert_eq!(
        fetch(&loaders, "s3://bucket/key", &S3Access::default()).await.unwrap_err().code,
        "uri_not_allowed"
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn no_more_is_read_of_an_object_than_its_size_says() {
    // There is room for one byte.
    let body = format!("{:x}\r\n{}\r\n0\r\n\r\n", 5_000, "x".repeat(5_000));
    let raw = format!("HTTP/1.1 200 X\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let failure = failure(Reply::Raw(raw.into_bytes())).await;
    assert_eq!((failure.code, failure.scope), ("truncated", Scope::Row));
}
