//! The pipeline's `Queue`, by SPI: lives on the worker's main thread.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use pgrx::datum::{DatumWithOid, Uuid};
use pgrx::pg_sys;

use pgai_rs_pipeline::config::Loading;
use pgai_rs_pipeline::document::{self, Completed, Document, ExistingChunk, Failed, Payload, Ticket};
use pgai_rs_pipeline::run::Queue;

use super::fold::{self, fold};
use super::schedule::Schedule;
use super::statements::Statements;
use super::{complete, fail, origin, request};
use crate::api::s3_access;
use crate::catalog::definitions;
use crate::catalog::key::{transpose, KeyValues};
use crate::catalog::vectorizer::{self, Entry, Vectorizer};
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::identity::as_user;
use crate::pg::sql::{self, Row};
use crate::pg::transaction::transaction;
use crate::worker::condition::Conditions;

/// A vectorizer that this worker works for.
pub struct Served {
    version: String,
    source: pg_sys::Oid,
    generation: u64,
    /// As it stands in the catalog.
    pub vectorizer: Vectorizer,
    /// Its queue's SQL.
    pub statements: Statements,
    /// As the pipeline sees it.
    pub shared: Arc<document::Vectorizer>,
    /// Not to be looked at before this, after an error of its own.
    paused: Pause,
    /// When it is worked on.
    schedule: Schedule,
    /// Where in the inbox to go on.
    pub fold_place: fold::Place,
    /// Mean bytes of the rows that were claimed last: how many to look at for the next claim.
    mean_size: u64,
}

/// A growing pause after errors that concern a whole vectorizer.
#[derive(Default)]
struct Pause {
    until: Option<std::time::Instant>,
    errors: u32,
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Pause {
    fn begin(&mut self) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.errors.min(6)).min(LONGEST_PAUSE);
        self.errors += 1;
        self.until = Some(std::time::Instant::now() + pause);
    }

    fn left(&self) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(std::time::Instant::now());
        (left > Duration::ZERO).then_some(left)
    }
}

/// A row that this worker holds the lease of.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Whose it is.
    pub vectorizer: i32,
    /// Its key.
    pub key: KeyValues,
    /// Which state of the row the claim was for.
    pub generation: i64,
    /// How often it was claimed since it changed, this time included.
    pub attempts: i32,
    /// What the work row must still say.
    pub lease: i64,
}

/// The queue of all vectorizers of this database.
pub struct SpiQueue {
    served: HashMap<i32, Served>,
    claimed: HashMap<Ticket, Claimed>,
    last_ticket: u64,
    last_lease: i64,
    next_due: Option<Duration>,
    /// What has become of all of them, for those who watch.
    pub conditions: Conditions,
}

impl SpiQueue {
    /// A queue that holds nothing yet. Leases are told apart by their holder and a random start, so
    /// that one from before a restart is never taken for one of ours.
    pub fn new(seed: i64) -> Self {
        SpiQueue {
            served: HashMap::new(),
            claimed: HashMap::new(),
            last_ticket: 0,
            last_lease: seed,
            next_due: None,
            conditions: Conditions::default(),
        }
    }

    /// After a turn: in how long a row will be due, if the worker is not woken before.
    pub fn next_due(&self) -> Option<Duration> {
        self.next_due
    }

    /// Takes up what is new or has changed. Answers the vectorizers served before that are no longer
    /// there, no longer enabled or no longer allowed.
    pub fn refresh(&mut self) -> Result<Vec<i32>, PgError> {
        let entries = transaction(vectorizer::enabled)?;
        let mut gone: Vec<i32> =
            self.served.keys().filter(|id| !entries.iter().any(|e| e.id == **id)).copied().collect();
        for id in &gone {
            self.served.remove(id);
        }
        self.conditions.retain(|id| entries.iter().any(|entry| entry.id == id));
        for entry in entries {
            match self.take_up(&entry) {
                Ok(()) => self.conditions.served(entry.id, &entry.name),
                Err(error) => {
                    if self.conditions.not_served(entry.id, &error) {
                        report(&entry.name, "can't be served", &error);
                    }
                    gone.extend(self.served.remove(&entry.id).map(|_| entry.id));
                }
            }
        }
        self.run_requested()?;
        Ok(gone)
    }

