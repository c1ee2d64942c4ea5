//! Inputs of all documents, packed into requests, paced and retried.
//!
//! One [`Group`] serves all documents whose inputs may share a request; what befalls one group
//! concerns no other. Inputs wait for company for a moment, while there may be some, leave in requests as
//! large as the provider takes, several at a time, and each is answered on its own: a document waits for its own
//! inputs and for nothing else.
//!
//! * `waiting`, `linger`: inputs that wait for company, and how long
//! * `admission`: what a request needs before it is sent
//! * `narrow`: finding out how many inputs the provider takes
//! * `policy`: a group's rules

mod admission;
mod linger;
mod narrow;
mod policy;
mod waiting;

use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, SemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use self::admission::Admitted;
use self::linger::{company, linger};
pub(in crate::embed) use self::policy::GroupPolicy;
use self::waiting::{Item, Waiting};
use super::arrivals::Arrivals;
use super::batch::{Answer, Batch};
use super::search::{PARTS, Search};
use crate::backoff::backoff;
use crate::embed::error::EmbedError;
use crate::embed::limits::most::Most;
use crate::embed::limits::pack::{Limits, estimated_tokens};
use crate::embed::pacing::connections::ConnectionShare;
use crate::embed::pacing::health::Health;
use crate::embed::pacing::limiter::Limiter;
use crate::embed::{Embedder, Vectors};
use crate::failure::{Failure, Retry, Step};
use crate::memory_budget::Share;
use crate::network::asked_by;
use crate::usage::{Bill, Meter};

/// Inputs for one provider, base URL, model and key.
pub struct Group {
    inputs: mpsc::UnboundedSender<Item>,
    provider: Arc<Provider>,
}

impl Group {
    /// A group whose requests are driven by the current runtime until the group is dropped and
    /// its last input answered.
    /// Inputs wait for those of `arrivals`, if these are known.
    pub(in crate::embed) fn start(
        embedder: Arc<dyn Embedder>,
        policy: GroupPolicy,
        arrivals: Option<Arc<Arrivals>>,
        limiter: Arc<Limiter>,
        memory: Arc<Share>,
        connections: ConnectionShare,
    ) -> Self {
        let (inputs, inbox) = mpsc::unbounded_channel();
        let provider = Arc::new(Provider {
            slots: Arc::new(Semaphore::new(policy.concurrency)),
            embedder,
            policy,
            limiter,
            memory,
            connections,
            narrowing: Mutex::default(),
            health: Health::default(),
        });

        tokio::spawn(drive(inbox, Arc::clone(&provider), arrivals));
        Group { inputs, provider }
    }

    /// Returns the failure that any input would end with now, if that is known without asking.
    pub fn refusal(&self) -> Option<Failure> {
        self.provider.health.refusal()
    }

    /// Returns whether the group still takes inputs.
    pub(in crate::embed) fn is_alive(&self) -> bool {
        !self.inputs.is_closed()
    }

    /// Sends inputs on their way to the provider. What they cost is counted by `meter`, unless somebody else sends the same.
    ///
    /// # Errors
    ///
    /// If the group is no longer alive.
    pub fn send(
        &self,
        inputs: impl IntoIterator<Item = Arc<str>>,
        meter: &Meter,
    ) -> Result<Answers, Failure> {
        let mut answers = Vec::new();
        for input in inputs {
            let (reply, answer) = oneshot::channel();
            let tokens = estimated_tokens(&input);
            let meter = meter.clone();
            self.inputs.send(Item { input, tokens, reply, meter }).map_err(|_| abandoned())?;
            answers.push(answer);
        }
        Ok(Answers(answers))
    }

    /// Sends inputs on their way, which nobody counts, and waits for their vectors as [`Answers::vectors`] does.
    ///
    /// # Errors
    ///
    /// The failure of the first input that got no vector.
    pub async fn embed(&self, inputs: impl IntoIterator<Item = Arc<str>>) -> Result<Vectors, Failure> {
        self.send(inputs, &Meter::default())?.vectors().await
    }
}

/// The answers to inputs that are on their way. Dropping them withdraws the inputs that have not left yet.
pub struct Answers(Vec<oneshot::Receiver<Answer>>);

impl Answers {
    /// Returns the inputs' vectors, in their order.
    ///
    /// # Errors
    ///
    /// The failure of the first input that got no vector.
    pub async fn vectors(self) -> Result<Vectors, Failure> {
        let mut vectors = Vec::with_capacity(self.0.len());
        for answer in self.0 {
            vectors.push(answer.await.map_err(|_| abandoned())??);
        }
        Ok(vectors)
    }
}

/// The failure of an input whose task has panicked.
fn abandoned() -> Failure {
    Failure::new(
        Step::Embedding,
        "internal_error",
        "a request was abandoned (a bug in pgai_rs)",
        Retry::Backoff,
    )
}

