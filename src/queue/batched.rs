//! The vectors that batches have brought for documents under way, and the collecting of inputs for them.

use std::collections::HashMap;
use std::sync::Arc;

use pgrx::pg_sys;

use pgai_rs_pipeline::document::{self, Digest, digest};
use pgai_rs_pipeline::embed::by_batch::{MOST_BYTES, MOST_INPUTS, MOST_TOKENS, json_bytes};
use pgai_rs_pipeline::embed::{estimated_tokens, model_name};
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_pipeline::run::{Found, Inquiry};
use pgai_rs_pipeline::usage::{Counted, Meter};
use pgai_rs_queue::session::Session;
use pgai_rs_queue::work::{Claimed, end_wait, unchanged_since};

use super::active::Active;
use super::reservations::Reservations;
use super::roster::its_turn;
use super::session::SpiSession;
use super::spi::SpiQueue;
use super::tickets::Tickets;
use super::waiting_for_batch::WaitingForBatches;
use crate::catalog::batch::{self, Batch, KnownInput, NewInput, State};
use crate::guc;
use crate::pg::error::PgError;

/// The attempt at a row with which its inputs may be collected: one that was tried before, or was in a batch, goes the ordinary
/// way, so that nothing is sent to batches again and again.
const FIRST_ATTEMPT: i32 = 1;

/// Returns the digest of all that decides the vectors of inputs: the declaration, and the server that it leads to.
fn model_of(active: &Active) -> Digest {
    let shared = &active.shared;
    let model = model_name(&shared.config.embedding, &guc::pipeline()).ok();
    let named = model.map(|model| (model.model, model.server));
    let all = serde_json::to_vec(&(&shared.config.embedding, named));
    digest(all.unwrap_or_default())
}

/// A vectorizer as its batches need to know it.
pub struct Batching {
    /// It as the pipeline knows it.
    pub shared: Arc<document::Vectorizer>,
    /// The digest of its model.
    pub model: Digest,
    /// Its owner.
    pub owner: pg_sys::Oid,
}

impl SpiQueue {
    /// Returns whether there may be batches.
    pub fn may_have_batches(&self) -> bool {
        self.batches.may_have
    }

    /// Takes in whether there are batches, and what vectorizers wait for because of them, with the time until its provider has
    /// promised it.
    pub fn have_batches(&mut self, are_there: bool, waiting: &WaitingForBatches) {
        self.batches.may_have = are_there;
        self.roster.waiting_for_batches(waiting);
    }

    /// Returns a vectorizer that may have batches; `None` if it is not served.
    pub fn batches_of(&self, id: i32) -> Option<Batching> {
        let active = self.roster.get(id)?;
        let owner = active.vectorizer.owner;
        Some(Batching { shared: Arc::clone(&active.shared), model: model_of(active), owner })
    }

    /// Returns whether the steps of a vectorizer's batches have to wait: it rests, or it is another owner's turn.
    pub fn has_batches_rest(&self, id: i32) -> bool {
        self.roster
            .get(id)
            .is_some_and(|active| active.rests() || its_turn(active.vectorizer.owner).is_some())
    }

    /// Has a batch's vectorizer rest after an error of a statement that took long.
    pub fn batch_failed(&mut self, batch: &Batch, error: &PgError) {
        if let Some(id) = batch.vectorizer.filter(|_| error.is_costly()) {
            self.roster.pause(id, "go on with the batches of", error);
        }
    }

