//! Histories of the model on the real SQL: after each step, the tables must hold what the model says.
//!
//! A worker is a thread with a session of its own. Where the model's step ends within a transaction, the thread
//! stops before the statement that comes next, and goes on, or dies, when the history does.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use pgai_rs_pipeline::document::{Chunk, Completed, Document, Payload, TextToKeep, Ticket, Vectorizer};
use pgai_rs_pipeline::failure::{Failure, Retry, Step as Stage};
use pgai_rs_pipeline::run::Addresses;
use pgai_rs_queue::claim::{self, Request};
use pgai_rs_queue::cursor::Cursor;
use pgai_rs_queue::outcome::Outcome;
use pgai_rs_queue::session::{QueueError, Session, Sqlstate};
use pgai_rs_queue::sql::trigger::{self, Followers};
use pgai_rs_queue::work::Claimed;
use pgai_rs_queue::{bounds, complete, fail, gone, inbox, suspects};

use crate::model::{Act, Bounds, Bug, State, Step};
use crate::support::client::{ClientError, ClientSession};
use crate::support::source::Source;
use crate::support::vectorizer::{create_errors, vectorizer};

/// The time for which anything is waited for. Nothing here has to wait for long.
const LONGEST: Duration = Duration::from_secs(300);

/// The bounds of what is read, which nothing here comes near.
const BOUNDS: bounds::Bounds =
    bounds::Bounds { document: 1_000, row: 1_000_000, all: 1_000_000, chunks: 1_000 };

/// A part of a statement, and what stands there instead.
pub type Mistake = Option<(&'static str, &'static str)>;

/// An order to a worker.
enum Order {
    Claim(i64),
    Fold,
    SettleGone,
    Complete,
    Postpone,
    SetAside,
    Recover,
    Die,
}

/// An order to a worker that has stopped within a transaction.
enum GoOn {
    Yes,
    Die,
}

/// A worker's answer.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// It has stopped within a transaction.
    Stopped,
    /// It has done what it was told to.
    Done,
    /// It has failed.
    Failed(String),
}

/// The side of a worker that the history sees.
struct Worker {
    orders: Sender<Order>,
    go_on: Sender<GoOn>,
    answers: Receiver<Answer>,
    pid: i32,
}

/// The side of a worker that works.
struct Works {
    session: ClientSession,
    vectorizer: Arc<Vectorizer>,
    source: Source,
    cursor: Cursor,
    stops: Sender<bool>,
    claimed: Option<(Claimed, Option<Document>)>,
}

impl Worker {
    fn start(source: &Source, mistake: Mistake) -> Worker {
        let (orders, ordered) = channel();
        let (go_on, goes_on) = channel::<GoOn>();
        let (answer, answers) = channel();
        let (stops, stop) = channel::<bool>();
        let mut session = source.session();
        session.client().batch_execute("SET statement_timeout = '10s'").unwrap();
        session.mistake = mistake;

        let stopped = answer.clone();
        let mut is_to_stop = false;
        session.hook = Some(Box::new(move |sql| {
            is_to_stop = stop.try_iter().last().unwrap_or(is_to_stop);
            // What only looks comes first; then a transaction claims, or writes.
            let only_looks = sql.starts_with("SELECT") || sql.starts_with("WITH part");
            if !is_to_stop || only_looks {
                return Ok(());
            }
            is_to_stop = false;
            stopped.send(Answer::Stopped).unwrap();
            match goes_on.recv() {
                Ok(GoOn::Yes) => Ok(()),
                Ok(GoOn::Die) | Err(_) => Err(died()),
            }
        }));
        let pid = session.holder();
        let works = Works {
            session,
            vectorizer: vectorizer(&source.definition),
            source: source.clone(),
            cursor: Cursor::default(),
            stops,
            claimed: None,
        };
        thread::spawn(move || works.work(&ordered, &answer));
        Worker { orders, go_on, answers, pid }
    }

    fn answers(&self, expected: &Answer) -> Result<(), String> {
        match self.answers.recv_timeout(LONGEST) {
            Ok(answer) if answer == *expected => Ok(()),
            other => Err(format!("a worker answers {other:?} instead of {expected:?}")),
        }
    }

    fn does(&self, order: Order, expected: &Answer) -> Result<(), String> {
        self.orders.send(order).map_err(|error| error.to_string())?;
        self.answers(expected)
    }

