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
    GucRegistry::define_enum_guc(
        c"pgai_rs.indexing_default",
        c"What ai.indexing_default() means when a vectorizer is declared: hnsw, diskann or none.",
        c"",
        &INDEXING_DEFAULT,
        d.context(),
        d.flags,
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
