//! Budgets of tokens or money: what they are, and what is used of them.
//!
//! The worker counts what documents use (`pgai_rs_pipeline::budget`), and sessions count what queries use, in shared memory, as
//! for [`usage`](super::usage). The worker writes both to `ai._budget_used`, together with the usage.

use pgrx::{PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::budget::{Budget, BudgetKey, Budgets, Holder, Prices, Unit, cost};
use pgai_rs_pipeline::quota::Day;
use pgai_rs_pipeline::usage::{ModelName, Usage};

use super::schema;
use super::spending::{day_number, who_asks};
use crate::pg::database::this_database;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql::{self, Row};
use crate::shared::used::{self, UsedByQueries};

/// The purpose of what is embedded for a store, as the table has it.
pub const DOCUMENTS: &str = "documents";

/// The purpose of vectors of questions, and of reranking.
pub const QUERIES: &str = "queries";

/// The UUID of no vectorizer.
const NO_VECTORIZER: &str = "00000000-0000-0000-0000-000000000000";

/// The budgets for the purpose `$1`: all of them, or those of the vectorizer with the id `$2`, of the role `$3` and of the
/// database.
const READ: &str = "
    SELECT b.vectorizer::text, b.role, b.unit, b.period, b.amount, b.used, b.ends - 'epoch'::date, b.ends::text,
           format('budget of %s %s a %s for %s of %s', b.amount::numeric, CASE b.unit WHEN 'usd' THEN 'USD' ELSE b.unit END, b.period,
                  b.purpose, CASE b.holder WHEN 'database' THEN 'the database' ELSE format('%s \"%s\"', b.holder, b.name) END)
    FROM ai._budget_state b
    WHERE b.purpose = $1
      AND ($2 IS NULL OR b.holder <> 'vectorizer' OR b.vectorizer = (SELECT v.uuid FROM ai.vectorizer v WHERE v.id = $2))
      AND ($3 IS NULL OR b.role IN (0, $3))";

/// Takes in the budgets for documents. What was about to be written is in them if it `is_written`. Must be called within a
/// transaction.
pub fn load(budgets: &Budgets, is_written: bool) -> Result<(), PgError> {
    if !schema::has(c"_budget") {
        return Ok(());
    }
    let found = read(DOCUMENTS, None, None)?;
    let prices = prices_for(&found)?;
    budgets.read(found, prices, is_written);
    Ok(())
}

fn read(purpose: &str, vectorizer: Option<i32>, role: Option<pg_sys::Oid>) -> Result<Vec<Budget>, PgError> {
    let args = [purpose.to_owned().into(), vectorizer.into(), role.into()];
    as_superuser(|| sql::read_now(READ, &args, budget))
}

fn budget(row: &Row<'_>) -> Result<Budget, PgError> {
    let (vectorizer, role) = (row.get::<String>(1)?, row.get::<pg_sys::Oid>(2)?.to_u32());
    let holder = match (vectorizer.as_str(), role) {
        (NO_VECTORIZER, 0) => Holder::Database,
        (NO_VECTORIZER, role) => Holder::Role(role),
        _ => Holder::Vectorizer(vectorizer),
    };
    let unit = match row.get::<String>(3)?.as_str() {
        "tokens" => Unit::Tokens,
        _ => Unit::Dollars,
    };
    Ok(Budget {
        key: BudgetKey { holder, unit, period: row.get(4)? },
        amount: row.get(5)?,
        used: row.get(6)?,
        ends: Day::try_from(row.get::<i32>(7)?).unwrap_or(Day::MAX),
        ends_on: row.get(8)?,
        name: row.get(9)?,
    })
}

/// Returns what models cost today, if one of these budgets is of money.
fn prices_for(budgets: &[Budget]) -> Result<Prices, PgError> {
    if !budgets.iter().any(|budget| budget.key.unit == Unit::Dollars) {
        return Ok(Prices::new());
    }
    let look = "SELECT m.model, m.server, m.usd_per_million_tokens::float8 FROM ai.models m
                WHERE m.usd_per_million_tokens IS NOT NULL";
    let price = |row: &Row<'_>| Ok(((row.get(1)?, row.get(2)?), row.get(3)?));
    Ok(as_superuser(|| sql::read_now(look, &[], price))?.into_iter().collect())
}

/// The purpose for which a model was used, and for whom.
pub struct Charged<'a> {
    /// `documents` or `queries`.
    pub purpose: &'a str,
    /// The vectorizer's UUID.
    pub vectorizer: &'a str,
    /// Its owner, or the role that asked.
    pub role: u32,
    /// The model.
    pub model: &'a ModelName,
    /// The part of its price that was paid.
    pub share: f64,
    /// The amount in USD that was paid, if that is known; else it is reckoned from the price.
    pub usd: Option<f64>,
}

