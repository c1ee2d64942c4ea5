//! Settings for S3 sources.

use pgai_rs_pipeline::server_url::ServerUrl;
use pgai_rs_pipeline::settings::Settings;

use super::setting::*;

settings! {
    string ALLOWED_SQS_QUEUES = Some(c"");
    int S3_SOURCE_MAX_DELETE_PERCENT = 50;
    int S3_SOURCE_HISTORY = 100;
}

/// Defines these settings.
pub fn define(d: &Definer) {
    let list = list_input();
    d.string(
        c"pgai_rs.allowed_sqs_queues",
        &ALLOWED_SQS_QUEUES,
        list,
        c"Prefixes of the queue_url that roles other than superusers may declare, separated by commas.",
    );
    d.int(c"pgai_rs.s3_source_max_delete_percent", &S3_SOURCE_MAX_DELETE_PERCENT, (1, 100), NO_UNIT,
        c"Largest share of a source's rows that a listing deletes, if it is more than 1,000 rows; 100 means any.");
    d.int(
        c"pgai_rs.s3_source_history",
        &S3_SOURCE_HISTORY,
        (1, 100_000),
        NO_UNIT,
        c"Most runs that ai.s3_source_runs keeps of one source.",
    );
}

/// Copies these settings into those of the pipeline.
pub fn tell(settings: &mut Settings) {
    settings.s3.allowed_queues = list(&ALLOWED_SQS_QUEUES);
}

/// Returns whether a role that is not a superuser may declare this `queue_url`.
pub fn queue_url_allowed(url: &ServerUrl) -> bool {
    within(&ALLOWED_SQS_QUEUES, url)
}

/// Returns the maximum share, in percent, of a source's rows that a listing may delete.
pub fn s3_source_max_delete_percent() -> u64 {
    number(&S3_SOURCE_MAX_DELETE_PERCENT) as u64
}

/// Returns the maximum number of runs that are kept per source.
pub fn s3_source_history() -> i64 {
    number(&S3_SOURCE_HISTORY) as i64
}
