//! Alterations: a vectorizer that was built beside another takes its place when it is complete, and what was kept from before
//! is dropped when its time is over.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pgrx::pg_sys;

use crate::catalog::alteration::{self, Alteration};
use crate::catalog::binding::Relations;
use crate::catalog::dependent_views::Place;
use crate::catalog::exchange::exchange;
use crate::catalog::exchange_names::OLD;
use crate::catalog::exchange_sides::Side;
use crate::catalog::key::{self, Key};
use crate::catalog::missed;
use crate::catalog::ownership::{OwnedVectorizer, owned};
use crate::catalog::vectorizer::{self, Entry, Vectorizer};
use crate::index;
use crate::pg::error::PgError;
use crate::pg::identity::as_user_on;
use crate::pg::sql::{self, ident};
use crate::pg::transaction::transaction;
use crate::pg::turn;
use crate::queue::pause::Pause;
use crate::queue::spi::SpiQueue;

/// The time between two looks at an alteration.
const INTERVAL: Duration = Duration::from_secs(1);

/// The number of pending rows above which a vectorizer is taken for incomplete, without looking at each of them.
const MANY: u32 = 10_000;

/// The number of pending rows up to which a vectorizer is taken for complete but for what is written all the time.
const FEW: u32 = 2_000;

/// The number of tries after which old vectors that somebody uses all the time are not waited for any more: about an hour.
const MOST_FAILURES: u32 = 60;

/// The looks at a vectorizer that is nearly complete: after some, no rows of the one that it stands beside are claimed for some, so
/// that it catches up although rows are inserted without end; then these have their turn again.
const PATIENCE: u32 = 3;
const HOLDING: u32 = 15;
const CYCLE: u32 = 60;

/// The looks at alterations, by the ids of the vectorizers that are altered.
#[derive(Default)]
pub struct Alterations(HashMap<i32, Looked>);

/// The last look at an alteration.
#[derive(Default)]
struct Looked {
    /// The alteration as it was then: once it has changed, it is looked at anew.
    listed: Option<Alteration>,
    at: Option<Instant>,
    /// The pause, if something is in the way.
    pause: Pause,
    /// True if a try has taken as long as it may: then the pause is of those that grow longer.
    is_costly: bool,
    /// The number of tries that have failed.
    failures: u32,
    /// The number of looks one after the other at which few rows were missing.
    nearly: u32,
    /// The problem that was recorded last; `None` if this process has recorded nothing yet.
    recorded: Option<Option<String>>,
}

impl Looked {
    /// Returns the time until the next look; `None` if it is time.
    fn left(&self) -> Option<Duration> {
        let left = self.at.and_then(|at| INTERVAL.checked_sub(at.elapsed()));
        left.max(self.pause.left())
    }
}

/// The outcome of a look.
enum Look {
    /// There is nothing more to do for it.
    Done,
    /// The vectorizer is not complete, or not kept for long enough.
    Waits,
    /// Few rows are missing.
    NearlyThere,
    /// Somebody has to do something about it.
    Stuck(String),
}

impl Alterations {
    /// Looks at the alterations whose time has come. Returns the time until the next look; `None` if nothing is altered. Must be
    /// called outside a transaction.
    pub fn look(&mut self, queue: &mut SpiQueue) -> Option<Duration> {
        let alterations = queue.alterations();
        self.0.retain(|id, _| alterations.iter().any(|alteration| alteration.vectorizer == *id));
        alterations.iter().filter_map(|alteration| self.look_at(alteration, queue)).min()
    }

