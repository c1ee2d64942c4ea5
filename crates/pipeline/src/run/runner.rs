//! The runner: threads that work, and turns on the thread that owns the queue.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};

use super::context::{Context, Stages};
use super::inquiry::{Inquiries, Inquiry};
use super::job::{JobId, JobOutcome, Report, Wake};
use super::lane::Lane;
use super::memory::DocumentMemory;
use super::process;
use super::queue::{Addresses, ClaimedDocuments, Queue};
use crate::config::Loading;
use crate::document::{Document, Payload, Ticket, Vectorizer};
use crate::embed::{self, Arrivals, BatchServer, Expected, Groups};
use crate::failure::Failure;
use crate::load::Loaders;
use crate::network::{self, HttpClients};
use crate::parse::Parsers;
use crate::s3::{self, Clients};
use crate::settings::Settings;
use crate::threads;

/// Threads for large documents, large answers and programs that parse.
const BLOCKING_THREADS: usize = 16;
/// The largest number of rows of one claim if the vectorizer does not say.
const CLAIM_LIMIT: usize = 1024;
/// The same where each row names an object: these take longer to come, and their sizes are not known.
const CLAIM_LIMIT_URI: usize = 256;
/// Divisor: so much of what others may have under way a vectorizer may have that comes last.
const PART_OF_THE_LAST: usize = 4;

/// The time of the next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turn {
    /// There is more to do now: call [`Runner::turn`] again without waiting.
    pub more: bool,
    /// Call again after this time at the latest, even if nothing woke the caller.
    pub retry_in: Option<Duration>,
}

/// Takes documents through the stages, on threads of its own.
///
/// Its owner calls [`turn`](Self::turn) on the thread that has the queue, as in the [module's
/// example](super#example).
pub struct Runner {
    runtime: Option<Runtime>,
    handle: Handle,
    context: Arc<Context>,
    client: HttpClients,
    memory: DocumentMemory,
    wake: Arc<Wake>,
    sender: mpsc::Sender<JobOutcome>,
    outcomes: mpsc::Receiver<JobOutcome>,
    inquiries: mpsc::Receiver<(i32, Inquiry)>,
    /// The questions that wait for the turn of their vectorizer.
    asked: HashMap<i32, Vec<Inquiry>>,
    lanes: HashMap<i32, Lane>,
    arrivals: Arc<Arrivals>,
    /// The documents that the next turn is expected to claim, if there is more.
    expected: Option<Expected>,
    jobs: u64,
    turns: u64,
    claims: bool,
}

impl Runner {
    /// Starts the threads, none of which takes a signal. `wake` is called on one of them when a
    /// document has finished, once between two turns; it must not block.
    ///
    /// # Errors
    ///
    /// If the operating system refuses a thread or an epoll instance, or TLS can't be set up.
    pub fn start(settings: Settings, wake: impl Fn() + Send + Sync + 'static) -> io::Result<Runner> {
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(settings.network_threads.max(1))
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_keep_alive(threads::KEEP_ALIVE)
            .thread_name("pgai_rs net")
            .enable_io()
            .enable_time();
        let runtime = threads::build(&mut builder)?;
        threads::keep_one(&runtime, runtime.handle())?;
        threads::keep_one(&runtime, network::look_up_threads()?)?;

        let client = embed::client_with(settings.connections)?;
        // Later there may be no descriptor left to read them with.
        network::read_trust_roots();

        let memory = DocumentMemory::new(settings.document_memory());
        let arrivals = Arc::new(Arrivals::default());
        let (sender, outcomes) = mpsc::channel();
        let (inquirer, inquiries) = mpsc::channel();
        let wake = Wake::new(wake);
        let inquirer = Inquiries::new(inquirer, Arc::clone(&wake));

        Ok(Runner {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
            context: Arc::new(context(settings, client.clone(), &arrivals, inquirer, None)),
            client,
            memory,
            wake,
            sender,
            outcomes,
            inquiries,
            asked: HashMap::new(),
            lanes: HashMap::new(),
            arrivals,
            expected: None,
            jobs: 0,
            turns: 0,
            claims: true,
        })
    }

