//! Typed access to `ai.vectorizer` and to the objects of each vectorizer.
//!
//! A vectorizer's owner is the owner of its source, of its queue's tables and of its store. So Postgres
//! itself keeps track of ownership: through dump and restore, `REASSIGN OWNED` and `DROP OWNED`.
//!
//! * [`vectorizer`], [`source_columns`]: a row of `ai.vectorizer`, and what is derived from it
//! * [`binding`], [`table`]: its relations, by OID and under a lock; [`remains`]: those of one that has lost some
//! * [`registration`], [`ownership`], [`dropping`]: its row, who may drop it, and what goes along; [`owners`]: who has how many
//! * [`triggers`], [`trigger_states`], [`objects`], [`destination`]: creating its objects, and which sessions fire its
//!   triggers; [`leftovers`]: triggers of none
//! * [`queue_tables`], [`texts`]: the names of its queue's tables and of their own columns, and whether it keeps texts
//! * [`words`], [`words_rights`]: the words of its chunks, and who may read them
//! * [`alteration`]: one that is built beside another, to take its place
//! * [`exchange`], [`exchange_sides`], [`exchange_names`], [`exchange_columns`]: the exchange of the two, what must hold for it, and names
//! * [`dependent_views`], [`obstacles`], [`grants`]: what reads the vectors, what else depends on them, and rights
//! * [`batch`]: inputs that are with a provider's batch API, and what it has brought
//! * [`fit`]: whether its config fits what it has
//! * [`scan`]: reading a table without a plan
//! * [`relation`], [`hierarchy`], [`key`], [`key_columns`]: the properties of a user's table
//! * [`schema`], [`visibility`], [`row_security`]: the schema `ai`, which roles see which part of it, and which chunks
//! * [`secret`]: API keys of model providers that are set for the database
//! * [`spending`]: daily quotas of roles, and what is used of them; [`usage`]: what vectorizers use of models, [`budget`]: and what they may
//! * [`sequence`]: numbers that are given once
//! * [`rights`]: which roles may have the server fetch and send
//! * [`definitions`], [`basis`]: detection of changed definitions, and what they depend on
//! * [`telling`]: the extension's tables whose rows tell of their changes as definitions do
//! * [`missed`]: records that triggers may have missed changes
//! * [`own_rows`]: what a session appends for the worker, once a transaction

pub mod alteration;
pub mod basis;
pub mod batch;
pub mod binding;
pub mod budget;
pub mod definitions;
pub mod dependent_views;
pub mod destination;
pub mod dropping;
pub mod exchange;
pub mod exchange_columns;
pub mod exchange_names;
pub mod exchange_sides;
pub mod fit;
pub mod grants;
pub mod hierarchy;
pub mod key;
pub mod key_columns;
pub mod leftovers;
pub mod missed;
pub mod objects;
pub mod obstacles;
pub mod own_rows;
pub mod owners;
pub mod ownership;
pub mod queue_tables;
pub mod registration;
pub mod relation;
pub mod remains;
pub mod rights;
pub mod row_security;
pub mod scan;
pub mod schema;
pub mod secret;
pub mod sequence;
pub mod source_columns;
pub mod spending;
pub mod table;
pub mod telling;
pub mod texts;
pub mod trigger_states;
pub mod triggers;
pub mod usage;
pub mod vectorizer;
pub mod visibility;
pub mod words;
pub mod words_rights;

/// Returns the name of the source's INSERT or row trigger, and the stem of the others' names.
pub fn trigger_name(id: i32) -> String {
    format!("_vectorizer_src_trg_{id}")
}

/// Returns the name of the table that the triggers append to.
pub fn inbox_name(id: i32) -> String {
    format!("_vectorizer_q_{id}")
}

/// Returns the name of the table with one row per source key that is pending or being processed.
pub fn work_name(id: i32) -> String {
    format!("_vectorizer_work_{id}")
}

/// Returns the name of the table that records what the chunks of each source key were made of.
pub fn origin_name(id: i32) -> String {
    format!("_vectorizer_origin_{id}")
}

/// Returns the name of the table of keys that were set aside.
pub fn failed_name(id: i32) -> String {
    format!("_vectorizer_q_failed_{id}")
}
