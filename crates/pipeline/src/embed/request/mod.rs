//! One request and its answer, the same for all providers.
//!
//! * `inputs`, `input_type`, `dimensions`, `optional`: what goes into a request
//! * `body`, `network_error`: what comes back, or why nothing does
//! * `answer`, `check`, `normalize`: vectors as they were sent, and as they are wanted; `said`: what is said beside them
//! * `refusal`, `inner_error`: what an answer without vectors means

pub(super) mod answer;
pub(super) mod body;
pub(super) mod check;
pub(super) mod dimensions;
pub(super) mod inner_error;
pub(super) mod input_type;
pub(super) mod inputs;
pub(super) mod network_error;
pub(super) mod normalize;
pub(super) mod optional;
pub(super) mod refusal;
pub(super) mod said;
