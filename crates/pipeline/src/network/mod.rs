//! The common ground of all that goes over the network, whoever asks.
//!
//! * `look_ups`, `asker`: names, looked up on threads of their own for the owners of requests
//! * `address`, `reach`: which addresses a server may have, in every spelling, on what is connected to
//! * `http`: clients for models and tokens
//! * `socket`: a server on this host that listens on a Unix socket
//! * `sdk`, `parts`: the client for AWS, whose answers are bounded in bytes and in parts
//! * `trust`: the authorities that all clients trust

mod address;
mod asker;
mod http;
mod look_ups;
mod parts;
mod reach;
mod sdk;
mod socket;
mod trust;

use std::error::Error;

pub(crate) use self::asker::asked_by;
pub use self::http::HttpClients;
pub(crate) use self::http::query_clients;
pub(crate) use self::look_ups::look_up_threads;
pub use self::reach::{AddressRefused, Reach};
pub(crate) use self::sdk::{AnswerLimits, AnswerTooLong, bounded, read_trust_roots};
pub(crate) use self::socket::SocketAddress;

/// Returns whether an error of this type is another, or among its causes.
fn is_behind<T: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<T>() {
            return true;
        }
        next = error.source();
    }
    false
}