    /// Replaces the settings for the documents that are claimed from now on, but for the number of threads, which stays.
    /// Does nothing if they are the same; otherwise requests to models start afresh, without what was learned about
    /// their providers.
    pub fn configure(&mut self, settings: Settings) {
        if *self.context.stages.settings != settings {
            self.memory.set_limit(settings.document_memory());
            let inquirer = Arc::clone(&self.context.inquiries);
            let next = context(settings, self.client.clone(), &self.arrivals, inquirer, Some(&self.context));
            self.context = Arc::new(next);
        }
    }

    /// The clients that S3 is asked through. They change with the settings: to be asked for anew
    /// each time.
    pub fn s3(&self) -> &Arc<Clients> {
        self.context.stages.loaders.s3()
    }

    /// Returns the batch API of a vectorizer's provider, to be asked on the runtime's threads. It changes with the settings: to be
    /// asked for anew each time.
    ///
    /// # Errors
    ///
    /// Fails for what the vectorizer's author may not do, and with `invalid_embedding` if its provider has no batch API that is known.
    pub fn batch_server(&self, vectorizer: &Vectorizer) -> Result<BatchServer, Failure> {
        let _runtime = self.handle.enter();
        self.context.groups.batch_server(vectorizer)
    }

    /// Returns the runtime, on whose threads others may run work that waits for the network.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Takes a turn, on the caller's thread: hands over what has finished, then claims for every
    /// vectorizer that has room. It is called when the runner has woken the caller, and as [`Turn`] says.
    ///
    /// # Errors
    ///
    /// The error of the queue, if it can name no vectorizers, claim nothing, or take not even failures.
    /// Nothing is lost by it: results are kept, and offered again when `turn` is called again,
    /// which the caller does after a pause of its choice.
    pub fn turn<Q: Queue>(&mut self, queue: &mut Q) -> Result<Turn, Q::Error> {
        self.receive();
        let settled = self.settle(queue);
        let answered = self.answer(queue);

        // One moment for both: a rest that ends in between is neither over nor to be waited for.
        let now = Instant::now();
        let (more, waits) = if self.claims { self.claim(queue, now)? } else { (false, None) };

        settled?;
        let waits = waits.into_iter().chain(answered?).min();
        Ok(self.next(more, waits, now))
    }

    /// Returns the number of documents that are claimed and not settled.
    pub fn in_flight(&self) -> usize {
        self.lanes.values().map(Lane::in_flight).sum()
    }