    fn goes_on(&self) -> Result<(), String> {
        self.go_on.send(GoOn::Yes).map_err(|error| error.to_string())?;
        self.answers(&Answer::Done)
    }

    fn dies(&self) {
        // One of the two is heard: the thread has stopped in a transaction, or it waits for an order.
        let _ = (self.go_on.send(GoOn::Die), self.orders.send(Order::Die));
    }
}

fn died() -> ClientError {
    ClientError::new(Sqlstate::InternalError, "it died".to_owned())
}

impl Works {
    fn work(mut self, orders: &Receiver<Order>, answer: &Sender<Answer>) {
        while let Ok(order) = orders.recv() {
            if matches!(order, Order::Die) {
                return;
            }
            let done = match self.follow(order) {
                Ok(()) => Answer::Done,
                Err(error) => Answer::Failed(error.to_string()),
            };
            let ends = done != Answer::Done;
            if answer.send(done).is_err() || ends {
                return;
            }
        }
    }

    fn follow(&mut self, order: Order) -> Result<(), ClientError> {
        let stops = matches!(order, Order::Claim(_) | Order::Complete | Order::SetAside);
        self.stops.send(stops).unwrap();
        match order {
            Order::Claim(lease) => self.claim(lease),
            Order::Fold => {
                let (v, cursor) = (&self.source.definition, &self.cursor);
                self.session.transaction(|s| s.as_owner(|s| inbox::fold(s, v, cursor))).map(drop)
            }
            Order::SettleGone => {
                let claims: Vec<Claimed> = self.claimed.take().into_iter().map(|(claim, _)| claim).collect();
                gone::settle(&mut self.session, &self.source.definition, &claims)
            }
            Order::Complete => self.complete(),
            Order::Postpone => self.fail(Retry::Backoff),
            Order::SetAside => self.fail(Retry::Never),
            Order::Recover => {
                let at_once = (Duration::ZERO, Duration::ZERO);
                suspects::recover(&mut self.session, &self.source.definition, (1, 0), at_once).map(drop)
            }
            Order::Die => Err(died()),
        }
    }

    /// The first transaction, as the extension's queue puts it together.
    fn claim(&mut self, lease: i64) -> Result<(), ClientError> {
        let Works { session, vectorizer, source, cursor, .. } = self;
        let v = &source.definition;
        let wanted = Request {
            rows: 1,
            bytes: 1_000,
            largest: 1_000,
            addresses: &Addresses::Any,
            lease,
            duration: Duration::from_secs(3_600),
            suspects: false,
            looks_at_sizes: true,
        };
        let (mut claimed, mut found) = session.transaction(|s| {
            s.as_owner(|s| {
                inbox::fold(s, v, cursor)?;
                let mut claimed = claim::claim(s, v, &Request { suspects: true, ..wanted })?.rows;
                if claimed.is_empty() {
                    claimed = claim::claim(s, v, &wanted)?.rows;
                }
                let found = claim::read(s, v, vectorizer, &mut claimed, &[Ticket(0)], BOUNDS)?.documents;
                s.require_unchanged()?;
                Ok((claimed, found))
            })
        })?;
        self.claimed = claimed.pop().map(|claim| (claim, found.remove(&0)));
        Ok(())
    }

    /// Writes the content that was read as one chunk.
    fn complete(&mut self) -> Result<(), ClientError> {
        let Some((claim, document)) = &self.claimed else { return Ok(()) };
        let text = document.as_ref().map(|document| match &document.payload {
            Payload::Text(text) => text.clone(),
            other => format!("{other:?}"),
        });
        let chunk = |text| Chunk::New { text, embedding: vec![1.0, 2.0, 3.0] };
        let chunks = text.map(chunk).into_iter().collect();
        let done = Completed {
            ticket: Ticket(0),
            chunks,
            provenance: None,
            citations: None,
            text: TextToKeep::Nothing,
        };
        let results = vec![Outcome { done: &done, claim: claim.clone() }];
        complete::complete(&mut self.session, &self.source.definition, results).map(drop)
    }

