//! Declarations of vectorizers: what the arguments of `ai.create_vectorizer` say is checked, and completed with
//! defaults, before anything is created.
//!
//! What would fail at every row is refused here. Error texts are pgai's where it has one. Whether the administrator
//! allows what is declared is decided by [`access`](crate::access).
//!
//! * [`declaration`]: a declaration as a whole; from there on, nothing else reads JSON
//! * [`config`]: a part of a config, and the checks that are common to all parts
//! * [`source`]: the source
//! * [`names`]: names of vectorizers, of S3 sources and of what they create
//! * [`reranking`]: an argument of a search, by the same rules
//! * [`loading`], [`parsing`], [`chunking`], [`formatting`], [`embedding`], [`indexing`], [`scheduling`],
//!   [`processing`], [`destination`], [`search`]: the parts of a config, by the functions that make them

pub mod chunking;
pub mod config;
pub mod declaration;
pub mod destination;
pub mod embedding;
pub mod formatting;
pub mod indexing;
pub mod loading;
pub mod names;
pub mod parsing;
pub mod processing;
pub mod reranking;
pub mod scheduling;
pub mod search;
pub mod source;
