//! S3: who asks, what is answered, and what to say when it is a refusal.
//!
//! * `uri`: the address of an object, as people write it
//! * `allowed`: what the administrator's lists mean for one who asks
//! * `clients`: requests with the right identity, in the right region
//! * `session`, `sts`: what the AWS environment says, and the roles that are assumed upon it
//! * `recent`: a map of bounded size
//! * `error`: a refusal as data, told from the SDK's many shapes
//! * `failure`: the same in words that lead to the fix
//! * [`policies`]: the IAM policies that make it work
//! * `check`, `provider`: how far it goes, and with whose credentials, for a person to see

mod allowed;
mod check;
mod clients;
mod error;
mod failure;
pub mod policies;
mod provider;
mod recent;
mod session;
mod sts;
mod uri;

/// The most bytes of an ETag that is kept. S3's have some 40.
pub(crate) const LONGEST_ETAG: usize = 1024;

pub use self::allowed::{reachable, role_allowed};
pub use self::check::{CheckStep, check};
pub use self::clients::Clients;
pub use self::error::{Doubt, Fault, NotAllowed, Peer, S3Error};
pub use self::failure::{Operation, failure};
pub(crate) use self::recent::{Recent, lock};
pub use self::uri::{S3Uri, store_of};
