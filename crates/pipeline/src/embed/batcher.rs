//! Inputs of all documents, packed into requests, paced and retried.
//!
//! One [`Group`] serves all documents whose inputs may share a request; what befalls one group
//! concerns no other. Inputs wait for company for a moment, leave in requests as large as the
//! provider takes, several at a time, and each is answered on its own: a document waits for its own
//! inputs and for nothing else.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, OwnedSemaphorePermit, Semaphore};
use tokio::time::{timeout_at, Instant};

use super::check::is_finite;
use super::health::Health;
use super::pack::{estimated_tokens, Limits, Load};
use super::{EmbedError, Embedder, Vectors};
use crate::backoff::backoff;
use crate::document::{Failure, Retry, Step};
use crate::settings::Settings;

/// A trickle of inputs delays the first of them by so many lingers at most.
const MOST_LINGERS: u32 = 20;
/// Longest time that a batch waits in memory for a provider that asks for fewer requests; then its
/// documents are given back to the queue until the provider is ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// After so many inputs were refused one by one and none was taken, it is not the inputs.
const HOPELESS_REFUSALS: u32 = 16;
/// After so many failures in a row the provider is down, whatever it did before.
const HOPELESS_FAILURES: u32 = 40;

/// How a group packs, paces and retries.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    limits: Limits,
    concurrency: usize,
    linger: Duration,
    retries: u32,
    first_backoff: Duration,
}

impl Policy {
    /// What the settings say, within the provider's limits; `concurrency` is the vectorizer's, if it
    /// has one.
    pub(super) fn new(settings: &Settings, provider: Limits, concurrency: Option<usize>) -> Self {
        let operator = Limits {
            inputs: settings.embedding_max_inputs.max(1),
            tokens: settings.embedding_max_tokens.max(1),
        };
        Policy {
            limits: operator.and(provider),
            concurrency: concurrency.unwrap_or(settings.embedding_concurrency).max(1),
            linger: settings.embedding_linger,
            retries: settings.embedding_retries,
            first_backoff: settings.embedding_backoff,
        }
    }
}

/// Inputs for one provider, base URL, model and key.
pub struct Group {
    arrivals: mpsc::UnboundedSender<Item>,
    provider: Arc<Provider>,
}

/// An input on its way.
struct Item {
    input: Arc<str>,
    tokens: usize,
    reply: Reply,
}

type Reply = oneshot::Sender<Result<Vec<f32>, Failure>>;

impl Group {
    /// A group whose requests are driven by the current runtime until the group is dropped and
    /// its last input answered.
    pub(super) fn start(embedder: Arc<dyn Embedder>, policy: Policy) -> Self {
        let (arrivals, inbox) = mpsc::unbounded_channel();
        let provider = Arc::new(Provider { embedder, policy, health: Health::default() });
        tokio::spawn(drive(inbox, Arc::clone(&provider)));
        Group { arrivals, provider }
    }

    /// What any input would fail with now, if that is known without asking.
    pub fn refusal(&self) -> Option<Failure> {
        self.provider.health.refusal()
    }

    /// Whether the group takes inputs still.
    pub(super) fn is_alive(&self) -> bool {
        !self.arrivals.is_closed()
    }

    /// The inputs' vectors, in their order. Dropping the future withdraws the inputs that have not
    /// left yet.
    ///
    /// # Errors
    ///
    /// That of the first input that got no vector.
    pub async fn embed(&self, inputs: impl IntoIterator<Item = Arc<str>>) -> Result<Vectors, Failure> {
        let mut answers = Vec::new();
        for input in inputs {
            let (reply, answer) = oneshot::channel();
            let tokens = estimated_tokens(&input);
            self.arrivals.send(Item { input, tokens, reply }).map_err(|_| abandoned())?;
            answers.push(answer);
        }
        let mut vectors = Vec::with_capacity(answers.len());
        for answer in answers {
            vectors.push(answer.await.map_err(|_| abandoned())??);
        }
        Ok(vectors)
    }
}

/// The task that had the input has panicked.
fn abandoned() -> Failure {
    Failure::new(
        Step::Embedding,
        "internal_error",
        "a request was abandoned (a bug in pgai_rs)",
        Retry::Backoff,
    )
}

/// Inputs that wait for a request.
#[derive(Default)]
struct Waiting {
    items: VecDeque<Item>,
    tokens: usize,
}

impl Waiting {
    fn push(&mut self, item: Item) {
        self.tokens += item.tokens;
        self.items.push_back(item);
    }

    fn is_full(&self, limits: Limits) -> bool {
        self.items.len() >= limits.inputs || self.tokens >= limits.tokens
    }

