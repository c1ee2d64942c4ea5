//! Daily quotas of tokens and bytes: their limits, and how much is used.
//!
//! The worker counts the use by vectorizers in its memory (`pgai_rs_pipeline::quota`) and writes it to
//! `ai._spent` with its heartbeat; the next worker continues from there. Requests to a model from a session
//! are counted in shared memory, because its transaction may be rolled back but the tokens remain spent; the
//! worker takes these counts over. Superusers have no quota and are not counted.

use std::sync::Arc;
use std::time::SystemTime;

use pgrx::{PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::quota::{Account, Day, QuotaLimits, Quotas, Role, Spent, day_of};

use super::schema;
use crate::guc::{
    DAILY_BYTES_PER_DATABASE, DAILY_BYTES_PER_ROLE, DAILY_TOKENS_PER_DATABASE, DAILY_TOKENS_PER_ROLE,
    DailyLimit,
};
use crate::pg::database::this_database;
use crate::pg::error::PgError;
use crate::pg::exit::AtExit;
use crate::pg::identity::{as_superuser, current_user, is_superuser, session_user};
use crate::pg::role_settings::{last_of, set_for_database, set_for_role};
use crate::pg::sql;
use crate::pg::transaction::transaction;
use crate::shared;

/// Number of days for which the use is kept.
const KEPT_DAYS: i32 = 31;

/// Returns the account that this role's vectorizers are charged to. Must be called within a transaction.
pub fn account_of(quotas: &Arc<Quotas>, owner: pg_sys::Oid) -> Account {
    if is_superuser(owner) {
        return Account::default();
    }
    quotas.limit_role(owner.to_u32(), limits_of(owner));
    Account::new(quotas, owner.to_u32())
}

/// Loads today's use and the limit of the database. Must be called once per process, within a transaction.
pub fn remember(quotas: &Quotas) -> Result<(), PgError> {
    quotas.limit_database(limits_of_database());
    for (role, spent) in spent_on(today())? {
        quotas.remember(role, today(), spent);
    }
    Ok(())
}

/// Reloads the limits, whose changes are not announced, and writes the use since the last time. Must be
/// called outside a transaction.
pub fn write(quotas: &Quotas) -> Result<(), PgError> {
    for asked in shared::take_asked(this_database(), today()) {
        quotas.spend(asked.role, Spent { tokens: asked.tokens, bytes: asked.bytes });
    }

    let unwritten = quotas.take_unwritten();
    let written = transaction(|| {
        quotas.limit_database(limits_of_database());
        for role in quotas.roles() {
            quotas.limit_role(role, limits_of(pg_sys::Oid::from(role)));
        }
        if unwritten.is_empty() || !schema::has(c"_spent") {
            return Ok(());
        }
        as_superuser(|| add(&unwritten))
    });

    if written.is_err() {
        quotas.return_unwritten(unwritten);
    }
    written
}

fn add(spent: &[(Role, Day, Spent)]) -> Result<(), PgError> {
    let bigint = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    for (role, day, spent) in spent {
        sql::execute(
            "INSERT INTO ai._spent AS s (role, day, tokens, bytes)
             VALUES ($1, 'epoch'::pg_catalog.date + $2, $3, $4)
             ON CONFLICT (role, day) DO UPDATE SET tokens = s.tokens + excluded.tokens, bytes = s.bytes + excluded.bytes",
            &[
                pg_sys::Oid::from(*role).into(),
                day_number(*day).into(),
                bigint(spent.tokens).into(),
                bigint(spent.bytes).into(),
            ],
        )?;
    }

    let forget = "DELETE FROM ai._spent WHERE day < 'epoch'::pg_catalog.date + $1";
    sql::execute(forget, &[(day_number(today()) - KEPT_DAYS).into()]).map(drop)
}

/// A quantity that has a daily quota, as sessions use it.
struct Quota {
    /// The unit that is counted, as a message names it.
    unit: &'static str,
    /// The limits of a role and of a database, with the names that their settings have after `pgai_rs.`.
    of_role: (&'static DailyLimit, &'static str),
    of_database: (&'static DailyLimit, &'static str),
    /// The part of it that was used.
    of: fn(&Spent) -> u64,
}

const TOKENS: Quota = Quota {
    unit: "tokens",
    of_role: (&DAILY_TOKENS_PER_ROLE, "max_daily_tokens_per_role"),
    of_database: (&DAILY_TOKENS_PER_DATABASE, "max_daily_tokens_per_database"),
    of: |spent| spent.tokens,
};

const BYTES: Quota = Quota {
    unit: "bytes",
    of_role: (&DAILY_BYTES_PER_ROLE, "max_daily_bytes_per_role"),
    of_database: (&DAILY_BYTES_PER_DATABASE, "max_daily_bytes_per_database"),
    of: |spent| spent.bytes,
};

/// Charges the role that asks with tokens that it is about to send. Errors if they do not fit into what is left of the
/// role's daily quota, or of that of all roles of the database together. Concurrent sessions may exceed it by
/// what they ask for.
///
/// The session's role is charged and not the vectorizer's owner: otherwise readers could stop the owner's
/// vectorizers. Without `shared_preload_libraries` nothing is recorded.
pub fn spend_in_session(tokens: u64) -> Result<(), PgError> {
    charge(&TOKENS, Spent { tokens, bytes: 0 })
}

/// Errors if nothing is left of the bytes that the role that asks, or all roles of the database together, may load today.
pub fn require_bytes_in_session() -> Result<(), PgError> {
    charge(&BYTES, Spent { tokens: 0, bytes: 1 })
}

/// The bytes that a statement loads, with which the role that asks is charged, whether they fit into its quota or not, and
/// whatever becomes of the statement: what was loaded was loaded.
pub struct LoadedInSession {
    quotas: Arc<Quotas>,
    /// `None` for superusers, who have no quota.
    role: Option<pg_sys::Oid>,
    /// The session may end while it loads.
    _at_exit: AtExit,
}

impl LoadedInSession {
    /// Begins with nothing.
    pub fn new() -> Self {
        let role = Some(who_asks()).filter(|role| !is_superuser(*role));
        let quotas = Arc::new(Quotas::default());
        let at_end = Arc::clone(&quotas);
        LoadedInSession { quotas, role, _at_exit: AtExit::new(move || note_loaded(&at_end, role)) }
    }

    /// Returns the account that is charged by whatever loads.
    pub fn account(&self) -> Account {
        self.role.map_or_else(Account::default, |role| Account::new(&self.quotas, role.to_u32()))
    }

    /// Charges the role with what was loaded since the last call.
    pub fn note(&self) {
        note_loaded(&self.quotas, self.role);
    }
}

impl Drop for LoadedInSession {
    fn drop(&mut self) {
        self.note();
    }
}

/// Charges a role with what these quotas have counted since the last call.
fn note_loaded(quotas: &Quotas, role: Option<pg_sys::Oid>) {
    let bytes = quotas.take_unwritten().iter().map(|(_, _, spent)| spent.bytes).sum();
    if let Some(role) = role.filter(|_| bytes > 0) {
        note(role, Spent { tokens: 0, bytes });
    }
}

fn charge(quota: &Quota, needed: Spent) -> Result<(), PgError> {
    let role = who_asks();
    let set = match role == session_user() {
        true => None,
        false => Some([set_for_database(), set_for_role(role)].concat()),
    };
    let limit_of = |of: &DailyLimit| match &set {
        None => of.here(),
        Some(set) => limit(of, set),
    };
    let limits = [quota.of_role, quota.of_database].map(|(of, setting)| (setting, limit_of(of)));
    if is_superuser(role) || limits.iter().all(|(_, limit)| limit.is_none()) || !schema::has(c"_spent") {
        return Ok(());
    }

    let written = spent_on(today())?.into_iter().map(|(role, spent)| (role, (quota.of)(&spent)));
    let asked = shared::asked(this_database(), today());
    let asked = asked.into_iter().map(|asked| {
        let spent = Spent { tokens: asked.tokens, bytes: asked.bytes };
        (asked.role, (quota.of)(&spent))
    });
    let mut by_role = 0_u64;
    let mut by_all = 0_u64;
    for (who, used) in written.chain(asked) {
        by_all = by_all.saturating_add(used);
        if who == role.to_u32() {
            by_role = by_role.saturating_add(used);
        }
    }

    let needs = (quota.of)(&needed);
    for (((setting, limit), used), of) in limits.into_iter().zip([by_role, by_all]).zip(["role", "database"])
    {
        if let Some(limit) = limit.filter(|limit| used.saturating_add(needs) > *limit) {
            return Err(exceeded(quota.unit, of, setting, [limit, used, needs]));
        }
    }
    note(role, needed);
    Ok(())
}

fn note(role: pg_sys::Oid, spent: Spent) {
    let asked = shared::Asked { role: role.to_u32(), tokens: spent.tokens, bytes: spent.bytes };
    shared::note_asked(this_database(), today(), asked);
}

/// Returns the role that asks: the session's, or, in a session of a superuser's, the current one. The worker's is such a
/// session, and autovacuum's, in which triggers and functions of indexes run as their owner.
pub(super) fn who_asks() -> pg_sys::Oid {
    let session = session_user();
    if is_superuser(session) { current_user() } else { session }
}

fn exceeded(unit: &str, of: &str, setting: &str, [limit, used, needs]: [u64; 3]) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
        format!("daily quota of {limit} {unit} exceeded for this {of}"),
    )
    .with_detail(format!("It has used {used} {unit} today, and the request needs {needs} more."))
    .with_hint(format!("Try again after 00:00 UTC, or have a superuser increase pgai_rs.{setting}."))
}

