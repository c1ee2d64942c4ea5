//! A queue on a plain Postgres: a server, a client's session, and a source with its tables.
#![allow(dead_code, clippy::unwrap_used)]

pub mod client;
pub mod definitions;
pub mod params;
pub mod server;
pub mod source;
pub mod vectorizer;
