//! The server's settings in the AWS environment; a process of its own, for it changes that environment.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use pgai_rs_pipeline::config::S3Access;
use pgai_rs_pipeline::failure::{Failure, Retry, Scope};
use pgai_rs_pipeline::load::Loaders;
use pgai_rs_pipeline::s3::{CheckStep, Clients, check};
use pgai_rs_pipeline::settings::{S3Settings, Settings, UrlStyle};
use support::http::{Reply, Request, Server};
use support::s3::{ROLE, error, fetch, in_role, is_sts, session_credentials, sts_error, web_credentials};
use support::tls::{PEM_FILE, untrusted_server};

const PROFILES: &str = r#"
[profile nobody]
region = us-east-1

[profile base]
aws_access_key_id = AKIABASE00000001
aws_secret_access_key = the-secret

[profile chained]
role_arn = arn:aws:iam::111111111111:role/middle
source_profile = base

[profile expired]
credential_process = echo '{"Version": 1, "AccessKeyId": "AKIAEXPIRED00001", "SecretAccessKey": "the-secret", "SessionToken": "t", "Expiration": "2020-01-01T00:00:00Z"}'

[profile broken]
credential_process = exit 3

[profile web]
role_arn = arn:aws:iam::111111111111:role/web
web_identity_token_file = DIR/token

[profile refused]
role_arn = arn:aws:iam::111111111111:role/web
web_identity_token_file = DIR/stale
"#;

/// S3 and STS. What S3 has is the token that it was asked with.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start(answer);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::write(directory.join("token"), "a-token").unwrap();
    fs::write(directory.join("stale"), "a-stale-token").unwrap();
    let profiles = directory.join("profiles");
    fs::write(&profiles, PROFILES.replace("DIR", directory.to_str().unwrap())).unwrap();
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"] {
        // SAFETY: the tests of this file read the environment only after this.
        unsafe { std::env::remove_var(name) };
    }
    for (name, value) in [
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", profiles.to_str().unwrap()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent"),
        ("AWS_ENDPOINT_URL_STS", &server.url),
        ("SSL_CERT_FILE", PEM_FILE),
        ("AWS_ASSUME_ROLE_EXTERNAL_ID", "from-the-environment"),
    ] {
        // SAFETY: the tests of this file read the environment only after this.
        unsafe { std::env::set_var(name, value) };
    }
    server
});

fn answer(request: &Request) -> Reply {
    let later = SystemTime::now() + Duration::from_secs(3600);
    if !is_sts(request) {
        return match signed_by(request) {
            Some("AKIAEXPIRED00001") => error(400, "ExpiredToken"),
            _ => Reply::new(200, request.header("x-amz-security-token").unwrap_or("none")),
        };
    }
    let form = request.text();
    match () {
        () if form.contains("a-stale-token") => sts_error(400, "InvalidIdentityToken", "no such issuer"),
        () if form.contains("AssumeRoleWithWebIdentity") => web_credentials("web-token", later),
        () if form.contains("role%2Fmiddle") => session_credentials("middle-token", later),
        () => session_credentials("role-token", later),
    }
}

/// The id of the key that signed a request.
fn signed_by(request: &Request) -> Option<&str> {
    request.header("authorization")?.split_once("Credential=")?.1.split('/').next()
}

fn settings(profile: &str) -> Settings {
    let s3 = S3Settings {
        region: Some("us-east-1".into()),
        endpoint_url: Some(SERVER.url.clone()),
        url_style: UrlStyle::Path,
        profile: Some(profile.into()),
        ..S3Settings::default()
    };
    Settings { s3, ..Settings::default() }
}

