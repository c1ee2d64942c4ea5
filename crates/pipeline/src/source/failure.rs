//! Failures of a source beside S3's answers, in words that lead to the fix.

use std::fmt;

use crate::failure::{Failure, Retry, Step};

fn loading(code: &'static str, message: impl Into<String>, retry: Retry) -> Failure {
    Failure::new(Step::Loading, code, message, retry)
}

/// The operator does not allow the whole prefix.
pub(super) fn not_allowed(prefix: impl fmt::Display) -> Failure {
    loading("uri_not_allowed", format!("{prefix} is not among the allowed addresses"), Retry::Never).with_hint(
        "The administrator allows addresses by prefix with pgai_rs.allowed_uris; all of what is listed must lie \
         within one.",
    )
}

/// No key begins like this.
pub(super) fn invalid_prefix() -> Failure {
    loading(
        "invalid_uri",
        "the prefix is longer than a key can be, holds a NUL, or names a version",
        Retry::Never,
    )
    .with_hint("Write the address as s3://bucket/prefix/.")
}

/// Events would be taken for those of another bucket.
pub(super) fn access_point_with_queue() -> Failure {
    loading("invalid_uri", "events name the bucket, and not its access point", Retry::Never)
        .with_hint("With queue_url, write the address with the bucket's own name.")
}

/// A glob that can't be read.
pub(super) fn invalid_glob(glob: &str, why: impl fmt::Display) -> Failure {
    loading("invalid_glob", format!("the glob {glob:?} can't be read: {why}"), Retry::Never).with_hint(
        "* matches within a folder, ** across folders, ? one character, [a-z] one of a set, {a,b} either; \
         \\ takes the next character literally.",
    )
}

/// The server's pages do not add up to a listing.
pub(super) fn broken_listing(prefix: impl fmt::Display, why: &str) -> Failure {
    loading("broken_listing", format!("the listing of {prefix} is not to be trusted: {why}"), Retry::Backoff)
        .with_hint(
            "Nothing was deleted. If this persists, the server does not speak ListObjectsV2 as S3 does.",
        )
}

/// A task ended without an answer.
pub(super) fn interrupted() -> Failure {
    loading("interrupted", "the listing was interrupted", Retry::Backoff)
}

/// The queue's address can't be used.
pub(super) fn invalid_queue_url() -> Failure {
    loading("invalid_queue_url", "the address of the queue is not valid", Retry::Never)
        .with_hint("Write it as SQS gives it: https://sqs.<region>.amazonaws.com/<account>/<queue>.")
}
