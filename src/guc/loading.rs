//! Settings for loading documents: allowed addresses and limits.

use pgai_rs_pipeline::config::S3Access;
use pgai_rs_pipeline::s3::reachable;
use pgai_rs_pipeline::server_url::ServerUrl;
use pgai_rs_pipeline::settings::{Settings, defaults};

use super::setting::*;

settings! {
    int MAX_DOCUMENT_SIZE = defaults::MAX_DOCUMENT_SIZE;
    int LOAD_CONCURRENCY = defaults::LOAD_CONCURRENCY;
    int LOAD_TIMEOUT = defaults::LOAD_TIMEOUT;
    string ALLOWED_URIS = Some(c"");
    string ALLOWED_S3_ENDPOINTS = Some(c"");
    bool S3_ANONYMOUS = defaults::S3_ANONYMOUS;
}

/// Defines these settings.
pub fn define(d: &Definer, superuser: &Definer) {
    d.int(
        c"pgai_rs.max_document_size",
        &MAX_DOCUMENT_SIZE,
        (1, 1_024),
        GucFlags::UNIT_MB,
        c"Sets the maximum size of a document that is loaded.",
    );
    d.int(
        c"pgai_rs.load_concurrency",
        &LOAD_CONCURRENCY,
        (1, 1_024),
        NO_UNIT,
        c"Sets the maximum number of objects that are fetched at a time.",
    );
    d.int(
        c"pgai_rs.load_timeout",
        &LOAD_TIMEOUT,
        (100, 3_600_000),
        GucFlags::UNIT_MS,
        c"Sets the maximum time to fetch an object, from the request to the last byte.",
    );

    let list = list_input();
    superuser.string(
        c"pgai_rs.allowed_uris",
        &ALLOWED_URIS,
        list,
        c"Lists the prefixes of the addresses that may be loaded, such as s3://bucket/prefix/.",
    );
    superuser.string(
        c"pgai_rs.allowed_s3_endpoints",
        &ALLOWED_S3_ENDPOINTS,
        list,
        c"Lists the prefixes of the S3 endpoints that roles other than superusers may declare.",
    );
    superuser.switch(
        c"pgai_rs.s3_anonymous",
        &S3_ANONYMOUS,
        (
            c"Allows requests to S3 without credentials where they are declared.",
            c"Public buckets accept them.",
        ),
    );
}

/// Copies these settings into those of the pipeline.
pub fn tell(settings: &mut Settings) {
    settings.max_document_size = (number(&MAX_DOCUMENT_SIZE) as u64) << 20;
    settings.load_concurrency = number(&LOAD_CONCURRENCY);
    settings.load_timeout = millis(&LOAD_TIMEOUT);
    settings.allowed_uris = list(&ALLOWED_URIS);
    settings.s3.allowed_endpoints = list(&ALLOWED_S3_ENDPOINTS);
}

/// Returns the maximum number of concurrent requests to S3.
pub fn load_concurrency() -> usize {
    number(&LOAD_CONCURRENCY)
}

/// Returns whether a role that is not a superuser may declare this S3 endpoint.
pub fn s3_endpoint_allowed(url: &ServerUrl) -> bool {
    has_allowed_prefix(&ALLOWED_S3_ENDPOINTS, url)
}

/// Returns whether anonymous requests to S3 are allowed.
pub fn s3_anonymous() -> bool {
    S3_ANONYMOUS.get()
}

/// Returns whether any objects may be requested with this access. With the server's own credentials only
/// superusers may request objects unless `pgai_rs.allowed_uris` lists some.
pub fn reaches_objects(access: &S3Access) -> bool {
    !reachable(&list(&ALLOWED_URIS), access).is_empty()
}
