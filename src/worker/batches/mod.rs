//! Batches on their way to their provider and back. What is written down of a batch (`catalog::batch`) says what is next, so that
//! whoever starts in the place of a worker that died goes on from there.
//!
//! | State | What is next |
//! |---|---|
//! | `collecting` | wait until it is full, or no more inputs come |
//! | `ready` | upload its file |
//! | `uploaded` | write that it is about to be made, so that it is on disk, and have it made |
//! | `creating` | after a lost answer: look for it by its tag, and have it made if it is not there |
//! | `submitted` | look how it is; once it is over, fetch the answers and store them |
//! | `done` | have the rows that waited run, until nobody needs it |
//!
//! * `progress`: the steps
//! * `bill`: the cost of a batch
//! * `waiting`: what is said of those that are not over

mod bill;
mod progress;
mod waiting;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use pgai_rs_pipeline::document;
use pgai_rs_pipeline::embed::BatchServer;
use pgai_rs_pipeline::embed::by_batch::{BatchNetwork, Room};
use pgai_rs_pipeline::failure::Failure;

use self::progress::{Progress, Served};
use self::waiting::waiting;
use crate::catalog::batch::{self, Batch, State};
use crate::pg::error::PgError;
use crate::pg::transaction::transaction;
use crate::pg::turn;
use crate::queue::batched::Batching;
use crate::queue::spi::SpiQueue;

/// The time between two looks at what is written down, while nothing comes from the network.
const INTERVAL: Duration = Duration::from_secs(1);

/// The largest number of batches of a vectorizer that are with the provider at a time.
const MOST_AT_A_TIME: usize = 10;

/// The longest time in seconds until a batch is with the provider; and from then on until it is over: the day that the provider
/// promises, and two hours.
const LONGEST_WAY: f64 = 86_400.0;
const LONGEST_WORK: f64 = 93_600.0;

/// The way to the network.
pub struct Way<'a> {
    /// The threads.
    pub network: BatchNetwork,
    /// The room for steps that hold much memory.
    pub room: Room,
    /// Returns the batch API of a vectorizer's provider.
    pub server: &'a dyn Fn(&document::Vectorizer) -> Result<BatchServer, Failure>,
}

/// The batches of this database, as far as this process has a part in them.
#[derive(Default)]
pub struct Batches {
    known: HashMap<i64, Progress>,
    looked: Option<Instant>,
    room: Room,
}

impl Batches {
    /// Returns the room for steps that hold much memory, which all of this process share.
    pub fn room(&self) -> Room {
        self.room.clone()
    }

    /// Takes the steps whose time has come. Returns the time until the next look; `None` if there are no batches. Must be called
    /// outside a transaction.
    pub fn look(&mut self, queue: &mut SpiQueue, way: &Way<'_>) -> Option<Duration> {
        if !queue.may_have_batches() {
            return None;
        }
        let has_come = self.known.values().any(Progress::has_event);
        let left = self.looked.and_then(|looked| INTERVAL.checked_sub(looked.elapsed()));
        if let Some(left) = left.filter(|left| !has_come && !left.is_zero()) {
            return Some(left);
        }

        self.looked = Some(Instant::now());
        let batches = match transaction(batch::all) {
            Ok(batches) => batches,
            Err(error) => {
                pgrx::warning!("pgai_rs worker could not read the batches: {error}");
                return Some(INTERVAL);
            }
        };
        queue.have_batches(!batches.is_empty(), &waiting(&batches));
        let all = All::of(&batches, queue);
        self.known.retain(|id, _| all.ids.contains(id));
        for batch in self.due(&batches, &all, queue) {
            // A step runs statements as the owner, whose turn it may not be: what came of it waits.
            if batch.vectorizer.is_some_and(|vectorizer| queue.has_batches_rest(vectorizer)) {
                continue;
            }
            let mut step = || self.step(batch, &all, queue, way);
            let stepped = match all.batching(batch) {
                Some(batching) => turn::on_account_of(batching.owner, step),
                None => step(),
            };
            if let Err(error) = stepped {
                self.stumbled(batch, queue, &error);
            }
        }
        (!batches.is_empty()).then_some(INTERVAL)
    }

