//! How much one role may have made.

use super::setting::*;

settings! {
    int MAX_VECTORIZERS_PER_ROLE = 100;
    int MAX_S3_SOURCES_PER_ROLE = 100;
}

/// Makes them known to Postgres.
pub fn define(d: &Definer) {
    d.int(
        c"pgai_rs.max_vectorizers_per_role",
        &MAX_VECTORIZERS_PER_ROLE,
        (0, 1_000_000),
        GucFlags::empty(),
        c"Most vectorizers that a role may have which is no superuser.",
    );
    d.int(
        c"pgai_rs.max_s3_sources_per_role",
        &MAX_S3_SOURCES_PER_ROLE,
        (0, 1_000_000),
        GucFlags::empty(),
        c"Most S3 sources that a role may have which is no superuser.",
    );
}

/// Most vectorizers that a role may have which is no superuser.
pub fn max_vectorizers_per_role() -> i64 {
    MAX_VECTORIZERS_PER_ROLE.get().into()
}

/// Most S3 sources that a role may have which is no superuser.
pub fn max_s3_sources_per_role() -> i64 {
    MAX_S3_SOURCES_PER_ROLE.get().into()
}
