//! What a vectorizer does now, and if nothing, why nothing.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;

use super::missed_state;
use super::worker_state::{State, Workers, RUNNING};
use crate::catalog::binding::{self, Relations, Rest};
use crate::catalog::objects::QueueTables;
use crate::catalog::own_columns::OwnColumns;
use crate::catalog::table::Table;
use crate::catalog::vectorizer::{self, Entry};
use crate::catalog::visibility;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user_on, current_user};
use crate::pg::sql::{self, Row};
use crate::pg::transaction::subtransaction;

/// So many rows are counted, and no more, whatever waits.
pub const MOST_COUNTED: i64 = 10_000;

/// What the catalog and the worker say of a vectorizer.
#[derive(Debug)]
pub struct Facts {
    /// Its id.
    pub id: i32,
    /// Its name.
    pub name: String,
    disabled: bool,
    /// The columns of its source's key.
    key: Vec<String>,
    /// The vectorizer with its relations; none if one that it can't be without is gone.
    entry: Option<Entry>,
    /// Its inbox, if that is there.
    inbox: Option<Table>,
    /// The name that a table of its queue had that is gone.
    gone: Option<String>,
    /// What its worker says that stops it.
    stopped: Option<State>,
    /// The last row that went all the way.
    pub last_success_at: Option<TimestampWithTimeZone>,
    /// The last failure.
    pub last_error_at: Option<TimestampWithTimeZone>,
    /// Its code.
    pub last_error_code: Option<String>,
    /// Its reason.
    pub last_error: Option<String>,
}

/// What its queue holds; each number at most [`MOST_COUNTED`].
#[derive(Debug, Default)]
pub struct Counts {
    /// Changes and keys that wait or are worked on.
    pub pending: i64,
    /// Since when the oldest of those counted waits.
    pub oldest: Option<TimestampWithTimeZone>,
    /// Keys that the worker has claimed.
    pub in_flight: i64,
    /// Keys claimed by a worker that is gone, or whose lease has run out.
    pub stuck: i64,
    /// Keys set aside.
    pub failed: i64,
}

// $1: as which process the worker writes.
const FACTS: &str = "
    SELECT v.id, v.name::text, v.disabled, c.state, c.message, c.hint, c.since, c.until, p.last_success_at,
           e.recorded, e.details ->> 'code', e.details ->> 'error_reason',
           ARRAY(SELECT k ->> 'attname' FROM pg_catalog.jsonb_array_elements(v.source_pk) k)
    FROM ai.vectorizer v
    LEFT JOIN ai._vectorizer_worker_condition c ON c.vectorizer_id = v.id AND c.process_id = $1
    LEFT JOIN ai.vectorizer_worker_progress p ON p.vectorizer_id = v.id
    LEFT JOIN LATERAL (
        SELECT e.recorded, e.details FROM ai._vectorizer_errors e
        WHERE e.id = v.id ORDER BY e.recorded DESC LIMIT 1) e ON true
    ORDER BY v.id";

/// Reads of the vectorizers that the current user may watch: those whose inbox the user may read, or that have lost theirs
/// and that the user sees; and all for who watches all.
pub fn load(workers: &Workers) -> Result<Vec<Facts>, PgError> {
    let process = workers.worker.as_ref().and_then(|worker| worker.id);
    let user = current_user();
    let watches_all = visibility::watches_all(user);
    let mut entries = vectorizer::all()?;
    let all = as_superuser(|| sql::read(FACTS, &[process.into()], facts))?;
    let mut seen = Vec::new();
    for mut facts in all {
        facts.entry = entries.iter().position(|e| e.id == facts.id).map(|place| entries.swap_remove(place));
        let rest = if facts.entry.is_some() { None } else { binding::rest(facts.id)? };
        facts.gone = rest.as_ref().and_then(|rest| rest.gone.clone());
        let inbox = facts.entry.as_ref().map(|entry| &entry.relations.inbox);
        facts.inbox = inbox.or(rest.as_ref().and_then(|rest| rest.inbox.as_ref())).cloned();
        match &facts.inbox {
            _ if watches_all => seen.push(facts),
            Some(inbox) if may_read(user, inbox) => seen.push(facts),
            None if rest.is_some_and(|rest| is_seen(&rest, user)) => {
                seen.push(Facts { last_error: None, last_error_code: None, last_error_at: None, ..facts });
            }
            _ => {}
        }
    }
    Ok(seen)
}