    /// Sets aside of the budgets what a batch takes, if that is not done. What was not sent counts only while its vectorizer is served:
    /// one that is disabled holds no budget of others for what may never be bought. Returns why it may not be sent, if a budget has
    /// nothing left for it by now.
    pub fn set_aside_for(&mut self, batch: &Batch, is_served: bool) -> Result<Option<Failure>, PgError> {
        let is_to_be_sent = matches!(batch.state, State::Ready | State::Uploaded);
        if batch.state == State::Done || is_to_be_sent && !is_served {
            self.batches.reservations.remove(&batch.id);
            return Ok(None);
        }
        if self.batches.reservations.contains_key(&batch.id) {
            return Ok(None);
        }

        let tokens = u64::try_from(batch.tokens).unwrap_or_default();
        let meter = self.meter_of(batch)?;
        let reserved = match is_to_be_sent {
            true => match meter.reserve(tokens) {
                Ok(reserved) => reserved,
                Err(failure) => return Ok(Some(failure)),
            },
            false => meter.set_aside(tokens),
        };
        self.batches.reservations.insert(batch.id, reserved.into_iter().collect());
        Ok(None)
    }

    /// Returns the meter of a batch, which outlives its vectorizer.
    pub fn meter_of(&mut self, batch: &Batch) -> Result<Meter, PgError> {
        let Some(counted) = batch.counted.clone() else { return Ok(Meter::default()) };
        Ok(Meter::new(&self.counters.get()?.ledger, counted).of_batches())
    }

    /// Gives back what was set aside for a batch, which is billed.
    pub fn is_billed(&mut self, batch: i64) {
        self.batches.reservations.remove(&batch);
    }

    /// Makes the rows due that wait for the batch with this time. Returns whether rows are left that may need what it has brought.
    pub fn end_wait(&mut self, id: i32, until: i64) -> Result<bool, PgError> {
        let Some(active) = self.roster.get_mut(id) else { return Ok(true) };
        active.looks.forget();
        let active = &*active;
        end_wait(&mut SpiSession::on(active), &active.definition, until)
    }

    /// Answers questions of a vectorizer's documents. Those that can't be answered are asked again.
    pub(super) fn answer(&mut self, vectorizer: &document::Vectorizer, inquiries: Vec<Inquiry>) {
        let Some(active) = self.roster.get(vectorizer.id) else { return };
        let answered = answer(active, &self.tickets, inquiries, &mut self.batches.reservations)
            .map(|has_collected| self.batches.may_have |= has_collected);
        self.tell_of(vectorizer.id, "look up the batches of", answered);
    }
}

/// Answers questions about inputs, in a transaction of its own. Returns whether some were collected for a batch.
fn answer(
    active: &Active,
    tickets: &Tickets,
    mut inquiries: Vec<Inquiry>,
    reservations: &mut Reservations,
) -> Result<bool, PgError> {
    let model = model_of(active);
    let decisions = SpiSession::on(active).transaction(|session| {
        if !batch::can_be_kept() {
            return Ok(inquiries.iter().map(ordinary).collect());
        }
        let known = known(active, &model, &inquiries)?;
        let may_wait = may_wait(session, active, tickets, &known, &inquiries)?;
        let counted = active.shared.meter.counted();
        let mut collection =
            Collection { vectorizer: active.definition.id, model: &model, counted, open: None };
        let mut known = known;
        let mut decisions = Vec::with_capacity(inquiries.len());
        for (inquiry, row) in inquiries.iter().zip(may_wait) {
            decisions.push(decide(inquiry, row, &mut known, &mut collection)?);
        }
        collection.end()?;
        Ok::<Vec<Decision>, PgError>(decisions)
    })?;

    let mut has_collected = false;
    for (mut inquiry, Decision { found, batch }) in inquiries.drain(..).zip(decisions) {
        if let Some(batch) = batch {
            has_collected = true;
            reservations.entry(batch).or_default().extend(inquiry.collect.take().into_iter().flatten());
        }
        inquiry.answer(found);
    }
    Ok(has_collected)
}

/// The answer to a question, and the batch that inputs were collected for.
struct Decision {
    found: Found,
    batch: Option<i64>,
}

fn ordinary(inquiry: &Inquiry) -> Decision {
    let vectors = vec![None; inquiry.inputs.len()];
    Decision { found: Found::Vectors { vectors, may_wait: false }, batch: None }
}

/// A row's leave to wait for a batch, and to have its inputs collected for one.
#[derive(Clone, Copy, Default)]
struct MayWait {
    waits: bool,
    is_collected: bool,
}

