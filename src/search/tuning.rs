//! Settings of pgvector's for the time of a search.

use std::cell::Cell;
use std::ffi::{CStr, CString};

use pgrx::pg_sys;

use crate::catalog::relation::vector_schema;
use crate::pg::error::PgError;
use crate::pg::identity::with_pinned_path;
use crate::pg::settings::SettingsLevel;
use crate::pg::sql;

/// The largest `hnsw.ef_search` (pgvector's `HNSW_MAX_EF_SEARCH`, `src/hnsw.h`).
const MOST_CANDIDATES: usize = 1_000;

/// Candidates of an index for each row that is wanted: with as many as rows alone, one in twenty of the nearest may be
/// missing.
const CANDIDATES_PER_ROW: usize = 2;

/// Candidates of an index that knows vectors roughly, for each row that is wanted. They are compared exactly. Of the ten
/// nearest of 3,000 chunks, by the signs of 384 numbers, 0.965 are among 40 candidates and 0.995 among 100.
const ROUGH_CANDIDATES_PER_ROW: usize = 10;

thread_local! {
    /// True if pgvector's library is known to be loaded, which defines its settings.
    static IS_LOADED: Cell<bool> = const { Cell::new(false) };
}

/// Sets, for as long as the level lasts, what lets an index find so many rows: enough candidates, and that it goes on
/// where a filter leaves too few of them. What the session has set higher stays as it is, and an older pgvector lacks
/// some of it. Returns the number of candidates to compare exactly, where the index knows vectors only roughly: as many as
/// it looks at, if the session has set more.
pub fn tune(level: &SettingsLevel, rows: usize, is_rough: bool) -> Result<Option<usize>, PgError> {
    load()?;

    let wanted = rows * if is_rough { ROUGH_CANDIDATES_PER_ROW } else { CANDIDATES_PER_ROW };
    let looked_at = wanted.min(MOST_CANDIDATES);
    let set = current(c"hnsw.ef_search").and_then(|value| value.parse::<usize>().ok());
    if set.is_some_and(|set| set < looked_at) {
        let value =
            CString::new(looked_at.to_string()).map_err(|_| PgError::internal("unexpected zero byte"))?;
        level.set(c"hnsw.ef_search", &value);
    }
    // What comes out of order is sorted once more.
    for setting in [c"hnsw.iterative_scan", c"ivfflat.iterative_scan"] {
        if current(setting).as_deref() == Some("off") {
            level.set(setting, c"relaxed_order");
        }
    }
    Ok(is_rough.then(|| wanted.max(set.unwrap_or_default())))
}

/// Returns the value of a setting; `None` if there is none of this name.
pub fn current(setting: &CStr) -> Option<String> {
    // SAFETY: a C string; the value is null or a C string, and copied.
    unsafe {
        let value = pg_sys::GetConfigOption(setting.as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value).to_string_lossy().into_owned())
    }
}

/// Has pgvector's library loaded, which a session does when it first calls a function of it.
fn load() -> Result<(), PgError> {
    if IS_LOADED.get() {
        return Ok(());
    }
    with_pinned_path(|| {
        let vector = sql::qualified(&vector_schema()?, "vector");
        sql::read_now(&format!("SELECT '[1]'::{vector}"), &[], |_| Ok(()))
    })?;
    IS_LOADED.set(true);
    Ok(())
}
