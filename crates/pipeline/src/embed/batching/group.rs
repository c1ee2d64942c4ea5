//! Groups of inputs that may share a request.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::arrivals::Arrivals;
use super::batcher::{Group, GroupPolicy};
use crate::document::Vectorizer;
use crate::embed::by_batch::BatchServer;
use crate::embed::http::{HttpEmbedder, LargeAnswers};
use crate::embed::identity::CallerIdentity;
use crate::embed::model::Model;
use crate::embed::pacing::connections::{Connections, may_be_kept};
use crate::embed::pacing::limiter::Limiter;
use crate::embed::provider::Provider;
use crate::embed::request::input_type::Purpose;
use crate::embed::resolve::resolve;
use crate::failure::Failure;
use crate::memory_budget::{MemoryBudget, Share};
use crate::network::HttpClients;
use crate::offload::Offload;
use crate::quota::Owner;
use crate::s3::Clients;
use crate::secret::ApiKey;
use crate::settings::Settings;

/// The number of groups that are kept although nobody uses them, for what they know about their
/// provider.
const MOST_IDLE_GROUPS: usize = 64;

/// The key of a group: inputs that differ in any of it can't share a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct GroupKey {
    model: Model,
    /// The owner: a failure of one owner's requests affects no other, and each has a share of memory and connections.
    owner: Owner,
    /// A vectorizer with a limit of its own has requests of its own.
    concurrency: Option<u32>,
}

/// The key under which a provider's limits are counted: provider, base URL and who asks, by key or by another
/// identity such as an AWS role, whose account may be another; and each model on its own.
///
/// Providers count for each model (OpenAI: <https://platform.openai.com/docs/guides/rate-limits>), so
/// that what is said of one does not hold for another; where they count all together, the answers to
/// each say what is left of the whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Account {
    provider: Provider,
    base_url: String,
    api_key: Option<ApiKey>,
    identity: CallerIdentity,
    model: String,
}

impl Account {
    fn of(model: &Model) -> Self {
        Account {
            provider: model.provider,
            base_url: model.endpoint.base_url.clone(),
            api_key: model.endpoint.api_key.clone(),
            identity: model.clone().protocol().identity(),
            model: model.endpoint.model.clone(),
        }
    }
}

/// All groups.
pub struct Groups {
    client: HttpClients,
    settings: Arc<Settings>,
    /// Identities for providers that want requests to be signed.
    aws: Arc<Clients>,
    /// The budget for the requests and answers of all groups.
    memory: Arc<MemoryBudget>,
    connections: Connections,
    /// The threads for large answers.
    offload: Offload,
    /// The documents whose inputs may still come; `None` if nobody tells of them.
    arrivals: Option<Arc<Arrivals>>,
    known: Mutex<Known>,
}

/// The groups and limiters that exist already.
#[derive(Default)]
struct Known {
    groups: HashMap<GroupKey, Arc<Group>>,
    limiters: HashMap<Account, Arc<Limiter>>,
    /// Base URLs to which idle connections are kept.
    kept: HashSet<String>,
}

impl Known {
    /// Forgets what nobody uses, if that is much.
    fn tidy(&mut self) {
        if self.groups.len() >= MOST_IDLE_GROUPS {
            self.groups.retain(|_, group| Arc::strong_count(group) > 1);
            self.limiters.retain(|_, limiter| Arc::strong_count(limiter) > 1);
            self.kept
                .retain(|base_url| self.groups.keys().any(|key| key.model.endpoint.base_url == *base_url));
        }
    }

    /// Returns whether connections to this address are kept while nobody uses them: those to the first
    /// few are.
    fn keeps_connections_to(&mut self, base_url: &str) -> bool {
        if self.kept.contains(base_url) {
            return true;
        }

        let kept = may_be_kept(self.kept.len());
        if kept {
            self.kept.insert(base_url.to_owned());
        }
        kept
    }
}

impl Groups {
    /// No groups yet; each is started when it is first needed.
    ///
    /// `aws` has the identities for providers that want requests to be signed.
    pub fn new(client: HttpClients, settings: Arc<Settings>, aws: Arc<Clients>) -> Self {
        let memory = MemoryBudget::new(settings.request_memory());
        let connections = Connections::new(settings.connections);
        let offload = Offload::new();
        Groups {
            client,
            settings,
            aws,
            memory,
            connections,
            offload,
            arrivals: None,
            known: Mutex::default(),
        }
    }

    /// Has large answers read on these threads, together with whoever has them, too.
    pub(crate) fn with_offload(self, slots: &Offload) -> Self {
        Groups { offload: slots.clone(), ..self }
    }

