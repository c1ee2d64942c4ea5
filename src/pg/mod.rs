//! Postgres facilities that pgrx does not provide.
//!
//! Statements:
//!
//! * [`sql`], [`quote`]: statements and their rows; names in them
//! * [`plan`], [`plan_cache`], [`plans_in_use`]: statements that are prepared
//! * [`result`]: rows as Postgres has them, read and returned
//! * [`statement`], [`named`], [`truncation`]: the tables and objects that a statement may name
//! * [`connection`]: the queue's connection, over SPI
//! * [`utility`]: statements that commit while they run
//! * [`settings`]: settings that change what a statement means
//! * [`json`], [`interval`], [`vector`], [`vector_type`], [`tsvector`]: values of users, and types of pgvector and
//!   Postgres
//!
//! Transactions and time:
//!
//! * [`transaction`]: transactions and subtransactions
//! * [`turn`], [`limits`]: transactions in which a role's SQL runs, within its share and its limits
//! * [`deadline`]: limits on the time of a user's backend
//! * [`lock`]: locks on names
//! * [`memory`]: memory that is given back before the transaction ends
//!
//! Roles and errors:
//!
//! * [`identity`], [`roles`], [`role_settings`]: acting as another role; its name and its settings
//! * [`error`], [`discreet`]: errors with SQLSTATE and hint, and those that must not show a secret
//! * [`key_file`]: the key that encrypts secrets
//!
//! The process:
//!
//! * [`session`], [`database`]: the settings and the database of a background worker
//! * [`wait`]: signals, latch, timeouts
//! * [`exit`]: what must be done when the process ends in the middle of a statement
//! * [`descriptors`], [`nice`]: file descriptors for the network; the priority at the CPU
//! * [`random`]: random numbers, and names that nobody can foresee

pub mod connection;
pub mod database;
pub mod deadline;
pub mod descriptors;
pub mod discreet;
pub mod error;
pub mod exit;
pub mod identity;
pub mod interval;
pub mod json;
pub mod key_file;
pub mod limits;
pub mod lock;
pub mod memory;
pub mod named;
pub mod nice;
pub mod plan;
pub mod plan_cache;
pub mod plans_in_use;
pub mod quote;
pub mod random;
pub mod result;
pub mod role_settings;
pub mod roles;
pub mod session;
pub mod settings;
pub mod sql;
pub mod statement;
pub mod transaction;
pub mod truncation;
pub mod tsvector;
pub mod turn;
pub mod utility;
pub mod vector;
pub mod vector_type;
pub mod wait;
