//! Settings for S3 sources.

use pgai_rs_pipeline::server_url::ServerUrl;
use pgai_rs_pipeline::settings::Settings;

use super::setting::*;

settings! {
    string ALLOWED_SQS_QUEUES = Some(c"");
    int S3_SOURCE_MAX_DELETE_PERCENT = 50;
    int S3_SOURCE_HISTORY = 100;
    int S3_SOURCE_MAX_OBJECTS = 10_000_000;
}

/// Defines these settings.
pub fn define(d: &Definer, superuser: &Definer) {
    superuser.string(
        c"pgai_rs.allowed_sqs_queues",
        &ALLOWED_SQS_QUEUES,
        list_input(),
        c"Lists the prefixes of the queue_url that roles other than superusers may declare.",
    );
    d.int(
        c"pgai_rs.s3_source_max_delete_percent",
        &S3_SOURCE_MAX_DELETE_PERCENT,
        (1, 100),
        NO_UNIT,
        (
            c"Sets the maximum percentage of a source's rows that a listing may delete.",
            c"Up to 1,000 rows may always be deleted; 100 means no limit.",
        ),
    );
    d.int(
        c"pgai_rs.s3_source_history",
        &S3_SOURCE_HISTORY,
        (1, 100_000),
        NO_UNIT,
        c"Sets the maximum number of runs that ai.s3_source_runs keeps for a source.",
    );
    d.int(
        c"pgai_rs.s3_source_max_objects",
        &S3_SOURCE_MAX_OBJECTS,
        (1, 1_000_000_000),
        NO_UNIT,
        (
            c"Sets the maximum number of objects of a source, and of rows of its table.",
            c"If there would be more, a listing fails, and events stay in their queue. The rows of a large table are estimated.",
        ),
    );
}

/// Copies these settings into those of the pipeline.
pub fn tell(settings: &mut Settings) {
    settings.s3.allowed_queues = list(&ALLOWED_SQS_QUEUES);
}

/// Returns whether a role that is not a superuser may declare this `queue_url`.
pub fn queue_url_allowed(url: &ServerUrl) -> bool {
    has_allowed_prefix(&ALLOWED_SQS_QUEUES, url)
}

/// Returns the maximum share, in percent, of a source's rows that a listing may delete.
pub fn s3_source_max_delete_percent() -> u64 {
    number(&S3_SOURCE_MAX_DELETE_PERCENT) as u64
}

/// Returns the maximum number of runs that are kept per source.
pub fn s3_source_history() -> i64 {
    number(&S3_SOURCE_HISTORY) as i64
}

/// Returns the maximum number of a source's objects, and of the rows of its table.
pub fn s3_source_max_objects() -> u64 {
    number(&S3_SOURCE_MAX_OBJECTS) as u64
}