    /// Has inputs wait for company only while there are documents on their way.
    pub(crate) fn with_arrivals(self, arrivals: Arc<Arrivals>) -> Self {
        Groups { arrivals: Some(arrivals), ..self }
    }

    /// Returns the group that embeds a vectorizer's inputs. It is called within a runtime, which then drives
    /// the group.
    ///
    /// # Errors
    ///
    /// Fails as [`check`](crate::embed::check()) does, with `no_api_key`, or with the failure by which the
    /// provider refuses everything for now.
    pub fn group(&self, vectorizer: &Vectorizer) -> Result<Arc<Group>, Failure> {
        let key = GroupKey {
            model: resolve(
                &vectorizer.config.embedding,
                vectorizer.author,
                vectorizer.api_key.clone(),
                &self.settings,
                Purpose::Document,
            )?,
            owner: vectorizer.account.owner(),
            concurrency: vectorizer.config.processing.concurrency(),
        };

        // Nothing that panics half-way is done under the lock.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = known.groups.get(&key).filter(|group| group.is_alive()) {
            return match group.refusal() {
                Some(failure) => Err(failure),
                None => Ok(Arc::clone(group)),
            };
        }

        known.tidy();
        let limiter = Arc::clone(known.limiters.entry(Account::of(&key.model)).or_default());
        limiter.reconsider();
        let kept = known.keeps_connections_to(&key.model.endpoint.base_url);
        let group = Arc::new(self.start(&key, limiter, kept)?);

        known.groups.insert(key, Arc::clone(&group));
        Ok(group)
    }

    /// Returns the batch API of a vectorizer's provider, with the inputs of documents.
    ///
    /// # Errors
    ///
    /// Fails as [`check`](crate::embed::check()) does, with `no_api_key`, or `invalid_embedding` if the provider has none that is
    /// known.
    pub fn batch_server(&self, vectorizer: &Vectorizer) -> Result<BatchServer, Failure> {
        let key = vectorizer.api_key.clone();
        let (embedding, author) = (&vectorizer.config.embedding, vectorizer.author);
        let model = resolve(embedding, author, key, &self.settings, Purpose::Document)?;
        let owner = vectorizer.account.owner();
        let connections = self.connections.share(owner);
        BatchServer::new(&self.client, model, self.settings.embedding_timeout, (owner, connections))
    }

    fn start(&self, key: &GroupKey, limiter: Arc<Limiter>, kept: bool) -> Result<Group, Failure> {
        let timeout = self.settings.embedding_timeout;
        let model = key.model.clone();
        let embedder = HttpEmbedder::new(&self.client, model, timeout, Arc::clone(&limiter), &self.aws)?;
        let embedder = embedder.with_connections_kept(kept);
        let embedder = embedder.with_large_answers(LargeAnswers::new(self.offload.clone(), key.owner));

        let concurrency = key.concurrency.map(|concurrency| concurrency as usize);
        let policy = GroupPolicy::new(&self.settings, embedder.limits(), concurrency);

        let memory = Share::new(&self.memory, key.owner);
        let connections = self.connections.share(key.owner);
        let arrivals = self.arrivals.clone();
        Ok(Group::start(Arc::new(embedder), policy, arrivals, limiter, memory, connections))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Author, Embedding};

    fn account(embedding: serde_json::Value) -> Account {
        let embedding: Embedding = serde_json::from_value(embedding).unwrap();
        let settings = Settings::default();
        let key = Some(ApiKey::of_server(crate::secret::Secret::new("k")));
        Account::of(&resolve(&embedding, Author::Superuser, key, &settings, Purpose::Document).unwrap())
    }

    #[test]
    fn each_aws_role_has_limits_of_its_own() {
        let bedrock = |options| {
            account(json!({
                "implementation": "litellm", "config_type": "embedding", "dimensions": 1024,
                "model": "bedrock/amazon.titan-embed-text-v2:0", "extra_options": options,
            }))
        };
        let role = |account| json!({"aws_role_name": format!("arn:aws:iam::{account}:role/r"), "aws_region_name": "eu-north-1"});
        assert_eq!(bedrock(role(1)), bedrock(role(1)));
        assert_ne!(bedrock(role(1)), bedrock(role(2)));
        assert_ne!(bedrock(role(1)), bedrock(json!({"aws_region_name": "eu-north-1"})));
    }

    #[test]
    fn what_is_no_matter_of_the_account_shares_its_limits() {
        let openai = |dimensions| {
            account(json!({
                "implementation": "openai", "config_type": "embedding", "dimensions": dimensions,
                "model": "text-embedding-3-small",
            }))
        };
        assert_eq!(openai(256), openai(768));
    }
}
