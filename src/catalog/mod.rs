//! Typed access to `ai.vectorizer` and to the objects that each vectorizer has.
//!
//! A vectorizer's owner is the owner of its queue table. That makes ownership a thing that Postgres
//! keeps itself: through dump and restore, `REASSIGN OWNED` and `DROP OWNED`.

pub mod definitions;
pub mod destination;
pub mod key;
pub mod key_columns;
pub mod objects;
pub mod own_columns;
pub mod relation;
pub mod trigger_states;
pub mod vectorizer;

/// The name of the source's trigger, and the stem of the others'.
pub fn trigger_name(id: i32) -> String {
    format!("_vectorizer_src_trg_{id}")
}

/// The table that the trigger appends to.
pub fn inbox_name(id: i32) -> String {
    format!("_vectorizer_q_{id}")
}

/// The table with one row per source key that waits or is worked on.
pub fn work_name(id: i32) -> String {
    format!("_vectorizer_work_{id}")
}

/// The table of what the chunks of each source key were made of.
pub fn origin_name(id: i32) -> String {
    format!("_vectorizer_origin_{id}")
}

/// The table of keys that were set aside.
pub fn failed_name(id: i32) -> String {
    format!("_vectorizer_q_failed_{id}")
}
