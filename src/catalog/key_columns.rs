//! Comparison of the key columns in a vectorizer's tables with those of its source.

use pgrx::{PgSqlErrorCode, pg_sys};

use super::binding::Relations;
use super::hierarchy::DESCENDANTS;
use super::key::Key;
use super::table::Table;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql::{self, ident};

/// A key column of one of the tables that differs from the source's.
#[derive(Debug)]
pub struct Different {
    /// The table.
    pub table: Table,
    /// The column.
    pub name: String,
    /// The type that it has; `None` if there is no such column.
    pub has: Option<String>,
    /// The type that the source's column has.
    pub wants: String,
    /// `COLLATE …` if the collation of the source's column differs from its type's; else empty.
    pub collate: String,
}

/// Selects the differing columns. `$1`: tables, `$2`: the source, `$3`: the numbers of its key's columns,
/// `$4`: whether type modifiers and collations must be equal. Tables that are gone are ignored. Without `$4`
/// a column without a modifier may stand for one with a modifier: pgai's have none.
const DIFFERENT: &str = "
    SELECT t.place, s.attname::text, format_type(q.atttypid, q.atttypmod), format_type(s.atttypid, s.atttypmod),
           CASE WHEN s.attcollation <> y.typcollation THEN format(' COLLATE %I.%I', n.nspname, c.collname) ELSE '' END
    FROM unnest($1::oid[]) WITH ORDINALITY AS t (oid, place)
    JOIN pg_class r ON r.oid = t.oid
    CROSS JOIN pg_attribute s
    JOIN pg_type y ON y.oid = s.atttypid
    LEFT JOIN pg_collation c ON c.oid = s.attcollation
    LEFT JOIN pg_namespace n ON n.oid = c.collnamespace
    LEFT JOIN pg_attribute q ON q.attrelid = r.oid AND q.attname = s.attname AND NOT q.attisdropped
    WHERE s.attrelid = $2 AND s.attnum = ANY ($3::int4[])
      AND (q.attname IS NULL OR q.atttypid <> s.atttypid OR q.atttypmod NOT IN (-1, s.atttypmod)
           OR $4 AND (q.atttypmod <> s.atttypmod OR q.attcollation <> s.attcollation))
    ORDER BY t.place, s.attnum";

/// Columns of the work table's key that the source's key does not have.
const SUPERFLUOUS: &str = "
    SELECT a.attname::text
    FROM pg_index i
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])
    WHERE i.indrelid = $1 AND i.indisprimary AND a.attname::text <> ALL ($2::text[])";

/// Returns the key columns that some of the tables lack or have with another type; with `exactly` also those
/// with another collation or without the type's modifier.
pub fn different(
    tables: &[&Table],
    source: pg_sys::Oid,
    key: &Key,
    exactly: bool,
) -> Result<Vec<Different>, PgError> {
    let numbers: Vec<i32> = key.columns().iter().map(|column| column.attnum).collect();
    let oids: Vec<pg_sys::Oid> = tables.iter().map(|table| table.oid).collect();
    let unknown = || PgError::internal("unexpected table in a comparison of key columns");
    // Type names are written with their schemas.
    as_superuser(|| {
        sql::read_now(DIFFERENT, &[oids.into(), source.into(), numbers.into(), exactly.into()], |row| {
            let place = usize::try_from(row.get::<i64>(1)?).unwrap_or_default();
            let table = tables.get(place.wrapping_sub(1)).ok_or_else(unknown)?;
            Ok(Different {
                table: (*table).clone(),
                name: row.get(2)?,
                has: row.get_opt(3)?,
                wants: row.get(4)?,
                collate: row.get(5)?,
            })
        })
    })
}

/// Errors unless the queue and the store have the columns of the source's key, and the work table's key no
/// others.
pub fn require(vectorizer: &str, relations: &Relations, key: &Key) -> Result<(), PgError> {
    let source = relations.source.oid;
    let tables: Vec<&Table> = relations.keyed().collect();
    let different = different(&tables, source, key, false)?;
    if let Some(first) = different.first() {
        let in_the_way = in_the_way(&different)?;
        return Err(error(vectorizer, first, &in_the_way));
    }

    let names: Vec<String> = key.columns().iter().map(|column| column.name.clone()).collect();
    let superfluous = as_superuser(|| {
        sql::read_now(SUPERFLUOUS, &[relations.work.oid.into(), names.into()], |row| row.get::<String>(1))
    })?;

    let Some(name) = superfluous.first() else { return Ok(()) };
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INVALID_TABLE_DEFINITION,
        format!(
            "the primary key of the source of vectorizer \"{vectorizer}\" no longer has a column {name:?}"
        ),
    )
    .with_hint("Restore the source's former primary key, or drop the vectorizer and create it again."))
}

fn error(vectorizer: &str, different: &Different, in_the_way: &str) -> PgError {
    let Different { table, name, has, wants, .. } = different;
    let qualified = table.qualified();
    let Some(has) = has else {
        return PgError::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
            format!("primary key column {name:?} is missing from the queue of vectorizer \"{vectorizer}\""),
        )
        .with_detail(format!("The table is {qualified}."))
        .with_hint("Rename the column back, or drop the vectorizer and create it again.");
    };
    PgError::new(
        PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
        format!(
            "primary key column {name:?} of vectorizer \"{vectorizer}\" has type {wants} in the source, but type \
             {has} in {qualified}"
        ),
    )
    .with_hint(format!(
        "{in_the_way} and run ALTER TABLE ... ALTER COLUMN {} TYPE {wants} on the source, \
         which the vectorizer follows; or drop the vectorizer and create it again.",
        ident(name),
    ))
}

/// Returns what to do before the tables can be changed: the beginning of a hint.
fn in_the_way(different: &[Different]) -> Result<String, PgError> {
    let mut steps = Vec::new();
    for Different { table, .. } in different {
        for heir in heirs(table)? {
            let step = format!("ALTER TABLE {heir} NO INHERIT {}", table.qualified());
            if !steps.contains(&step) {
                steps.push(step);
            }
        }
    }
    Ok(match steps.is_empty() {
        true => "Drop the views that use the column".to_owned(),
        false => format!("Run {}", steps.join("; ")),
    })
}

/// Returns the names of the tables that inherit from a table.
fn heirs(table: &Table) -> Result<Vec<String>, PgError> {
    let found =
        as_superuser(|| sql::read_now(DESCENDANTS, &[table.oid.into()], |row| row.get::<pg_sys::Oid>(1)))?;
    let heirs = found.into_iter().filter(|heir| *heir != table.oid).filter_map(Table::look);
    Ok(heirs.map(|heir| heir.qualified()).collect())
}
