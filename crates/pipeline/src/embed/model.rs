//! A provider's model, ready to be asked.

use std::sync::Arc;

use super::endpoint::Endpoint;
use super::error::invalid;
use super::provider::{Protocol, Provider};
use crate::failure::Failure;

/// A model behind a provider's protocol. Two that are equal may share requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Model {
    /// The provider that speaks the protocol.
    pub provider: Provider,
    /// The server, and what a request to it needs.
    pub endpoint: Endpoint,
}

impl Model {
    /// Returns whether the model is the provider's own, and not another's of the same name.
    fn is_known(&self) -> bool {
        self.endpoint.at_home || self.provider == Provider::Bedrock
    }

    /// Refuses a number of dimensions that the provider is known not to make. A server that only speaks
    /// its protocol may have another model under the same name.
    ///
    /// # Errors
    ///
    /// `invalid_embedding`.
    pub(super) fn check_dimensions(&self) -> Result<(), Failure> {
        let Endpoint { dimensions, known_dimensions, model, .. } = &self.endpoint;
        if !self.is_known() || *dimensions == 0 {
            return Ok(());
        }

        match known_dimensions.objection(*dimensions, model) {
            Some(objection) => Err(invalid(objection, "Specify the model's number, or use another model.")),
            None => Ok(()),
        }
    }

    /// The provider's protocol, to ask this model.
    pub(super) fn protocol(self) -> Arc<dyn Protocol> {
        (self.provider.profile().protocol)(self.endpoint)
    }
}

#[cfg(test)]
impl Model {
    /// A model on OpenAI's protocol that nothing is known of.
    pub(super) fn of_openai(base_url: &str, api_key: Option<crate::secret::ApiKey>) -> Self {
        let url = crate::server_url::ServerUrl::parse(base_url);
        let endpoint = Endpoint {
            base_url: base_url.to_owned(),
            socket: None,
            at_home: url.is_ok_and(|url| Provider::OpenAi.is_home(&url)),
            model: "m".to_owned(),
            dimensions: 3,
            shortened_to: None,
            known_dimensions: super::request::dimensions::Dimensions::Unknown,
            author: crate::config::Author::Superuser,
            region: None,
            reach: crate::network::Reach::Named,
            api_key,
            parameters: serde_json::Map::new(),
        };
        Model { provider: Provider::OpenAi, endpoint }
    }
}