    /// Fails, with the content that was read as the message.
    fn fail(&mut self, retry: Retry) -> Result<(), ClientError> {
        let Some((claim, document)) = &self.claimed else { return Ok(()) };
        let message = match document.as_ref().map(|document| &document.payload) {
            Some(Payload::Text(text)) => text.clone(),
            other => format!("{other:?}"),
        };
        let failure = Failure::new(Stage::Embedding, "broken", message, retry);
        let hour = Duration::from_secs(3_600);
        let limits = fail::Limits { retries: 1_000, backoff: (hour, hour), errors: 10 };
        let v = &self.source.definition;
        fail::fail(&mut self.session, v, &self.vectorizer, &[(claim, &failure)], &limits)
    }
}

/// A history that is being replayed.
struct Replay {
    source: Source,
    mistake: Mistake,
    workers: Vec<Worker>,
    user: postgres::Client,
    observer: postgres::Client,
    leases: i64,
}

impl Replay {
    /// Begins a history on empty tables.
    fn begin(source: &Source, workers: usize, mistake: Mistake) -> Replay {
        let (mut user, mut observer) = (source.connect(), source.connect());
        user.batch_execute("SET statement_timeout = '10s'").unwrap();
        create_errors(&mut observer);
        let empty = "TRUNCATE blog, blog_store, _vectorizer_q_1, _vectorizer_work_1, _vectorizer_q_failed_1";
        observer.batch_execute(empty).unwrap();
        let workers = (0..workers).map(|_| Worker::start(source, mistake)).collect();
        Replay { source: source.clone(), mistake, workers, user, observer, leases: 0 }
    }

    /// Ends the history: nobody holds a lock any more.
    fn end(mut self) -> Result<(), String> {
        self.user.batch_execute("ROLLBACK").map_err(|error| error.to_string())?;
        for worker in std::mem::take(&mut self.workers) {
            worker.dies();
            self.wait_for_end_of(worker.pid)?;
        }
        Ok(())
    }

    /// Takes a step, which leads to `after`, and compares the tables with it.
    fn take(&mut self, step: Step, after: &State) -> Result<(), String> {
        match step {
            Step::UserWrites => self.user_writes(after.changes + 1),
            Step::UserDeletes => self.user_deletes(),
            Step::UserCommits => self.user.batch_execute("COMMIT").map_err(|error| error.to_string()),
            Step::UserRollsBack => self.user.batch_execute("ROLLBACK").map_err(|error| error.to_string()),
            Step::TimePasses => {
                let passes = "UPDATE _vectorizer_work_1 SET available_at = now() - interval '1 second'";
                self.observer.batch_execute(passes).map_err(|error| error.to_string())
            }
            Step::Worker(number, act) => self.worker(number, act),
        }?;
        let (found, wanted) = (self.see(), Seen::of(after));
        if found != wanted {
            return Err(format!("the tables hold\n  {found:?}, and the model\n  {wanted:?}"));
        }
        Ok(())
    }

    /// A user's statement and its trigger, which appends the key.
    fn user_writes(&mut self, content: u8) -> Result<(), String> {
        let enqueue = trigger::enqueue_row(&self.source.definition.key, &self.source.definition.tables.inbox);
        let write = || {
            self.user.batch_execute("BEGIN")?;
            self.user.execute(
                "INSERT INTO blog (id, body) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
                &[&content.to_string()],
            )?;
            self.user.execute(&enqueue, &[&1_i32])
        };
        let mut write = write;
        write().map(drop).map_err(|error: postgres::Error| error.to_string())
    }

    fn user_deletes(&mut self) -> Result<(), String> {
        let v = &self.source.definition;
        let store = Some("\"public\".\"blog_store\"".to_owned());
        let remove = trigger::remove_row(&v.key, &v.tables, &Followers { store, ..Followers::default() });
        let mut delete = || {
            self.user.batch_execute("BEGIN; DELETE FROM blog WHERE id = 1")?;
            self.user.execute(&remove, &[&1_i32])
        };
        delete().map(drop).map_err(|error: postgres::Error| error.to_string())
    }

