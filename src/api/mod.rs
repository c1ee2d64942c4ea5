//! The SQL functions, one file per family, named after the SQL functions. Their signatures are in `sql/`.

// SQL functions return pgrx's error type, which is large.
#![allow(clippy::result_large_err)]

pub mod bind_all;
pub mod chunking;
pub mod convenience;
mod counts;
pub mod create_s3_source;
pub mod create_vectorizer;
pub mod documents;
pub mod drop_vectorizer;
pub mod embed;
pub mod execute_vectorizer;
pub mod grants;
pub mod migrate_from_pgai;
mod missed_state;
pub mod monitoring;
pub mod network;
mod pending;
mod quota;
pub mod resync;
pub mod retry_failed;
pub mod s3;
pub mod s3_source;
pub mod scheduling;

pub mod pgai_validators;
pub mod secrets;
pub mod vector_index;
pub mod vectorizer_state;
pub mod visibility;
pub mod worker;
pub mod worker_state;
