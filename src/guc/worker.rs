//! Settings for the worker.

use pgai_rs_pipeline::settings::{Settings, defaults};

use super::setting::*;

settings! {
    string DATABASES = Some(c"");
    int POLL_INTERVAL = 10_000;
    int HEARTBEAT_INTERVAL = 30_000;
    int LEASE_DURATION = 60;
    int OWNER_STATEMENT_TIMEOUT = 10_000;
    int MAX_RETRIES = 6;
    int RETRY_BACKOFF = 5_000;
    int RETRY_BACKOFF_MAX = 600_000;
    int MAX_ERRORS = 1_000;
    int MAX_DOCUMENTS_IN_FLIGHT = defaults::MAX_DOCUMENTS_IN_FLIGHT;
    int WORKER_MEMORY_LIMIT = defaults::WORKER_MEMORY_LIMIT;
    int WORKER_CONNECTION_LIMIT = defaults::WORKER_CONNECTION_LIMIT;
}

/// Defines these settings.
pub fn define(d: &Definer) {
    let list = list_input();
    d.string(c"pgai_rs.databases", &DATABASES, list,
        c"Databases that get a worker, separated by commas; empty means every database that has the extension.");
    d.int(
        c"pgai_rs.poll_interval",
        &POLL_INTERVAL,
        (100, 3_600_000),
        GucFlags::UNIT_MS,
        c"How often the worker looks for work, and the launcher for databases, without being woken.",
    );
    d.int(
        c"pgai_rs.heartbeat_interval",
        &HEARTBEAT_INTERVAL,
        (1_000, 3_600_000),
        GucFlags::UNIT_MS,
        c"How often the worker writes that it lives, and what it has done.",
    );
    d.int(
        c"pgai_rs.lease_duration",
        &LEASE_DURATION,
        (10, 86_400),
        GucFlags::UNIT_S,
        c"How long claimed work stays with a worker that gives no sign of life.",
    );
    d.int(
        c"pgai_rs.owner_statement_timeout",
        &OWNER_STATEMENT_TIMEOUT,
        (100, 3_600_000),
        GucFlags::UNIT_MS,
        c"Longest time of what runs in the worker with the rights of a vectorizer's owner, for each 500 chunks that are written.",
    );
    d.int(c"pgai_rs.max_retries", &MAX_RETRIES, (0, 1_000), NO_UNIT,
        c"How often a failed row is tried again before it is set aside; for loading the vectorizer says so itself.");
    d.int(
        c"pgai_rs.retry_backoff",
        &RETRY_BACKOFF,
        (0, 3_600_000),
        GucFlags::UNIT_MS,
        c"Pause before a failed row is tried again; doubled each time, with jitter.",
    );
    d.int(
        c"pgai_rs.retry_backoff_max",
        &RETRY_BACKOFF_MAX,
        (0, 86_400_000),
        GucFlags::UNIT_MS,
        c"Longest pause before a failed row is tried again.",
    );
    d.int(
        c"pgai_rs.max_errors",
        &MAX_ERRORS,
        (1, 1_000_000),
        NO_UNIT,
        c"Most rows that ai.vectorizer_errors keeps of one vectorizer.",
    );
    d.int(
        c"pgai_rs.max_documents_in_flight",
        &MAX_DOCUMENTS_IN_FLIGHT,
        (1, 1_000_000),
        NO_UNIT,
        c"Most documents of one vectorizer that the worker holds.",
    );
    d.int(
        c"pgai_rs.worker_memory_limit",
        &WORKER_MEMORY_LIMIT,
        (64, 1_048_576),
        GucFlags::UNIT_MB,
        c"Most memory that a worker takes: documents, their chunks and vectors, requests to models and their answers.",
    );
    d.int(
        c"pgai_rs.worker_connection_limit",
        &WORKER_CONNECTION_LIMIT,
        (8, 100_000),
        NO_UNIT,
        c"Most connections of a worker to models at a time, and as many to S3.",
    );
}

/// Copies these settings into those of the pipeline.
pub fn tell(settings: &mut Settings) {
    settings.memory_limit = (number(&WORKER_MEMORY_LIMIT) as u64) << 20;
    settings.connections = number(&WORKER_CONNECTION_LIMIT);
    settings.max_documents_in_flight = number(&MAX_DOCUMENTS_IN_FLIGHT);
}

/// Returns the databases that get a worker; empty for all that have the extension.
pub fn databases() -> Vec<String> {
    list(&DATABASES)
}

/// Returns the interval at which worker and launcher check for work without being woken.
pub fn poll_interval() -> Duration {
    millis(&POLL_INTERVAL)
}

/// Returns the interval of the worker's heartbeats.
pub fn heartbeat_interval() -> Duration {
    millis(&HEARTBEAT_INTERVAL)
}

/// Returns the time after which the lease of a worker without heartbeats expires.
pub fn lease_duration() -> Duration {
    Duration::from_secs(number(&LEASE_DURATION) as u64)
}

/// Returns the maximum time of an owner's SQL in the worker.
pub fn owner_statement_timeout() -> Duration {
    millis(&OWNER_STATEMENT_TIMEOUT)
}

/// Returns how often a failed row is retried.
pub fn max_retries() -> u32 {
    number(&MAX_RETRIES) as u32
}

/// Returns the first and the longest pause before a failed row is retried.
pub fn retry_backoff() -> (Duration, Duration) {
    (millis(&RETRY_BACKOFF), millis(&RETRY_BACKOFF_MAX))
}

/// Returns the maximum number of error rows per vectorizer.
pub fn max_errors() -> i64 {
    number(&MAX_ERRORS) as i64
}
