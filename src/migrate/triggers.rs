//! The triggers that pgai created on sources.

use pgrx::{PgSqlErrorCode, pg_sys};

use super::catalog::PgaiVectorizer;
use crate::catalog::relation::Relation;
use crate::pg::error::PgError;
use crate::pg::identity::{as_user, may_act_as};
use crate::pg::sql::{self, ident};

/// Prefix for the name of a disabled trigger, because our triggers have pgai's names.
const PREFIX: &str = "pgai";

/// Returns the names of a vectorizer's triggers, each as enabled and as disabled.
fn names(entry: &PgaiVectorizer) -> [(String, String); 2] {
    let pair = |name: String| (name.clone(), format!("{PREFIX}{name}"));
    [pair(entry.trigger.clone()), pair(format!("{}_truncate", entry.trigger))]
}

/// Disables and renames pgai's triggers. The table must be locked.
pub fn switch_off(entry: &PgaiVectorizer, source: &Relation) -> Result<(), PgError> {
    let owner = source.owner;
    let table = source.qualified();
    for (used, unused) in names(entry) {
        if is_pgais(entry, source, &used)? {
            as_user(owner, || {
                sql::execute(&format!("ALTER TABLE {table} DISABLE TRIGGER {}", ident(&used)), &[])?;
                rename(&table, &used, &unused)
            })?;
        }
    }
    Ok(())
}

/// Enables pgai's triggers and gives them their own names. The table must be locked.
pub fn switch_on(entry: &PgaiVectorizer, source: &Relation) -> Result<(), PgError> {
    let owner = source.owner;
    let table = source.qualified();
    for (used, unused) in names(entry) {
        if is_pgais(entry, source, &unused)? {
            as_user(owner, || {
                rename(&table, &unused, &used)?;
                sql::execute(&format!("ALTER TABLE {table} ENABLE TRIGGER {}", ident(&used)), &[])
            })?;
        }
    }
    Ok(())
}

fn rename(table: &str, from: &str, to: &str) -> Result<u64, PgError> {
    sql::execute(&format!("ALTER TRIGGER {} ON {table} RENAME TO {}", ident(from), ident(to)), &[])
}

/// Errors unless a trigger of pgai on the source fills the queue.
///
/// The trigger proves that they belong together: other roles can write to pgai's catalog and make it name the
/// queue of another vectorizer, with other readers, or any trigger of the source.
pub fn require(entry: &PgaiVectorizer, source: &Relation) -> Result<(), PgError> {
    let [(used, _), _] = names(entry);
    require_filling(entry, source, &used)
}

/// Errors unless a trigger of pgai on the source, which was switched off, fills the queue. Its table is emptied before the keys are moved
/// there, and since the takeover others may have made the catalog name any table.
pub fn require_switched_off(entry: &PgaiVectorizer, source: &Relation) -> Result<(), PgError> {
    let [(_, unused), _] = names(entry);
    require_filling(entry, source, &unused)
}

fn require_filling(entry: &PgaiVectorizer, source: &Relation, trigger: &str) -> Result<(), PgError> {
    if is_pgais(entry, source, trigger)? {
        return Ok(());
    }
    let message = format!(
        "trigger {1} of its source {0}, which fills the queue {2}, does not exist",
        entry.source_name,
        ident(trigger),
        entry.queue_name
    );
    Err(PgError::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message))
}

/// Selects the owners of the functions that a trigger `$2` of the table `$1` calls, if they insert into the
/// table `$3`.
const FILLS: &str = "
    SELECT p.proowner
    FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
    WHERE t.tgrelid = $1 AND t.tgname::pg_catalog.text = $2 AND t.tgparentid = 0
      AND pg_catalog.strpos(p.prosrc, pg_catalog.concat('insert into ', $3, ' (')) > 0";

/// Returns whether the source has a trigger of this name whose function fills the queue and belongs to a role
/// with the rights of the source's owner.
fn is_pgais(entry: &PgaiVectorizer, source: &Relation, trigger: &str) -> Result<bool, PgError> {
    let args = [source.oid.into(), trigger.to_owned().into(), entry.queue_name.clone().into()];
    let owners = sql::read_now(FILLS, &args, |row| row.get::<pg_sys::Oid>(1))?;
    Ok(owners.into_iter().any(|owner| may_act_as(owner, source.owner)))
}