/// Returns the use on a day, by role.
fn spent_on(day: Day) -> Result<Vec<(Role, Spent)>, PgError> {
    if !schema::has(c"_spent") {
        return Ok(Vec::new());
    }
    let look = "SELECT role, tokens, bytes FROM ai._spent WHERE day = 'epoch'::pg_catalog.date + $1";
    let positive = |number: i64| u64::try_from(number).unwrap_or_default();
    as_superuser(|| {
        sql::read_now(look, &[day_number(day).into()], |row| {
            let spent = Spent { tokens: positive(row.get(2)?), bytes: positive(row.get(3)?) };
            Ok((row.get::<pg_sys::Oid>(1)?.to_u32(), spent))
        })
    })
}

/// Returns the limits of a role, which are set for it or else for the database or the server.
fn limits_of(role: pg_sys::Oid) -> QuotaLimits {
    if is_superuser(role) {
        return QuotaLimits::default();
    }
    let set = [set_for_database(), set_for_role(role)].concat();
    QuotaLimits { tokens: limit(&DAILY_TOKENS_PER_ROLE, &set), bytes: limit(&DAILY_BYTES_PER_ROLE, &set) }
}

fn limits_of_database() -> QuotaLimits {
    let set = set_for_database();
    QuotaLimits {
        tokens: limit(&DAILY_TOKENS_PER_DATABASE, &set),
        bytes: limit(&DAILY_BYTES_PER_DATABASE, &set),
    }
}

/// Returns a limit from settings in the form `name=value`; else the one in effect in this process.
fn limit(of: &DailyLimit, set: &[String]) -> Option<u64> {
    match last_of(set, &of.name.to_string_lossy()) {
        Some(value) => of.read(value),
        None => of.here(),
    }
}

/// Returns a day as the number of days since 'epoch', which can be added to a date.
pub(super) fn day_number(day: Day) -> i32 {
    i32::try_from(day).unwrap_or(i32::MAX)
}

fn today() -> Day {
    day_of(SystemTime::now())
}
