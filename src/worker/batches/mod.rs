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

use std::collections::HashMap;
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
        let (batches, unlocked) = match transaction(read) {
            Ok(read) => read,
            Err(error) => {
                pgrx::warning!("pgai_rs worker could not read the batches: {error}");
                return Some(INTERVAL);
            }
        };
        queue.have_batches(!batches.is_empty(), &waiting(&batches));
        self.known.retain(|id, _| batches.iter().any(|batch| batch.id == *id));
        for batch in batches.iter().filter(|batch| unlocked.contains(&batch.id)) {
            // A step runs statements as the owner, whose turn it may not be: what came of it waits.
            if batch.vectorizer.is_some_and(|vectorizer| queue.has_batches_rest(vectorizer)) {
                continue;
            }
            if let Err(error) = self.step(batch, &batches, queue, way) {
                pgrx::warning!("pgai_rs worker could not go on with batch {}: {error}", batch.id);
                self.known.entry(batch.id).or_default().stumbled();
                queue.batch_failed(batch, &error);
            }
        }
        (!batches.is_empty()).then_some(INTERVAL)
    }

    /// Takes in what has come of a batch, and begins with what is next.
    fn step(
        &mut self,
        batch: &Batch,
        all: &[Batch],
        queue: &mut SpiQueue,
        way: &Way<'_>,
    ) -> Result<(), PgError> {
        queue.set_aside_for(batch)?;
        let progress = self.known.entry(batch.id).or_default();
        let Some(vectorizer) = batch.vectorizer else { return progress.abandon(batch, queue, way) };
        // It is disabled, or can't be served: what is with the provider stays there.
        let Some((shared, model)) = queue.batches_of(vectorizer) else { return Ok(()) };
        let served = &mut Served { batch, shared: &shared, queue, way };

        for event in progress.take_events() {
            if progress.take(event, served)? {
                return Ok(());
            }
        }
        let is_wanted = batch.model == model && shared.config.processing.backfills_by_batch();
        if batch.state != State::Done && !is_wanted {
            return progress.give_up("its vectorizer was altered", served);
        }
        if progress.is_busy() {
            return Ok(());
        }

        match batch.state {
            State::Collecting => progress.close(batch, vectorizer, served.queue),
            State::Done => progress.end_waits(batch, vectorizer, served.queue),
            _ if batch.submitted.is_none() && batch.age > LONGEST_WAY => {
                progress.give_up("it could not be submitted within a day", served)
            }
            State::Ready => {
                let is_with_provider = |other: &&Batch| {
                    other.vectorizer == batch.vectorizer
                        && matches!(other.state, State::Uploaded | State::Creating | State::Submitted)
                };
                match all.iter().filter(is_with_provider).count() < MOST_AT_A_TIME {
                    true => progress.upload(served),
                    false => Ok(()),
                }
            }
            State::Uploaded | State::Creating => progress.create(served),
            State::Submitted if batch.submitted.is_some_and(|seconds| seconds > LONGEST_WORK) => {
                progress.give_up("the provider did not keep its promise of 24 hours", served)
            }
            State::Submitted => progress.look(served),
        }
    }
}

/// Reads all batches, and the ids of those that can be written.
fn read() -> Result<(Vec<Batch>, Vec<i64>), PgError> {
    Ok((batch::all()?, batch::unlocked()?))
}