/// The state of an input that is in a batch.
#[derive(Debug, Clone, PartialEq)]
enum Known {
    /// The vector.
    Vector(Vec<f32>),
    /// It goes the ordinary way.
    Ordinary,
    /// It is in a batch that is not over, whose rows are known by this time.
    Waiting(i64),
}

type KnownInputs = HashMap<Digest, Known>;

fn known(active: &Active, model: &Digest, inquiries: &[Inquiry]) -> Result<KnownInputs, PgError> {
    let mut digests: Vec<Digest> =
        inquiries.iter().flat_map(|inquiry| inquiry.digests.iter().copied()).collect();
    digests.sort_unstable();
    digests.dedup();

    let dimensions = active.shared.config.embedding.dimensions() as usize;
    let mut known = KnownInputs::new();
    for KnownInput { digest, vector, is_ordinary, until } in
        batch::known(active.definition.id, model, &digests)?
    {
        let state = match vector.and_then(|bytes| numbers(&bytes, dimensions)) {
            Some(vector) => Known::Vector(vector),
            None if is_ordinary => Known::Ordinary,
            None => Known::Waiting(until),
        };
        // A vector of one batch is better than the place in another.
        if !matches!(known.get(&digest), Some(Known::Vector(_))) {
            known.insert(digest, state);
        }
    }
    Ok(known)
}

fn numbers(bytes: &[u8], dimensions: usize) -> Option<Vec<f32>> {
    let numbers = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    (bytes.len() == 4 * dimensions).then(|| numbers.collect())
}

/// Returns for each question whether its row may wait: those that lack vectors, were enqueued with all existing rows, and have not
/// changed since.
fn may_wait(
    session: &mut SpiSession<'_>,
    active: &Active,
    tickets: &Tickets,
    known: &KnownInputs,
    inquiries: &[Inquiry],
) -> Result<Vec<MayWait>, PgError> {
    let mut answers = vec![MayWait::default(); inquiries.len()];
    let lacks = |inquiry: &Inquiry| {
        inquiry.digests.iter().any(|digest| !matches!(known.get(digest), Some(Known::Vector(_))))
    };
    let asking: Vec<(usize, &Claimed)> = inquiries
        .iter()
        .enumerate()
        .filter(|(_, inquiry)| lacks(inquiry))
        .filter_map(|(place, inquiry)| Some((place, tickets.get(inquiry.ticket)?)))
        .collect();
    let times = batch::backfills(active.definition.id)?;
    if asking.is_empty() || times.is_empty() {
        return Ok(answers);
    }

    let claims: Vec<&Claimed> = asking.iter().map(|(_, claim)| *claim).collect();
    let v = &active.definition;
    for index in session.as_owner_of_queue(|s| unchanged_since(s, v, &claims, &times))? {
        if let Some((place, claim)) = asking.get(index) {
            let is_collected = claim.attempts == FIRST_ATTEMPT;
            answers[*place] = MayWait { waits: true, is_collected };
        }
    }
    Ok(answers)
}

/// Decides about the inputs of a document, and collects those that are to be.
fn decide(
    inquiry: &Inquiry,
    row: MayWait,
    known: &mut KnownInputs,
    collection: &mut Collection<'_>,
) -> Result<Decision, PgError> {
    let states = inquiry.digests.iter().map(|digest| known.get(digest));
    let waiting = states.clone().filter_map(|state| match state {
        Some(Known::Waiting(until)) => Some(*until),
        _ => None,
    });
    let waiting = waiting.max();
    let is_ordinary = states.clone().any(|state| state == Some(&Known::Ordinary));
    let is_new = states.clone().any(|state| state.is_none());
    if !row.waits {
        return Ok(answer_with(inquiry, known, false));
    }
    let is_collected = is_new && row.is_collected && !is_ordinary;
    match (is_collected, waiting) {
        (false, None) => Ok(answer_with(inquiry, known, false)),
        // What a batch brings is not sent as well; what is left goes when it is over.
        (false, Some(until)) => Ok(Decision { found: Found::Waits(until), batch: None }),
        (true, _) if inquiry.collect.is_none() => Ok(answer_with(inquiry, known, true)),
        (true, _) => match collection.add(inquiry, known)? {
            Some((batch, until)) => Ok(Decision { found: Found::Waits(until), batch: Some(batch) }),
            None => Ok(answer_with(inquiry, known, false)),
        },
    }
}

