//! Answers of S3 and STS.

use std::time::{Duration, Instant, SystemTime};

use pgai_rs_pipeline::config::S3Access;
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_pipeline::load::{Loaded, Loaders};
use pgai_rs_pipeline::quota::Account;
use pgai_rs_pipeline::secret::Secret;
use pgai_rs_pipeline::settings::{S3Settings, Settings, UrlStyle};

use super::http::{Reply, Request, Server};

pub const ROLE: &str = "arn:aws:iam::123456789012:role/reader";

/// Settings that ask this server, and no environment.
pub fn settings(server: &Server) -> Settings {
    Settings {
        s3: S3Settings {
            region: Some("us-east-1".into()),
            endpoint_url: Some(server.url.clone()),
            url_style: UrlStyle::Path,
            access_key: Some(("AKID".into(), Secret::new("the-secret"))),
            ..S3Settings::default()
        },
        // For a machine that has other work, too.
        load_timeout: Duration::from_secs(120),
        ..Settings::default()
    }
}

/// Fetches an object, whatever its version.
pub async fn fetch(loaders: &Loaders, uri: &str, access: &S3Access) -> Result<Loaded, Failure> {
    loaders.load(uri, access, None, Instant::now(), &Account::default()).await.map(Option::unwrap)
}

pub fn in_role(role_arn: &str) -> S3Access {
    S3Access { aws_role_arn: Some(role_arn.into()), ..S3Access::default() }
}

/// S3's refusal.
pub fn error(status: u16, code: &str) -> Reply {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>");
    Reply::new(status, body).with("Content-Type", "application/xml")
}

/// Returns whether this is for STS rather than S3.
pub fn is_sts(request: &Request) -> bool {
    request.method == "POST"
}

/// STS's answer to AssumeRole.
pub fn session_credentials(token: &str, expiry: SystemTime) -> Reply {
    sts_answer("AssumeRole", &credentials(token, expiry))
}

/// STS's answer to AssumeRoleWithWebIdentity.
pub fn web_credentials(token: &str, expiry: SystemTime) -> Reply {
    sts_answer("AssumeRoleWithWebIdentity", &credentials(token, expiry))
}

fn credentials(token: &str, expiry: SystemTime) -> String {
    let expiration = iso(expiry);
    format!(
        "<Credentials><AccessKeyId>ROLEKEY000000001</AccessKeyId><SecretAccessKey>the-secret</SecretAccessKey>\
         <SessionToken>{token}</SessionToken><Expiration>{expiration}</Expiration></Credentials>"
    )
}

/// Returns the answer of STS when it grants something.
pub fn sts_answer(action: &str, result: &str) -> Reply {
    let body = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>{result}\
         </{action}Result></{action}Response>"
    );
    Reply::new(200, body).with("Content-Type", "text/xml")
}

/// STS's refusal.
pub fn sts_error(status: u16, code: &str, message: &str) -> Reply {
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    );
    Reply::new(status, body).with("Content-Type", "text/xml")
}

fn iso(time: SystemTime) -> String {
    let time = aws_smithy_types::DateTime::from(time);
    time.fmt(aws_smithy_types::date_time::Format::DateTime).unwrap()
}