/// Collects inputs and sends them off, until the group is dropped.
async fn drive(
    mut inbox: mpsc::UnboundedReceiver<Item>,
    provider: Arc<Provider>,
    arrivals: Option<Arc<Arrivals>>,
) {
    let mut waiting = Waiting::default();
    loop {
        if waiting.is_empty() {
            match inbox.recv().await {
                Some(item) => waiting.push(item),
                None => return,
            }
        }

        let company = company(arrivals.as_deref());
        linger(&mut inbox, &mut waiting, company, provider.policy.linger, provider.limits()).await;
        // The semaphore is never closed.
        let Ok(slot) = Arc::clone(&provider.slots).acquire_owned().await else { return };
        // Whoever arrived while all slots were taken goes along.
        while let Ok(item) = inbox.try_recv() {
            waiting.push(item);
        }

        let batch = waiting.cut(provider.limits());
        if !batch.inputs.is_empty() {
            tokio::spawn(Arc::clone(&provider).process(batch, slot));
        }
    }
}

/// A provider, and how to deal with it.
struct Provider {
    embedder: Arc<dyn Embedder>,
    policy: GroupPolicy,
    limiter: Arc<Limiter>,
    /// The group's part of what requests and answers take.
    memory: Arc<Share>,
    /// The group's part of all connections.
    connections: ConnectionShare,
    /// Permits for requests under way.
    slots: Arc<Semaphore>,
    /// Whoever has it finds out how many inputs the provider takes.
    narrowing: Mutex<()>,
    health: Health,
}

impl Provider {
    /// The most that a request may hold, by all that is known.
    fn limits(&self) -> Limits {
        self.policy.limits.and(self.limiter.limits()).and(self.limiter.in_good_time())
    }

    /// Sees to it that everybody in the batch is answered.
    async fn process(self: Arc<Self>, batch: Batch, _slot: OwnedSemaphorePermit) {
        match self.ask(&batch, self.policy.retries).await {
            (_, Ok(vectors)) => batch.deliver(vectors),
            // Its answer did not come in good time.
            (_, Err(error)) if may_pass(&error) && self.is_too_large(&batch) => {
                self.ask_in_pieces(batch).await;
            }
            (sent, Err(error)) if may_be_one_inputs_doing(&error) => {
                self.answer_in_parts(batch, error, sent).await;
            }
            (_, Err(error)) => batch.fail(&error.into_failure()),
        }
    }

    /// Asks for the whole batch as [`try_to_ask`](Self::try_to_ask) does; returns when that was last sent
    /// as well.
    async fn ask(&self, batch: &Batch, retries: u32) -> (Instant, Result<Vectors, EmbedError>) {
        let mut sent = Instant::now();
        let result = self.try_to_ask(batch, retries, &mut sent).await;
        (sent, result)
    }