    /// Ends the rest of vectorizers that somebody asks to run: by their schedules, and after errors.
    fn run_requested(&mut self) -> Result<(), PgError> {
        transaction(|| {
            for id in request::take()? {
                if let Some(served) = self.served.get_mut(&id) {
                    served.paused = Pause::default();
                    served.schedule.begin_run()?;
                }
            }
            Ok(())
        })
    }

    fn take_up(&mut self, entry: &Entry) -> Result<(), PgError> {
        let generation = definitions::generation();
        let known = self.served.get(&entry.id);
        if known.is_some_and(|s| {
            s.version == entry.version && s.source == entry.source && s.generation == generation
        }) {
            return Ok(());
        }
        let (vectorizer, statements) = transaction(|| {
            let vectorizer = entry.understand()?;
            require_same_owner(&vectorizer)?;
            require_allowed(&vectorizer)?;
            let statements = Statements::new(&vectorizer)?;
            Ok((vectorizer, statements))
        })?;
        let key_name = vectorizer.config.embedding.api_key_name();
        let fresh = document::Vectorizer {
            id: entry.id,
            name: entry.name.clone(),
            config: vectorizer.config.clone(),
            api_key: key_name.and_then(guc::api_key),
        };
        // The pipeline groups and caches by identity; what did not change stays the same.
        let shared = match known {
            Some(s) if s.shared.config == fresh.config && s.shared.api_key == fresh.api_key => {
                s.shared.clone()
            }
            _ => Arc::new(fresh),
        };
        let schedule = Schedule::of(&vectorizer.config.scheduling).or_known(known.map(|s| &s.schedule));
        let recover = known.is_none();
        let served = Served {
            version: entry.version.clone(),
            source: entry.source,
            generation,
            vectorizer,
            statements,
            shared,
            paused: Pause::default(),
            schedule,
            fold_place: fold::Place::default(),
            mean_size: 0,
        };
        if recover {
            let pid = std::process::id() as i32;
            transaction(|| served.as_owner(|| sql::execute(&served.statements.recover, &[pid.into()])))?;
        }
        self.served.insert(entry.id, served);
        Ok(())
    }

    /// Looks at the settings again: keys may have changed.
    pub fn forget_settings(&mut self) {
        for served in self.served.values_mut() {
            served.generation = 0;
        }
    }

    /// Prolongs the leases of what is in flight, and of nothing else: what was claimed and then given
    /// up comes back when its lease runs out.
    ///
    /// One that can't be prolonged may run out, and its rows be worked on again; that harms nobody.
    pub fn renew(&mut self, in_flight: &HashSet<Ticket>) {
        self.claimed.retain(|ticket, _| in_flight.contains(ticket));
        for (id, served) in &self.served {
            let held: Vec<&Claimed> = self.claimed.values().filter(|c| c.vectorizer == *id).collect();
            if let Err(error) = renew(served, &held) {
                report(&served.vectorizer.name, "can't prolong its leases", &error);
            }
        }
    }

    /// What is known of a ticket; none if it was given up.
    pub fn claimed(&self, ticket: Ticket) -> Option<&Claimed> {
        self.claimed.get(&ticket)
    }

    /// The vectorizer with this id, if it is still served.
    pub fn served(&self, id: i32) -> Option<&Served> {
        self.served.get(&id)
    }

    /// How many vectorizers are served.
    pub fn count(&self) -> usize {
        self.served.len()
    }

    /// All vectorizers that are served.
    pub fn served_all(&self) -> impl Iterator<Item = &Served> {
        self.served.values()
    }

    /// Forgets tickets that are settled.
    pub fn settle(&mut self, tickets: impl Iterator<Item = Ticket>) {
        for ticket in tickets {
            self.claimed.remove(&ticket);
        }
    }

    /// Whether a vectorizer has something to fold or to claim now; also learns when it will.
    fn has_work(&mut self, id: i32) -> Result<bool, PgError> {
        let Some(served) = self.served.get(&id) else { return Ok(false) };
        if let Some(left) = served.paused.left() {
            self.next_due = self.next_due.into_iter().chain([left]).min();
            return Ok(false);
        }
        if let Some(left) = self.rests_by_schedule(id)? {
            self.next_due = self.next_due.into_iter().chain([left]).min();
            return Ok(false);
        }
        let Some(served) = self.served.get(&id) else { return Ok(false) };
        let peek = transaction(|| as_user(served.vectorizer.owner, || fold::peek(served)))?;
        let due = if peek.now { None } else { self.end_run(id)?.or(peek.due) };
        self.next_due = self.next_due.into_iter().chain(due).min();
        Ok(peek.now)
    }

