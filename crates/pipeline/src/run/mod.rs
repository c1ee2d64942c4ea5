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
//! Documents in flight, a vectorizer: `max_documents_in_flight`. Objects being loaded, an owner:
//! `load_concurrency`, and a few more for others. Bytes: `memory_limit`, of which a part is for objects being loaded, one for what
//! documents hold afterwards (text, chunks, vectors), and one for requests to models and their answers,
//! see [`Settings`](crate::settings::Settings). Connections: `connections` to models, and as many to S3.
//!
//! # Isolation
//!
//! Whatever all share is shared among the owners of vectorizers first: threads that compute, downloads, bytes,
//! connections, and turns with one provider's account. So one with a hundred vectorizers gets no more than another
//! with one. Work of more than a millisecond is not done on the threads that drive the network.
//!
//! A document waits for nothing but a slot, room and its own inputs' request. What a failure concerns is
//! part of it ([`Scope`](crate::failure::Scope)): a vectorizer whose provider or credentials are out of
//! order rests, and then tries a single document at a time until one gets through; so do the rows of an
//! object store that is. Nobody else notices. What is queued is not touched meanwhile, and what was under
//! way is given back without a try.
//!
//! # Files
//!
//! On the thread that owns the queue:
//!
//! * `queue`: the seam, [`Queue`]
//! * `runner`: the turns, and the threads
//! * `lane`, `rest`: the state of one vectorizer, and what it waits for
//! * `offer`, `finished`: results that wait for the queue, and handing them over
//! * `shares`: whose turn it is on this thread
//!
//! Of one document, on the runtime's threads:
//!
//! * `process`, `progress`: its way through the stages; `context`: what all documents share there; `memory`: what it may hold
//! * `source`: the document that its row holds or names
//! * `kept`: the text that is kept of a document, and whether it may be cut again
//! * `plan`, `reuse`, `fingerprint`: which chunks stay, which are new, and whether anything has changed at all
//! * `fill`: the template
//! * `prepared`: what a vectorizer's config is made into, once
//! * `embedding`: the vectors of its new inputs, from a batch or from the model
//! * `inquiry`: the question which of them a batch has brought, and whether they are collected for one
//! * `job`: the report that brings its result back
//! * `rehearsal`: the way up to the model, for those who want to know what it would cost
//!
//! Below both:
//!
//! * `heap`: memory that goes back to the operating system
//!
//! # Example
//!
//! A queue in memory has two rows. One has no document, and the other an address that nothing is loaded from.
//!
//! ```
//! use std::convert::Infallible;
//! use std::sync::{Arc, mpsc};
//!
//! use pgai_rs_pipeline::document::{Completed, Document, Failed, Payload, Ticket, Vectorizer};
//! use pgai_rs_pipeline::run::{Addresses, ClaimedDocuments, Queue, Runner};
//! use pgai_rs_pipeline::settings::Settings;
//!
//! /// Rows of one vectorizer, and what became of them.
//! struct MemoryQueue {
//!     vectorizer: Arc<Vectorizer>,
//!     waiting: Vec<Document>,
//!     completed: Vec<Ticket>,
//!     failed: Vec<(Ticket, &'static str)>,
//! }
//!
//! impl Queue for MemoryQueue {
//!     type Error = Infallible;
//!
//!     fn vectorizers(&mut self) -> Result<Vec<Arc<Vectorizer>>, Infallible> {
//!         Ok(vec![Arc::clone(&self.vectorizer)])
//!     }
//!
//!     fn claim(
//!         &mut self,
//!         _vectorizer: &Arc<Vectorizer>,
//!         limit: usize,
//!         _bytes: u64,
//!         _addresses: &Addresses,
//!     ) -> Result<ClaimedDocuments, Infallible> {
//!         let documents = self.waiting.drain(..limit.min(self.waiting.len())).collect();
//!         Ok(ClaimedDocuments { documents, more: !self.waiting.is_empty() })
//!     }
//!
//!     fn complete(
//!         &mut self,
//!         _vectorizer: &Arc<Vectorizer>,
//!         done: &[Completed],
//!     ) -> Result<Vec<Ticket>, Infallible> {
//!         self.completed.extend(done.iter().map(|document| document.ticket));
//!         Ok(Vec::new())
//!     }
//!
//!     fn fail(
//!         &mut self,
//!         _vectorizer: &Arc<Vectorizer>,
//!         failed: &[Failed],
//!     ) -> Result<Vec<Ticket>, Infallible> {
//!         self.failed.extend(failed.iter().map(|document| (document.ticket, document.failure.code)));
//!         Ok(Vec::new())
//!     }
//! }
//!
//! # let config = r#"{
//! #     "version": "0.12.1",
//! #     "loading": {"implementation": "uri", "column_name": "address"},
//! #     "embedding": {"implementation": "ollama", "model": "all-minilm", "dimensions": 384},
//! #     "destination": {
//! #         "implementation": "table",
//! #         "target_schema": "public", "target_table": "store",
//! #         "view_schema": "public", "view_name": "embedding"
//! #     }
//! # }"#;
//! # let vectorizer = Arc::new(Vectorizer {
//! #     id: 1,
//! #     name: "example".to_owned(),
//! #     config: serde_json::from_str(config)?,
//! #     author: Default::default(),
//! #     api_key: None,
//! #     account: Default::default(),
//! #     meter: Default::default(),
//! #     comes_last: false,
//! # });
//! # let row = |ticket, payload| Document {
//! #     ticket: Ticket(ticket),
//! #     vectorizer: Arc::clone(&vectorizer),
//! #     payload,
//! #     fields: Vec::new(),
//! #     existing: Vec::new(),
//! #     provenance: None,
//! #     kept: None,
//! # };
//! // `vectorizer` loads its documents from the addresses in its rows; `row` makes one of those.
//! let mut queue = MemoryQueue {
//!     waiting: vec![row(1, Payload::Null), row(2, Payload::Text("ftp://host/file.md".to_owned()))],
//!     vectorizer,
//!     completed: Vec::new(),
//!     failed: Vec::new(),
//! };
//! let (wake, woken) = mpsc::channel();
//! let mut runner = Runner::start(Settings::default(), move || drop(wake.send(())))?;
//!
//! runner.turn(&mut queue)?;
//! while runner.in_flight() > 0 {
//!     woken.recv()?;
//!     runner.turn(&mut queue)?;
//! }
//! assert_eq!(queue.completed, [Ticket(1)]);
//! assert_eq!(queue.failed, [(Ticket(2), "unsupported_scheme")]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod context;
mod embedding;
mod fill;
mod fingerprint;
mod finished;
mod heap;
mod inquiry;
mod job;
mod kept;
mod lane;
mod memory;
mod offer;
mod plan;
mod prepared;
mod process;
mod progress;
mod queue;
mod rehearsal;
mod rest;
mod reuse;
mod runner;
mod shares;
mod source;

pub use self::heap::release_free_memory;
pub use self::inquiry::{Found, Inquiry};
pub use self::kept::wants_text;
pub use self::queue::{Addresses, ClaimedDocuments, Queue};
pub use self::rehearsal::{Rehearsal, Rehearsed};
pub use self::runner::{Runner, Turn};
pub use self::shares::Shares;
