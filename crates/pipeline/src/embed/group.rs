//! Which inputs may share a request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::batcher::{Group, Policy};
use super::openai::{OpenAi, OpenAiConfig};
use crate::config::Embedding;
use crate::document::{Failure, Vectorizer};
use crate::settings::Settings;

/// So many groups are kept although nobody uses them, for what they know about their provider.
const MOST_IDLE_GROUPS: usize = 64;

/// What tells two groups apart: inputs that differ in any of it can't share a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct GroupKey {
    openai: OpenAiConfig,
    /// A vectorizer with a limit of its own has requests of its own.
    concurrency: Option<u32>,
}

/// All groups.
pub struct Groups {
    client: reqwest::Client,
    settings: Arc<Settings>,
    groups: Mutex<HashMap<GroupKey, Arc<Group>>>,
}

impl Groups {
    /// No groups yet; each is started when it is first needed.
    pub fn new(client: reqwest::Client, settings: Arc<Settings>) -> Self {
        Groups { client, settings, groups: Mutex::new(HashMap::new()) }
    }

    /// The group that embeds a vectorizer's inputs. Called within a runtime, which then drives it.
    ///
    /// # Errors
    ///
    /// `no_api_key`, `invalid_base_url`, and whatever the provider refuses everything with for now.
    pub fn group(&self, vectorizer: &Vectorizer) -> Result<Arc<Group>, Failure> {
        let key = GroupKey {
            openai: openai_config(&vectorizer.config.embedding, vectorizer.api_key.clone(), &self.settings),
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
        let embedder = OpenAi::new(self.client.clone(), key.openai.clone(), self.settings.embedding_timeout)?;
        let concurrency = key.concurrency.map(|concurrency| concurrency as usize);
        let group = Arc::new(Group::start(Arc::new(embedder), Policy::new(&self.settings, concurrency)));
        groups.insert(key, Arc::clone(&group));
        Ok(group)
    }
}

/// What a vectorizer asks of OpenAI's wire, with the operator's default for what it leaves open.
pub(super) fn openai_config(
    embedding: &Embedding,
    api_key: Option<crate::document::Secret>,
    settings: &Settings,
) -> OpenAiConfig {
    let Embedding::Openai { model, dimensions, user, base_url, .. } = embedding;
    OpenAiConfig {
        base_url: base_url.clone().unwrap_or_else(|| settings.openai_base_url.clone()),
        model: model.clone(),
        dimensions: *dimensions,
        user: user.clone(),
        api_key,
    }
}