    /// How long it still rests by its schedule, if it has one.
    fn rests_by_schedule(&mut self, id: i32) -> Result<Option<Duration>, PgError> {
        let Some(served) = self.served.get_mut(&id) else { return Ok(None) };
        if served.schedule == Schedule::Always {
            return Ok(None);
        }
        let rest = transaction(|| served.schedule.rest())?;
        match rest {
            Some(left) => self.conditions.scheduled(id, left),
            None => self.conditions.awake(id),
        }
        Ok(rest)
    }

    /// Nothing waits for it. If nothing is in flight either, and it has a schedule, it now rests.
    fn end_run(&mut self, id: i32) -> Result<Option<Duration>, PgError> {
        let Some(served) = self.served.get_mut(&id) else { return Ok(None) };
        if served.schedule == Schedule::Always
            || self.claimed.values().any(|claimed| claimed.vectorizer == id)
        {
            return Ok(None);
        }
        let rest = transaction(|| served.schedule.end_run())?;
        if let Some(left) = rest {
            self.conditions.scheduled(id, left);
        }
        Ok(rest)
    }

    fn pause(&mut self, id: i32, what: &str, error: &PgError) {
        // Dropped since this turn began: the next one will not find it.
        if error.code == pgrx::PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE
            && matches!(transaction(|| vectorizer::by_id(id)), Ok(None))
        {
            return;
        }
        if let Some(served) = self.served.get_mut(&id) {
            served.paused.begin();
            if self.conditions.paused(id, error, served.paused.left()) {
                report(&served.vectorizer.name, what, error);
            }
        }
    }

    /// Its queue was read, or will be when its pause is over.
    fn resumed(&mut self, id: i32) {
        if let Some(served) = self.served.get(&id).filter(|served| served.paused.left().is_none()) {
            self.conditions.resumed(id, &served.vectorizer.name);
        }
    }

    fn claim_rows(&mut self, id: i32, limit: usize, bytes: u64) -> Result<Vec<Document>, PgError> {
        let Some(served) = self.served.get(&id) else { return Ok(Vec::new()) };
        let limit = served.likely_to_fit(bytes).min(limit as u64) as i64;
        self.last_lease = self.last_lease.wrapping_add(1);
        let (lease, first) = (self.last_lease, self.last_ticket + 1);
        let (more, claimed, found) = transaction(|| {
            served.as_owner(|| {
                let more = fold(served)?;
                let claimed = claim(served, limit, bytes, lease)?;
                let found = read(served, &claimed, first)?;
                Ok((more, claimed, found))
            })
        })?;
        self.last_ticket += claimed.len() as u64;
        // The pipeline gets nothing, and would not ask again before it is woken.
        if found.is_empty() && (more || !claimed.is_empty()) {
            self.next_due = Some(Duration::ZERO);
        }
        let missing: Vec<Claimed> = claimed
            .iter()
            .enumerate()
            .filter(|(i, _)| !found.contains_key(i))
            .map(|(_, claimed)| claimed.clone())
            .collect();
        // Their leases run out if this fails, and they are found gone again; the others go on.
        if let Err(error) = complete::settle_gone(served, &missing) {
            report(&served.vectorizer.name, "can't settle rows that are gone", &error);
        }
        for (i, row) in claimed.into_iter().enumerate() {
            if found.contains_key(&i) {
                self.claimed.insert(Ticket(first + i as u64), row);
            }
        }
        let mut documents: Vec<_> = found.into_values().collect();
        documents.sort_by_key(|document| document.ticket);
        if let Some(served) = self.served.get_mut(&id) {
            let total: u64 = documents.iter().map(Document::size).sum();
            served.mean_size = total.checked_div(documents.len() as u64).unwrap_or_default();
        }
        Ok(documents)
    }
}

impl Served {
    /// How many rows to look at for a claim of so many bytes, lest a claim of a few large rows look
    /// at a thousand. Too few is no harm: the next claim follows at once.
    fn likely_to_fit(&self, bytes: u64) -> u64 {
        bytes.checked_div(self.mean_size).map_or(u64::MAX, |count| count.saturating_mul(2).saturating_add(1))
    }

    /// Whether it is not to be looked at now, after an error of its own.
    pub fn rests(&self) -> bool {
        self.paused.left().is_some()
    }

