//! Pacing: the time at which the next request may leave.
//!
//! * `rate_limit`: what a provider's headers say is left
//! * `pace`: what follows from that; it knows no clock
//! * `limiter`: who waits, in the order of arrival
//! * `health`: whether the provider answers at all
//! * `connections`: how many connections there may be at a time

pub(super) mod connections;
pub(super) mod health;
pub(super) mod limiter;
pub(super) mod pace;
pub(super) mod rate_limit;
