//! The SQL functions, one file per family, named after the SQL functions. Their signatures are in `sql/`.
//!
//! Vectorizers (`sql/vectorizer.sql`, `sql/monitoring.sql`, `sql/scheduling.sql`):
//!
//! * [`create_vectorizer`], [`drop_vectorizer`], [`scheduling`]: declaring, dropping, disabling, changing the times
//! * [`alter`]: changing one that is there, beside itself where all is embedded again
//! * [`explain_vectorizer`], [`explain`]: what one would come to, before it exists
//! * [`execute_vectorizer`], [`resync`], [`retry_failed`]: having the worker do something
//! * [`named`]: vectorizers as callers name them
//! * [`given_key`]: keys of rows as callers give them
//! * [`quota`]: the number of vectorizers and S3 sources that a role may have
//! * [`vector_index`]: pgai's functions for an index
//! * [`budget`]: what a vectorizer, a role or the database may use of models (`sql/budget.sql`)
//! * [`bind_all`]: the upgrade of vectorizers of earlier versions
//!
//! Their state (`sql/health.sql`, `sql/monitoring.sql`, `sql/metrics.sql`):
//!
//! * [`monitoring`]: the functions below the two views
//! * [`vectorizer_state`], [`worker_state`], [`missed_state`]: the state of one vectorizer, of the processes, and of the
//!   triggers, as a word, a reason and a hint
//! * [`counts`], [`pending`]: the rows in a queue
//! * [`progress`]: where to look, and the size of a store
//!
//! Models and documents (`sql/embed.sql`, `sql/convenience.sql`, `sql/search.sql`, `sql/documents.sql`,
//! `sql/secrets.sql`):
//!
//! * [`embed`], [`convenience`]: vectors for whoever calls
//! * [`requirements`]: what the database and the transaction must be like
//! * [`remembered`]: the answer of a model, for the rest of a statement
//! * [`search`]: the chunks that are nearest to a question
//! * [`rerank`]: a model that ranks them, or given texts
//! * [`models`]: the names by which models are known
//! * [`documents`], [`chunking`]: what becomes of a document or a text
//! * [`parsed_document`]: the text that a vectorizer keeps of a document
//! * [`network`]: waiting in a backend for any of these
//! * [`secrets`]: API keys for a database
//!
//! S3 (`sql/s3.sql`, `sql/s3_source.sql`):
//!
//! * [`s3`]: trying the access, and the policies for it
//! * [`create_s3_source`], [`s3_source`]: declaring, listing, disabling and dropping a source
//!
//! The rest (`sql/grants.sql`, `sql/visibility.sql`, `sql/worker.sql`, `sql/validators.sql`, `sql/migration.sql`):
//!
//! * [`grants`], [`visibility`]: who may use what, and see what
//! * [`worker`]: the worker of the database
//! * [`pgai_validators`], [`migrate_from_pgai`]: pgai's own functions, and taking over from it

// SQL functions return pgrx's error type, which is large.
#![allow(clippy::result_large_err)]

pub mod alter;
pub mod bind_all;
mod budget;
pub mod chunking;
pub mod convenience;
mod counts;
pub mod create_s3_source;
pub mod create_vectorizer;
pub mod documents;
pub mod drop_vectorizer;
pub mod embed;
pub mod execute_vectorizer;
mod explain;
pub mod explain_vectorizer;
mod given_key;
pub mod grants;
pub mod migrate_from_pgai;
mod missed_state;
pub mod models;
pub mod monitoring;
mod named;
pub mod network;
pub mod parsed_document;
mod pending;
mod progress;
mod quota;
mod remembered;
mod requirements;
pub mod rerank;
pub mod resync;
pub mod retry_failed;
pub mod s3;
pub mod s3_source;
pub mod scheduling;
pub mod search;

pub mod pgai_validators;
pub mod secrets;
pub mod vector_index;
pub mod vectorizer_state;
pub mod visibility;
pub mod worker;
pub mod worker_state;
