//! The pipeline of `pgai_rs`: from a claimed source row to chunks with vectors.
//!
//! ```text
//! Queue::claim ─► load ─► parse ─► chunk ─► format ─► embed ─► Queue::complete / Queue::fail
//! ```
//!
//! This crate knows no Postgres. It takes [`Document`](document::Document)s from, and gives
//! [`Completed`](document::Completed) or [`Failed`](document::Failed) ones back to, an
//! implementation of [`Queue`](run::Queue); the extension's SPI code is one of them.
//!
//! * [`config`]: a vectorizer's config as serde types, the one source of its JSON shape
//! * [`document`]: what travels: a claimed row, its chunks
//! * [`failure`]: why one failed, whom that concerns, and what becomes of it
//! * [`secret`]: keys, and who gave them
//! * [`settings`]: the operator's limits and endpoints
//! * [`load`], [`parse`], [`chunk`], [`mod@format`], [`embed`]: a stage a folder
//! * [`s3`]: asking S3, for the loader and for whoever lists buckets
//! * [`network`]: which addresses may be connected to, and how much is taken of an answer
//! * [`seal`]: secrets that lie where others may read
//! * [`search`]: choosing among the chunks that a search has found
//! * [`server_url`]: the URL of a server that is asked, and what allows it
//! * [`quota`]: how much a role may spend in a day; [`budget`]: how much of models may be used in a day or a month
//! * [`estimate`]: totals that a sample tells
//! * [`usage`]: what was sent to models, and what they bill
//! * [`source`]: a bucket kept as a table: what of it needs no Postgres
//! * [`child`]: processes of ours, within limits
//! * [`citation`], `outline`: the places of chunks in their documents, and the headings there
//! * [`run`]: the stages joined: bounded, concurrent, streaming
//! * [`backoff`]: growing pauses
//! * [`threads`]: threads of ours, which take no signals
//! * `fair`, `memory_budget`: permits and bytes that owners share
//! * `offload`: computing, kept off the network's threads
//! * `compression`, `json_items`: what objects and answers are compressed with, and how many items a JSON text has
//! * `exhausted`: descriptors that the system does not have
//! * [`message`]: texts of others, cut to a length

#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod backoff;
pub mod budget;
pub mod child;
pub mod chunk;
pub mod citation;
mod compression;
pub mod config;
pub mod document;
pub mod embed;
pub mod estimate;
mod exhausted;
pub mod failure;
mod fair;
pub mod format;
mod json_items;
pub mod load;
mod memory_budget;
pub mod message;
pub mod network;
mod offload;
mod outline;
pub mod parse;
pub mod quota;
pub mod run;
pub mod s3;
pub mod seal;
pub mod search;
pub mod secret;
pub mod server_url;
pub mod settings;
pub mod source;
pub mod threads;
pub mod usage;