    fn worker(&mut self, number: usize, act: Act) -> Result<(), String> {
        let worker = &self.workers[number];
        match act {
            Act::BeginsToClaim => {
                self.leases += 1;
                worker.does(Order::Claim(self.leases), &Answer::Stopped)
            }
            Act::Folds => worker.does(Order::Fold, &Answer::Done),
            Act::SettlesGone => worker.does(Order::SettleGone, &Answer::Done),
            Act::HasLostItsLease | Act::OffersAgain => worker.does(Order::Complete, &Answer::Done),
            Act::LooksForTheRow => worker.does(Order::Complete, &Answer::Stopped),
            Act::FailsForGood => worker.does(Order::SetAside, &Answer::Stopped),
            Act::Postpones => worker.does(Order::Postpone, &Answer::Done),
            // It stops before it postpones, and goes on at once.
            Act::FindsLockedAndPostpones => {
                worker.does(Order::SetAside, &Answer::Stopped).and_then(|()| worker.goes_on())
            }
            Act::Claims | Act::Writes | Act::SetsAside => worker.goes_on(),
            Act::Dies => {
                worker.dies();
                let pid = worker.pid;
                self.wait_for_end_of(pid)
            }
            Act::ComesBack => {
                self.workers[number] = Worker::start(&self.source, self.mistake);
                self.workers[number].does(Order::Recover, &Answer::Done)
            }
            Act::SettlesEarly | Act::WritesLate => {
                Err(format!("{act}: only a model with a mistake does that"))
            }
        }
    }

    fn wait_for_end_of(&mut self, pid: i32) -> Result<(), String> {
        let began = Instant::now();
        let is_there = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)";
        while self.observer.query_one(is_there, &[&pid]).unwrap().get(0) {
            if began.elapsed() > LONGEST {
                return Err(format!("process {pid} does not end"));
            }
            thread::yield_now();
        }
        Ok(())
    }

    /// Returns what has been committed.
    fn see(&mut self) -> Seen {
        let row = self
            .observer
            .query_one(
                "SELECT (SELECT body FROM blog),
                        (SELECT string_agg(chunk, '+') FROM blog_store),
                        (SELECT string_agg(failure_message, '+') FROM _vectorizer_q_failed_1),
                        (SELECT count(*) FROM _vectorizer_q_1),
                        w.generation, w.lease IS NOT NULL, w.available_at <= now(), w.attempts > 0
                 FROM (VALUES (1)) one (id) LEFT JOIN _vectorizer_work_1 w USING (id)",
                &[],
            )
            .unwrap();
        let work = row.get::<_, Option<i64>>(4);
        Seen {
            source: row.get(0),
            store: row.get(1),
            failed: row.get(2),
            inbox: row.get(3),
            work: work.map(|generation| (generation, row.get(5), row.get(6), row.get(7))),
        }
    }
}

/// The rows that there are in the tables, or in a state of the model.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    source: Option<String>,
    store: Option<String>,
    failed: Option<String>,
    inbox: i64,
    /// The generation; whether it is leased, is due, and has been tried.
    work: Option<(i64, bool, bool, bool)>,
}

impl Seen {
    fn of(state: &State) -> Seen {
        let text = |content: Option<u8>| content.map(|content| content.to_string());
        Seen {
            source: text(state.source),
            store: text(state.store),
            failed: text(state.failed),
            inbox: i64::from(state.inbox),
            work: state.work.map(|work| {
                (i64::from(work.generation), work.lease.is_some(), work.available, work.tried != 0)
            }),
        }
    }
}

/// Numbers that look random, from a seed (xorshift).
pub struct Random(pub u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// How often each step was taken.
pub type Taken = HashMap<Step, usize>;

/// Replays one history of at most so many steps, every other of which is one that was seldom taken before, and the
/// others any. Returns what went otherwise than in the model.
pub fn replay_one(
    source: &Source,
    bounds: Bounds,
    steps: usize,
    random: &mut Random,
    taken: &mut Taken,
    mistake: Mistake,
) -> Result<(), String> {
    let mut replay = Replay::begin(source, bounds.workers, mistake);
    let mut state = State::initial(bounds);
    let mut history: Vec<Step> = Vec::new();
    for _ in 0..steps {
        let mut next = state.next(bounds, Bug::None);
        if random.below(2) == 0 {
            let seldom = next.iter().map(|(step, _)| taken.get(step).copied().unwrap_or_default()).min();
            next.retain(|(step, _)| {
                taken.get(step).copied().unwrap_or_default() == seldom.unwrap_or_default()
            });
        }
        if next.is_empty() {
            break;
        }

        let (step, after) = next.swap_remove(random.below(next.len()));
        *taken.entry(step).or_default() += 1;
        history.push(step);
        if let Err(error) = replay.take(step, &after) {
            let steps: Vec<String> = history.iter().map(Step::to_string).collect();
            return Err(format!("{}:\n{error}", steps.join("\n")));
        }
        state = after;
    }
    replay.end()
}
