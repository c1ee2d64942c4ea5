//! A bucket kept as a table: all of it that needs no Postgres.
//!
//! ```text
//!  a listing   ListObjectsV2, page by page ─► wanted? ─► Page ─┐
//!                                                              ├─► the table (the extension)
//!  a listener  SQS ─► which keys? ─► HeadObject each ─► Batch ─┘
//!  an inquiry  HeadObject, of what the table says has changed ─► metadata? ─► answers
//! ```
//!
//! Each of the three is a task on the runtime's threads and a handle on the thread that owns the
//! table. The handle never waits; dropping it ends the task. All channels are bounded: a listing of
//! any length takes the memory of a few pages.
//!
//! The word of an event is not believed, for events come late, doubled and out of order: it names a
//! key, and what the object is *now* decides.
//!
//! * `listing`, `inquiry`, `listener`: the three tasks
//! * `sqs`, `queue_name`, `event`, `complaints`: a queue of events, which one a URL names, what its messages say, and those
//!   that say nothing. Another way for events to come is a file beside `sqs`, for `listener` to poll
//! * `scope`, `prefix`: the objects that are wanted
//! * `metadata`: what filters ask for, from S3 and from files beside the objects
//! * `answer`, `failure`: what S3 says of an object, and what to say when it does not
//! * `network`: the threads and clients that all sources share

mod answer;
mod complaints;
mod event;
mod failure;
mod inquiry;
mod listener;
mod listing;
mod metadata;
mod network;
mod prefix;
mod queue_name;
mod scope;
mod sqs;

pub use self::answer::{Object, ObjectAnswer, ObjectState};
pub use self::event::{Change, Malformed, changes};
pub use self::inquiry::Inquiry;
pub use self::listener::{EventBatch, Heard, Listener, MOST_WITH_METADATA};
pub use self::listing::{Listing, ListingPage, ListingPart, Sidecar};
pub use self::metadata::{ObjectMetadata, metadata_version};
pub use self::network::Network;
pub use self::prefix::S3Prefix;
pub use self::queue_name::queue_name;
pub use self::scope::ListingScope;
