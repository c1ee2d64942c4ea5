//! All settings: name, default, unit, context and description, and a typed accessor.
//!
//! `docs/settings.md` lists them for users; a test compares the two.
//!
//! All are for the operator, and take effect at a reload; none needs a restart. Those that may differ between
//! databases (`ALTER DATABASE … SET`) are `superuser`, the others `sighup`.
//!
//! * `setting`: how a setting is defined and read
//! * `embedding`, `indexing`, `loading`, `parsing`: settings of a stage
//! * `s3`, `sources`: addresses and credentials of S3, and S3 sources
//! * `quota`: how much a role may have and use
//! * `worker`: the worker's processes, times and memory

mod embedding;
mod indexing;
mod loading;
mod parsing;
mod quota;
mod s3;
mod setting;
mod sources;
mod worker;

use std::ffi::CStr;

use pgrx::pg_sys;

use pgai_rs_pipeline::settings::Settings;

pub use embedding::{api_key, query_timeout};
pub use indexing::{indexing_default, max_index_builders};
pub use loading::{load_concurrency, reaches_objects, s3_anonymous, s3_endpoint_allowed};
pub use quota::{
    DAILY_BYTES_PER_DATABASE, DAILY_BYTES_PER_ROLE, DAILY_TOKENS_PER_DATABASE, DAILY_TOKENS_PER_ROLE,
    DailyLimit, max_s3_sources_per_database, max_s3_sources_per_role, max_vectorizers_per_database,
    max_vectorizers_per_role,
};
pub use s3::{role_arn_allowed, s3_role_only};
pub use sources::{
    queue_url_allowed, s3_source_history, s3_source_max_delete_percent, s3_source_max_objects,
};
pub use worker::{
    databases, heartbeat_interval, lease_duration, max_errors, max_retries, owner_statement_timeout,
    poll_interval, retry_backoff, worker_niceness, worker_process,
};

use setting::{Definer, GucFlags};

/// Defines all settings; called once, from `_PG_init`.
pub fn define() {
    let sighup = Definer { flags: GucFlags::empty(), superuser: false };
    let superuser = Definer { flags: GucFlags::empty(), superuser: true };
    let secret = Definer { flags: GucFlags::SUPERUSER_ONLY | GucFlags::NO_SHOW_ALL, superuser: false };
    worker::define(&sighup);
    loading::define(&sighup, &superuser);
    parsing::define(&sighup);
    s3::define(&sighup, &superuser, &secret);
    embedding::define(&sighup, &superuser, &secret);
    sources::define(&sighup, &superuser);
    indexing::define(&superuser);
    quota::define(&superuser);
    // SAFETY: all settings of this prefix are defined above.
    unsafe { pg_sys::MarkGUCPrefixReserved(c"pgai_rs".as_ptr()) };
}

/// Returns the current settings of the pipeline. Must be called on the main thread.
pub fn pipeline() -> Settings {
    let mut settings = Settings { s3: s3::s3(), ..Settings::default() };
    worker::tell(&mut settings);
    loading::tell(&mut settings);
    parsing::tell(&mut settings);
    embedding::tell(&mut settings);
    sources::tell(&mut settings);
    settings
}

/// Returns a setting that is not ours, such as pgai's; `None` if it is not set or empty.
pub fn foreign(name: &CStr) -> Option<String> {
    // SAFETY: the answer is valid until the setting changes, and copied at once.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value).to_string_lossy().into_owned())
    }
    .filter(|value| !value.is_empty())
}