    /// Looks at an alteration, if it is time. Returns the time until the next look.
    fn look_at(&mut self, listed: &Alteration, queue: &mut SpiQueue) -> Option<Duration> {
        if !listed.is_switched && !listed.switches_by_itself {
            return None;
        }
        let looked = self.0.entry(listed.vectorizer).or_default();
        if looked.listed.as_ref() != Some(listed) {
            *looked = Looked { listed: Some(listed.clone()), ..Looked::default() };
        }
        if let Some(left) = looked.left().max(listed.kept_for()) {
            return Some(left);
        }

        let look = look_now(listed, queue, looked.failures >= MOST_FAILURES);
        looked.at = Some(Instant::now());
        looked.nearly = if let Ok(Look::NearlyThere) = look { looked.nearly + 1 } else { 0 };
        if (PATIENCE..PATIENCE + HOLDING).contains(&(looked.nearly % CYCLE)) {
            queue.hold(listed.vectorizer, 2 * INTERVAL);
        }

        let problem = match look {
            Ok(Look::Done) => return Some(INTERVAL),
            Ok(Look::Waits | Look::NearlyThere) => {
                (looked.is_costly, looked.pause) = (false, Pause::default());
                None
            }
            Ok(Look::Stuck(why)) => Some(why),
            // Each try keeps others waiting for a moment, so that tries become fewer.
            Err(error) => {
                looked.failures += 1;
                if error.is_costly() && !looked.is_costly {
                    (looked.is_costly, looked.pause) = (true, Pause::of_overrun());
                }
                looked.pause.begin();
                Some(error.to_string())
            }
        };
        if looked.recorded.as_ref() != Some(&problem) {
            match transaction(|| alteration::set_problem(listed, problem.as_deref())) {
                Ok(()) => looked.recorded = Some(problem),
                Err(error) => {
                    pgrx::warning!(
                        "pgai_rs worker can't record what is in the way of an alteration: {error}"
                    );
                }
            }
        }
        Some(INTERVAL)
    }
}

/// Does what it is time for.
fn look_now(listed: &Alteration, queue: &SpiQueue, gives_up: bool) -> Result<Look, PgError> {
    if listed.is_switched {
        return drop_old(listed.vectorizer, gives_up);
    }
    let Some(active) = queue.active().find(|active| active.vectorizer.id == listed.other) else {
        return Ok(Look::Stuck("The vectorizer beside it is not served.".to_owned()));
    };
    if turn::left(active.vectorizer.owner).is_some() {
        return Ok(Look::Waits);
    }
    let built = &active.vectorizer;
    turn::on_account_of(built.owner, || transaction(|| switch(listed.vectorizer, built)))
}

/// Drops what was kept from before, if its time is over. Vectors that something depends on stay, and so do those that are used all the
/// time (`gives_up`); they are not kept in step any more.
fn drop_old(id: i32, gives_up: bool) -> Result<Look, PgError> {
    let Some(other) = transaction(|| over(id))? else { return Ok(Look::Waits) };
    let owner = other.owner;
    if turn::left(owner).is_some() {
        return Ok(Look::Waits);
    }
    turn::on_account_of(owner, || {
        transaction(|| {
            if gives_up {
                pgrx::warning!(
                    "pgai_rs worker leaves the old vectors of vectorizer {id} in place, because they are used all the time"
                );
                return other.drop();
            }
            other.hold()?;
            other.drop()?;
            other.drop_vectors()
        })
    })?;
    pgrx::log!("pgai_rs worker has dropped what was kept of vectorizer {id} from before it was altered");
    Ok(Look::Done)
}

/// Returns the vectorizer with the old state, if its time is over. In the middle of a restore, when tables are not there yet, it
/// is not.
fn over(id: i32) -> Result<Option<OwnedVectorizer>, PgError> {
    let Some(alteration) =
        alteration::of(id)?.filter(|found| found.is_switched && found.kept_for().is_none())
    else {
        return Ok(None);
    };
    for id in [id, alteration.other] {
        if !vectorizer::by_id(id)?.is_some_and(|entry| entry.bound) {
            return Ok(None);
        }
    }
    owned(alteration.other).map(Some)
}

