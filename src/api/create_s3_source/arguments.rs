//! The arguments of `ai.create_s3_source`.

use pgrx::datum::{Array, Interval};
use pgrx::pg_sys;
use pgrx::prelude::*;

use pgai_rs_pipeline::config::{MetadataPlace, S3Access, SourceConfig, UrlStyle};
use pgai_rs_pipeline::message::truncate_message;

use super::{create, invalid, not_null};
use crate::pg::error::PgError;
use crate::pg::sql::MAX_IDENTIFIER;

/// The arguments of the call.
pub(super) struct SourceRequest {
    pub target: String,
    pub uri: String,
    pub name: Option<String>,
    pub config: SourceConfig,
    pub schedule: Option<Interval>,
    pub if_not_exists: bool,
}

/// `ai.create_s3_source` of 0.2.0 and before, which reads no metadata.
#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn create_s3_source(
    target: Option<&str>,
    uri: Option<&str>,
    name: Option<&str>,
    include: Option<Array<'_, &str>>,
    exclude: Option<Array<'_, &str>>,
    max_size: Option<i64>,
    schedule: Option<Interval>,
    queue_url: Option<&str>,
    aws_role_arn: Option<&str>,
    region: Option<&str>,
    endpoint: Option<&str>,
    url_style: Option<&str>,
    anonymous: Option<bool>,
    head_objects: Option<bool>,
    if_not_exists: Option<bool>,
) -> Result<i32, pg_sys::panic::ErrorReport> {
    create_s3_source_with_metadata(
        target,
        uri,
        name,
        include,
        exclude,
        max_size,
        schedule,
        queue_url,
        aws_role_arn,
        region,
        endpoint,
        url_style,
        anonymous,
        head_objects,
        if_not_exists,
        None,
    )
}

#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn create_s3_source_with_metadata(
    target: Option<&str>,
    uri: Option<&str>,
    name: Option<&str>,
    include: Option<Array<'_, &str>>,
    exclude: Option<Array<'_, &str>>,
    max_size: Option<i64>,
    schedule: Option<Interval>,
    queue_url: Option<&str>,
    aws_role_arn: Option<&str>,
    region: Option<&str>,
    endpoint: Option<&str>,
    url_style: Option<&str>,
    anonymous: Option<bool>,
    head_objects: Option<bool>,
    if_not_exists: Option<bool>,
    metadata: Option<Array<'_, &str>>,
) -> Result<i32, pg_sys::panic::ErrorReport> {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let config = SourceConfig {
        include: texts(include),
        exclude: texts(exclude),
        max_size: max_size.map(positive).transpose()?,
        queue_url: owned(queue_url),
        head_objects: head_objects.unwrap_or(true),
        metadata: places(&texts(metadata))?,
        s3: S3Access {
            aws_role_arn: owned(aws_role_arn),
            region: owned(region),
            endpoint: owned(endpoint),
            url_style: url_style.map(style).transpose()?,
            anonymous: anonymous.unwrap_or(false),
            ..S3Access::default()
        },
    };
    Ok(create(SourceRequest {
        target: target.ok_or_else(|| not_null("target"))?.to_owned(),
        uri: uri.ok_or_else(|| not_null("uri"))?.to_owned(),
        name: owned(name),
        config,
        schedule,
        if_not_exists: if_not_exists.unwrap_or(false),
    })?)
}

fn texts(array: Option<Array<'_, &str>>) -> Vec<String> {
    array.map(|texts| texts.iter().flatten().map(str::to_owned).collect()).unwrap_or_default()
}

/// Reads the names of places that have metadata.
fn places(names: &[String]) -> Result<Vec<MetadataPlace>, PgError> {
    let mut places = Vec::new();
    for name in names {
        let Some(place) = MetadataPlace::ALL.into_iter().find(|place| place.name() == name) else {
            let name = truncate_message(name, MAX_IDENTIFIER);
            return Err(invalid(format!("invalid metadata {name:?}")).with_hint(
                "Write user (the headers x-amz-meta-*), tags or sidecar (the files FILE.metadata.json); of two that \
                 have the same key, the one that comes first counts.",
            ));
        };
        if places.contains(&place) {
            return Err(invalid(format!("metadata has {name:?} more than once")));
        }
        places.push(place);
    }
    Ok(places)
}

fn positive(size: i64) -> Result<u64, PgError> {
    u64::try_from(size)
        .ok()
        .filter(|size| *size > 0)
        .ok_or_else(|| invalid("max_size must be a positive number of bytes"))
}

fn style(style: &str) -> Result<UrlStyle, PgError> {
    match style {
        "vhost" => Ok(UrlStyle::VirtualHosted),
        "path" => Ok(UrlStyle::Path),
        _ => Err(invalid(format!("invalid url_style {style:?}"))
            .with_hint("Write vhost (https://bucket.host/key) or path (https://host/bucket/key).")),
    }
}
