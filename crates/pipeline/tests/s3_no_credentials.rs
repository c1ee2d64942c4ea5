//! S3 without credentials; alone in its process because it changes the environment.
#![allow(clippy::unwrap_used)]

mod support;

use pgai_rs_pipeline::config::S3Access;
use pgai_rs_pipeline::load::Loaders;
use pgai_rs_pipeline::settings::{S3Settings, Settings, UrlStyle};
use support::http::{Reply, Server};
use support::s3::fetch;

#[test]
fn missing_credentials_are_no_network_failure() {
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"] {
        std::env::remove_var(name);
    }
    for (name, value) in [
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/nonexistent"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent"),
    ] {
        std::env::set_var(name, value);
    }
    let server = Server::start(|_| Reply::new(200, "text"));
    let s3 = S3Settings {
        endpoint_url: Some(server.url.clone()),
        url_style: UrlStyle::Path,
        ..Settings::default().s3
    };
    let settings = Settings { s3, ..Settings::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for role in [None, Some("arn:aws:iam::123456789012:role/reader")] {
        let access = S3Access { aws_role_arn: role.map(str::to_owned), ..S3Access::default() };
        let loaders = Loaders::new(&settings, None);
        let failure = runtime.block_on(fetch(&loaders, "s3://bucket/key", &access)).unwrap_err();
        assert_eq!(failure.code, "no_credentials", "{failure:?}");
        assert!(failure.hint.unwrap().contains("pgai_rs.aws_access_key_id"));
    }
    assert!(server.requests().is_empty());
}
