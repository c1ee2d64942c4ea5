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
}

/// Returns the implementation that `ai.indexing_default()` stands for.
pub fn indexing_default() -> &'static str {
    match INDEXING_DEFAULT.get() {
        IndexingDefault::hnsw => "hnsw",
        IndexingDefault::diskann => "diskann",
        IndexingDefault::none => "none",
    }
}
