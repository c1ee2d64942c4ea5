//! An OpenAI-compatible embedding server with a local all-MiniLM-L6-v2, for the demo and the tests, so that
//! neither needs an account.
//!
//! ```text
//! python3 crates/embedding-server/fetch_model.py --dir DIR
//! pgai_rs_embedding_server --model-dir DIR --listen 127.0.0.1:8080
//! ```
//!
//! | File | Subject |
//! |---|---|
//! | `main.rs` | arguments, start, stop at a signal |
//! | [`server`] | the routes and the way of a request |
//! | [`protocol`] | the shapes of the OpenAI API: requests, answers, errors |
//! | [`queue`] | what waits, in fair order, and the threads that work it off |
//! | [`embed`] | what the server needs of a model; the model it has |
//! | [`tokenize`] | text to word pieces |
//! | [`model`] | the network: word pieces to a vector |
//! | `kernels` | its arithmetic |
//! | [`checkpoint`] | the files of the model: hashes, tensors |
//!
//! The vectors are those of sentence-transformers to 1e-5 (`tests/golden/`). The tests need the
//! model too: `EMBEDDING_MODEL_DIR=DIR cargo test --release -p embedding-server`.

// In a test an unwrap is an assertion.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod checkpoint;
pub mod embed;
mod kernels;
pub mod model;
pub mod protocol;
pub mod queue;
pub mod server;
pub mod tokenize;
