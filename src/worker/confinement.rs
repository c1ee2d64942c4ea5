//! The worker's word about the confinement of the processes that parse documents.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode};

use pgai_rs_pipeline::parse::take_missing_guards;

/// Warns, once, if this system lacks what keeps the parser from reaching out.
pub fn tell() {
    let missing = take_missing_guards();
    if missing.is_empty() {
        return;
    }
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_WARNING,
        format!("documents are parsed without some of the guards of their process: {}", missing.join(", ")),
        "",
    )
    .set_hint("Run pgai_rs_parser --check, which is beside the extension's library, to see why.")
    .report(PgLogLevel::WARNING);
}
