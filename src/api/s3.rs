//! `ai.s3_policies`: what to paste into IAM.

use pgrx::prelude::*;
use pgrx::{pg_sys, JsonB, PgSqlErrorCode};

use pgai_rs_pipeline::s3::policies::{policies, Access};

use crate::guc;
use crate::pg::error::PgError;

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

/// `bucket`, `s3://bucket` or `s3://bucket/prefix`.
fn bucket_and_prefix(text: Option<&str>) -> Result<(&str, &str), PgError> {
    let text = text.unwrap_or_default();
    let path = text.strip_prefix("s3://").unwrap_or(text);
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if !bucket.is_empty() && bucket.chars().all(named) {
        return Ok((bucket, prefix));
    }
    Err(PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "this names no bucket")
        .with_detail("A bucket's name is made of letters, digits, '.', '-' and '_'.")
        .with_hint("Write it as bucket, s3://bucket or s3://bucket/prefix/."))
}