    /// Takes as much as a request holds, from the front. Equal inputs are sent once; those that
    /// nobody waits for any more, not at all.
    fn cut(&mut self, limits: Limits) -> Batch {
        let mut load = Load::new(limits);
        let mut places: HashMap<Arc<str>, usize> = HashMap::new();
        let mut batch = Batch::default();
        while let Some(item) = self.items.pop_front() {
            if item.reply.is_closed() {
                self.tokens -= item.tokens;
            } else if let Some(&place) = places.get(&item.input) {
                self.tokens -= item.tokens;
                batch.replies[place].push(item.reply);
            } else if load.take(item.tokens) {
                self.tokens -= item.tokens;
                places.insert(Arc::clone(&item.input), batch.inputs.len());
                batch.inputs.push(item.input);
                batch.replies.push(vec![item.reply]);
            } else {
                self.items.push_front(item);
                break;
            }
        }
        batch
    }
}

/// Collects inputs and sends them off, until the group is dropped.
async fn drive(mut inbox: mpsc::UnboundedReceiver<Item>, provider: Arc<Provider>) {
    let slots = Arc::new(Semaphore::new(provider.policy.concurrency));
    let mut waiting = Waiting::default();
    loop {
        if waiting.items.is_empty() {
            match inbox.recv().await {
                Some(item) => waiting.push(item),
                None => return,
            }
        }
        linger(&mut inbox, &mut waiting, &provider.policy).await;
        // The semaphore is never closed.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        // Whoever arrived while all slots were taken goes along.
        while let Ok(item) = inbox.try_recv() {
            waiting.push(item);
        }
        let batch = waiting.cut(provider.policy.limits);
        if !batch.inputs.is_empty() {
            tokio::spawn(Arc::clone(&provider).process(batch, slot));
        }
    }
}

/// Waits for company until a request is full or nobody has come for a while.
async fn linger(inbox: &mut mpsc::UnboundedReceiver<Item>, waiting: &mut Waiting, policy: &Policy) {
    let latest = Instant::now() + policy.linger * MOST_LINGERS;
    while !waiting.is_full(policy.limits) {
        let until = latest.min(Instant::now() + policy.linger);
        match timeout_at(until, inbox.recv()).await {
            Ok(Some(item)) => waiting.push(item),
            Ok(None) | Err(_) => return,
        }
    }
}

/// The inputs of a request, each with those who wait for it.
#[derive(Default)]
struct Batch {
    inputs: Vec<Arc<str>>,
    replies: Vec<Vec<Reply>>,
}

impl Batch {
    fn len(&self) -> usize {
        self.inputs.len()
    }

    fn split_off(&mut self, at: usize) -> Batch {
        Batch { inputs: self.inputs.split_off(at), replies: self.replies.split_off(at) }
    }

    /// Leaves out what nobody waits for any more: its document was forgotten, or has failed.
    fn without_abandoned(self) -> Batch {
        let wanted = |replies: &Vec<Reply>| replies.iter().any(|reply| !reply.is_closed());
        let (inputs, replies) =
            self.inputs.into_iter().zip(self.replies).filter(|(_, replies)| wanted(replies)).unzip();
        Batch { inputs, replies }
    }

    fn deliver(self, vectors: Vectors) {
        for (replies, vector) in self.replies.into_iter().zip(vectors) {
            // One input that makes the model answer NaN is that input's matter only.
            let answer = if is_finite(&vector) {
                Ok(vector)
            } else {
                Err(EmbedError::BadResponse("a vector holds a number that is not finite".to_owned())
                    .into_failure())
            };
            send_all(replies, answer);
        }
    }

    fn fail(self, failure: &Failure) {
        for replies in self.replies {
            send_all(replies, Err(failure.clone()));
        }
    }
}

/// Answers all who wait for an input; whoever no longer does is skipped.
fn send_all(mut replies: Vec<Reply>, answer: Result<Vec<f32>, Failure>) {
    let last = replies.pop();
    for reply in replies {
        let _ = reply.send(answer.clone());
    }
    if let Some(reply) = last {
        let _ = reply.send(answer);
    }
}

/// A provider, and how to deal with it.
struct Provider {
    embedder: Arc<dyn Embedder>,
    policy: Policy,
    health: Health,
}

impl Provider {
    /// Sees to it that everybody in the batch is answered.
    async fn process(self: Arc<Self>, batch: Batch, _slot: OwnedSemaphorePermit) {
        match self.ask(&batch, self.policy.retries).await {
            Ok(vectors) => batch.deliver(vectors),
            Err(error) if batch.len() > 1 && may_be_one_inputs_doing(&error) => {
                self.divide(batch, error).await
            }
            Err(error) => self.give_up(batch, error),
        }
    }

