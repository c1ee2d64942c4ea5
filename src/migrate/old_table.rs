//! Checks of tables and views that pgai created for a vectorizer, and of their owners.
//!
//! Reading and writing a table runs what its owner has attached to it: triggers, rules, policies, casts,
//! views. So it is done as the owner of the vectorizer's source, as by our worker later, and only if that is the
//! owner of the table as well. pgai's catalog proves nothing: any role that may use pgai may write to it.

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::catalog::key::Key;
use crate::catalog::relation::Relation;
use crate::catalog::table::Table;
use crate::pg::error::PgError;
use crate::pg::identity::{as_user, current_user, may_act_as};
use crate::pg::roles::role_name;
use crate::pg::sql::{self, ident};

/// Runs `f` with the rights of a table's owner if the caller has them, else with the caller's own.
pub fn as_owner_of<R>(owner: pg_sys::Oid, f: impl FnOnce() -> R) -> R {
    let caller = current_user();
    as_user(if may_act_as(caller, owner) { owner } else { caller }, f)
}

/// Returns the relation of this name; `None` if there is none of these kinds.
pub fn find(schema: &str, name: &str, kinds: &[char]) -> Result<Option<Table>, PgError> {
    let found = sql::read_now(
        "SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname::pg_catalog.text = $1 AND c.relname::pg_catalog.text = $2",
        &[schema.to_owned().into(), name.to_owned().into()],
        |row| row.get::<pg_sys::Oid>(1),
    )?;
    let table = found.into_iter().next().and_then(Table::look);
    Ok(table.filter(|table| kinds.contains(&table.kind)))
}

/// Errors unless a table belongs to the owner of the source.
///
/// It is not enough that its owner has that role's rights: a superuser has everybody's, and a member of the role need not know
/// that others, who can write to the catalog, name the table there to get at it.
pub fn require_trusted(table: &Table, source: &Relation) -> Result<(), PgError> {
    if table.owner == source.owner {
        return Ok(());
    }

    let (name, owner) = (table.qualified(), role_name(source.owner)?);
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("its table {name} belongs to {}, and its source to {owner}", role_name(table.owner)?),
    )
    .with_hint(format!("Check whose it is and, if that is right, run ALTER TABLE {name} OWNER TO {owner}.")))
}

/// Selects what would run, or be read as well, when a table is read or written.
const MORE: &str = "
    SELECT what FROM (VALUES
        ('a trigger', EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = $1 AND NOT t.tgisinternal)),
        ('a rule', EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = $1)),
        ('a policy', EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = $1)),
        ('a child or a parent', EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE $1 IN (i.inhrelid, i.inhparent)))
    ) AS more (what, there) WHERE there";

/// Selects the columns of the key of `$1` that the table `$2` lacks or has with another type. `$3`: the names
/// of the key's columns.
const OTHER_TYPES: &str = "
    SELECT a.attname::pg_catalog.text
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = $1 AND a.attname::pg_catalog.text = ANY ($3)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute b
                      WHERE b.attrelid = $2 AND b.attname = a.attname AND NOT b.attisdropped
                        AND (b.atttypid, b.atttypmod, b.attcollation) = (a.atttypid, a.atttypmod, a.attcollation))";

/// Errors unless a table of keys is as pgai creates it: plain, and with the key of the source.
pub fn require_plain(table: &Table, source: &Relation, key: &Key) -> Result<(), PgError> {
    let refused =
        |message: String| PgError::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message);
    let more = sql::read_now(MORE, &[table.oid.into()], |row| row.get::<String>(1))?;
    if !more.is_empty() {
        return Err(refused(format!("its {} has {}", table.qualified(), more.join(", "))));
    }

    let names: Vec<String> = key.columns().iter().map(|column| column.name.clone()).collect();
    let args = [source.oid.into(), table.oid.into(), names.into()];
    match sql::read_now(OTHER_TYPES, &args, |row| row.get::<String>(1))?.first() {
        None => Ok(()),
        Some(column) => Err(refused(format!(
            "column {1} of its table {0} is missing or has another type than in the source",
            table.qualified(),
            ident(column)
        ))),
    }
}

/// Returns whether the role `$1` has the right `$3` on the schema of the table `$2`.
const HAS_ON_SCHEMA: &str = "
    SELECT pg_catalog.has_schema_privilege($1, c.relnamespace, $3) FROM pg_catalog.pg_class c WHERE c.oid = $2";

/// Returns whether the role `$1` has the right `$3` on the table `$2`.
const HAS_ON_TABLE: &str = "SELECT pg_catalog.has_table_privilege($1, $2, $3)";

/// Temporary grants on a table of pgai to the role that reads or writes it.
pub struct Lent {
    statements: Vec<String>,
}

impl Lent {
    /// Grants a role those of the rights on a table that it lacks, with the caller's own grant option.
    pub fn to(role: pg_sys::Oid, role_name: &str, table: &Table, rights: &[&str]) -> Result<Lent, PgError> {
        let schema = format!("USAGE ON SCHEMA {}", ident(&table.schema));
        let on_table = rights
            .iter()
            .map(|right| (format!("{right} ON TABLE {}", table.qualified()), HAS_ON_TABLE, *right));

        let mut statements = Vec::new();
        for (what, has, right) in std::iter::once((schema, HAS_ON_SCHEMA, "USAGE")).chain(on_table) {
            let args = [role.into(), table.oid.into(), right.to_owned().into()];
            if sql::query(has, &args, |row| row.get::<bool>(1))?.contains(&false) {
                sql::execute(&format!("GRANT {what} TO {role_name}"), &[])?;
                statements.push(format!("REVOKE {what} FROM {role_name}"));
            }
        }
        Ok(Lent { statements })
    }

    /// Revokes the grants.
    pub fn take_back(self) -> Result<(), PgError> {
        self.statements.iter().try_for_each(|statement| sql::execute(statement, &[]).map(drop))
    }
}