/// Has the vectorizer that is built beside another one take its place, if it is complete.
fn switch(id: i32, built: &Vectorizer) -> Result<Look, PgError> {
    let found = alteration::of(id)?.filter(|found| !found.is_switched && found.switches_by_itself);
    let Some(alteration) = found else { return Ok(Look::Done) };
    let (Some(first), Some(other)) = (vectorizer::by_id(id)?, vectorizer::by_id(alteration.other)?) else {
        return Ok(Look::Stuck("Tables of one of the two vectorizers are missing.".to_owned()));
    };
    match Missing::of(&first, &other)? {
        Missing::Pending => return Ok(Look::Waits),
        Missing::Few => return Ok(Look::NearlyThere),
        Missing::SetAside => return Ok(Look::Stuck(set_aside(&first, &other))),
        Missing::Nothing if missed::oldest(other.id)?.is_some() => {
            return Ok(Look::Stuck(changes_missed(&other)));
        }
        Missing::Nothing if !index::due::is_settled(built)? => {
            return Ok(Look::Stuck("Its index is not built yet.".to_owned()));
        }
        Missing::Nothing => {}
    }

    exchange(&first, &other, OLD)?;
    alteration::switched(&alteration)?;
    pgrx::log!("vectorizer \"{}\" has the new vectors from now on", first.name);
    Ok(Look::Done)
}

fn changes_missed(other: &Entry) -> String {
    format!(
        "It may have missed changes of its source. Use SELECT ai.resync('{}', all_rows => true);",
        other.name
    )
}

fn set_aside(first: &Entry, other: &Entry) -> String {
    format!(
        "Rows were set aside that have chunks by now. Use SELECT ai.retry_failed('{}'); or switch without them: \
         SELECT ai.switch_vectorizer('{}');",
        other.name, first.name
    )
}

/// The rows whose chunks would be missing after the switch, because the new store has none of them yet.
enum Missing {
    Nothing,
    /// Some are pending.
    Pending,
    /// Some are pending, and few rows are pending at all.
    Few,
    /// Some were set aside.
    SetAside,
}

impl Missing {
    fn of(first: &Entry, other: &Entry) -> Result<Missing, PgError> {
        let Relations { source, inbox, work, failed, .. } = &other.relations;
        let sides = (Side::of(first)?, Side::of(other)?);
        let vectors = [sides.0.place(), sides.1.place()];
        let tables = [vectors[0].table, vectors[1].table, inbox, work, failed];
        tables.into_iter().try_for_each(|table| table.hold(pg_sys::AccessShareLock))?;
        let key = key::required(source.oid)?;
        let named = tables.iter().map(|table| table.oid).collect();

        as_user_on(source.owner, &named, || {
            let (inbox, work) = (inbox.qualified(), work.qualified());
            let more_than = |most: u32| {
                sql::yes(&format!(
                    "SELECT EXISTS (SELECT FROM {inbox} OFFSET {most}) OR EXISTS (SELECT FROM {work} OFFSET {most})"
                ))
            };
            if more_than(MANY)? {
                return Ok(Missing::Pending);
            }
            let lacking = |queue: &str| lacking(&key, queue, vectors);
            if sql::yes(&lacking(&inbox))? || sql::yes(&lacking(&work))? {
                return Ok(if more_than(FEW)? { Missing::Pending } else { Missing::Few });
            }
            let is_set_aside = sql::yes(&lacking(&failed.qualified()))?;
            Ok(if is_set_aside { Missing::SetAside } else { Missing::Nothing })
        })
    }
}

/// Returns the question whether a table of a queue has a row that has vectors in the one place, and none in the new one.
fn lacking(key: &Key, queue: &str, [old, new]: [Place<'_>; 2]) -> String {
    let has = |place: Place<'_>| {
        let is_there = place.column.map(|column| format!(" AND v.{} IS NOT NULL", ident(column)));
        let of_row = key.same("v", "q");
        let table = place.table.qualified();
        format!("EXISTS (SELECT FROM {table} v WHERE {of_row}{})", is_there.unwrap_or_default())
    };
    format!("SELECT EXISTS (SELECT FROM {queue} q WHERE {} AND NOT {})", has(old), has(new))
}
