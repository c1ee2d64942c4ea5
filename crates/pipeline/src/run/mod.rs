//! The stages joined: bounded, concurrent, streaming.
//!
//! ```text
//!  the queue's thread                         the runtime's threads
//!  ──────────────────                         ─────────────────────
//!  Runner::turn
//!    Queue::claim ──── a task a document ────► load ► parse ► chunk ► format ► embed
//!    Queue::complete ◄──┐                                                        │
//!    Queue::fail     ◄──┴───────────────── one report a document ◄───────────────┘
//! ```
//!
//! # Invariant
//!
//! **Every claimed ticket comes back exactly once**, in [`Queue::complete`] or in
//! [`Queue::fail`], unless its vectorizer was forgotten or the runner dropped. It holds because
//!
//! * a document's task owns a report that is sent when it ends, in whatever way: `Drop` sends it
//!   for a task that panicked;
//! * a result leaves the runner only when the queue answered `Ok` for it;
//! * a job has a number that never comes again, so that a report which arrives after its vectorizer
//!   was forgotten is not taken for another's.
//!
//! # Bounds
//!
//! Documents in flight, a vectorizer: `max_documents_in_flight`. Objects being loaded:
//! `load_concurrency`. Bytes: `memory_limit`, of which a part is for objects being loaded, one for what
//! documents hold afterwards (text, chunks, vectors), and one for requests to models and their answers,
//! see [`Settings`](crate::settings::Settings). Connections: `connections` to models, and as many to S3.
//!
//! # Isolation
//!
//! A document waits for nothing but a slot, room and its own inputs' request. What a failure concerns is
//! part of it ([`Scope`](crate::failure::Scope)): a vectorizer whose provider or credentials are out of
//! order rests, and then tries a single document at a time until one gets through; so do the rows of an
//! object store that is. Nobody else notices. What is queued is not touched meanwhile, and what was under
//! way is given back without a try.

mod fingerprint;
mod heap;
mod job;
mod lane;
mod offer;
mod plan;
mod prepared;
mod process;
mod progress;
mod queue;
mod rest;
mod reuse;
mod runner;
mod shares;
mod signals;
mod source;
mod threads;

pub use self::heap::release_free_memory;
pub use self::queue::{Addresses, Queue};
pub use self::runner::{Runner, Turn};
pub use self::shares::Shares;
pub use self::signals::current_thread_runtime;
