//! The use of models by vectorizers, as `ai.vectorizer_usage` shows it.
//!
//! The worker counts in its memory what documents use (`pgai_rs_pipeline::usage`), and sessions in shared memory what queries
//! use. The worker writes both with its heartbeat, so that no row that is embedded costs a write more; a crash loses what was
//! counted since.

use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use pgai_rs_pipeline::quota::{Day, day_of};
use pgai_rs_pipeline::usage::{Bill, Counted, Ledger, Meter, ModelName, Usage};

use super::budget::{self, Charged};
use super::schema;
use super::spending::{day_number, who_asks};
use super::vectorizer::{self, Entry};
use crate::pg::database::this_database;
use crate::pg::error::PgError;
use crate::pg::exit::AtExit;
use crate::pg::identity::as_superuser;
use crate::pg::sql;
use crate::pg::transaction::{subtransaction, transaction};
use crate::shared::used::{self, Asking, UsedByQueries};

/// Number of days for which the use is kept: a month can be compared with the same month of the year before.
const KEPT_DAYS: i32 = 400;

/// The number of models that a day's queries of a vectorizer are counted for separately: whoever searches names the one that ranks.
/// Further ones are counted together, without a name.
const MOST_MODELS: i64 = 100;

/// The UUID under which use is counted that nobody can tell whose it was.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// Returns the meter of a vectorizer, which asks a model of this name. Objects of earlier versions have nothing to count in.
pub fn meter_of(ledger: &Arc<Ledger>, entry: &Entry, model: Option<ModelName>) -> Meter {
    match (&entry.uuid, model) {
        (Some(uuid), Some(model)) => Meter::new(ledger, counted(uuid, entry, model)),
        _ => Meter::default(),
    }
}

fn counted(uuid: &str, entry: &Entry, model: ModelName) -> Counted {
    let owner = entry.owner().to_u32();
    let name = entry.name.clone();
    Counted { vectorizer: uuid.to_owned(), id: entry.id, name, owner, model, by_batch: false }
}

fn nobodys(model: ModelName) -> Counted {
    Counted { vectorizer: NOBODY.to_owned(), id: 0, name: String::new(), owner: 0, model, by_batch: false }
}

/// The bill of a query, which is counted for its vectorizer when the query has its answer, or ends without one.
pub struct QueryBill {
    open: Rc<OpenBill>,
    /// The session may end while it waits for the answer.
    _at_exit: AtExit,
}

impl QueryBill {
    /// Begins a bill for a query of a vectorizer, which asks a model of this name with so many tokens. Without a vectorizer nothing
    /// is counted. Errors if the query does not fit into what is left of a budget.
    pub fn open(
        vectorizer: Option<i32>,
        asking: Asking,
        model: Option<ModelName>,
        tokens: u64,
    ) -> Result<Self, PgError> {
        let usd_per_token = match (vectorizer, &model) {
            (Some(vectorizer), Some(model)) => budget::require_left(vectorizer, model, tokens)?,
            _ => 0.0,
        };
        let role = who_asks().to_u32();
        let open =
            Rc::new(OpenBill { bill: Bill::default(), vectorizer, role, asking, model, usd_per_token });
        let at_end = Rc::clone(&open);
        Ok(QueryBill { open, _at_exit: AtExit::new(move || at_end.count()) })
    }

    /// Returns the bill.
    pub fn bill(&self) -> &Bill {
        &self.open.bill
    }
}

impl Drop for QueryBill {
    fn drop(&mut self) {
        self.open.count();
    }
}

/// The bill of a query under way.
struct OpenBill {
    bill: Bill,
    vectorizer: Option<i32>,
    role: u32,
    asking: Asking,
    model: Option<ModelName>,
    /// The model's price in USD for a token, if a budget had to be asked; else zero.
    usd_per_token: f64,
}

