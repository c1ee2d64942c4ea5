//! The steps of a batch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pgai_rs_pipeline::document;
use pgai_rs_pipeline::embed::BatchServer;
use pgai_rs_pipeline::embed::by_batch::{
    BatchAnswer, BatchEvent, BatchState, BatchTask, Created, LargeStep, ToCancel,
};
use pgai_rs_pipeline::failure::{Failure, Retry};

use super::bill::Bill;
use super::{INTERVAL, LONGEST_WAY, Way};
use crate::catalog::batch::{self, Batch, State};
use crate::pg::error::PgError;
use crate::pg::session::durably;
use crate::pg::transaction::transaction;
use crate::queue::pause::Pause;
use crate::queue::spi::SpiQueue;

/// The time without a new input after which a batch is full, if documents of its vectorizer are still under way.
const NOTHING_NEW: Duration = Duration::from_secs(60);

/// The longest time in seconds for which is kept what a batch has brought, while others keep the queue busy.
const LONGEST_KEPT: f64 = 86_400.0;

/// The code of a batch that was refused because too many tokens wait already.
const QUEUE_IS_FULL: &str = "token_limit_exceeded";

/// The pause before a batch is made again for which the provider had no room.
const UNTIL_ROOM: Duration = Duration::from_secs(600);

/// The number of pages of answers that are stored in a turn.
const PAGES_A_TURN: usize = 4;

/// A batch whose vectorizer is served, with what its steps need.
pub struct Served<'a> {
    /// The batch as it is written down.
    pub batch: &'a Batch,
    /// The vectorizer as it is now.
    pub shared: &'a Arc<document::Vectorizer>,
    /// True if its model is that of the batch. Of another one, the server may be another's, too.
    pub is_of_its_model: bool,
    /// The queue.
    pub queue: &'a mut SpiQueue,
    /// The way to the network.
    pub way: &'a Way<'a>,
}

/// The knowledge of this process about a batch beside what is written down.
#[derive(Default)]
pub struct Progress {
    /// The step under way.
    task: Option<BatchTask>,
    /// The pause after something has failed, or between two looks at the provider's state.
    pause: Pause,
    /// The time before which the provider has no room for it.
    no_room_until: Option<Instant>,
    /// True if this process has asked for it to be made, or has found it so: the answer may be lost.
    may_exist: bool,
    /// The number of inputs that it had, and since when.
    grown: Option<(i32, Instant)>,
    /// The provider, and the vectorizer as it was when that was last asked.
    server: Option<(Arc<document::Vectorizer>, Arc<BatchServer>)>,
    /// The files of its answers.
    files: Vec<String>,
    /// The tokens that answers say are billed.
    billed: u64,
    /// The number of vectors of which no answer said so.
    unsaid: u64,
}

impl Progress {
    /// Returns whether something has come of the step under way that was not taken.
    pub fn has_event(&self) -> bool {
        self.task.as_ref().is_some_and(BatchTask::has_next)
    }

    /// Takes what has come of the step under way. Of answers no more than a few pages, for those that follow wait for these.
    pub fn take_events(&mut self) -> Vec<BatchEvent> {
        let mut events = Vec::new();
        while let Some(event) = self.task.as_mut().and_then(BatchTask::try_next) {
            let is_end = !matches!(event, BatchEvent::Answers(_));
            events.push(event);
            if is_end {
                self.task = None;
            } else if events.len() == PAGES_A_TURN {
                break;
            }
        }
        events
    }

    /// Returns whether a step is under way, or it is not yet time for the next.
    pub fn is_busy(&self) -> bool {
        self.task.is_some() || self.pause.left().is_some()
    }

    /// Takes in that a step could not be written down: it is taken again after a pause.
    pub fn stumbled(&mut self) {
        self.task = None;
        self.pause.begin();
    }

    /// Notes what a batch waits for that is not to be sent yet.
    pub fn waits(&mut self, batch: &Batch, failure: &Failure) -> Result<(), PgError> {
        if self.is_busy() {
            return Ok(());
        }
        self.pause.begin();
        transaction(|| batch::set_problem(batch.id, Some(&failure.to_string())))
    }

    /// Returns the provider's batch API, by the vectorizer as it is now, whose model must be that of the batch. Notes what is in the
    /// way.
    fn server(&mut self, served: &Served<'_>) -> Result<Option<Arc<BatchServer>>, PgError> {
        if let Some((_, server)) = self.server.as_ref().filter(|(known, _)| Arc::ptr_eq(known, served.shared))
        {
            return Ok(Some(Arc::clone(server)));
        }
        match (served.way.server)(served.shared) {
            Ok(server) => {
                let server = Arc::new(server);
                self.server = Some((Arc::clone(served.shared), Arc::clone(&server)));
                Ok(Some(server))
            }
            Err(failure) => {
                self.pause.begin();
                transaction(|| batch::set_problem(served.batch.id, Some(&failure.to_string())))?;
                Ok(None)
            }
        }
    }