    /// Runs statements as the vectorizer's owner, without leaving him anything to run at commit.
    pub fn as_owner<R>(&self, f: impl FnOnce() -> Result<R, PgError>) -> Result<R, PgError> {
        as_user(self.vectorizer.owner, || {
            sql::execute("SET CONSTRAINTS ALL IMMEDIATE", &[])?;
            f()
        })
    }

    /// The parameters of [`Key::given`](crate::catalog::key::Key::given), to which more can be added.
    pub fn keys<'a>(&self, keys: impl Iterator<Item = &'a KeyValues>) -> Vec<DatumWithOid<'static>> {
        transpose(keys, self.vectorizer.key.len()).into_iter().map(DatumWithOid::from).collect()
    }
}

/// Says in the server's log what stopped a vectorizer; its rows' own failures go to error rows.
fn report(name: &str, what: &str, error: &PgError) {
    pgrx::warning!("vectorizer {name} {what}: {error}");
}

/// Reading a table evaluates what its owner put there (casts of his types, for one), and must not
/// be done with another's rights.
pub fn require_same_owner(vectorizer: &Vectorizer) -> Result<(), PgError> {
    if vectorizer.source.owner == vectorizer.owner {
        return Ok(());
    }
    let mut tables: Vec<String> = vectorizer.store().into_iter().collect();
    tables.extend(vectorizer.queue.all(vectorizer.remembered).into_iter().map(str::to_owned));
    let tables = tables.join(", ");
    Err(PgError::new(
        pgrx::PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("its source {} now has another owner than its queue", vectorizer.source.qualified()),
    )
    .with_hint(format!("ALTER TABLE … OWNER TO the source's owner, for each of {tables}.")))
}

/// What was allowed when the vectorizer was declared may not be any more.
fn require_allowed(vectorizer: &Vectorizer) -> Result<(), PgError> {
    match &vectorizer.config.loading {
        Loading::Column { .. } => Ok(()),
        Loading::Uri { s3, .. } => s3_access::require_allowed(s3, vectorizer.owner),
    }
}

/// Errors of statements that came in each other's way, and will not when they are run again.
pub fn is_contention(error: &PgError) -> bool {
    use pgrx::PgSqlErrorCode as Code;
    matches!(
        error.code,
        Code::ERRCODE_LOCK_NOT_AVAILABLE
            | Code::ERRCODE_T_R_DEADLOCK_DETECTED
            | Code::ERRCODE_T_R_SERIALIZATION_FAILURE
    )
}

fn renew(served: &Served, held: &[&Claimed]) -> Result<(), PgError> {
    if held.is_empty() {
        return Ok(());
    }
    transaction(|| {
        // Made in here, for their arrays live as long as the transaction.
        let mut args = served.keys(held.iter().map(|claimed| &claimed.key));
        args.push(held.iter().map(|claimed| claimed.lease).collect::<Vec<_>>().into());
        args.push(guc::lease_duration().as_secs_f64().into());
        served.as_owner(|| sql::execute(&served.statements.renew, &args)).map(drop)
    })
}

fn claim(served: &Served, limit: i64, bytes: u64, lease: i64) -> Result<Vec<Claimed>, PgError> {
    let seconds = guc::lease_duration().as_secs_f64();
    let pid = std::process::id() as i32;
    let columns = served.vectorizer.key.len();
    let (bytes, largest) = (clamped(bytes), clamped(guc::max_document_size()));
    let args = [limit.into(), seconds.into(), lease.into(), pid.into(), bytes.into(), largest.into()];
    sql::query(&served.statements.claim, &args, |row| {
        let key = (0..columns).map(|i| row.get(3 + i)).collect::<Result<_, _>>()?;
        let vectorizer = served.vectorizer.id;
        Ok(Claimed { vectorizer, key: KeyValues(key), generation: row.get(1)?, attempts: row.get(2)?, lease })
    })
}

