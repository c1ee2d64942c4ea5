//! The use of models: what was sent to them, and what their providers say that they bill.
//!
//! A [`Bill`] is kept of one question to a model, however many requests it takes. It is charged to the [`Meter`]s of
//! those whose inputs were in the requests, and a [`Ledger`] has what all meters of a process counted until somebody
//! writes it down.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::budget::{Budgets, Payer, Reserved};
use crate::failure::Failure;
use crate::quota::{Day, Role, day_of};

/// An amount of what is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests that left, refused ones and those of which no answer came included.
    pub requests: u64,
    /// Inputs of these requests: one that was sent twice counts twice.
    pub inputs: u64,
    /// Bytes of the inputs, in UTF-8.
    pub bytes: u64,
    /// Documents whose chunks all got their vectors, and had at least one to be embedded.
    pub documents: u64,
    /// Tokens that are billed: as the provider says, else as estimated.
    pub tokens: u64,
    /// The part of `tokens` that is estimated: of answers that do not say, and of those that were lost on the way.
    pub estimated_tokens: u64,
    /// The part of `bytes` for which the provider said what it bills, so that there is a rate of tokens by bytes.
    pub billed_bytes: u64,
}

impl Usage {
    /// Adds another amount.
    pub fn add(&mut self, other: Usage) {
        self.each(other, u64::saturating_add);
    }

    /// Takes away what was added before.
    pub fn subtract(&mut self, other: Usage) {
        self.each(other, u64::saturating_sub);
    }

    fn each(&mut self, other: Usage, change: impl Fn(u64, u64) -> u64) {
        for (sum, part) in [
            (&mut self.requests, other.requests),
            (&mut self.inputs, other.inputs),
            (&mut self.bytes, other.bytes),
            (&mut self.documents, other.documents),
            (&mut self.tokens, other.tokens),
            (&mut self.estimated_tokens, other.estimated_tokens),
            (&mut self.billed_bytes, other.billed_bytes),
        ] {
            *sum = change(*sum, part);
        }
    }
}

/// The part of its price that a model's batch API costs, for each provider that has one whose price is known: half for OpenAI,
/// <https://platform.openai.com/docs/guides/batch>. Another server of the same protocol has a price of its own.
pub fn price_share(model: &ModelName) -> f64 {
    if model.server.is_empty() && model.model.starts_with("openai/") { 0.5 } else { 1.0 }
}

/// The largest numbers of bytes of a model's name and of its server's. They are part of the key of `ai._usage`, and a B-tree of
/// Postgres has entries of 2,704 bytes at most.
const LONGEST_MODEL: usize = 256;
const LONGEST_SERVER: usize = 300;

/// A model, as usage and prices name it. What users write may be of any length, so [`new`](Self::new) cuts it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ModelName {
    /// Its provider and its name, as LiteLLM writes them: `openai/text-embedding-3-small`.
    pub model: String,
    /// The server that is asked, without a path; empty for the provider's own, and `default` for another that the administrator has
    /// set.
    pub server: String,
}

impl ModelName {
    /// Returns the name of a model of a server, each up to a length.
    pub fn new(model: &str, server: &str) -> Self {
        let up_to = |text: &str, most: usize| text[..text.floor_char_boundary(most)].to_owned();
        ModelName { model: up_to(model, LONGEST_MODEL), server: up_to(server, LONGEST_SERVER) }
    }
}

/// The name under which use is counted. As JSON it outlives a process.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Counted {
    /// `ai.vectorizer.uuid`.
    pub vectorizer: String,
    /// `ai.vectorizer.id`.
    pub id: i32,
    /// `ai.vectorizer.name`.
    pub name: String,
    /// The owner, whose budgets it counts for.
    pub owner: Role,
    /// The model.
    pub model: ModelName,
    /// True for what the provider's batch API was asked for.
    pub by_batch: bool,
}

impl Counted {
    /// Returns the part of the model's price that is paid.
    pub fn share(&self) -> f64 {
        if self.by_batch { price_share(&self.model) } else { 1.0 }
    }

    fn payer(&self) -> Payer<'_> {
        let ModelName { model, server } = &self.model;
        Payer { vectorizer: &self.vectorizer, owner: self.owner, model, server, share: self.share() }
    }
}

/// The use that was counted and is not yet written, by vectorizer, model and day, and the budgets for it. Shared by all threads; a
/// lock is held for moments only.
#[derive(Debug, Default)]
pub struct Ledger {
    rows: Mutex<HashMap<(Arc<Counted>, Day), Usage>>,
    budgets: Arc<Budgets>,
}

impl Ledger {
    /// Takes what was counted since this was called last.
    pub fn take(&self) -> Vec<(Arc<Counted>, Day, Usage)> {
        let taken = std::mem::take(&mut *self.rows());
        taken.into_iter().map(|((counted, day), usage)| (counted, day, usage)).collect()
    }

    /// Gives back what could not be written.
    pub fn give_back(&self, unwritten: Vec<(Arc<Counted>, Day, Usage)>) {
        let mut rows = self.rows();
        for (counted, day, usage) in unwritten {
            rows.entry((counted, day)).or_default().add(usage);
        }
    }

