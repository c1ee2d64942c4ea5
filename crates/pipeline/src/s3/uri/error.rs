//! The faults of addresses.

use crate::failure::{Failure, Retry, Step};

/// The failure of a scheme that nothing is loaded by.
pub(super) fn unsupported_scheme(scheme: Option<&str>) -> Failure {
    // Only the scheme is repeated: the rest of, say, an https URL may hold a signature.
    let message = match scheme {
        Some(scheme) if scheme.len() <= 20 && scheme.chars().all(|c| c.is_ascii_alphanumeric()) => {
            format!("documents cannot be loaded from {scheme}://")
        }
        _ => "the document's address has no scheme such as s3://".to_owned(),
    };

    Failure::new(Step::Loading, "unsupported_scheme", message, Retry::Never)
        .with_hint("Only addresses of the form s3://bucket/key, and https URLs of S3, can be loaded.")
}

/// The failure of an address that names no object.
pub(super) fn invalid_uri(why: &str) -> Failure {
    Failure::new(
        Step::Loading,
        "invalid_uri",
        format!("the document's address is not valid: {why}"),
        Retry::Never,
    )
    .with_hint("Write it as s3://bucket/key. The key is taken literally, nothing in it is decoded.")
}
