//! Failures of a source beside S3's answers, in words that lead to the fix.

use std::fmt;

use crate::failure::{Failure, Retry, Step};
use crate::message::truncate_message;

/// The largest number of bytes of a user's text that a message repeats.
const QUOTED_BYTES: usize = 100;

fn loading(code: &'static str, message: impl Into<String>, retry: Retry) -> Failure {
    Failure::new(Step::Loading, code, message, retry)
}

/// The operator does not allow the whole prefix.
pub(super) fn not_allowed(prefix: impl fmt::Display) -> Failure {
    loading("uri_not_allowed", format!("address {prefix} is not allowed"), Retry::Never).with_hint(
        "A superuser can add a prefix of it to pgai_rs.allowed_uris, which must cover all that is listed.",
    )
}

/// No key begins like this.
pub(super) fn invalid_prefix() -> Failure {
    loading(
        "invalid_uri",
        "the prefix is longer than a key, contains a NUL character, or has a version",
        Retry::Never,
    )
    .with_hint("Write the address as s3://bucket/prefix/.")
}

/// Events would be taken for those of another bucket.
pub(super) fn access_point_with_queue() -> Failure {
    loading("invalid_uri", "events contain the bucket's name and not its access point", Retry::Never)
        .with_hint("With queue_url, use the bucket's own name in the address.")
}

/// A glob that can't be read.
pub(super) fn invalid_glob(glob: &str, why: impl fmt::Display) -> Failure {
    let glob = truncate_message(glob, QUOTED_BYTES);
    loading("invalid_glob", format!("invalid glob {glob:?}: {why}"), Retry::Never).with_hint(
        "In a glob, * matches within a folder, ** across folders, ? one character, [a-z] one of a set, {a,b} \
         either, and \\ takes the next character literally.",
    )
}

/// There are more globs than a source may have.
pub(super) fn too_many_globs(got: usize, most: usize) -> Failure {
    loading("invalid_glob", format!("number of globs ({got}) exceeds limit ({most})"), Retry::Never)
        .with_hint("Combine several by {a,b}, or name a longer prefix.")
}

/// The server's pages do not add up to a listing.
pub(super) fn broken_listing(prefix: impl fmt::Display, why: &str) -> Failure {
    loading("broken_listing", format!("invalid listing of {prefix}: {why}"), Retry::Backoff).with_hint(
        "Nothing was deleted. If this persists, the server does not support ListObjectsV2 as S3 does.",
    )
}

/// The metadata of the object at `uri` can't be stored.
pub(super) fn invalid_metadata(uri: impl fmt::Display, why: impl fmt::Display) -> Failure {
    loading("invalid_metadata", format!("invalid metadata of {uri}: {why}"), Retry::Never).with_hint(
        "Its row has NULL in the column metadata until that is corrected, so that filters which compare metadata leave it out.",
    )
}

/// A task ended without an answer, which does this.
pub(super) fn interrupted(task: &str) -> Failure {
    loading("interrupted", format!("{task} was interrupted"), Retry::Backoff)
}

/// The queue's address can't be used.
pub(super) fn invalid_queue_url() -> Failure {
    loading("invalid_queue_url", "the address of the queue is not valid", Retry::Never)
        .with_hint("Use the form of SQS: https://sqs.<region>.amazonaws.com/<account>/<queue>.")
}