    /// Returns the budgets.
    pub fn budgets(&self) -> &Arc<Budgets> {
        &self.budgets
    }

    fn add(&self, counted: &Arc<Counted>, usage: Usage) {
        let day = day_of(SystemTime::now());
        self.rows().entry((Arc::clone(counted), day)).or_default().add(usage);
        self.budgets.charge(counted.payer(), usage.tokens);
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<(Arc<Counted>, Day), Usage>> {
        // Nothing that panics half-way is done under the lock.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts what one vectorizer's documents use. Without a ledger nothing is counted.
#[derive(Debug, Clone, Default)]
pub struct Meter(Option<(Arc<Ledger>, Arc<Counted>)>);

/// Two meters are the same if they count under the same name: a process has the ledger of one database.
impl PartialEq for Meter {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some((_, one)), Some((_, other))) => Arc::ptr_eq(one, other) || one == other,
            (one, other) => one.is_none() && other.is_none(),
        }
    }
}

impl Meter {
    /// Returns a meter that counts under this name.
    pub fn new(ledger: &Arc<Ledger>, counted: Counted) -> Self {
        Meter(Some((Arc::clone(ledger), Arc::new(counted))))
    }

    /// Returns the name under which it counts; `None` if it counts nothing.
    pub fn counted(&self) -> Option<&Counted> {
        self.0.as_ref().map(|(_, counted)| &**counted)
    }

    /// Refuses to load a document if nothing is left of a budget with which it could be embedded.
    pub(crate) fn require_left(&self) -> Result<(), Failure> {
        match &self.0 {
            Some((ledger, counted)) => ledger.budgets.require_left(counted.payer()),
            None => Ok(()),
        }
    }

    /// Sets aside of the budgets what is about to be sent, so many tokens.
    ///
    /// # Errors
    ///
    /// `budget_exceeded` if one of them has nothing left.
    pub fn reserve(&self, tokens: u64) -> Result<Option<Reserved>, Failure> {
        match &self.0 {
            Some((ledger, counted)) => ledger.budgets.reserve(counted.payer(), tokens).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the meter of what the same vectorizer asks the provider's batch API for.
    pub fn of_batches(&self) -> Meter {
        let by_batch = |counted: &Counted| Arc::new(Counted { by_batch: true, ..counted.clone() });
        Meter(self.0.as_ref().map(|(ledger, counted)| (Arc::clone(ledger), by_batch(counted))))
    }

    /// Sets aside of the budgets what was sent by an earlier process and is not billed yet.
    pub fn set_aside(&self, tokens: u64) -> Option<Reserved> {
        let (ledger, counted) = self.0.as_ref()?;
        Some(ledger.budgets.set_aside(counted.payer(), tokens))
    }

    /// Counts a document whose chunks all got their vectors.
    pub(crate) fn count_document(&self) {
        self.add(Usage { documents: 1, ..Usage::default() });
    }

    /// Counts what was asked for.
    pub fn add(&self, usage: Usage) {
        if let Some((ledger, counted)) = &self.0
            && usage != Usage::default()
        {
            ledger.add(counted, usage);
        }
    }
}

/// The size of a request, or of a part of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// The number of inputs.
    pub inputs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their tokens, as estimated.
    pub tokens: u64,
    /// The most tokens that can be billed for them; see [`most_tokens`].
    pub most_tokens: u64,
}

/// The number of tokens that a provider may bill for an input beside those of its text: marks of its beginning and its end, and an
/// instruction that goes before it.
const TOKENS_PER_INPUT: u64 = 100;

/// Returns the most tokens that can be billed for inputs of so many bytes: no vocabulary has more tokens than bytes, but for a few
/// characters that a model spells out. Who answers may say any number, and it would count in the budgets of others.
pub fn most_tokens(inputs: u64, bytes: u64) -> u64 {
    bytes.saturating_add(inputs.saturating_mul(TOKENS_PER_INPUT))
}

/// The bill for a question to a model: what its requests cost, as they are sent and answered. It holds as well if nobody
/// waits for the answers any more.
#[derive(Debug, Default)]
pub struct Bill(Mutex<Charge>);

/// Requests, and what is billed for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Charge {
    /// Requests that left.
    requests: u64,
    /// Their inputs.
    inputs: u64,
    /// The bytes of these.
    bytes: u64,
    /// Tokens that the provider says it bills.
    said: u64,
    /// The bytes for which it says so.
    said_bytes: u64,
    /// Estimated tokens of requests of which it did not say, or that have no answer: they may be billed.
    unsaid: u64,
}

impl Bill {
    /// Counts a request that leaves. It may be billed until something else is known.
    pub(crate) fn sent(&self, size: Size) {
        let mut charge = self.charge();
        charge.requests += 1;
        charge.inputs += size.inputs;
        charge.bytes += size.bytes;
        charge.unsaid += size.tokens;
    }

    /// Takes back a request that did not leave.
    pub(crate) fn not_sent(&self, size: Size) {
        let mut charge = self.charge();
        charge.requests = charge.requests.saturating_sub(1);
        charge.inputs = charge.inputs.saturating_sub(size.inputs);
        charge.bytes = charge.bytes.saturating_sub(size.bytes);
        charge.unsaid = charge.unsaid.saturating_sub(size.tokens);
    }

