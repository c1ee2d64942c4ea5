//! What may be loaded, and how.

use pgai_rs_pipeline::config::S3Access;
use pgai_rs_pipeline::s3::reachable;
use pgai_rs_pipeline::server_url::ServerUrl;
use pgai_rs_pipeline::settings::{defaults, Settings};

use super::setting::*;

settings! {
    int MAX_DOCUMENT_SIZE = defaults::MAX_DOCUMENT_SIZE;
    int LOAD_CONCURRENCY = defaults::LOAD_CONCURRENCY;
    int LOAD_TIMEOUT = defaults::LOAD_TIMEOUT;
    string ALLOWED_URIS = Some(c"");
    string ALLOWED_S3_ENDPOINTS = Some(c"");
    bool S3_ANONYMOUS = defaults::S3_ANONYMOUS;
}

/// Makes them known to Postgres.
pub fn define(d: &Definer, superuser: &Definer) {
    let list = list_input();
    d.int(
        c"pgai_rs.max_document_size",
        &MAX_DOCUMENT_SIZE,
        (1, 1_024),
        GucFlags::UNIT_MB,
        c"Largest document that is loaded.",
    );
    d.int(
        c"pgai_rs.load_concurrency",
        &LOAD_CONCURRENCY,
        (1, 1_024),
        NO_UNIT,
        c"Most objects fetched at a time.",
    );
    d.int(
        c"pgai_rs.load_timeout",
        &LOAD_TIMEOUT,
        (100, 3_600_000),
        GucFlags::UNIT_MS,
        c"Longest time for one object, from request to last byte.",
    );
    superuser.string(
        c"pgai_rs.allowed_uris",
        &ALLOWED_URIS,
        list,
        c"Prefixes of the addresses that may be loaded, separated by commas, such as s3://bucket/prefix/.",
    );
    superuser.string(
        c"pgai_rs.allowed_s3_endpoints",
        &ALLOWED_S3_ENDPOINTS,
        list,
        c"Prefixes of the S3 endpoint that roles other than superusers may declare, separated by commas.",
    );
    GucRegistry::define_bool_guc(
        c"pgai_rs.s3_anonymous",
        c"Whether S3 may be asked without credentials where that is declared, as public buckets allow.",
        c"",
        &S3_ANONYMOUS,
        superuser.context(),
        superuser.flags,
    );
}

/// What the pipeline is told of them.
pub fn tell(settings: &mut Settings) {
    settings.max_document_size = max_document_size();
    settings.load_concurrency = number(&LOAD_CONCURRENCY);
    settings.load_timeout = millis(&LOAD_TIMEOUT);
    settings.allowed_uris = list(&ALLOWED_URIS);
    settings.s3.allowed_endpoints = list(&ALLOWED_S3_ENDPOINTS);
}

/// Most bytes of one document.
pub fn max_document_size() -> u64 {
    (number(&MAX_DOCUMENT_SIZE) as u64) << 20
}

/// Most requests to S3 at a time.
pub fn load_concurrency() -> usize {
    number(&LOAD_CONCURRENCY)
}

/// Whether a role that is no superuser may declare this S3 endpoint.
pub fn s3_endpoint_allowed(url: &ServerUrl) -> bool {
    within(&ALLOWED_S3_ENDPOINTS, url)
}

/// Whether S3 may be asked without credentials.
pub fn s3_anonymous() -> bool {
    S3_ANONYMOUS.get()
}

/// Whether some objects may be asked for with this access: with the server's own credentials, none may for others
/// than superusers where no list says which.
pub fn reaches_objects(access: &S3Access) -> bool {
    !reachable(&list(&ALLOWED_URIS), access).is_empty()
}