/// The answer with the vectors that there are.
fn answer_with(inquiry: &Inquiry, known: &KnownInputs, may_wait: bool) -> Decision {
    let vector = |digest| match known.get(digest) {
        Some(Known::Vector(vector)) => Some(vector.clone()),
        Some(Known::Ordinary | Known::Waiting(_)) | None => None,
    };
    let vectors = inquiry.digests.iter().map(vector).collect();
    Decision { found: Found::Vectors { vectors, may_wait }, batch: None }
}

/// The collecting of inputs for a vectorizer.
struct Collection<'a> {
    vectorizer: i32,
    model: &'a Digest,
    /// The name under which use is counted.
    counted: Option<&'a Counted>,
    /// The batch that is open, once it is needed.
    open: Option<Batch>,
}

impl Collection<'_> {
    /// Adds the inputs of a document that are in no batch. Returns the batch's id and the time by which its rows are known; `None` if
    /// they are too many for any, or there are too many batches.
    fn add(&mut self, inquiry: &Inquiry, known: &mut KnownInputs) -> Result<Option<(i64, i64)>, PgError> {
        let inputs = inquiry.digests.iter().zip(inquiry.inputs.iter());
        let new = inputs.filter(|(digest, _)| !known.contains_key(*digest));
        let new: Vec<NewInput<'_>> = new.map(|(digest, text)| NewInput { digest: *digest, text }).collect();
        let bytes: u64 = new.iter().map(|input| input.text.len() as u64).sum();
        let tokens: u64 = new.iter().map(|input| estimated_tokens(input.text) as u64).sum();
        let fits = |count: u64, bytes: u64, tokens: u64| {
            count <= MOST_INPUTS && bytes <= MOST_BYTES && tokens <= MOST_TOKENS
        };
        let count = new.len() as u64;
        // The file of a batch would be far larger than its texts if they were all escaped.
        let escaped: u64 = new.iter().map(|input| json_bytes(input.text)).sum();
        if !fits(count, bytes, tokens) || escaped > 2 * bytes {
            return Ok(None);
        }

        let mut open = match self.open.take() {
            Some(open) => open,
            None => match batch::collecting(self.vectorizer, self.model)? {
                Some(open) => open,
                None => match batch::begin(self.vectorizer, self.model, self.counted)? {
                    Some(begun) => begun,
                    None => return Ok(None),
                },
            },
        };
        let with = |has: i64, more: u64| u64::try_from(has).unwrap_or_default().saturating_add(more);
        if !fits(with(open.inputs.into(), count), with(open.bytes, bytes), with(open.tokens, tokens)) {
            batch::write_sizes(&open)?;
            batch::set_state(open.id, State::Ready)?;
            let Some(begun) = batch::begin(self.vectorizer, self.model, self.counted)? else {
                return Ok(None);
            };
            open = begun;
        }

        batch::add(&open, &new)?;
        known.extend(new.iter().map(|input| (input.digest, Known::Waiting(open.until))));
        open.inputs += new.len() as i32;
        open.bytes = i64::try_from(with(open.bytes, bytes)).unwrap_or(i64::MAX);
        open.tokens = i64::try_from(with(open.tokens, tokens)).unwrap_or(i64::MAX);
        let place = (open.id, open.until);
        self.open = Some(open);
        Ok(Some(place))
    }

    /// Writes down how large the open batch has become.
    fn end(self) -> Result<(), PgError> {
        self.open.map_or(Ok(()), |open| batch::write_sizes(&open))
    }
}