/// Writes what was used on a day. The worker calls it as superuser, with what it writes of [`usage`](super::usage).
pub fn charge(charged: &Charged<'_>, day: Day, usage: Usage) -> Result<(), PgError> {
    if usage.tokens == 0 || !schema::has(c"_budget") {
        return Ok(());
    }
    sql::execute(
        "INSERT INTO ai._budget_used AS s (budget, since, used)
         SELECT b.id, b.begins, CASE b.unit WHEN 'tokens' THEN $1 ELSE coalesce($9, $1 * p.usd * $8 / 1000000, 0) END
         FROM ai._budget_state b
         CROSS JOIN (SELECT (SELECT m.usd_per_million_tokens::float8 FROM ai.models m WHERE m.model = $2 AND m.server = $3)) AS p (usd)
         WHERE b.purpose = $4 AND 'epoch'::date + $5 >= b.begins AND b.role IN (0, $6)
           AND (b.holder <> 'vectorizer' OR b.vectorizer = $7::uuid)
         ON CONFLICT (budget) DO UPDATE
         SET used = CASE WHEN s.since >= excluded.since THEN s.used ELSE 0 END + excluded.used, since = excluded.since",
        &[
            (usage.tokens as f64).into(),
            charged.model.model.clone().into(),
            charged.model.server.clone().into(),
            charged.purpose.to_owned().into(),
            day_number(day).into(),
            pg_sys::Oid::from(charged.role).into(),
            charged.vectorizer.to_owned().into(),
            charged.share.into(),
            charged.usd.into(),
        ],
    )
    .map(drop)
}

/// Deletes what was used of budgets that are gone. The worker calls it as superuser.
pub fn forget_old() -> Result<(), PgError> {
    if !schema::has(c"_budget") {
        return Ok(());
    }
    let forget =
        "DELETE FROM ai._budget_used u WHERE NOT EXISTS (SELECT FROM ai._budget b WHERE b.id = u.budget)";
    sql::execute(forget, &[]).map(drop)
}

/// Errors if a question of so many tokens, to a vectorizer with this id, does not fit into what is left of a budget for queries: the
/// vectorizer's, that of the role that asks, or the database's. Concurrent sessions may exceed it by what they ask for. Returns the
/// model's price in USD for a token, if it was needed; else zero.
pub fn require_left(vectorizer: i32, model: &ModelName, tokens: u64) -> Result<f64, PgError> {
    if !schema::has(c"_budget") {
        return Ok(0.0);
    }
    let found = read(QUERIES, Some(vectorizer), Some(who_asks()))?;
    if found.is_empty() {
        return Ok(0.0);
    }

    let prices = prices_for(&found)?;
    let unwritten = used::unwritten(this_database());
    for budget in &found {
        let counts = |used: &&UsedByQueries| match &budget.key.holder {
            Holder::Vectorizer(_) => used.vectorizer == vectorizer,
            Holder::Role(role) => used.role == *role,
            Holder::Database => true,
        };
        let unit = budget.key.unit;
        let amount = |used: &UsedByQueries| match unit {
            Unit::Tokens => used.usage.tokens as f64,
            Unit::Dollars => used.usd,
        };
        let recent: f64 = unwritten.iter().filter(counts).map(amount).sum();
        let needs = cost(unit, &prices, (&model.model, &model.server), tokens);
        let used = budget.used + recent;
        if needs > 0.0 && used + needs > budget.amount {
            return Err(exceeded(budget, used, needs));
        }
    }
    Ok(cost(Unit::Dollars, &prices, (&model.model, &model.server), 1))
}

fn exceeded(budget: &Budget, used: f64, needs: f64) -> PgError {
    let unit = match budget.key.unit {
        Unit::Tokens => "tokens",
        Unit::Dollars => "USD",
    };
    PgError::new(PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, format!("{} exceeded", budget.name))
        .with_detail(format!(
            "It has used {} {unit} by now, and the request needs {} more.",
            readable(used),
            readable(needs)
        ))
        .with_hint(format!("Try again on {} at 00:00 UTC, or raise it by ai.set_budget().", budget.ends_on))
}

