//! The reasons why a request got no vectors, and the failures that its documents are given back with.

use std::time::Duration;

use super::limits::most::Most;
use crate::failure::{Failure, Retry, Scope, Step};

/// The time that a vectorizer rests when its provider needs a person to act.
pub(super) const ADMINISTRATOR: Duration = Duration::from_secs(60);

/// A provider that wants to be left alone for longer is asked nevertheless: clocks err.
pub(super) const LONGEST_THROTTLE: Duration = Duration::from_secs(600);

/// The reason why a request got no vectors, as far as it matters for what to do next.
///
/// None of the texts holds a secret or a part of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbedError {
    /// Too many requests or tokens: wait, for as long as the provider says if it does.
    Throttled(Option<Duration>),
    /// No connection came about: nobody has read the inputs.
    Unreachable(String),
    /// The provider failed, broke off or took too long: it may have been the inputs' doing.
    Unavailable(String),
    /// The answer is not what was asked for.
    BadResponse(String),
    /// The provider refuses one of these inputs, or their number.
    InputRefused(String),
    /// The provider takes fewer inputs in a request, or smaller ones, and says so.
    TooMany(Most, String),
    /// The provider refuses whatever this vectorizer asks, until somebody mends it.
    Refused(Failure),
}

impl EmbedError {
    /// A refusal that concerns all inputs and lasts until somebody acts.
    pub(crate) fn refused(code: &'static str, message: impl Into<String>, hint: &str) -> Self {
        EmbedError::Refused(
            Failure::new(Step::Embedding, code, message, Retry::After(ADMINISTRATOR))
                .concerning(Scope::Provider)
                .with_hint(hint),
        )
    }

    /// Returns the failure that a document is given back with when nothing more is tried for it, and it
    /// is not known that its own inputs are to blame.
    pub(crate) fn into_failure(self) -> Failure {
        let (code, message, retry, hint) = match self {
            EmbedError::Refused(failure) => return failure,
            EmbedError::InputRefused(_) | EmbedError::TooMany(..) => return self.of_input(),
            EmbedError::Throttled(pause) => (
                "throttled",
                "the embedding provider limits the rate of requests".to_owned(),
                Retry::After(pause.unwrap_or(Duration::from_secs(10)).min(LONGEST_THROTTLE)),
                "No action is needed. A higher limit of the provider's account makes it faster.",
            ),
            EmbedError::Unreachable(why) => (
                "provider_unavailable",
                format!("could not connect to the embedding provider: {why}"),
                Retry::OnRecovery,
                "Check the vectorizer's base_url, and the network between it and the Postgres server.",
            ),
            EmbedError::Unavailable(why) => (
                "provider_unavailable",
                format!("the embedding provider failed: {why}"),
                Retry::OnRecovery,
                "See the provider's log or status page. The vectorizer continues automatically when the provider \
                 is back.",
            ),
            EmbedError::BadResponse(why) => (
                "bad_response",
                format!("invalid response from the embedding provider: {why}"),
                Retry::OnRecovery,
                "Check that base_url is the address of an embedding server, and see its log.",
            ),
        };

        Failure::new(Step::Embedding, code, message, retry).concerning(Scope::Provider).with_hint(hint)
    }

    /// Returns the failure that a document is given back with when its own input is to blame: the
    /// provider takes others.
    pub(crate) fn of_input(self) -> Failure {
        match self {
            EmbedError::InputRefused(why) | EmbedError::TooMany(_, why) => {
                let message = format!("the embedding provider rejected the input: {why}");
                Failure::new(Step::Embedding, "input_refused", message, Retry::Never)
                    .with_hint("Change the row's text, or make chunks that fit into the model's context.")
            }
            EmbedError::Unavailable(_) => {
                let failure = self.into_failure().of_row();
                Failure { code: "provider_failed_on_input", ..failure }.with_hint(
                    "The provider accepts other inputs. See its log for the reason why it rejects this one.",
                )
            }
            EmbedError::BadResponse(_) => self.into_failure().of_row(),
            EmbedError::Refused(_) | EmbedError::Throttled(_) | EmbedError::Unreachable(_) => {
                self.into_failure()
            }
        }
    }
}

/// A config that nothing can be done with until its author mends it.
pub(super) fn invalid(message: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure::new(Step::Embedding, "invalid_embedding", message, Retry::After(ADMINISTRATOR)).with_hint(hint)
}

/// A base URL that can't be asked; says why, and repeats nothing of it.
pub(super) fn invalid_base_url(message: &str, hint: &str) -> Failure {
    Failure::new(Step::Embedding, "invalid_base_url", message, Retry::After(ADMINISTRATOR)).with_hint(hint)
}
