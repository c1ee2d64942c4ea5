//! Which inputs may share a request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::batcher::{Group, Policy};
use super::http::HttpEmbedder;
use super::input_type::Purpose;
use super::model::Model;
use crate::document::{Failure, Vectorizer};
use crate::s3::Clients;
use crate::settings::Settings;

/// So many groups are kept although nobody uses them, for what they know about their provider.
const MOST_IDLE_GROUPS: usize = 64;

/// What tells two groups apart: inputs that differ in any of it can't share a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct GroupKey {
    model: Model,
    /// A vectorizer with a limit of its own has requests of its own.
    concurrency: Option<u32>,
}

/// All groups.
pub struct Groups {
    client: reqwest::Client,
    settings: Arc<Settings>,
    aws: Arc<Clients>,
    groups: Mutex<HashMap<GroupKey, Arc<Group>>>,
}

impl Groups {
    /// No groups yet; each is started when it is first needed.
    ///
    /// `aws` has the identities for providers that want requests to be signed.
    pub fn new(client: reqwest::Client, settings: Arc<Settings>, aws: Arc<Clients>) -> Self {
        Groups { client, settings, aws, groups: Mutex::new(HashMap::new()) }
    }

    /// The group that embeds a vectorizer's inputs. Called within a runtime, which then drives it.
    ///
    /// # Errors
    ///
    /// `invalid_embedding`, `no_api_key`, `invalid_base_url`, and whatever the provider refuses everything with for now.
    pub fn group(&self, vectorizer: &Vectorizer) -> Result<Arc<Group>, Failure> {
        let key = GroupKey {
            model: Model::new(
                &vectorizer.config.embedding,
                vectorizer.api_key.clone(),
                &self.settings,
                Purpose::Document,
            )?,
            concurrency: vectorizer.config.processing.concurrency(),
        };
        // Nothing that panics half-way is done under the lock.
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = groups.get(&key).filter(|group| group.is_alive()) {
            return group.refusal().map_or_else(|| Ok(Arc::clone(group)), Err);
        }
        if groups.len() >= MOST_IDLE_GROUPS {
            groups.retain(|_, group| Arc::strong_count(group) > 1);
        }
        let timeout = self.settings.embedding_timeout;
        let embedder = HttpEmbedder::new(self.client.clone(), key.model.clone(), timeout, &self.aws)?;
        let concurrency = key.concurrency.map(|concurrency| concurrency as usize);
        let policy = Policy::new(&self.settings, embedder.limits(), concurrency);
        let group = Arc::new(Group::start(Arc::new(embedder), policy));
        groups.insert(key, Arc::clone(&group));
        Ok(group)
    }
}
