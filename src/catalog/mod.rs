//! Typed access to `ai.vectorizer` and to the objects that each vectorizer has.
//!
//! A vectorizer's owner is the owner of its source, of its queue's tables and of its store. That makes ownership
//! a thing that Postgres keeps itself: through dump and restore, `REASSIGN OWNED` and `DROP OWNED`.
//!
//! * [`vectorizer`]: a row of `ai.vectorizer`, and what is to be known of it
//! * [`binding`], [`table`]: its relations, by OID and under a lock
//! * [`triggers`], [`objects`], [`destination`]: making and dropping what it has
//! * [`relation`], [`key`]: what a user's table is like
//! * [`visibility`]: who sees what of it
//! * [`secret`]: keys of models' providers that were set for the database
//! * [`spending`]: what roles have spent of what they may in a day
//! * [`rights`]: who may have the server fetch and send
//! * [`definitions`]: noticing that some definition has changed

pub mod binding;
pub mod definitions;
pub mod destination;
pub mod key;
pub mod key_columns;
pub mod objects;
pub mod own_columns;
pub mod relation;
pub mod rights;
pub mod row_security;
pub mod scan;
pub mod schema;
pub mod secret;
pub mod spending;
pub mod table;
pub mod trigger_states;
pub mod triggers;
pub mod vectorizer;
pub mod visibility;

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
