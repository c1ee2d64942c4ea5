//! Settings for vector indexes.

use super::setting::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq, pgrx::PostgresGucEnum)]
#[allow(non_camel_case_types)]
enum IndexingDefault {
    hnsw,
    diskann,
    none,
}

static INDEXING_DEFAULT: GucSetting<IndexingDefault> =
    GucSetting::<IndexingDefault>::new(IndexingDefault::hnsw);

settings! {
    int MAX_INDEX_BUILDERS = 2;
}

/// Defines these settings.
pub fn define(d: &Definer) {
    d.choice(
        c"pgai_rs.indexing_default",
        &INDEXING_DEFAULT,
        (
            c"Sets the index that ai.indexing_default() stands for.",
            c"It is decided when a vectorizer is declared.",
        ),
    );
    d.int(
        c"pgai_rs.max_index_builders",
        &MAX_INDEX_BUILDERS,
        (1, 100),
        NO_UNIT,
        (
            c"Sets the maximum number of owners for whom a vector index is built at a time in a database.",
            c"Each build is a background worker, and takes up to maintenance_work_mem.",
        ),
    );
}

/// Returns the maximum number of owners for whom an index is built at a time.
pub fn max_index_builders() -> usize {
    number(&MAX_INDEX_BUILDERS)
}

/// Returns the implementation that `ai.indexing_default()` stands for.
pub fn indexing_default() -> &'static str {
    match INDEXING_DEFAULT.get() {
        IndexingDefault::hnsw => "hnsw",
        IndexingDefault::diskann => "diskann",
        IndexingDefault::none => "none",
    }
}