    /// Returns the batches that have something to do, and that nobody has locked. Sets aside of the budgets what all of them need.
    fn due<'a>(&mut self, batches: &'a [Batch], all: &All, queue: &mut SpiQueue) -> Vec<&'a Batch> {
        let mut due = Vec::new();
        for batch in batches {
            let lacks_budget = match queue.set_aside_for(batch, all.batching(batch).is_some()) {
                Ok(lacks_budget) => lacks_budget,
                Err(error) => {
                    self.stumbled(batch, queue, &error);
                    continue;
                }
            };
            match lacks_budget.filter(|_| too_late(batch).is_none()) {
                None if self.is_due(batch, all) => due.push(batch),
                None => {}
                Some(failure) => {
                    if let Err(error) = self.known.entry(batch.id).or_default().waits(batch, &failure) {
                        self.stumbled(batch, queue, &error);
                    }
                }
            }
        }
        if due.is_empty() {
            return due;
        }

        match transaction(|| batch::unlocked(due.iter().map(|batch| batch.id).collect())) {
            Ok(unlocked) => due.retain(|batch| unlocked.contains(&batch.id)),
            Err(error) => {
                pgrx::warning!("pgai_rs worker could not lock the batches: {error}");
                due.clear();
            }
        }
        due
    }

    /// Returns whether there is something to do for a batch.
    fn is_due(&self, batch: &Batch, all: &All) -> bool {
        let rests = |progress: &Progress| progress.is_busy() && !progress.has_event();
        match all.batching(batch) {
            Some(batching) => !self.known.get(&batch.id).is_some_and(rests) || is_unwanted(batch, batching),
            None => {
                batch.vectorizer.is_none() || batch.state == State::Collecting || too_late(batch).is_some()
            }
        }
    }

    /// Takes in that a step could not be taken.
    fn stumbled(&mut self, batch: &Batch, queue: &mut SpiQueue, error: &PgError) {
        pgrx::warning!("pgai_rs worker could not go on with batch {}: {error}", batch.id);
        self.known.entry(batch.id).or_default().stumbled();
        queue.batch_failed(batch, error);
    }

    /// Takes in what has come of a batch, and begins with what is next.
    fn step(&mut self, batch: &Batch, all: &All, queue: &mut SpiQueue, way: &Way<'_>) -> Result<(), PgError> {
        let progress = self.known.entry(batch.id).or_default();
        let Some(vectorizer) = batch.vectorizer else { return progress.abandon(batch, queue, way) };
        // It is disabled, or can't be served: what is with the provider stays there, for as long as it may otherwise.
        let Some(batching) = all.batching(batch) else {
            return match too_late(batch) {
                Some(why) => progress.expire(why, batch, queue, way),
                // It gives back what is set aside for it, which a further input would not know.
                None if batch.state == State::Collecting => {
                    transaction(|| batch::set_state(batch.id, State::Ready))
                }
                None => Ok(()),
            };
        };

        let is_of_its_model = batch.model == batching.model;
        let served = &mut Served { batch, shared: &batching.shared, is_of_its_model, queue, way };
        // What comes from another server than the vectorizer's is not taken.
        let events = if is_of_its_model { progress.take_events() } else { Vec::new() };
        for event in events {
            if progress.take(event, served)? {
                return Ok(());
            }
        }
        if is_unwanted(batch, batching) {
            return progress.give_up("its vectorizer was altered", served);
        }
        if progress.is_busy() {
            return Ok(());
        }
        if batch.state != State::Collecting
            && let Some(why) = too_late(batch)
        {
            return progress.give_up(why, served);
        }

        match batch.state {
            State::Collecting => progress.close(batch, vectorizer, served.queue),
            State::Done => progress.end_waits(batch, vectorizer, served.queue),
            State::Ready => match all.with_provider(vectorizer) < MOST_AT_A_TIME {
                true => progress.upload(served),
                false => Ok(()),
            },
            State::Uploaded | State::Creating => progress.create(served),
            State::Submitted => progress.look(served),
        }
    }
}

/// What is known of all batches together at one look.
struct All {
    ids: HashSet<i64>,
    /// The vectorizers that are served.
    batching: HashMap<i32, Batching>,
    /// The number of batches of each vectorizer that are with the provider.
    with_provider: HashMap<i32, usize>,
}

impl All {
    fn of(batches: &[Batch], queue: &SpiQueue) -> All {
        let mut all = All { ids: HashSet::new(), batching: HashMap::new(), with_provider: HashMap::new() };
        for batch in batches {
            all.ids.insert(batch.id);
            let Some(vectorizer) = batch.vectorizer else { continue };
            let is_with_provider =
                matches!(batch.state, State::Uploaded | State::Creating | State::Submitted);
            match all.with_provider.entry(vectorizer) {
                Entry::Occupied(mut count) => *count.get_mut() += usize::from(is_with_provider),
                Entry::Vacant(count) => {
                    count.insert(usize::from(is_with_provider));
                    all.batching.extend(queue.batches_of(vectorizer).map(|batching| (vectorizer, batching)));
                }
            }
        }
        all
    }

    /// Returns a batch's vectorizer, if it is served.
    fn batching(&self, batch: &Batch) -> Option<&Batching> {
        self.batching.get(&batch.vectorizer?)
    }

    fn with_provider(&self, vectorizer: i32) -> usize {
        self.with_provider.get(&vectorizer).copied().unwrap_or_default()
    }
}

/// Returns whether nobody needs what a batch would still bring.
fn is_unwanted(batch: &Batch, batching: &Batching) -> bool {
    let is_wanted = batch.model == batching.model && batching.shared.config.processing.backfills_by_batch();
    batch.state != State::Done && !is_wanted
}

/// Returns why a batch is waited for no longer; `None` if it is.
fn too_late(batch: &Batch) -> Option<&'static str> {
    match batch.submitted {
        _ if batch.state == State::Done => None,
        None if batch.age > LONGEST_WAY => Some("it could not be submitted within a day"),
        Some(seconds) if seconds > LONGEST_WORK => Some("the provider did not keep its promise of 24 hours"),
        _ => None,
    }
}