    /// Ends the collecting if no more inputs come.
    pub fn close(&mut self, batch: &Batch, vectorizer: i32, queue: &SpiQueue) -> Result<(), PgError> {
        let since = match self.grown {
            Some((inputs, since)) if inputs == batch.inputs => since,
            _ => {
                let now = Instant::now();
                self.grown = Some((batch.inputs, now));
                now
            }
        };
        let pause = if queue.has_claimed(vectorizer) { NOTHING_NEW } else { INTERVAL };
        match since.elapsed() >= pause {
            true => transaction(|| batch::set_state(batch.id, State::Ready)),
            false => Ok(()),
        }
    }

    /// Uploads the file of a batch.
    pub fn upload(&mut self, served: &Served<'_>) -> Result<(), PgError> {
        let Some(server) = self.server(served)? else { return Ok(()) };
        let Some(place) = served.way.room.take(served.shared.account.owner(), LargeStep::Upload) else {
            return Ok(());
        };
        let inputs = transaction(|| batch::inputs(served.batch.id))?;
        let file = server.file(inputs.iter().map(|(place, input)| (*place, input.as_str())));
        match file {
            Ok(file) => self.task = Some(BatchTask::upload(&served.way.network, server, file, place)),
            Err(failure) => return Err(PgError::internal(failure.message)),
        }
        Ok(())
    }

    /// Has the provider make the batch. That it may have done so is on disk before it is asked.
    pub fn create(&mut self, served: &Served<'_>) -> Result<(), PgError> {
        if self.no_room_until.is_some_and(|until| until > Instant::now()) {
            return Ok(());
        }
        let Some(server) = self.server(served)? else { return Ok(()) };
        let Some(file) = served.batch.input_file.clone() else {
            return transaction(|| batch::set_state(served.batch.id, State::Ready));
        };
        self.may_exist |= served.batch.state == State::Creating;
        if served.batch.state == State::Uploaded {
            durably(|| transaction(|| batch::set_state(served.batch.id, State::Creating)))?;
        }
        let tag = served.batch.tag.clone();
        self.task = Some(BatchTask::create(&served.way.network, server, file, tag, self.may_exist));
        self.may_exist = true;
        Ok(())
    }

    /// Looks how a batch is.
    pub fn look(&mut self, served: &Served<'_>) -> Result<(), PgError> {
        let Some(server) = self.server(served)? else { return Ok(()) };
        if let Some(id) = served.batch.provider_batch.clone() {
            self.task = Some(BatchTask::look(&served.way.network, server, id));
        }
        Ok(())
    }

    /// Takes in what has come of a step. Returns whether the batch is in another state now.
    pub fn take(&mut self, event: BatchEvent, served: &mut Served<'_>) -> Result<bool, PgError> {
        match event {
            BatchEvent::Uploaded(file) => {
                self.pause = Pause::default();
                transaction(|| batch::uploaded(served.batch.id, &file))?;
                Ok(true)
            }
            BatchEvent::Is(Created { id, state }) if served.batch.state == State::Creating => {
                // It is known before anything is done with it.
                durably(|| transaction(|| batch::submitted(served.batch.id, &id)))?;
                self.pause = Pause::default();
                self.took_state(state, served)?;
                Ok(true)
            }
            BatchEvent::Is(Created { state, .. }) => self.took_state(state, served),
            BatchEvent::Answers(answers) => {
                self.count(&answers);
                transaction(|| batch::store(served.batch.id, &answers))?;
                Ok(false)
            }
            BatchEvent::Fetched => {
                self.settle(None, Bill::AsSaid, served)?;
                Ok(true)
            }
            BatchEvent::Failed(failure) => self.failed(&failure, served),
        }
    }

    /// Takes in what the provider says of a batch. Returns whether it is in another state now.
    fn took_state(&mut self, state: BatchState, served: &mut Served<'_>) -> Result<bool, PgError> {
        match state {
            BatchState::Working => {
                self.pause.begin();
                Ok(false)
            }
            BatchState::Over { files, is_completed } => {
                let Some(place) = served.way.room.take(served.shared.account.owner(), LargeStep::Fetch)
                else {
                    self.pause.begin();
                    return Ok(false);
                };
                if !is_completed {
                    let problem = "the provider has not completed it: the rest goes the ordinary way";
                    transaction(|| batch::set_problem(served.batch.id, Some(problem)))?;
                }
                let Some(server) = self.server(served)? else { return Ok(false) };
                self.files.clone_from(&files);
                (self.billed, self.unsaid) = (0, 0);
                self.task =
                    Some(BatchTask::fetch(&served.way.network, server, files, served.batch.inputs, place));
                Ok(false)
            }
            BatchState::Failed(code) if code == QUEUE_IS_FULL && served.batch.age < LONGEST_WAY => {
                self.no_room_until = Some(Instant::now() + UNTIL_ROOM);
                // Another one is made of the same file, under the same tag; the failed one is not it.
                self.may_exist = false;
                let problem =
                    "the provider has no room for its tokens yet: it is tried again every ten minutes";
                transaction(|| {
                    batch::not_submitted(served.batch.id)?;
                    batch::set_problem(served.batch.id, Some(problem))
                })?;
                Ok(true)
            }
            BatchState::Failed(code) => {
                let problem = format!("the provider refused it: {code}");
                self.settle(Some(&problem), Bill::Nothing, served)?;
                Ok(true)
            }
        }
    }

