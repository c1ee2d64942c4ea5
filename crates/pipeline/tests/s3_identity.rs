//! Who asks S3: the server, a role that it assumes, or nobody.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use futures_util::stream::{FuturesUnordered, StreamExt};
use pgai_rs_pipeline::config::S3Access;
use pgai_rs_pipeline::failure::{Retry, Scope};
use pgai_rs_pipeline::load::Loaders;
use pgai_rs_pipeline::quota::Owner;
use pgai_rs_pipeline::s3::{Clients, S3Error};
use pgai_rs_pipeline::settings::{S3Settings, Settings};
use support::http::{Reply, Request, Server};
use support::s3::{ROLE, error, fetch, in_role, is_sts, session_credentials, settings, sts_error};

/// Hours that pass when a test says so.
#[derive(Debug, Clone)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Clock(Arc::new(AtomicU64::new(now.as_secs())))
    }

    fn advance(&self, time: Duration) {
        self.0.fetch_add(time.as_secs(), Ordering::SeqCst);
    }
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

const HOUR: Duration = Duration::from_secs(3600);

async fn get(clients: &Clients, access: &S3Access) -> Result<String, S3Error> {
    let get = |client: aws_sdk_s3::Client| client.get_object().bucket("bucket").key("key").send();
    let object = clients.call(Owner::default(), access, "bucket", get).await?;
    let bytes = object.body.collect().await.unwrap().into_bytes();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

async fn load(settings: &Settings, access: &S3Access) -> Result<String, (&'static str, String)> {
    let loaded = fetch(&Loaders::new(settings, None), "s3://bucket/key", access).await;
    match loaded {
        Ok(loaded) => Ok(String::from_utf8(loaded.bytes.to_vec()).unwrap()),
        Err(failure) => Err((failure.code, failure.hint.unwrap())),
    }
}

/// Answers STS with credentials that last an hour, and S3 with the token that was used.
fn server(clock: &Clock) -> Server {
    let clock = clock.clone();
    Server::start(move |request| match is_sts(request) {
        true => session_credentials("role-token", clock.now() + HOUR),
        false => Reply::new(200, request.header("x-amz-security-token").unwrap_or("none")),
    })
}

fn asked_sts(server: &Server) -> Vec<Request> {
    server.requests().into_iter().filter(is_sts).collect()
}

#[tokio::test]
async fn a_role_is_assumed_with_what_the_operator_says() {
    let server = server(&Clock::new());
    let mut settings = settings(&server);
    settings.s3.external_id = Some("ours".into());
    settings.s3.role_session_duration = Some(Duration::from_secs(900));
    let loaders = Loaders::new(&settings, None);
    let loaded = fetch(&loaders, "s3://bucket/key", &in_role(ROLE)).await.unwrap();
    assert_eq!(loaded.bytes.as_ref(), b"role-token");
    let form = asked_sts(&server)[0].text();
    for part in ["ExternalId=ours", "RoleSessionName=timescale-vectorizer", "DurationSeconds=900"] {
        assert!(form.contains(part), "{part}: {form}");
    }
    let plain = fetch(&loaders, "s3://bucket/plain", &S3Access::default()).await.unwrap();
    assert_eq!(plain.bytes.as_ref(), b"none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_is_assumed_once_however_many_objects_come_at_once() {
    let server = server(&Clock::new());
    let clients = Clients::new(&settings(&server));
    let role = in_role(ROLE);
    let regions =
        ["us-east-1", "eu-west-1"].map(|region| S3Access { region: Some(region.into()), ..role.clone() });
    // No more than the server's queue of connections holds, should it not get to take them.
    let loads: FuturesUnordered<_> = (0..100).map(|at| get(&clients, &regions[at % 2])).collect();
    let tokens: Vec<_> = loads.collect().await;
    for token in tokens {
        assert_eq!(token.as_deref(), Ok("role-token"));
    }
    assert_eq!(asked_sts(&server).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_is_assumed_once_in_its_credentials_life() {
    let clock = Clock::new();
    let server = server(&clock);
    let clients = Clients::with_clock(&settings(&server), SharedTimeSource::new(clock.clone()));
    let role = in_role(ROLE);
    for life in 1..=4 {
        for _ in 0..50 {
            let loads: FuturesUnordered<_> = (0..50).map(|_| get(&clients, &role)).collect();
            let tokens: Vec<_> = loads.collect().await;
            assert!(tokens.iter().all(|token| token.as_deref() == Ok("role-token")));
            clock.advance(HOUR / 51);
        }
        assert_eq!(asked_sts(&server).len(), life);
        // Still valid, but not for long enough: the next request takes new ones.
        clock.advance(HOUR - HOUR / 51 * 50 - Duration::from_secs(3));
    }
}

#[tokio::test]
async fn who_is_refused_again_and_again_does_not_have_credentials_read_each_time() {
    let clock = Clock::new();
    let server = Server::start(move |request| match is_sts(request) {
        true => session_credentials("role-token", clock.now() + HOUR),
        false => error(403, "InvalidAccessKeyId"),
    });
    let clients = Clients::new(&settings(&server));
    for _ in 0..10 {
        assert!(get(&clients, &in_role(ROLE)).await.is_err());
    }
    assert_eq!(asked_sts(&server).len(), 1);
}

#[tokio::test]
async fn a_role_is_assumed_in_its_partition_and_the_endpoint_of_an_access_is_s3s_alone() {
    let (sts, store) = (server(&Clock::new()), Server::start(|_| Reply::new(200, "from the store")));
    let clients = Clients::new(&settings(&sts));
    for (partition, region) in
        [("aws", "us-east-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")]
    {
        let role = in_role(&format!("arn:{partition}:iam::123456789012:role/reader"));
        let access = S3Access { endpoint: Some(store.url.clone()), ..role };
        assert_eq!(get(&clients, &access).await.as_deref(), Ok("from the store"));
        let asked = asked_sts(&sts).pop().unwrap();
        assert!(asked.header("authorization").unwrap().contains(&format!("/{region}/sts/")), "{asked:?}");
    }
    assert_eq!((sts.requests().len(), store.requests().len()), (3, 3));
}

#[tokio::test]
async fn nobody_asks_without_credentials_for_credentials() {
    let server = Server::start(|request| match request.header("authorization") {
        Some(_) => error(403, "AccessDenied"),
        None => Reply::new(200, "public"),
    });
    let access = S3Access { anonymous: true, ..S3Access::default() };
    assert_eq!(load(&settings(&server), &access).await.as_deref(), Ok("public"));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn what_the_operator_does_not_allow_is_asked_of_nobody() {
    let server = server(&Clock::new());
    let base = settings(&server);
    let with = |s3: S3Settings| Settings { s3, ..base.clone() };
    let role_only = with(S3Settings { role_only: true, ..base.s3.clone() });
    let ours = vec!["arn:aws:iam::111111111111:".to_owned(), String::new()];
    let our_roles = with(S3Settings { allowed_role_arns: ours, ..base.s3.clone() });
    let no_roles = with(S3Settings { allowed_role_arns: Vec::new(), ..base.s3.clone() });
    let no_anonymous = with(S3Settings { allow_anonymous: false, ..base.s3.clone() });
    let anonymous = S3Access { anonymous: true, ..S3Access::default() };
    for (settings, access, code, hint) in [
        (&role_only, S3Access::default(), "role_required", "aws_role_arn"),
        (&our_roles, in_role(ROLE), "role_not_allowed", "pgai_rs.allowed_role_arns"),
        (&no_roles, in_role(ROLE), "role_not_allowed", "pgai_rs.allowed_role_arns"),
        (&no_anonymous, anonymous, "anonymous_not_allowed", "pgai_rs.s3_anonymous"),
    ] {
        let failure = fetch(&Loaders::new(settings, None), "s3://bucket/key", &access).await.unwrap_err();
        let whose = (failure.scope, failure.retry);
        assert_eq!((failure.code, whose), (code, (Scope::Vectorizer, Retry::OnRecovery)));
        assert!(failure.hint.unwrap().contains(hint));
    }
    assert!(server.requests().is_empty());
    let allowed = in_role("arn:aws:iam::111111111111:role/reader");
    assert_eq!(load(&our_roles, &allowed).await.as_deref(), Ok("role-token"));
    assert_eq!(load(&role_only, &allowed).await.as_deref(), Ok("role-token"));
}

#[tokio::test]
async fn a_role_that_is_refused_is_named_with_what_sts_said() {
    let moto = "<Response><Errors><Error><Code>AccessDenied</Code><Message>no sts:AssumeRole</Message></Error></Errors></Response>";
    for (reply, code, message, hint) in [
        (
            sts_error(403, "AccessDenied", "no sts:AssumeRole"),
            "role_refused",
            "AccessDenied: no sts",
            "external id",
        ),
        (Reply::new(403, moto), "role_refused", "AccessDenied: no sts", "external id"),
        (sts_error(403, "RegionDisabledException", "off"), "role_refused", "off", "Activate STS"),
        (
            sts_error(400, "ValidationError", "too long"),
            "role_refused",
            "too long",
            "pgai_rs.aws_role_session_duration",
        ),
        (sts_error(403, "InvalidClientTokenId", "who?"), "wrong_credentials", "STS", "access key"),
        (sts_error(403, "ExpiredToken", "over"), "expired_credentials", "expired", "Renew"),
    ] {
        let server = Server::start(move |_| reply.clone());
        let loaders = Loaders::new(&settings(&server), None);
        let failure = fetch(&loaders, "s3://bucket/key", &in_role(ROLE)).await.unwrap_err();
        assert_eq!(
            (failure.code, failure.scope, failure.retry),
            (code, Scope::Vectorizer, Retry::OnRecovery),
            "{failure:?}"
        );
        assert!(failure.message.contains(message), "{}", failure.message);
        assert!(code != "role_refused" || failure.message.contains(ROLE), "{}", failure.message);
        assert!(failure.hint.unwrap().contains(hint));
    }
}

#[tokio::test]
async fn an_sts_that_cannot_be_reached_is_not_taken_for_s3() {
    let server = Server::start(|_| Reply::new(200, "text"));
    let mut settings = settings(&server);
    settings.s3.endpoint_url = Some("http://127.0.0.1:1".into());
    let access = S3Access { endpoint: Some(server.url.clone()), ..in_role(ROLE) };
    let failure = fetch(&Loaders::new(&settings, None), "s3://bucket/key", &access).await.unwrap_err();
    let whose = (failure.scope, failure.retry);
    assert_eq!((failure.code, whose), ("connection_refused", (Scope::Vectorizer, Retry::OnRecovery)));
    assert!(failure.message.starts_with("could not connect to STS"), "{}", failure.message);
}