/// Returns a number to six places: sums of fractions have many more.
fn readable(number: f64) -> String {
    let places = format!("{number:.6}");
    places.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The holder of a budget that is set.
pub enum BudgetOf {
    /// A vectorizer, by its UUID.
    Vectorizer(String),
    /// A role.
    Role(pg_sys::Oid),
    /// The database.
    Database,
}

/// A budget that is set.
pub struct SetBudget<'a> {
    /// Its holder.
    pub of: BudgetOf,
    /// `documents` or `queries`.
    pub purpose: &'a str,
    /// `day` or `month`.
    pub period: &'a str,
    /// `tokens` or `usd`.
    pub unit: &'a str,
    /// The most that may be used, in its unit; `None` removes the budget.
    pub amount: Option<f64>,
    /// The amount that counts as used in the present period; `None` for what [`usage`](super::usage) says if it is new, and else
    /// for what it has used.
    pub used: Option<f64>,
}

/// Sets a budget, or removes it. Returns whether there is one, or was one.
pub fn set(budget: &SetBudget<'_>) -> Result<bool, PgError> {
    let (vectorizer, role) = match &budget.of {
        BudgetOf::Vectorizer(uuid) => (uuid.as_str(), pg_sys::InvalidOid),
        BudgetOf::Role(role) => (NO_VECTORIZER, *role),
        BudgetOf::Database => (NO_VECTORIZER, pg_sys::InvalidOid),
    };
    let SetBudget { purpose, period, unit, amount, used, .. } = *budget;
    let text = |text: &str| text.to_owned().into();
    let mut args = vec![text(vectorizer), role.into(), text(purpose), text(period), text(unit)];
    let statement = match amount {
        Some(amount) => {
            args.extend([amount.into(), used.into()]);
            SET
        }
        None => REMOVE,
    };
    as_superuser(|| {
        forget_holders()?;
        Ok(sql::execute(statement, &args)? > 0)
    })
}

/// The statement that removes a budget. No role is NULL here and in [`SET`], as pgrx passes an OID of zero.
const REMOVE: &str = "
    DELETE FROM ai._budget b
    WHERE b.vectorizer = $1::uuid AND b.role = coalesce($2, 0::oid) AND b.purpose = $3 AND b.period = $4 AND b.unit = $5";

/// The statement that sets a budget. What queries of a role have used is not known. A budget that begins with an amount has another
/// id from then on, under which nothing is counted yet: the worker may be about to write what is counted under the old one.
const SET: &str = "
    INSERT INTO ai._budget AS b (vectorizer, role, purpose, period, unit, amount, before, since)
    SELECT $1::uuid, coalesce($2, 0::oid), $3, $4, $5, $6, coalesce($7, w.used, 0), ai._budget_begins($4)
    FROM (SELECT sum(CASE $5 WHEN 'tokens' THEN u.tokens::float8 ELSE coalesce(u.usd, 0)::float8 END)
          FROM ai._usage_priced u
          WHERE u.day >= ai._budget_begins($4) AND (u.purpose IN ('documents', 'batches')) = ($3 = 'documents')
            AND CASE WHEN $1::uuid <> '00000000-0000-0000-0000-000000000000' THEN u.vectorizer = $1::uuid
                     WHEN $2 IS NULL THEN true
                     ELSE $3 = 'documents' AND EXISTS (
                         SELECT FROM ai.vectorizer v
                         JOIN ai._vectorizer_binding i ON i.vectorizer_id = v.id
                         JOIN pg_catalog.pg_class c ON c.oid = i.source
                         WHERE v.uuid = u.vectorizer AND c.relowner = $2) END) AS w (used)
    ON CONFLICT (vectorizer, role, purpose, period, unit) DO UPDATE
    SET amount = excluded.amount,
        id = CASE WHEN $7 IS NULL THEN b.id ELSE excluded.id END,
        before = CASE WHEN $7 IS NULL THEN b.before ELSE excluded.before END,
        since = CASE WHEN $7 IS NULL THEN b.since ELSE excluded.since END";

/// Deletes the budgets of vectorizers and roles that are gone: a role's number may be given again. Those that somebody else is
/// about to delete are left to them: this transaction is the caller's, and may be kept open.
fn forget_holders() -> Result<(), PgError> {
    let forget = "
        WITH gone AS MATERIALIZED (
            SELECT o.id FROM ai._budget o
            WHERE o.id IN (SELECT s.id FROM ai._budget_state s WHERE s.name IS NULL)
            FOR UPDATE SKIP LOCKED)
        DELETE FROM ai._budget b USING gone g WHERE b.id = g.id";
    sql::execute(forget, &[]).map(drop)
}