    /// Asks for the whole batch, again after failures that may pass. To be asked for fewer
    /// requests is no failure.
    async fn ask(&self, batch: &Batch, retries: u32) -> Result<Vectors, EmbedError> {
        let mut failures = 0;
        let mut patience = PATIENCE;
        loop {
            if let Some(failure) = self.health.refusal() {
                return Err(EmbedError::Refused(failure));
            }
            let pause = self.health.pause();
            if pause > patience {
                return Err(EmbedError::Throttled(Some(pause)));
            }
            patience -= pause;
            tokio::time::sleep(pause).await;
            match self.embedder.embed(&batch.inputs).await {
                Ok(vectors) => {
                    self.health.succeeded();
                    return Ok(vectors);
                }
                Err(EmbedError::Throttled(pause)) => {
                    // A provider that says "now" must not be asked in a tight loop.
                    patience = patience.saturating_sub(Duration::from_millis(100));
                    self.health.throttled(pause.map(|pause| pause.max(Duration::from_millis(100))));
                }
                Err(error) if failures < retries && may_pass(&error) => {
                    failures += 1;
                    tokio::time::sleep(backoff(self.policy.first_backoff, failures)).await;
                }
                Err(error) => {
                    if let EmbedError::Refused(failure) = &error {
                        self.health.refused(failure);
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Finds the inputs that the provider can't take, so that their neighbours get their vectors.
    async fn divide(&self, batch: Batch, first_error: EmbedError) {
        let mut search = Search::new(batch, &first_error);
        while let Some(part) = search.parts.pop() {
            let part = part.without_abandoned();
            if part.inputs.is_empty() {
                continue;
            }
            if let Some(error) = search.hopeless(&first_error) {
                self.give_up(part, error);
                continue;
            }
            match self.ask(&part, 0).await {
                Ok(vectors) => {
                    search.succeeded();
                    part.deliver(vectors);
                }
                Err(error) if part.len() > 1 && may_be_one_inputs_doing(&error) => search.failed(part),
                Err(error) => {
                    search.failed_alone(&error);
                    let alone = search.successes > 0 && matches!(error, EmbedError::Unavailable(_));
                    if alone {
                        part.fail(&fails_alone(error));
                    } else {
                        self.give_up(part, error);
                    }
                }
            }
        }
    }

    fn give_up(&self, batch: Batch, error: EmbedError) {
        batch.fail(&error.into_failure());
    }
}

/// Whether the same request may succeed a little later.
fn may_pass(error: &EmbedError) -> bool {
    matches!(error, EmbedError::Unreachable(_) | EmbedError::Unavailable(_) | EmbedError::BadResponse(_))
}

/// Whether the request may succeed without one of its inputs.
fn may_be_one_inputs_doing(error: &EmbedError) -> bool {
    matches!(error, EmbedError::InputRefused(_) | EmbedError::Unavailable(_) | EmbedError::BadResponse(_))
}

/// The provider takes others, but fails on this one: not an outage, which would make the whole
/// vectorizer pause.
fn fails_alone(error: EmbedError) -> Failure {
    let failure = error.into_failure();
    Failure { code: "provider_failed_on_input", ..failure }.with_hint(
        "The provider answers for other inputs. Its log may tell what it does not like about this one.",
    )
}

/// The state of a search for the inputs that a provider can't take.
struct Search {
    /// What has not been asked for in its present form, the next at the end.
    parts: Vec<Batch>,
    successes: u32,
    refused_alone: u32,
    failures_in_a_row: u32,
    /// How many failures in a row, without any success, mean that the provider is down.
    probes: u32,
}

impl Search {
    /// Begins with halves if an input was refused. If the provider failed, it may just be down:
    /// then two inputs on their own are asked for first, and only if one of them gets its vector
    /// is it worth while to go on.
    fn new(mut batch: Batch, error: &EmbedError) -> Self {
        let mut search = Search {
            parts: Vec::new(),
            successes: 0,
            refused_alone: 0,
            failures_in_a_row: 0,
            probes: HOPELESS_FAILURES,
        };
        if matches!(error, EmbedError::InputRefused(_)) {
            search.halve(batch);
            return search;
        }
        search.probes = 2;
        let last = batch.split_off(batch.len() - 1);
        let rest = batch.split_off(1);
        search.parts.extend([rest, last, batch]);
        search
    }

    fn halve(&mut self, mut part: Batch) {
        let second = part.split_off(part.len() / 2);
        self.parts.extend([second, part]);
    }

    fn succeeded(&mut self) {
        self.successes += 1;
        self.failures_in_a_row = 0;
    }

    fn failed(&mut self, part: Batch) {
        self.failures_in_a_row += 1;
        self.halve(part);
    }

    fn failed_alone(&mut self, error: &EmbedError) {
        self.failures_in_a_row += 1;
        self.refused_alone += u32::from(matches!(error, EmbedError::InputRefused(_)));
    }

    /// What the rest fails with, if going on makes no sense.
    fn hopeless(&self, first_error: &EmbedError) -> Option<EmbedError> {
        if self.successes == 0 && self.refused_alone >= HOPELESS_REFUSALS {
            return Some(EmbedError::refused(
                "request_refused",
                "the embedding provider refuses every input",
                "Check the vectorizer's model, dimensions and base_url against the provider's documentation.",
            ));
        }
        let most = if self.successes == 0 { self.probes } else { HOPELESS_FAILURES };
        let down = self.refused_alone == 0 && self.failures_in_a_row >= most;
        down.then(|| first_error.clone())
    }
}
