//! Asking S3 step by step, for a person to see.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, SystemTime};

use pgai_rs_pipeline::config::S3Access;
use pgai_rs_pipeline::s3::{CheckStep, Clients, check};
use pgai_rs_pipeline::settings::{S3Settings, Settings};
use support::http::{Reply, Request, Server};
use support::s3::{ROLE, error, in_role, is_sts, session_credentials, settings, sts_answer, sts_error};

/// A store with an object, behind a role.
fn answer(request: &Request) -> Reply {
    let later = SystemTime::now() + Duration::from_secs(3600);
    match request.method.as_str() {
        "POST" if request.text().contains("GetCallerIdentity") => {
            sts_answer("GetCallerIdentity", "<Arn>arn:aws:iam::123456789012:user/server</Arn>")
        }
        "POST" => session_credentials("role-token", later),
        "HEAD" if request.target.starts_with("/bucket/key") => Reply::new(200, "")
            .with("ETag", "\"abc\"")
            .with("Content-Type", "text/markdown")
            .with("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT"),
        "HEAD" => Reply::new(200, "").with("x-amz-bucket-region", "us-east-1"),
        _ => Reply::new(206, "#"),
    }
}

async fn checked(settings: &Settings, uri: &str, access: &S3Access) -> Vec<CheckStep> {
    let steps = check(&Clients::new(settings), uri, access, &["s3://bucket/".into()]).await;
    let names: Vec<_> = steps.iter().map(|step| step.step).collect();
    assert_eq!(names, ["uri", "credentials", "identity", "role", "bucket", "head", "get"]);
    assert!(!format!("{steps:?}").contains("the-secret"));
    steps
}

/// `+` for what went well, `-` for what did not, `.` for what was skipped or does not matter.
fn marks(steps: &[CheckStep]) -> String {
    steps.iter().map(|step| step.ok.map_or('.', |ok| if ok { '+' } else { '-' })).collect()
}

#[tokio::test]
async fn a_check_goes_all_the_way() {
    let server = Server::start(answer);
    let steps = checked(&settings(&server), "s3://bucket/key", &in_role(ROLE)).await;
    assert_eq!(marks(&steps), "+++++++", "{steps:?}");
    assert_eq!(steps[0].message, "s3://bucket/key is allowed");
    assert_eq!(steps[1].message, "the setting pgai_rs.aws_access_key_id, key ...");
    assert_eq!(steps[2].message, "arn:aws:iam::123456789012:user/server");
    assert!(steps[3].message.starts_with(&format!("{ROLE} is assumed, until 2")), "{}", steps[3].message);
    assert_eq!(steps[4].message, "bucket bucket exists in us-east-1");
    let head = "0 bytes, text/markdown, etag \"abc\", last modified 2015-10-21T07:28:00Z";
    assert_eq!((steps[5].message.as_str(), steps[6].message.as_str()), (head, "object can be read"));
    let get = server.requests().pop().unwrap();
    assert_eq!(
        (get.header("range"), get.header("x-amz-security-token")),
        (Some("bytes=0-0"), Some("role-token"))
    );

    let anonymous = S3Access { anonymous: true, ..S3Access::default() };
    let steps = checked(&settings(&server), "s3://bucket/key", &anonymous).await;
    assert_eq!(marks(&steps), "++..+++", "{steps:?}");
}

#[tokio::test]
async fn a_check_ends_where_nothing_can_follow() {
    let refused_role =
        |request: &Request| match is_sts(request) && request.text().contains("Action=AssumeRole") {
            true => sts_error(403, "AccessDenied", "no sts:AssumeRole"),
            false => answer(request),
        };
    let no_bucket = |request: &Request| match request.target.starts_with("/bucket/key") || is_sts(request) {
        true => answer(request),
        false => Reply::new(404, ""),
    };
    let no_key = |request: &Request| match request.target.starts_with("/bucket/key") {
        true => Reply::new(404, ""),
        false => answer(request),
    };
    type Handler = fn(&Request) -> Reply;
    let handlers: [(Handler, &str, &str, &str); 5] = [
        (refused_role, "s3://bucket/key", "+++-...", "no sts:AssumeRole"),
        (no_bucket, "s3://bucket/key", "++++-..", "bucket bucket does not exist"),
        (no_key, "s3://bucket/key", "+++++-.", "object s3://bucket/key does not exist"),
        (answer, "s3://elsewhere/key", "-......", "is not allowed"),
        (answer, "s3://bucket", "-......", "it has a bucket but no key"),
    ];
    for (handler, uri, expected, message) in handlers {
        let server = Server::start(handler);
        let steps = checked(&settings(&server), uri, &in_role(ROLE)).await;
        assert_eq!(marks(&steps), expected, "{steps:?}");
        let failed = steps.iter().find(|step| step.ok == Some(false)).unwrap();
        assert!(failed.message.contains(message) && failed.hint.is_some(), "{failed:?}");
        assert_eq!(steps[6].message, "skipped, because an earlier step failed");
    }
}

#[tokio::test]
async fn what_an_object_can_be_read_without_does_not_end_a_check() {
    // As a store without STS, whose user may read objects and nothing else.
    let server = Server::start(|request| match request.method.as_str() {
        "POST" => error(400, "NotImplemented"),
        "HEAD" => Reply::new(403, ""),
        _ => answer(request),
    });
    let steps = checked(&settings(&server), "s3://bucket/key", &S3Access::default()).await;
    assert_eq!(marks(&steps), "++...-+", "{steps:?}");
    assert!(steps[2].message.starts_with("unknown: STS responded with 400"), "{}", steps[2].message);
    assert!(steps[4].message.contains("s3:ListBucket is not granted"), "{}", steps[4].message);
}

#[tokio::test]
async fn a_check_names_the_reason_of_a_refusal() {
    let server = Server::start(|request| match request.method.as_str() {
        "GET" => error(403, "SignatureDoesNotMatch"),
        "HEAD" => Reply::new(403, ""),
        _ => sts_error(403, "InvalidClientTokenId", "no such key"),
    });
    let steps = checked(&settings(&server), "s3://bucket/key", &S3Access::default()).await;
    assert_eq!(marks(&steps), "++-..--", "{steps:?}");
    assert!(steps[2].message.contains("InvalidClientTokenId: no such key"), "{}", steps[2].message);
    assert!(steps[2].hint.as_ref().unwrap().contains("access key"));
    assert!(steps[6].message.contains("SignatureDoesNotMatch"));

    let base = settings(&server);
    let role_only = Settings { s3: S3Settings { role_only: true, ..base.s3.clone() }, ..base };
    let steps = checked(&role_only, "s3://bucket/key", &S3Access::default()).await;
    assert_eq!(marks(&steps), "+-.....");
    assert!(steps[1].hint.as_ref().unwrap().contains("aws_role_arn"));
}

#[tokio::test]
async fn what_a_server_says_is_told_up_to_a_length() {
    let long = || "x".repeat(10_000);
    let server = Server::start(move |request| match is_sts(request) {
        true => sts_error(403, &long(), &long()),
        false => Reply::new(200, "text").with("ETag", &long()).with("Content-Type", &long()),
    });
    let steps = checked(&settings(&server), "s3://bucket/key", &S3Access::default()).await;
    assert!(steps.iter().all(|step| step.message.len() < 1_000), "{steps:?}");
    assert!(steps.iter().any(|step| step.message.contains("xxx")));
}
