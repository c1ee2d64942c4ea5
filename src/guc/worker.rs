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
    int WORKER_THREADS = defaults::WORKER_THREADS;
    int WORKER_NICENESS = 0;
}

/// Defines these settings.
pub fn define(d: &Definer) {
    define_turns(d);
    define_retries(d);
    define_limits(d);
}

fn define_turns(d: &Definer) {
    d.string(
        c"pgai_rs.databases",
        &DATABASES,
        list_input(),
        (
            c"Lists the databases that get a worker.",
            c"An empty list means every database that has the extension.",
        ),
    );
    d.int(
        c"pgai_rs.poll_interval",
        &POLL_INTERVAL,
        (100, 3_600_000),
        GucFlags::UNIT_MS,
        (
            c"Sets the interval at which the worker looks for work without being woken.",
            c"The launcher looks for databases as often.",
        ),
    );
    d.int(
        c"pgai_rs.heartbeat_interval",
        &HEARTBEAT_INTERVAL,
        (1_000, 3_600_000),
        GucFlags::UNIT_MS,
        c"Sets the interval at which the worker writes its heartbeat and its counts.",
    );
    d.int(
        c"pgai_rs.lease_duration",
        &LEASE_DURATION,
        (10, 86_400),
        GucFlags::UNIT_S,
        c"Sets the time after which rows can be claimed again if their worker gives no sign of life.",
    );
    d.int(
        c"pgai_rs.owner_statement_timeout",
        &OWNER_STATEMENT_TIMEOUT,
        (100, 3_600_000),
        GucFlags::UNIT_MS,
        (
            c"Sets the maximum time of what runs in the worker with the rights of a vectorizer's owner.",
            c"It is for each 500 chunks that are written.",
        ),
    );
}

fn define_retries(d: &Definer) {
    d.int(
        c"pgai_rs.max_retries",
        &MAX_RETRIES,
        (0, 1_000),
        NO_UNIT,
        (
            c"Sets the maximum number of times that a failed row is retried before it is set aside.",
            c"Failures of loading are retried as often as the vectorizer's loading config says.",
        ),
    );
    d.int(
        c"pgai_rs.retry_backoff",
        &RETRY_BACKOFF,
        (0, 3_600_000),
        GucFlags::UNIT_MS,
        (
            c"Sets the time to wait before a failed row is retried for the first time.",
            c"It is doubled for each further attempt, with jitter.",
        ),
    );
    d.int(
        c"pgai_rs.retry_backoff_max",
        &RETRY_BACKOFF_MAX,
        (0, 86_400_000),
        GucFlags::UNIT_MS,
        c"Sets the maximum time to wait before a failed row is retried.",
    );
    d.int(
        c"pgai_rs.max_errors",
        &MAX_ERRORS,
        (1, 1_000_000),
        NO_UNIT,
        c"Sets the maximum number of rows that ai.vectorizer_errors keeps for a vectorizer.",
    );
}

fn define_limits(d: &Definer) {
    d.int(
        c"pgai_rs.max_documents_in_flight",
        &MAX_DOCUMENTS_IN_FLIGHT,
        (1, 1_000_000),
        NO_UNIT,
        c"Sets the maximum number of documents of one vectorizer that a worker holds at a time.",
    );
    d.int(
        c"pgai_rs.worker_memory_limit",
        &WORKER_MEMORY_LIMIT,
        (64, 1_048_576),
        GucFlags::UNIT_MB,
        (
            c"Sets the maximum memory of a worker.",
            c"It is for documents, their chunks and vectors, and requests to models with their answers.",
        ),
    );
    d.int(
        c"pgai_rs.worker_connection_limit",
        &WORKER_CONNECTION_LIMIT,
        (8, 100_000),
        NO_UNIT,
        (
            c"Sets the maximum number of concurrent connections of a worker to models.",
            c"There may be as many to S3.",
        ),
    );
    d.int(
        c"pgai_rs.worker_threads",
        &WORKER_THREADS,
        (1, 64),
        NO_UNIT,
        (
            c"Sets the number of threads with which a worker drives the network.",
            c"They also cut small documents into chunks. A worker that runs starts anew when this changes.",
        ),
    );
    d.int(
        c"pgai_rs.worker_niceness",
        &WORKER_NICENESS,
        (0, 19),
        NO_UNIT,
        (
            c"Sets how far workers and index builders let other processes go first at the CPU.",
            c"0 is the priority of sessions, and 19 the lowest. A worker that runs starts anew when this changes.",
        ),
    );
}

/// Copies these settings into those of the pipeline.
pub fn tell(settings: &mut Settings) {
    settings.memory_limit = (number(&WORKER_MEMORY_LIMIT) as u64) << 20;
    settings.connections = number(&WORKER_CONNECTION_LIMIT);
    settings.max_documents_in_flight = number(&MAX_DOCUMENTS_IN_FLIGHT);
    settings.network_threads = number(&WORKER_THREADS);
}

/// Returns how far workers and index builders let other processes go first, from 0 to 19.
pub fn worker_niceness() -> i32 {
    WORKER_NICENESS.get()
}

/// Returns the settings that a worker takes up when it starts, and not later.
pub fn worker_process() -> [i32; 2] {
    [WORKER_THREADS.get(), WORKER_NICENESS.get()]
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