    /// Takes in that a step has failed. Returns whether the batch is in another state now.
    fn failed(&mut self, failure: &Failure, served: &mut Served<'_>) -> Result<bool, PgError> {
        if failure.retry == Retry::Never {
            let bill = match served.batch.state {
                State::Submitted if !self.files.is_empty() => Bill::AsSaid,
                state => Bill::unheard(state),
            };
            self.settle(Some(&failure.message), bill, served)?;
            return Ok(true);
        }
        self.pause.begin();
        transaction(|| batch::set_problem(served.batch.id, Some(&failure.to_string())))?;
        Ok(false)
    }

    fn count(&mut self, answers: &[BatchAnswer]) {
        for answer in answers {
            self.billed = self.billed.saturating_add(answer.tokens.unwrap_or_default());
            self.unsaid += u64::from(answer.tokens.is_none() && answer.vector.is_some());
        }
    }

    /// Gives a batch up: its rows go the ordinary way, and the provider is told.
    pub fn give_up(&mut self, why: &str, served: &mut Served<'_>) -> Result<(), PgError> {
        self.task = None;
        self.settle(Some(why), Bill::unheard(served.batch.state), served)
    }

    /// Gives a batch up whose vectorizer is not served. The provider is told if this process knows how.
    pub fn expire(
        &mut self,
        why: &str,
        batch: &Batch,
        queue: &mut SpiQueue,
        way: &Way<'_>,
    ) -> Result<(), PgError> {
        self.task = None;
        let bill = Bill::unheard(batch.state);
        self.end(Some(why), bill, batch, queue)?;
        self.tell_last_server(batch, bill, way);
        Ok(())
    }

    /// Ends a batch, and has the provider delete its files.
    ///
    /// Ids of files and batches are a server's own. So one of another model is told nothing, which may be a server where others
    /// have files by those ids; the one that was asked last is.
    fn settle(&mut self, problem: Option<&str>, bill: Bill, served: &mut Served<'_>) -> Result<(), PgError> {
        self.end(problem, bill, served.batch, served.queue)?;
        if !served.is_of_its_model {
            self.tell_last_server(served.batch, bill, served.way);
        } else if let Some(server) = self.server(served)? {
            self.tidy(served.batch, bill.is_unknown(), server, served.way);
        }
        Ok(())
    }

    /// Writes that nothing more comes of a batch, counts what it cost, and has its rows run.
    fn end(
        &mut self,
        problem: Option<&str>,
        bill: Bill,
        batch: &Batch,
        queue: &mut SpiQueue,
    ) -> Result<(), PgError> {
        // What the provider is told to delete must not be asked for again after a crash.
        let meter = queue.meter_of(batch)?;
        durably(|| transaction(|| batch::settle(batch.id, problem)))?;
        meter.add(bill.usage(batch, self.billed, self.unsaid));
        queue.is_billed(batch.id);
        self.pause = Pause::default();
        Ok(())
    }

    fn tell_last_server(&mut self, batch: &Batch, bill: Bill, way: &Way<'_>) {
        if let Some((_, server)) = self.server.take() {
            self.tidy(batch, bill.is_unknown(), server, way);
        }
    }

    /// Has the provider give a batch up, if it is to be cancelled, and delete its files.
    fn tidy(&mut self, batch: &Batch, is_cancelled: bool, server: Arc<BatchServer>, way: &Way<'_>) {
        let made = match batch.provider_batch.clone() {
            Some(id) => Some(ToCancel::Known(id)),
            None if batch.state == State::Creating => Some(ToCancel::Tagged(batch.tag.clone())),
            None => None,
        };
        let files = batch.input_file.iter().cloned().chain(std::mem::take(&mut self.files)).collect();
        BatchTask::tidy(&way.network, server, made.filter(|_| is_cancelled), files);
    }

    /// Makes the rows due that waited for a batch that is over, and forgets it once nobody needs it.
    pub fn end_waits(&mut self, batch: &Batch, vectorizer: i32, queue: &mut SpiQueue) -> Result<(), PgError> {
        let is_kept = batch.over.is_none_or(|seconds| seconds < LONGEST_KEPT);
        match queue.end_wait(vectorizer, batch.until)? && is_kept {
            true => self.pause.begin(),
            false => transaction(|| batch::forget(batch.id))?,
        }
        Ok(())
    }

    /// Forgets a batch whose vectorizer was dropped. The provider is told if this process knows how.
    pub fn abandon(&mut self, batch: &Batch, queue: &mut SpiQueue, way: &Way<'_>) -> Result<(), PgError> {
        let meter = queue.meter_of(batch)?;
        transaction(|| batch::forget(batch.id))?;
        self.task = None;
        let bill = Bill::unheard(batch.state);
        meter.add(bill.usage(batch, 0, 0));
        queue.is_billed(batch.id);
        self.tell_last_server(batch, bill, way);
        Ok(())
    }
}