/// The documents of the claimed rows that the source still has, by place in `claimed`.
fn read(served: &Served, claimed: &[Claimed], first: u64) -> Result<HashMap<usize, Document>, PgError> {
    if claimed.is_empty() {
        return Ok(HashMap::new());
    }
    let keys = || served.keys(claimed.iter().map(|c| &c.key));
    let names: Vec<String> = served.vectorizer.template_columns()?.iter().map(|c| c.name.clone()).collect();
    let largest = guc::max_document_size();
    let mut args = keys();
    args.push(clamped(largest).into());
    let rows = sql::query(&served.statements.read, &args, |row| {
        let place = place(row)?;
        let fields = names.iter().enumerate().map(|(i, name)| Ok((name.clone(), row.get(5 + i)?)));
        let document = Document {
            ticket: Ticket(first + place as u64),
            vectorizer: served.shared.clone(),
            payload: payload(row, largest)?,
            fields: fields.collect::<Result<_, PgError>>()?,
            existing: Vec::new(),
            origin: None,
        };
        Ok((place, document))
    })?;
    let mut documents: HashMap<usize, Document> = rows.into_iter().collect();
    let existing = sql::query(served.statements.written.existing(), &keys(), |row| {
        let digest: Vec<u8> = row.get(4)?;
        let chunk = ExistingChunk {
            id: *row.get::<Uuid>(2)?.as_bytes(),
            seq: row.get(3)?,
            digest: digest.try_into().map_err(|_| PgError::raised("sha256() gave no 32 bytes"))?,
        };
        Ok((place(row)?, chunk))
    })?;
    for (place, chunk) in existing {
        if let Some(document) = documents.get_mut(&place) {
            document.existing.push(chunk);
        }
    }
    for (place, origin) in origin::read(served, &keys())? {
        if let Some(document) = documents.get_mut(&place) {
            document.origin = Some(origin);
        }
    }
    Ok(documents)
}

/// `ord` counts from 1, as WITH ORDINALITY does.
pub fn place(row: &Row<'_>) -> Result<usize, PgError> {
    Ok(usize::try_from(row.get::<i64>(1)? - 1).unwrap_or_default())
}

/// Bytes, as SQL counts them.
fn clamped(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn payload(row: &Row<'_>, largest: u64) -> Result<Payload, PgError> {
    let size = row.get_opt::<i64>(4)?.and_then(|size| u64::try_from(size).ok());
    if let Some(size) = size.filter(|size| *size > largest) {
        return Ok(Payload::TooLarge(size));
    }
    Ok(match (row.get_opt::<String>(2)?, row.get_opt::<Vec<u8>>(3)?) {
        (Some(text), _) => Payload::Text(text),
        (None, Some(bytes)) => Payload::Bytes(bytes),
        (None, None) => Payload::Null,
    })
}

impl Queue for SpiQueue {
    type Error = PgError;

    fn vectorizers(&mut self) -> Result<Vec<Arc<document::Vectorizer>>, PgError> {
        self.next_due = None;
        let mut ids: Vec<i32> = self.served.keys().copied().collect();
        ids.sort_unstable();
        let mut working = Vec::new();
        for id in ids {
            match self.has_work(id) {
                Ok(true) => working.extend(self.served.get(&id).map(|s| s.shared.clone())),
                Ok(false) => self.resumed(id),
                Err(error) => self.pause(id, "can't read its queue", &error),
            }
        }
        Ok(working)
    }

    /// An error pauses this vectorizer and no other.
    fn claim(
        &mut self,
        vectorizer: &Arc<document::Vectorizer>,
        limit: usize,
        bytes: u64,
    ) -> Result<Vec<Document>, PgError> {
        match self.claim_rows(vectorizer.id, limit, bytes) {
            Ok(documents) => {
                if let Some(served) = self.served.get_mut(&vectorizer.id) {
                    served.paused = Pause::default();
                }
                self.resumed(vectorizer.id);
                Ok(documents)
            }
            Err(error) => {
                self.pause(vectorizer.id, "can't claim rows", &error);
                Ok(Vec::new())
            }
        }
    }

    fn complete(
        &mut self,
        vectorizer: &Arc<document::Vectorizer>,
        done: &[Completed],
    ) -> Result<Vec<Ticket>, PgError> {
        let busy = match complete::complete(self, vectorizer.id, done) {
            // Somebody holds a lock on a whole table: nothing that these rows could help.
            Err(error) if is_contention(&error) => done.iter().map(|d| d.ticket).collect(),
            other => other?,
        };
        self.settle(done.iter().map(|d| d.ticket).filter(|ticket| !busy.contains(ticket)));
        self.conditions.succeeded(vectorizer.id, &vectorizer.name, done.len().saturating_sub(busy.len()));
        Ok(busy)
    }

    fn fail(&mut self, vectorizer: &Arc<document::Vectorizer>, failed: &[Failed]) -> Result<(), PgError> {
        fail::fail(self, vectorizer.id, failed)?;
        self.settle(failed.iter().map(|f| f.ticket));
        self.conditions.failed(vectorizer.id, &vectorizer.name, failed);
        Ok(())
    }
}
