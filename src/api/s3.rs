//! `ai.check_s3`, which tests the access to an object step by step. `ai.s3_policies`, which returns policies
//! for IAM.

use std::time::Duration;

use pgrx::prelude::*;
use pgrx::{JsonB, PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::config::{S3Access, UrlStyle};
use pgai_rs_pipeline::s3::policies::{Access, policies};
use pgai_rs_pipeline::s3::{CheckStep, Clients, check};

use super::network::await_answer;
use crate::access;
use crate::catalog::rights;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::identity::current_user;

/// Maximum time for all steps together; each step also has its own limit.
const CHECK_TIMEOUT: Duration = Duration::from_secs(120);

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn check_s3(
    uri: Option<&str>,
    aws_role_arn: Option<&str>,
    region: Option<&str>,
    endpoint: Option<&str>,
    url_style: Option<&str>,
    anonymous: Option<bool>,
) -> Result<
    TableIterator<
        'static,
        (name!(step, String), name!(ok, Option<bool>), name!(message, String), name!(hint, Option<String>)),
    >,
    pg_sys::panic::ErrorReport,
> {
    let uri = uri.ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "uri must not be null")
            .with_hint("Specify the address of an object, such as s3://bucket/key.")
    })?;

    let access = S3Access {
        aws_role_arn: aws_role_arn.map(str::to_owned),
        region: region.map(str::to_owned),
        endpoint: endpoint.map(str::to_owned),
        url_style: url_style.map(parse_url_style).transpose()?,
        anonymous: anonymous.unwrap_or(false),
        author: rights::author(current_user()),
    };
    access::s3::require_objects_allowed(&access, Some(uri))?;

    let rows = walk(uri, &access)?.into_iter().map(|s| (s.step.to_owned(), s.ok, s.message, s.hint));
    Ok(TableIterator::new(rows))
}

fn parse_url_style(text: &str) -> Result<UrlStyle, PgError> {
    serde_json::from_value(text.into()).map_err(|_| {
        PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "url_style must be vhost or path")
    })
}

fn walk(uri: &str, access: &S3Access) -> Result<Vec<CheckStep>, PgError> {
    let settings = guc::pipeline();
    let clients = Clients::new(&settings);
    let steps = await_answer(CHECK_TIMEOUT, check(&clients, uri, access, &settings.allowed_uris))?;
    steps.ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_QUERY_CANCELED, "S3 did not respond in time")
            .with_hint("Check the network between the Postgres server and S3.")
    })
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn s3_policies(
    bucket: Option<&str>,
    aws_role_arn: Option<&str>,
    server_arn: Option<&str>,
) -> Result<
    TableIterator<'static, (name!(policy, String), name!(attach_to, String), name!(document, JsonB))>,
    pg_sys::panic::ErrorReport,
> {
    let (bucket, prefix) = bucket_and_prefix(bucket)?;
    let external_id = guc::pipeline().s3.external_id();
    let access =
        Access { bucket, prefix, role_arn: aws_role_arn, server_arn, external_id: external_id.as_deref() };
    let rows = policies(&access).into_iter().map(|p| (p.name.to_owned(), p.attach_to, JsonB(p.document)));
    Ok(TableIterator::new(rows))
}

/// Parses `bucket`, `s3://bucket` or `s3://bucket/prefix`.
fn bucket_and_prefix(text: Option<&str>) -> Result<(&str, &str), PgError> {
    let text = text.unwrap_or_default();
    let path = text.strip_prefix("s3://").unwrap_or(text);
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if !bucket.is_empty() && bucket.chars().all(named) {
        return Ok((bucket, prefix));
    }
    Err(PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "invalid bucket name")
        .with_detail("A bucket name consists of letters, digits, periods, hyphens and underscores.")
        .with_hint("Write it as bucket, s3://bucket or s3://bucket/prefix/."))
}
