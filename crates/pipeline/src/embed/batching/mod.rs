//! Inputs of all documents, packed into requests.
//!
//! * `group`: which inputs may share a request
//! * `batcher`: packed, paced and retried, one group a provider
//! * `arrivals`: documents on their way, for which inputs wait
//! * `batch`: the inputs of one request, and those who wait for them
//! * `search`: which input of a request a provider can't take

pub(super) mod arrivals;
pub(super) mod batch;
pub(super) mod batcher;
pub(super) mod group;
pub(super) mod search;
