//! Asking a provider's batch API, which takes a file of requests and answers within a day, for less than others pay.
//!
//! The protocol is OpenAI's, by <https://platform.openai.com/docs/guides/batch> and
//! <https://platform.openai.com/docs/api-reference/batch> (read in November 2026): a file of JSON lines is uploaded, a batch is
//! made of it and looked at until it is over, and its answers are in other files, in any order.
//!
//! * `file`: the lines of requests
//! * `answers`: the lines of answers, read within bounds
//! * `state`: what the provider says of a batch
//! * `server`: the requests that bring them there and back
//! * `task`: these requests on the runtime's threads, a step of a batch's way each
//! * `room`: the room for steps that hold much memory
//!
//! Nothing here knows when to ask: whoever has the inputs keeps what is written down of a batch, and asks.

mod answers;
mod file;
mod room;
mod server;
mod state;
mod task;

pub use self::answers::BatchAnswer;
pub use self::file::{BatchFile, MOST_BYTES, MOST_INPUTS, MOST_TOKENS, json_bytes};
pub use self::room::{LargeStep, Place, Room};
pub use self::server::BatchServer;
pub use self::state::{BatchState, Created};
pub use self::task::{BatchEvent, BatchNetwork, BatchTask, ToCancel};