/// Returns whether a role sees a vectorizer of which something is left beside its inbox.
fn is_seen(rest: &Rest, role: pg_sys::Oid) -> bool {
    let relations = rest.source.iter().chain(&rest.queue).chain(&rest.store).chain(&rest.view);
    let mut owners = rest.source.iter().chain(&rest.queue).map(|table| table.owner);
    owners.next().is_some_and(|owner| visibility::sees(role, owner, relations))
}

fn may_read(user: pg_sys::Oid, table: &Table) -> bool {
    let right = pg_sys::AclMode::from(pg_sys::ACL_SELECT);
    // SAFETY: looks up the catalogs; the table was found there just now.
    unsafe { pg_sys::pg_class_aclcheck(table.oid, user, right) == pg_sys::AclResult::ACLCHECK_OK }
}

fn facts(row: &Row<'_>) -> Result<Facts, PgError> {
    Ok(Facts {
        id: row.get(1)?,
        name: row.get(2)?,
        disabled: row.get(3)?,
        entry: None,
        inbox: None,
        gone: None,
        stopped: stopped(row)?,
        last_success_at: row.get_opt(9)?,
        last_error_at: row.get_opt(10)?,
        last_error_code: row.get_opt(11)?,
        last_error: row.get_opt(12)?,
        key: row.get(13)?,
    })
}

fn stopped(row: &Row<'_>) -> Result<Option<State>, PgError> {
    let word = match row.get_opt::<String>(4)?.as_deref() {
        Some("not_served") => "not_served",
        Some("paused") => "paused",
        Some("waiting_for_provider") => "waiting_for_provider",
        Some("waiting_for_storage") => "waiting_for_storage",
        Some("failing") => "failing",
        Some("scheduled") => "scheduled",
        _ => return Ok(None),
    };
    Ok(Some(State {
        word,
        reason: row.get(5)?,
        hint: row.get_opt(6)?,
        since: row.get_opt(7)?,
        until: row.get_opt(8)?,
    }))
}

impl Facts {
    /// Looks into the queue, as its owner: what the tables make run must not run as who watches. None if a table of
    /// the vectorizer is gone; an error of this queue is this vectorizer's and no other's.
    pub fn count(&self, worker: Option<i32>) -> Result<Option<Counts>, PgError> {
        let Some(entry) = &self.entry else { return Ok(None) };
        let counted = subtransaction(|| {
            let Relations { inbox, work, failed, .. } = &entry.relations;
            if [work, failed].into_iter().any(|table| table.owner != inbox.owner) {
                entry.relations.require_one_owner()?;
            }
            as_user_on(inbox.owner, &entry.relations.oids(), || {
                count(&entry.relations, &entry.queue(), &self.key, worker)
            })
        })?;
        Ok(counted.into_iter().next())
    }

    fn what_is_missing(&self) -> String {
        match &self.gone {
            Some(table) => format!("the table {table} of its queue is gone"),
            None => "its source has lost the vectorizer's triggers, or is gone".to_owned(),
        }
    }

    /// The first of all that keeps it from working; else what it does.
    pub fn state(
        &self,
        workers: &Workers,
        counts: &Result<Option<Counts>, PgError>,
    ) -> Result<State, PgError> {
        let worker = workers.worker_state();
        if worker.word == "standby" {
            return Ok(worker);
        }
        let counts = match counts {
            Ok(Some(counts)) => counts,
            Ok(None) => return Ok(broken(&self.what_is_missing())),
            Err(error) => return Ok(unreadable(error)),
        };
        let Some(entry) = &self.entry else { return Ok(broken(&self.what_is_missing())) };
        if let Some(blind) = missed_state::blind(entry)? {
            return Ok(blind);
        }
        if self.disabled {
            return Ok(State::new("disabled", "it was disabled; changes are kept in its queue")
                .with_hint("ai.enable_vectorizer_schedule() lets it go on."));
        }
        if worker.word != RUNNING {
            return Ok(worker);
        }
        // What rows have met is over when there are none.
        let of_rows =
            |word| matches!(word, "failing" | "waiting_for_provider" | "waiting_for_storage" | "scheduled");
        let stopped = self.stopped.clone().filter(|stop| counts.pending > 0 || !of_rows(stop.word));
        let stopped = stopped.map_or_else(|| missed_state::behind(entry), |stop| Ok(Some(stop)))?;
        Ok(stopped.unwrap_or_else(|| at_work(counts)))
    }
}

