//! The administrator's limits on what the server may be made to fetch and send.
//!
//! They are checked when something is declared and again before work begins, because the settings and the rights of
//! roles may have changed.
//!
//! * [`loading`]: documents that a vectorizer loads
//! * [`embedding`], [`reranking`]: models that texts are sent to
//! * [`vectorizer`]: both, of a vectorizer
//! * [`source`]: buckets that are listed, and queues of their events
//! * [`s3`]: requests to S3 and other services of AWS, in the way that one of these declares

pub mod embedding;
pub mod loading;
pub mod reranking;
pub mod s3;
pub mod source;
pub mod vectorizer;
