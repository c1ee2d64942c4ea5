//! A request that did not reach its server, or came back broken.

use std::error::Error;

use crate::embed::error::{ADMINISTRATOR, EmbedError};
use crate::exhausted;
use crate::failure::{Failure, Retry, Scope, Step};
use crate::message::truncate_message;
use crate::network::AddressRefused;

/// Says what failed without the URL, whose userinfo may be secret.
pub(in crate::embed) fn network_error(error: reqwest::Error) -> EmbedError {
    let error = error.without_url();
    if AddressRefused::is_behind(&error) {
        return EmbedError::Refused(address_not_allowed().concerning(Scope::Provider));
    }
    if exhausted::is_out_of_descriptors(&error) {
        return EmbedError::Refused(exhausted::failure(Step::Embedding));
    }

    // Only the innermost error says what happened; the others say in which layer.
    let mut innermost: &dyn Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let why = truncate_message(&innermost.to_string(), 200);

    if error.is_connect() {
        EmbedError::Unreachable(why)
    } else if error.is_timeout() {
        EmbedError::Unavailable("it took too long".to_owned())
    } else {
        EmbedError::Unavailable(why)
    }
}

/// The failure of a URL whose host lies in a private network, where its author may not have anything asked.
pub(in crate::embed) fn address_not_allowed() -> Failure {
    let message = "the provider's address is not allowed";
    Failure::new(Step::Embedding, "address_not_allowed", message, Retry::After(ADMINISTRATOR)).with_hint(
        "It is in a private network. A superuser can allow the server by adding its host to \
         pgai_rs.allowed_base_urls; a scheme alone allows only servers on the internet.",
    )
}