    /// Asks for the whole batch, again after failures that may pass. To be asked for fewer
    /// requests is no failure.
    async fn try_to_ask(
        &self,
        batch: &Batch,
        retries: u32,
        sent: &mut Instant,
    ) -> Result<Vectors, EmbedError> {
        let tokens = batch.tokens();
        let mut failures = 0;

        loop {
            self.check_acceptable(batch, tokens)?;
            let Admitted { permit, room } = self.admit(&batch.inputs, tokens).await?;

            // Those who wait for it may have left meanwhile.
            if batch.is_abandoned() {
                return Err(EmbedError::Refused(abandoned()));
            }

            *sent = Instant::now();
            let bill = Bill::default();
            let answer = asked_by(self.memory.owner(), self.embedder.embed(&batch.inputs, &bill)).await;
            batch.charge(&bill);
            drop(room);

            match answer {
                Ok(vectors) => {
                    self.limiter.answered(tokens, sent.elapsed(), self.policy.timeout);
                    permit.succeeded();
                    self.health.succeeded();
                    return Ok(vectors);
                }
                Err(EmbedError::Throttled(pause)) => permit.throttled(pause),
                Err(error) if may_pass(&error) && sent.elapsed() >= self.policy.timeout => {
                    self.limiter.took_too_long(tokens);
                    if failures == retries || self.is_too_large(batch) {
                        return Err(error);
                    }
                    failures += 1;
                }
                Err(error) if failures < retries && may_pass(&error) => {
                    drop(permit);
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

    /// Returns whether a batch holds more than a request may now.
    fn is_too_large(&self, batch: &Batch) -> bool {
        batch.len() > 1 && batch.tokens() > self.limits().tokens
    }

    /// Errors if it is known that the provider would not take the batch, so that it need not be asked.
    fn check_acceptable(&self, batch: &Batch, tokens: usize) -> Result<(), EmbedError> {
        if let Some(failure) = self.health.refusal() {
            return Err(EmbedError::Refused(failure));
        }

        // Learned since it was packed: the provider would never take it.
        let most = self.limiter.limits().tokens;
        if batch.len() > 1 && tokens > most {
            let told = "more tokens than its limit".to_owned();
            return Err(EmbedError::TooMany(Most::Tokens(Some(most)), told));
        }
        Ok(())
    }

    /// Finds the inputs that the provider can't take, so that their neighbours get their vectors, or finds
    /// that it takes none at all. Returns whether it refuses an input on its own. `taken` says when others
    /// that it took were sent, if there were any.
    async fn divide(&self, batch: Batch, error: EmbedError, sent: Instant, taken: Option<Instant>) -> bool {
        let meter = batch.meter();
        let mut search = Search::new(batch, error.clone(), sent);
        if let Some(taken) = taken {
            search.succeeded(taken);
        }

        let mut asked = FuturesUnordered::new();
        loop {
            while asked.len() < PARTS && !search.is_in_doubt() {
                // The batch has a slot of its own; others go along in those that are free.
                let slot = self.slots.try_acquire().ok();
                if slot.is_none() && !asked.is_empty() {
                    break;
                }
                match search.next() {
                    Some(part) => asked.push(self.ask_part(part, slot)),
                    None => break,
                }
            }

            match asked.next().await {
                Some((part, (sent, Ok(vectors)))) => {
                    search.succeeded(sent);
                    part.deliver(vectors);
                }
                Some((part, (sent, Err(error)))) if may_be_one_inputs_doing(&error) => {
                    search.failed(part, error, sent);
                }
                Some((part, (_, Err(error)))) => {
                    let failure = error.into_failure();
                    part.fail(&failure);
                    search.give_up(&failure);
                }
                None if search.is_over() => return search.has_refused_alone(),
                None => {
                    let was_up = self.health.is_up();
                    match self.probe(&error, meter.clone()).await {
                        Ok(sent) => search.reassured(sent, was_up),
                        Err(error) => search.give_up(&error.into_failure()),
                    }
                }
            }
        }
    }

    async fn ask_part(
        &self,
        part: Batch,
        _slot: Option<SemaphorePermit<'_>>,
    ) -> (Batch, (Instant, Result<Vectors, EmbedError>)) {
        let result = self.ask(&part, 0).await;
        (part, result)
    }

    /// Asks for something that no model has a reason to refuse, after a request failed in this way;
    /// returns when it was sent. Whoever doubts pays a token for it.
    ///
    /// # Errors
    ///
    /// The error that everything asked for fails with now.
    async fn probe(&self, doubtful: &EmbedError, meter: Meter) -> Result<Instant, EmbedError> {
        let (sent, result) = self.ask(&Batch::probe(meter), 0).await;

        // What was said of the request itself is repeated, for only there is it known what must not be.
        let error = match (result, doubtful) {
            (Ok(_), _) => return Ok(sent),
            (Err(EmbedError::InputRefused(_) | EmbedError::TooMany(..)), _) => refuses_everything(doubtful),
            (Err(EmbedError::Unavailable(_) | EmbedError::BadResponse(_)), EmbedError::InputRefused(_)) => {
                EmbedError::Unavailable("it fails on a harmless input".to_owned())
            }
            (Err(EmbedError::Unavailable(_) | EmbedError::BadResponse(_)), _) => doubtful.clone(),
            (Err(error), _) => error,
        };

        self.health.failed();
        if let EmbedError::Refused(failure) = &error {
            self.health.refused(failure);
        }
        Err(error)
    }
}

/// Returns the error of a provider that does not take even something harmless.
fn refuses_everything(doubtful: &EmbedError) -> EmbedError {
    let said = match doubtful {
        EmbedError::InputRefused(why) | EmbedError::TooMany(_, why) => format!(": {why}"),
        _ => String::new(),
    };

    EmbedError::refused(
        "request_refused",
        format!("the embedding provider rejects every input, even a harmless one{said}"),
        "Check the vectorizer's model (with Azure, the deployment), dimensions and base_url.",
    )
}

/// Returns whether the same request may succeed a little later.
fn may_pass(error: &EmbedError) -> bool {
    matches!(error, EmbedError::Unreachable(_) | EmbedError::Unavailable(_) | EmbedError::BadResponse(_))
}

/// Returns whether the request may succeed without one of its inputs.
fn may_be_one_inputs_doing(error: &EmbedError) -> bool {
    matches!(
        error,
        EmbedError::InputRefused(_)
            | EmbedError::TooMany(..)
            | EmbedError::Unavailable(_)
            | EmbedError::BadResponse(_)
    )
}