    /// Notes that a request was refused, for which nobody bills anything.
    pub(crate) fn refused(&self, size: Size) {
        let mut charge = self.charge();
        charge.unsaid = charge.unsaid.saturating_sub(size.tokens);
    }

    /// Notes the number of tokens that the answer to a request says are billed. It is believed as far as it can be meant.
    pub(crate) fn said(&self, size: Size, tokens: u64) {
        let mut charge = self.charge();
        charge.unsaid = charge.unsaid.saturating_sub(size.tokens);
        charge.said = charge.said.saturating_add(tokens.min(size.most_tokens));
        charge.said_bytes += size.bytes;
    }

    /// Returns all that was asked for.
    pub fn usage(&self) -> Usage {
        let Charge { requests, inputs, bytes, said, said_bytes, unsaid } = *self.charge();
        let tokens = said.saturating_add(unsaid);
        Usage {
            requests,
            inputs,
            bytes,
            documents: 0,
            tokens,
            estimated_tokens: unsaid,
            billed_bytes: said_bytes,
        }
    }

    /// Returns the number of requests that left.
    pub(crate) fn requests(&self) -> u64 {
        self.charge().requests
    }

    /// Returns what a part of the inputs costs, without the requests, if all requests were of the same inputs: so many tokens,
    /// and of these `before` in the inputs before the part. All parts come to the whole.
    pub(crate) fn part(&self, part: Size, before: u64, all_tokens: u64) -> Usage {
        let Charge { requests, said, said_bytes, unsaid, .. } = *self.charge();
        let up_to = |amount: u64, tokens: u64| {
            let share = u128::from(amount) * u128::from(tokens) / u128::from(all_tokens.max(1));
            u64::try_from(share).unwrap_or(u64::MAX)
        };
        let share = |amount: u64| up_to(amount, before + part.tokens).saturating_sub(up_to(amount, before));

        let estimated_tokens = share(unsaid);
        Usage {
            requests: 0,
            inputs: requests.saturating_mul(part.inputs),
            bytes: requests.saturating_mul(part.bytes),
            documents: 0,
            tokens: share(said).saturating_add(estimated_tokens),
            estimated_tokens,
            billed_bytes: share(said_bytes),
        }
    }

    fn charge(&self) -> MutexGuard<'_, Charge> {
        // Nothing that panics half-way is done under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(inputs: u64, tokens: u64) -> Size {
        Size { inputs, bytes: 4 * tokens, tokens, most_tokens: most_tokens(inputs, 4 * tokens) }
    }

    #[test]
    fn the_parts_of_a_bill_come_to_the_whole() {
        let bill = Bill::default();
        bill.sent(size(3, 3));
        bill.said(size(3, 3), 100);
        let parts = [0, 1, 2].map(|before| bill.part(size(1, 1), before, 3).tokens);
        assert_eq!((parts, parts.iter().sum::<u64>()), ([33, 33, 34], 100));
    }

    #[test]
    fn an_answer_that_was_lost_is_estimated_and_one_that_says_is_not() {
        let bill = Bill::default();
        bill.sent(size(2, 10));
        bill.sent(size(2, 10));
        bill.said(size(2, 10), 7);
        let expected = Usage {
            requests: 2,
            inputs: 4,
            bytes: 80,
            documents: 0,
            tokens: 17,
            estimated_tokens: 10,
            billed_bytes: 40,
        };
        assert_eq!(bill.usage(), expected);
        assert_eq!(bill.part(size(2, 10), 0, 10), Usage { requests: 0, ..expected });
    }

    #[test]
    fn a_refusal_costs_no_tokens_and_what_did_not_leave_nothing() {
        let bill = Bill::default();
        bill.sent(size(1, 1));
        bill.refused(size(1, 1));
        bill.sent(size(1, 1));
        bill.not_sent(size(1, 1));
        assert_eq!(bill.usage(), Usage { requests: 1, inputs: 1, bytes: 4, ..Usage::default() });
    }

    #[test]
    fn a_server_is_believed_no_more_tokens_than_can_be_meant() {
        for (said, counted) in [(440, 440), (441, 440), (u64::MAX, 440)] {
            let bill = Bill::default();
            bill.sent(size(4, 10));
            bill.said(size(4, 10), said);
            assert_eq!(bill.usage().tokens, counted);
        }
    }

    #[test]
    fn what_could_not_be_written_is_not_lost() {
        let ledger = Arc::new(Ledger::default());
        let model = ModelName { model: "m".into(), server: String::new() };
        let meter = Meter::new(
            &ledger,
            Counted { vectorizer: "u".into(), id: 1, name: "v".into(), owner: 1, model, by_batch: false },
        );
        meter.count_document();
        let taken = ledger.take();
        meter.count_document();
        ledger.give_back(taken);
        let total: u64 = ledger.take().iter().map(|(_, _, usage)| usage.documents).sum();
        assert_eq!((total, ledger.take().len()), (2, 0));
    }
}
