//! The server of a model, with all that a request to it needs: data, of which providers' protocols make
//! requests.

use serde_json::{Map, Value};

use super::request::dimensions::Dimensions;
use super::request::optional::Optional;
use crate::config::Author;
use crate::network::{Reach, SocketAddress};
use crate::secret::ApiKey;

/// A server that listens on a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LocalServer {
    /// The socket.
    pub address: SocketAddress,
    /// The URL, as the server sees it, to which the protocol's path is added.
    pub url: &'static str,
}

/// A model of one server. Two that are equal may share requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Endpoint {
    /// URL to which the protocol's path is added, or the address of a Unix socket.
    pub base_url: String,
    /// The Unix socket that `base_url` names, if it names one.
    pub socket: Option<LocalServer>,
    /// `true` if that is the provider's own server, and not another that speaks its protocol.
    pub at_home: bool,
    /// The model's name, as the provider writes it.
    pub model: String,
    /// The number of dimensions of a vector, as the model answers it.
    pub dimensions: u32,
    /// The number of dimensions that are kept of it; `None` if all are.
    pub shortened_to: Option<u32>,
    /// The numbers of dimensions that a model of this name may have, if it is the provider's.
    pub known_dimensions: Dimensions,
    /// The author of the declaration.
    pub author: Author,
    /// The operator's AWS region.
    pub region: Option<String>,
    /// The addresses that its host may lead to.
    pub reach: Reach,
    /// Shown to the provider.
    pub api_key: Option<ApiKey>,
    /// Further parameters from the vectorizer's author that are sent with each request, by the
    /// provider's names.
    pub parameters: Map<String, Value>,
}

impl Endpoint {
    /// Returns the number of dimensions that a request asks for; `None` if the model can't be told, or
    /// none is declared.
    pub(super) fn wanted_dimensions(&self, optional: Optional) -> Option<u32> {
        let can_be_told = self.known_dimensions.can_be_chosen() && optional.dimensions;
        (can_be_told && self.dimensions > 0).then_some(self.dimensions)
    }

    /// Returns whether vectors have fewer dimensions than the model's own, so that the provider cuts
    /// them.
    pub(super) fn is_shortened(&self) -> bool {
        self.known_dimensions.shortens(self.dimensions)
    }

    /// An address below the base URL.
    pub(super) fn url(&self, path: &str) -> String {
        let base = self.socket.as_ref().map_or(self.base_url.as_str(), |server| server.url);
        format!("{}/{path}", base.trim_end_matches('/'))
    }

    /// Adds the key as most providers want it.
    pub(super) fn authorize(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.api_key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        }
    }
}

/// Encodes a text for a part of a path or a query, so that a model's name can't lead elsewhere.
pub(super) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_within_its_part_of_an_address() {
        assert_eq!(percent_encoded("text-embedding-3_small.v1"), "text-embedding-3_small.v1");
        assert_eq!(percent_encoded("a/../b?c#é"), "a%2F..%2Fb%3Fc%23%C3%A9");
    }
}