    /// The tickets that are claimed and not settled, so that their leases can be prolonged.
    pub fn tickets(&self) -> impl Iterator<Item = Ticket> + '_ {
        self.lanes.values().flat_map(Lane::tickets)
    }

    /// Returns each vectorizer that waits because it, or a store of its documents, is in trouble, with
    /// the failure and the time until which it waits.
    pub fn waiting(&self) -> impl Iterator<Item = (&Vectorizer, &Failure, Instant)> {
        self.lanes.values().filter_map(|lane| {
            let (failure, until) = lane.waits_for()?;
            Some((&*lane.prepared.vectorizer, failure, until))
        })
    }

    /// Gives up all documents of a vectorizer (dropped, disabled): neither completed nor failed.
    pub fn forget(&mut self, vectorizer_id: i32) {
        if let Some(lane) = self.lanes.remove(&vectorizer_id) {
            lane.abort();
        }
    }

    /// Gives up all documents: neither completed nor failed.
    pub fn forget_all(&mut self) {
        for (_, lane) in self.lanes.drain() {
            lane.abort();
        }
    }

    /// Stops claiming: documents in flight come to their ends, and no others begin.
    pub fn claim_no_more(&mut self) {
        self.claims = false;
    }

    /// Claims as before.
    pub fn claim_again(&mut self) {
        self.claims = true;
    }

    fn receive(&mut self) {
        // Before looking: what is sent from now on wakes the caller again.
        self.wake.heard();
        while let Ok(outcome) = self.outcomes.try_recv() {
            if let Some(lane) = self.lanes.get_mut(&outcome.vectorizer_id) {
                lane.finished(outcome.job, outcome.result, outcome.reservation);
            }
        }
    }

    /// Has the questions of documents under way answered, vectorizer by vectorizer. Returns the time until it may be the turn of
    /// one that has to wait.
    fn answer<Q: Queue>(&mut self, queue: &mut Q) -> Result<Option<Duration>, Q::Error> {
        for (id, inquiry) in self.inquiries.try_iter() {
            self.asked.entry(id).or_default().push(inquiry);
        }

        let (mut next, mut first_error) = (None, None);
        for (id, inquiries) in std::mem::take(&mut self.asked) {
            // Whoever was forgotten is aborted.
            let Some(lane) = self.lanes.get(&id) else { continue };
            let vectorizer = &lane.prepared.vectorizer;
            if let Some(left) = queue.waits_its_turn(vectorizer) {
                next = next.into_iter().chain([left]).min();
                self.asked.insert(id, inquiries);
            } else if let Err(error) = queue.inquire(vectorizer, inquiries) {
                first_error.get_or_insert(error);
            }
        }
        first_error.map_or(Ok(next), Err)
    }

    /// Offers what has finished, of those first for whom it was longest ago. One vectorizer's trouble with
    /// the queue must not keep the others' results from it.
    fn settle<Q: Queue>(&mut self, queue: &mut Q) -> Result<(), Q::Error> {
        self.turns += 1;
        let turn = self.turns;
        let now = Instant::now();
        let mut lanes: Vec<&mut Lane> = self.lanes.values_mut().filter(|lane| lane.has_offer(now)).collect();
        lanes.sort_by_key(|lane| lane.offered);

        let mut first_error = None;
        for lane in lanes {
            let waits = queue.waits_its_turn(&lane.prepared.vectorizer);
            lane.wait_for_turn(waits.map(|left| Instant::now() + left));
            if waits.is_some() {
                continue;
            }

            lane.offered = turn;
            if let Err(error) = lane.settle(queue) {
                first_error.get_or_insert(error);
            }
        }

        match first_error {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Claims for each vectorizer what it wants. Returns whether there may be more, and the time until it is
    /// the turn of those who had to wait for others.
    fn claim<Q: Queue>(&mut self, queue: &mut Q, now: Instant) -> Result<(bool, Option<Duration>), Q::Error> {
        // Inputs wait for all that this turn claims, and for the next turn's if there is more.
        let expected = self.arrivals.announce();
        self.expected = None;

        let mut vectorizers = queue.vectorizers()?;
        vectorizers.sort_by_key(|vectorizer| vectorizer.comes_last);
        let mut more = false;
        let mut waits = None;
        for vectorizer in &vectorizers {
            let most = self.most_in_flight(vectorizer);
            let lane = lane(&mut self.lanes, vectorizer, &self.memory);
            for (addresses, limit) in lane.wanted(most, now) {
                if let Some(left) = queue.waits_its_turn(vectorizer) {
                    waits = waits.into_iter().chain([left]).min();
                    break;
                }
                more |= self.claim_some(queue, vectorizer, &addresses, limit)?;
            }
        }

        // A vectorizer that is not listed keeps its lane until nothing is lost with it.
        let listed: HashSet<i32> = vectorizers.iter().map(|vectorizer| vectorizer.id).collect();
        self.lanes.retain(|id, lane| listed.contains(id) || !lane.is_idle());
        self.expected = more.then_some(expected);
        Ok((more, waits))
    }

    /// Returns the largest number of documents of a vectorizer that may be under way.
    fn most_in_flight(&self, vectorizer: &Vectorizer) -> usize {
        let most = self.context.stages.settings.max_documents_in_flight;
        if vectorizer.comes_last { most.div_ceil(PART_OF_THE_LAST) } else { most }
    }

    /// Claims rows with these addresses, as many as there is room for, and starts their documents. Returns
    /// whether there may be more.
    fn claim_some<Q: Queue>(
        &mut self,
        queue: &mut Q,
        vectorizer: &Arc<Vectorizer>,
        addresses: &Addresses,
        limit: usize,
    ) -> Result<bool, Q::Error> {
        let Some(lane) = self.lanes.get(&vectorizer.id) else { return Ok(false) };
        let (fitting, bytes) = lane.prepared.fitting(lane.memory.left());
        let limit = limit.min(claim_limit(vectorizer)).min(fitting);
        if limit == 0 || !lane.memory.has_room() {
            return Ok(false);
        }

        let began = Instant::now();
        let ClaimedDocuments { documents, more } = queue.claim(vectorizer, limit, bytes, addresses)?;
        let found = !documents.is_empty();
        if let Some(lane) = self.lanes.get_mut(&vectorizer.id) {
            lane.claimed(addresses, found, began.elapsed());
        }
        for document in documents {
            self.start_document(vectorizer.id, document);
        }

        let most = self.most_in_flight(vectorizer);
        let lane = self.lanes.get(&vectorizer.id);
        Ok(found && more && lane.is_some_and(|lane| lane.room(most) > 0 && lane.memory.has_room()))
    }

    fn start_document(&mut self, vectorizer_id: i32, document: Document) {
        let Some(lane) = self.lanes.get_mut(&vectorizer_id) else { return };
        let Some(runtime) = &self.runtime else { return };

        self.jobs += 1;
        let job = JobId(self.jobs);
        let ticket = document.ticket;
        let estimate = lane.prepared.estimated_bytes(document.text_size(), &document.fields);
        let reservation = lane.memory.hold(estimate);
        let report = Report::new(job, vectorizer_id, self.sender.clone(), Arc::clone(&self.wake));

        let prepared = Arc::clone(&lane.prepared);
        let store = store_of(&document);
        let expected = self.arrivals.announce();
        let task = process::run(Arc::clone(&self.context), prepared, document, expected, reservation, report);
        lane.started(job, ticket, store, runtime.spawn(task).abort_handle());
    }

    fn next(&self, more: bool, waits: Option<Duration>, now: Instant) -> Turn {
        let offers = self.lanes.values().filter_map(Lane::next_offer);
        let probes = self.lanes.values().filter_map(|lane| lane.next_probe(now));
        let next = offers.chain(probes).min();
        let retry_in = next.map(|next| next.saturating_duration_since(Instant::now()));
        let retry_in = retry_in.into_iter().chain(waits).min();
        Turn { more: more || retry_in == Some(Duration::ZERO), retry_in }
    }
}

impl Drop for Runner {
    /// Returns at once, whatever the network does.
    fn drop(&mut self) {
        self.forget_all();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The lane of a vectorizer, brought up to date with its config.
fn lane<'a>(
    lanes: &'a mut HashMap<i32, Lane>,
    vectorizer: &Arc<Vectorizer>,
    memory: &DocumentMemory,
) -> &'a mut Lane {
    let lane = lanes.entry(vectorizer.id).or_insert_with(|| Lane::new(vectorizer, memory));
    if !lane.prepared.serves(vectorizer) {
        lane.changed(vectorizer);
    }
    lane
}

/// The beginning of the address of a document that lies in an object store.
fn store_of(document: &Document) -> Option<Arc<str>> {
    match (&document.vectorizer.config.loading, &document.payload) {
        (Loading::Uri { .. }, Payload::Text(uri)) => s3::store_of(uri).map(Arc::from),
        _ => None,
    }
}

fn claim_limit(vectorizer: &Vectorizer) -> usize {
    let default = match vectorizer.config.loading {
        Loading::Column { .. } => CLAIM_LIMIT,
        Loading::Uri { .. } => CLAIM_LIMIT_URI,
    };
    vectorizer.config.processing.batch_size().map_or(default, |size| size.max(1) as usize)
}

fn context(
    settings: Settings,
    client: HttpClients,
    arrivals: &Arc<Arrivals>,
    inquiries: Arc<Inquiries>,
    previous: Option<&Arc<Context>>,
) -> Context {
    let loaders = Loaders::new(&settings, previous.map(|previous| &previous.stages.loaders));
    let settings = Arc::new(settings);
    let groups = Groups::new(client, Arc::clone(&settings), Arc::clone(loaders.s3()));
    let groups = groups.with_offload(loaders.offload()).with_arrivals(Arc::clone(arrivals));
    let parsers =
        Parsers::new(&settings, loaders.offload(), previous.map(|previous| &previous.stages.parsers));
    Context { groups, inquiries, stages: Stages { settings, loaders, parsers } }
}
