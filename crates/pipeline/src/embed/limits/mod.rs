//! Limits on the size of a request.
//!
//! * `pack`: limits, and what of a row of inputs fits into them
//! * `most`: how much a server says that it takes
//! * `bracket`, `ceiling`: how much it takes as it shows, for an input that is refused and for all of a group
//! * `stride`: how much it answers in good time

pub(super) mod bracket;
pub(super) mod ceiling;
pub(super) mod most;
pub(super) mod pack;
pub(super) mod stride;