impl OpenBill {
    /// Counts it, whatever became of the statement: what was sent was sent.
    fn count(&self) {
        let usage = self.bill.usage();
        if let (Some(vectorizer), Some(model)) = (self.vectorizer, &self.model)
            && usage != Usage::default()
        {
            let used = (usage, usage.tokens as f64 * self.usd_per_token);
            let noted = UsedByQueries::new((vectorizer, self.role), self.asking, model, used);
            used::note(this_database(), &noted);
        }
    }
}

/// What the use was for, as the table has it.
#[derive(Debug, Clone, Copy)]
struct Purpose(&'static str);

const DOCUMENTS: Purpose = Purpose("documents");

/// The purpose of documents that go by the provider's batch API, which has another price.
const BATCHES: Purpose = Purpose("batches");

impl From<Asking> for Purpose {
    fn from(asking: Asking) -> Self {
        match asking {
            Asking::Embedding => Purpose("queries"),
            Asking::Reranking => Purpose("reranking"),
        }
    }
}

/// Writes the use since the last call, and reads the budgets. Must be called outside a transaction.
pub fn write(ledger: &Ledger) -> Result<(), PgError> {
    ledger.budgets().begin_writing();
    let of_documents = ledger.take();
    let of_queries = used::unwritten(this_database());
    let written = match of_documents.is_empty() && of_queries.is_empty() {
        true => Ok(()),
        // Only if that can't be done: each subtransaction that writes takes an id.
        false => transaction(|| add_all(&of_documents, &of_queries, together)).or_else(|error| {
            pgrx::warning!("pgai_rs worker could not write the use of models in one transaction: {error}");
            transaction(|| add_all(&of_documents, &of_queries, apart))
        }),
    };

    let is_written = written.is_ok();
    match is_written {
        true => used::forget(this_database(), &of_queries),
        false => ledger.give_back(of_documents),
    }
    written.and(transaction(|| budget::load(ledger.budgets(), is_written)))
}

/// A way to write one row: together with the others, or apart from them.
type Way = fn(&dyn Fn() -> Result<(), PgError>) -> Result<(), PgError>;

fn together(write: &dyn Fn() -> Result<(), PgError>) -> Result<(), PgError> {
    write()
}

/// Writes in a subtransaction. What can never be written is dropped with a warning, so that it does not keep the rest from being
/// written as well, now and ever after.
fn apart(write: &dyn Fn() -> Result<(), PgError>) -> Result<(), PgError> {
    match subtransaction(write) {
        Err(error) if error.is_of_data() => {
            pgrx::warning!("pgai_rs worker could not write a part of the use of models: {error}");
            Ok(())
        }
        written => written,
    }
}

fn add_all(
    of_documents: &[(Arc<Counted>, Day, Usage)],
    of_queries: &[UsedByQueries],
    way: Way,
) -> Result<(), PgError> {
    if !schema::has(c"_usage") {
        return Ok(());
    }
    as_superuser(|| {
        for (counted, day, usage) in of_documents {
            let purpose = if counted.by_batch { BATCHES } else { DOCUMENTS };
            way(&|| add(counted, purpose, *day, *usage))?;
            let (Counted { vectorizer, owner, model, .. }, share) = (&**counted, counted.share());
            let charged =
                Charged { purpose: budget::DOCUMENTS, vectorizer, role: *owner, model, share, usd: None };
            way(&|| budget::charge(&charged, *day, *usage))?;
        }
        for query in of_queries {
            add_query(query, way)?;
        }
        budget::forget_old()?;
        forget_old()
    })
}

/// Adds what a query has used. The day is that of the taking over: a query just before midnight may count for the day after.
fn add_query(query: &UsedByQueries, way: Way) -> Result<(), PgError> {
    let entry = vectorizer::by_id(query.vectorizer)?;
    let mut counted = match entry.as_ref().and_then(|entry| Some((entry, entry.uuid.as_ref()?))) {
        Some((entry, uuid)) => counted(uuid, entry, query.model()),
        // It was dropped since, or has lost a relation, or it is several.
        None => nobodys(query.model()),
    };
    let (purpose, day) = (query.asking.into(), day_of(SystemTime::now()));
    let Counted { vectorizer, model, .. } = &counted;
    let usd = Some(query.usd).filter(|usd| *usd > 0.0);
    let charged = Charged { purpose: budget::QUERIES, vectorizer, role: query.role, model, share: 1.0, usd };
    way(&|| budget::charge(&charged, day, query.usage))?;

    if !has_room(&counted, purpose, day)? {
        counted.model = ModelName { model: String::new(), server: String::new() };
    }
    way(&|| add(&counted, purpose, day, query.usage))
}

/// Returns whether a model is counted separately on a day: it is already, or fewer are than may be.
fn has_room(counted: &Counted, purpose: Purpose, day: Day) -> Result<bool, PgError> {
    let look = "
        SELECT count(*) < $6 OR coalesce(bool_or(u.model = $4 AND u.server = $5), false) FROM ai._usage u
        WHERE u.day = 'epoch'::pg_catalog.date + $1 AND u.vectorizer = $2::pg_catalog.uuid AND u.purpose = $3";
    let args = [
        day_number(day).into(),
        counted.vectorizer.clone().into(),
        purpose.0.to_owned().into(),
        counted.model.model.clone().into(),
        counted.model.server.clone().into(),
        MOST_MODELS.into(),
    ];
    Ok(sql::query_row(look, &args, |row| row.get::<bool>(1))?.unwrap_or(true))
}

/// Adds to the row of a vectorizer, a model and a day. A provider may say any number: the largest is the largest that fits.
fn add(counted: &Counted, purpose: Purpose, day: Day, usage: Usage) -> Result<(), PgError> {
    let bigint = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    sql::execute(
        "INSERT INTO ai._usage AS u (day, vectorizer, purpose, model, server, vectorizer_id, name,
                                     requests, inputs, bytes, documents, tokens, estimated_tokens, billed_bytes)
         VALUES ('epoch'::pg_catalog.date + $1, $2::pg_catalog.uuid, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         ON CONFLICT (day, vectorizer, purpose, model, server) DO UPDATE
         SET name = excluded.name,
             requests = least(u.requests::numeric + excluded.requests, 9223372036854775807)::int8,
             inputs = least(u.inputs::numeric + excluded.inputs, 9223372036854775807)::int8,
             bytes = least(u.bytes::numeric + excluded.bytes, 9223372036854775807)::int8,
             documents = least(u.documents::numeric + excluded.documents, 9223372036854775807)::int8,
             tokens = least(u.tokens::numeric + excluded.tokens, 9223372036854775807)::int8,
             estimated_tokens = least(u.estimated_tokens::numeric + excluded.estimated_tokens, 9223372036854775807)::int8,
             billed_bytes = least(u.billed_bytes::numeric + excluded.billed_bytes, 9223372036854775807)::int8",
        &[
            day_number(day).into(),
            counted.vectorizer.clone().into(),
            purpose.0.to_owned().into(),
            counted.model.model.clone().into(),
            counted.model.server.clone().into(),
            counted.id.into(),
            counted.name.clone().into(),
            bigint(usage.requests).into(),
            bigint(usage.inputs).into(),
            bigint(usage.bytes).into(),
            bigint(usage.documents).into(),
            bigint(usage.tokens).into(),
            bigint(usage.estimated_tokens).into(),
            bigint(usage.billed_bytes).into(),
        ],
    )
    .map(drop)
}

/// Deletes what is older than it is kept. The days lead the key, so that this looks at what is deleted alone.
fn forget_old() -> Result<(), PgError> {
    let oldest = day_number(day_of(SystemTime::now())) - KEPT_DAYS;
    sql::execute("DELETE FROM ai._usage WHERE day < 'epoch'::pg_catalog.date + $1", &[oldest.into()])
        .map(drop)
}
