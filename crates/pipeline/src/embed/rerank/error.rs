//! The reasons why there is no relevance.

use std::sync::Arc;
use std::time::Duration;

use crate::embed::error::{ADMINISTRATOR, EmbedError, LONGEST_THROTTLE};
use crate::embed::request::refusal::{ProviderRefusal, RefusalKind};
use crate::failure::{Failure, Retry, Scope, Step};
use crate::secret::Secret;

/// The reason why there is no relevance. None of the texts holds a secret or a part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RerankError {
    /// The provider is out of reach, fails, answers something else, limits the rate or has no quota left: it may answer later.
    Down(Failure),
    /// Nothing is asked, or the provider refuses it, until somebody changes something.
    Refused(Failure),
}

impl RerankError {
    /// Returns the error for the last attempt of a request.
    pub(super) fn of(error: EmbedError) -> RerankError {
        let (code, message, hint) = match error {
            EmbedError::Refused(failure) if failure.retry == Retry::OnRecovery => {
                return RerankError::Down(failure);
            }
            EmbedError::Refused(failure) => return RerankError::Refused(failure),
            EmbedError::InputRefused(why) | EmbedError::TooMany(_, why) => {
                let message = format!("the reranking provider rejected the texts: {why}");
                let failure = Failure::new(Step::Embedding, "input_refused", message, Retry::Never);
                return RerankError::Refused(
                    failure.with_hint(
                        "Ask a shorter question, or make chunks that fit into the model's context.",
                    ),
                );
            }
            EmbedError::Throttled(pause) => {
                let pause = pause.unwrap_or(Duration::from_secs(10)).min(LONGEST_THROTTLE);
                let message = "the reranking provider limits the rate of requests";
                let failure = Failure::new(Step::Embedding, "throttled", message, Retry::After(pause));
                return RerankError::Down(
                    failure.with_hint("Try again later, or with fewer candidates. A higher limit of the provider's account helps."),
                );
            }
            EmbedError::Unreachable(why) => (
                "provider_unavailable",
                format!("could not connect to the reranking provider: {why}"),
                "Check its base_url, and the network between it and the Postgres server.",
            ),
            EmbedError::Unavailable(why) => (
                "provider_unavailable",
                format!("the reranking provider failed: {why}"),
                "See the provider's log or status page.",
            ),
            EmbedError::BadResponse(why) => (
                "bad_response",
                format!("invalid response from the reranking provider: {why}"),
                "Check that base_url is the address of a reranking server with this protocol, and see its log.",
            ),
        };

        RerankError::Down(Failure::new(Step::Embedding, code, message, Retry::OnRecovery).with_hint(hint))
    }
}

/// Turns a refusal into the error that says what to do.
pub(super) fn refused(refusal: ProviderRefusal, key: Option<&Secret>, texts: &[Arc<str>]) -> EmbedError {
    let told = refusal.told(key, texts);
    // Text Embeddings Inference says so as if a part of it had failed.
    let kind = match refusal.says("not a re-ranker model") {
        true => RefusalKind::NoSuchModel,
        false => refusal.kind(),
    };
    let (code, message, retry, hint) = match kind {
        RefusalKind::Throttled | RefusalKind::Unavailable | RefusalKind::InputRefused => {
            return refusal.into_error(kind, None, key, texts);
        }
        RefusalKind::QuotaExhausted => (
            "quota_exhausted",
            format!("the reranking provider's quota is exhausted: {told}"),
            Retry::OnRecovery,
            "Check the plan and the billing of the provider's account.",
        ),
        // What a provider says to a wrong key may repeat a part of the key.
        RefusalKind::KeyRefused => (
            "provider_refused_key",
            format!("the reranking provider rejected the API key ({})", refusal.told_status),
            Retry::After(ADMINISTRATOR),
            "Check the key that api_key_name stands for, and that it grants access to the model.",
        ),
        RefusalKind::NoSuchModel => (
            "no_such_model",
            format!("the reranking provider does not have this model or address: {told}"),
            Retry::After(ADMINISTRATOR),
            "Check the model and the base_url, and that the server's model is one that reranks.",
        ),
        RefusalKind::RequestRefused => (
            "request_refused",
            format!("the reranking provider rejected the request: {told}"),
            Retry::After(ADMINISTRATOR),
            "Check the model and the base_url.",
        ),
    };

    let failure = Failure::new(Step::Embedding, code, message, retry);
    EmbedError::Refused(failure.concerning(Scope::Provider).with_hint(hint))
}