async fn load(profile: &str, access: &S3Access) -> Result<String, Failure> {
    let loaders = Loaders::new(&settings(profile), None);
    let loaded = fetch(&loaders, &format!("s3://bucket/{profile}"), access).await?;
    Ok(String::from_utf8(loaded.bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn missing_credentials_are_no_network_failure() {
    for access in [S3Access::default(), in_role(ROLE)] {
        let failure = load("nobody", &access).await.unwrap_err();
        assert_eq!(
            (failure.code, failure.scope, failure.retry),
            ("no_credentials", Scope::Vectorizer, Retry::OnRecovery),
            "{failure:?}"
        );
        assert!(failure.hint.unwrap().contains("pgai_rs.aws_access_key_id"));
    }
    assert!(SERVER.requests().iter().all(|request| !request.target.contains("nobody")));
    // Nor are any looked for.
    let anonymous = S3Access { anonymous: true, ..S3Access::default() };
    assert_eq!(load("nobody", &anonymous).await.unwrap(), "none");
}

#[tokio::test]
async fn a_profile_that_assumes_a_role_may_assume_another() {
    assert_eq!(load("chained", &S3Access::default()).await.unwrap(), "middle-token");
    assert_eq!(load("chained", &in_role(ROLE)).await.unwrap(), "role-token");
    let requests = SERVER.requests();
    let assumed = |role: &str| {
        requests.iter().find(|request| is_sts(request) && request.text().contains(role)).unwrap()
    };
    assert_eq!(signed_by(assumed("role%2Fmiddle")), Some("AKIABASE00000001"));
    let by_middle = assumed("role%2Freader");
    assert_eq!(by_middle.header("x-amz-security-token"), Some("middle-token"));
    assert!(by_middle.text().contains("ExternalId=from-the-environment"));
}

#[tokio::test]
async fn a_web_identity_is_exchanged_or_its_refusal_told() {
    assert_eq!(load("web", &S3Access::default()).await.unwrap(), "web-token");
    for access in [S3Access::default(), in_role(ROLE)] {
        let failure = load("refused", &access).await.unwrap_err();
        assert_eq!(failure.code, "role_refused", "{failure:?}");
        assert!(failure.message.ends_with("InvalidIdentityToken: no such issuer"), "{}", failure.message);
        assert!(failure.hint.unwrap().contains("web identity token"));
    }
}

#[tokio::test]
async fn credentials_that_are_over_or_cannot_be_had_are_told_apart() {
    let failure = load("expired", &S3Access::default()).await.unwrap_err();
    assert_eq!((failure.code, failure.retry), ("expired_credentials", Retry::OnRecovery), "{failure:?}");
    for profile in ["broken", "misspelt"] {
        let failure = load(profile, &S3Access::default()).await.unwrap_err();
        assert_eq!((failure.code, failure.retry), ("no_credentials", Retry::OnRecovery), "{failure:?}");
    }
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_if_the_environment_says_so() {
    let mut settings = settings("base");
    settings.s3.endpoint_url = Some(untrusted_server());
    let loaders = Loaders::new(&settings, None);
    let failure = fetch(&loaders, "s3://bucket/key", &S3Access::default()).await.unwrap_err();
    assert_eq!(failure.code, "no_such_key", "{failure:?}");
}

#[tokio::test]
async fn a_check_tells_where_credentials_come_from_and_no_secret() {
    for (profile, ok, message) in [
        ("base", Some(true), "profile base, key AKIA...0001"),
        ("chained", Some(true), "profile chained, key ROLE...0001"),
        ("web", Some(true), "a web identity token, key ROLE...0001"),
        ("expired", Some(true), "profile expired, by its credential process, key AKIA...0001"),
        ("nobody", Some(false), "the server has no AWS credentials"),
    ] {
        let clients = Clients::new(&settings(profile));
        let uri = format!("s3://bucket/{profile}");
        let steps = check(&clients, &uri, &S3Access::default(), &["s3://".into()]).await;
        let CheckStep { step, ok: passed, message: said, .. } = &steps[1];
        assert_eq!((*step, *passed), ("credentials", ok), "{steps:?}");
        assert!(said.starts_with(message), "{said}");
        assert!(!format!("{steps:?}").contains("the-secret"));
    }
}