fn at_work(counts: &Counts) -> State {
    let set_aside = || {
        "ai.vectorizer_errors says why rows were set aside; ai.retry_failed() brings them back.".to_owned()
    };
    let (word, reason) = match (counts.pending, counts.failed) {
        (0, 0) => ("idle", "all rows are in step"),
        (0, _) => ("idle", "all rows are in step but those that were set aside"),
        _ => ("working", "rows are being worked on"),
    };
    State { hint: (counts.failed > 0).then(set_aside), ..State::new(word, reason) }
}

fn broken(reason: &str) -> State {
    State::new("broken", reason).with_hint(
        "While a dump is being restored this passes by itself; otherwise drop the vectorizer and create it anew.",
    )
}

fn unreadable(error: &PgError) -> State {
    if error.code == pgrx::PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE {
        return State::new("locked", "somebody holds a lock on its queue").with_hint(
            "pg_locks and pg_blocking_pids() say who; the worker waits for the end of his transaction.",
        );
    }
    State {
        hint: error.hint.clone(),
        ..State::new("broken", format!("its queue can't be read: {}", error.message))
    }
}

/// Each table is read from one end, in the order of its index if it has one, and no further than to
/// what is counted.
fn count(
    relations: &Relations,
    tables: &QueueTables,
    key: &[String],
    worker: Option<i32>,
) -> Result<Vec<Counts>, PgError> {
    // The index has the order; a sort would read the whole table first. Undone with the identity.
    sql::read(
        "SELECT set_config('enable_sort', 'off', true), set_config('lock_timeout', '1s', true)",
        &[],
        |_| Ok(()),
    )?;
    relations.hold()?;
    let QueueTables { inbox, work, failed, .. } = tables;
    let own = OwnColumns::of(tables, key.to_vec())?;
    let [queued_at, available_at, lease, leased_by] =
        ["queued_at", "available_at", "lease", "leased_by"].map(|name| own.name(name));
    let rows = format!(
        "{queued_at} AS queued_at, {lease} IS NOT NULL AS leased, {leased_by} IS NOT DISTINCT FROM $2 AS held"
    );
    let statement = format!(
        "WITH inbox AS (SELECT {queued_at} AS queued_at FROM {inbox} LIMIT $1),
              due AS (SELECT {rows} FROM {work} WHERE {available_at} <= now() ORDER BY {available_at} LIMIT $1),
              later AS (SELECT {rows} FROM {work} WHERE {available_at} > now() ORDER BY {available_at} LIMIT $1)
         SELECT least($1, i.count + d.count + l.count), least(i.oldest, d.oldest, l.oldest), l.held,
                d.leased + l.leased - l.held, (SELECT count(*) FROM (SELECT FROM {failed} LIMIT $1) f)
         FROM (SELECT count(*), min(queued_at) AS oldest FROM inbox) i,
              (SELECT count(*), min(queued_at) AS oldest, count(*) FILTER (WHERE leased) AS leased FROM due) d,
              (SELECT count(*), min(queued_at) AS oldest, count(*) FILTER (WHERE leased) AS leased,
                      count(*) FILTER (WHERE leased AND held) AS held FROM later) l"
    );
    sql::read(&statement, &[MOST_COUNTED.into(), worker.into()], |row| {
        Ok(Counts {
            pending: row.get(1)?,
            oldest: row.get_opt(2)?,
            in_flight: row.get(3)?,
            stuck: row.get(4)?,
            failed: row.get(5)?,
        })
    })
}
