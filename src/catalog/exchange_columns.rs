//! The exchange of two columns of vectors of one source: each gets the other's name.

use pgrx::PgSqlErrorCode;

use super::dependent_views::{self, View};
use super::grants;
use super::hierarchy::DESCENDANTS;
use super::obstacles::{self, Replaced};
use super::relation;
use super::table::Table;
use super::vectorizer::{self, Entry};
use crate::pg::error::PgError;
use crate::pg::identity::as_user;
use crate::pg::random::unforeseen;
use crate::pg::sql::{self, execute, ident, with_ending};

/// The comment on a column (`$2`) of a relation (`$1`), as a literal; NULL if it has none.
const COMMENT: &str = "
    SELECT pg_catalog.quote_literal(pg_catalog.col_description(a.attrelid, a.attnum))
    FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attname::text = $2 AND NOT a.attisdropped";

/// Errors (2BP01) if something depends on the one column that would not go over to the other one, or on a view that is created anew
/// because the type changes. Returns whether both columns have the same type, so that `views` stay.
pub fn require_replaceable(
    source: &Table,
    column: &str,
    other: &str,
    views: &[View],
) -> Result<bool, PgError> {
    obstacles::require_none_of_column(source, column)?;
    require_own(source, column)?;
    let same_type = relation::have_same_type((source.oid, column), (source.oid, other))?;
    if !same_type {
        let replaced = Replaced { dropped: dependent_views::oids(views), ..Replaced::default() };
        obstacles::require_none_of(replaced, &obstacles::column_of(source, column))?;
    }
    Ok(same_type)
}

/// Errors (0A000) if a column is inherited, so that it can't be renamed here alone.
fn require_own(source: &Table, column: &str) -> Result<(), PgError> {
    const INHERITED: &str = "
        SELECT a.attinhcount > 0 FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = $1 AND a.attname::text = $2 AND NOT a.attisdropped";
    let args = [source.oid.into(), column.to_owned().into()];
    if sql::read_now(INHERITED, &args, |row| row.get::<bool>(1))? != [true] {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        format!("cannot replace inherited {}", obstacles::column_of(source, column)),
    )
    .with_hint("Create a vectorizer with a column of the table's own, and drop this one."))
}

/// Errors (55000) if a vectorizer other than these writes to a column of a source, of what it inherits from, or of what inherits from
/// it.
pub fn require_unshared(source: &Table, column: &str, but: &[i32]) -> Result<(), PgError> {
    let entries = [vectorizer::by_ancestor(source.oid)?, vectorizer::by_descendant(source.oid)?].concat();
    let writes = |entry: &&Entry| !but.contains(&entry.id) && entry.embedding_column() == Some(column);
    let Some(entry) = entries.iter().find(writes) else { return Ok(()) };
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("vectorizer \"{}\" writes to {} as well", entry.name, obstacles::column_of(source, column)),
    )
    .with_hint("Drop one of the two vectorizers."))
}

/// Returns a name with an ending that no column of a table, or of what inherits from it, has.
pub fn free_beside(source: &Table, column: &str, ending: &str) -> Result<String, PgError> {
    let is_taken = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                        WHERE a.attrelid IN ({DESCENDANTS}) AND a.attname::text = $2)"
    );
    let wanted = with_ending(column, ending);
    let args = [source.oid.into(), wanted.clone().into()];
    let taken = sql::read_now(&is_taken, &args, |row| row.get::<bool>(1))? == [true];
    Ok(if taken { unforeseen(column, ending) } else { wanted })
}

/// Gives `other` the name of `column`, and `column` that name with an ending, in the source, which must be held for changing it, with
/// its schema's name. The rights that are granted on `column` itself go over, and its comment. Returns the new name of what was
/// `column`.
pub fn rename(source: &Table, column: &str, other: &str, ending: &str) -> Result<String, PgError> {
    source.require_unchanged()?;
    let comment = comment(source, column)?;
    let granted = grants::of_column(source.oid, column)?;
    grants::revoke(source, &granted)?;
    grants::revoke_as_granted(source, &grants::of_column(source.oid, column)?)?;
    // What it has for itself was for whoever had a look at it.
    grants::revoke(source, &grants::of_column(source.oid, other)?)?;
    let aside = free_beside(source, column, ending)?;
    as_user(source.owner, || {
        for (from, to) in [(column, aside.as_str()), (other, column)] {
            let (from, to) = (ident(from), ident(to));
            execute(&format!("ALTER TABLE {} RENAME COLUMN {from} TO {to}", source.qualified()), &[])?;
        }
        Ok::<_, PgError>(())
    })?;
    grants::give(source, &granted)?;
    let Some(comment) = comment else { return Ok(aside) };
    let statement = format!("COMMENT ON COLUMN {}.{} IS {comment}", source.qualified(), ident(column));
    as_user(source.owner, || execute(&statement, &[]))?;
    Ok(aside)
}

fn comment(source: &Table, column: &str) -> Result<Option<String>, PgError> {
    let args = [source.oid.into(), column.to_owned().into()];
    let found = sql::read_now(COMMENT, &args, |row| row.get_opt::<String>(1))?;
    Ok(found.into_iter().next().flatten())
}

/// Returns the error for two vectorizers of which one has a store, and the other one a column.
pub fn different_kinds() -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "cannot exchange the vectors of a column and those of a store",
    )
    .with_hint("Put the destination back into the config of the one that was changed by hand.")
}
