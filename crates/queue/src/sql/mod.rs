//! The queue's SQL: a function for each statement, of a [`Definition`](crate::definition::Definition) alone.
//!
//! Keys are passed as text, one `text[]` parameter per column of the primary key (see
//! [`Key::given`](crate::key::Key::given)). That works for every type, and for a batch of any size
//! in one statement.
//!
//! "Of keys" means that the first parameters are the keys; "then" names the parameters after them, arrays
//! unless they are `$n`. `ord` is a key's position among the parameters, from 1.
//!
//! * [`inbox`], [`partitions`]: moving changes to the work table
//! * [`work`]: claims, leases, rows that are settled or set aside; [`suspects`]: those that a worker held when it ended
//! * [`source`]: documents, and locks on their rows
//! * [`store`], [`mod@column`], [`provenance`]: where vectors go, and what is remembered of them
//! * [`text`]: the texts that are kept of documents
//! * [`words`]: the words of chunks
//! * [`errors`]: error rows
//! * [`trigger`]: statements of users' transactions

pub mod column;
pub mod errors;
pub mod inbox;
pub mod partitions;
pub mod provenance;
pub mod source;
pub mod store;
pub mod suspects;
pub mod text;
pub mod trigger;
pub mod words;
pub mod work;
