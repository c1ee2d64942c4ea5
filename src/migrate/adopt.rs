//! Taking over a vectorizer of pgai: from then on our worker keeps its store in step.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::config::Destination;

use super::old_table::{self, Lent};
use super::requirements::AdoptableVectorizer;
use super::triggers;
use crate::catalog::binding::Relations;
use crate::catalog::inbox_name;
use crate::catalog::key;
use crate::catalog::objects;
use crate::catalog::queue_tables::{self, Remembered};
use crate::catalog::registration::{self, register};
use crate::catalog::row_security;
use crate::catalog::table::Table;
use crate::catalog::triggers::{self as our_triggers, Identity};
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user, as_user_on};
use crate::pg::lock;
use crate::pg::roles::role_name;
use crate::pg::sql;

/// The result of taking over a vectorizer.
pub struct Adopted {
    /// The vectorizer's id, which is unchanged.
    pub id: i32,
    /// Its name, which is unchanged.
    pub name: String,
    /// Number of pending rows that were copied.
    pub pending: u64,
    /// Number of rows that were set aside and copied.
    pub failed: u64,
}

/// Takes a vectorizer over, with its pending and failed rows and its grants. Nothing is embedded for it.
///
/// Its new queue is in `ai`, wherever pgai's was. The administrator's lists bind it, if its owner is no superuser or its config may
/// be somebody else's word (`is_bound`).
pub fn adopt(candidate: &AdoptableVectorizer, is_bound: bool) -> Result<Adopted, PgError> {
    let entry = &candidate.entry;
    let source = &candidate.source;
    // Changes from here on are recorded by our triggers; those before are in pgai's queue. The lock is at
    // once the one that renaming a trigger needs, because upgrading a lock can deadlock.
    source.table()?.hold(pg_sys::AccessExclusiveLock)?;
    hold_names(candidate)?;
    triggers::switch_off(entry, source)?;

    let owner = role_name(source.owner)?;
    // The worker accesses the queue as that role.
    as_superuser(|| sql::execute(&format!("GRANT USAGE ON SCHEMA ai TO {owner}"), &[]))?;

    let inbox = inbox_name(entry.id);
    let remembered =
        Remembered::of(&candidate.parsed.destination, &candidate.parsed.loading, candidate.parsed.parsing);
    let queue = objects::create_queue(entry.id, "ai", &inbox, &candidate.key, source.owner, remembered)?;
    let uuid =
        register(entry.id, &entry.name, source, &candidate.key, "ai", &inbox, candidate.config.clone())?;
    if is_bound {
        registration::restrict(entry.id)?;
    }

    let (store, view) = destination(candidate)?;
    let relations = Relations::new(source.table()?, queue, store, view, None);
    row_security::keep(source, &candidate.key, &relations)?;
    relations.bind(entry.id)?;

    pause_as_before(candidate)?;
    our_triggers::create(&Identity { id: entry.id, uuid }, source)?;

    let tables = queue_tables::of(entry.id, &relations);
    let pending = copy(candidate, entry.queue.as_ref(), &relations.inbox, "")?;
    // No key that pgai could make a queue for has columns of these names.
    let failed = copy(candidate, entry.failed.as_ref(), &relations.failed, ", created_at, failure_step")?;

    grant_as_before(candidate, &tables.all(remembered))?;
    relations.require_names()?;
    Ok(Adopted { id: entry.id, name: entry.name.clone(), pending, failed })
}

/// Keeps what is altered, created and granted by name from being renamed until the transaction ends. Errors (40001)
/// if it was renamed since it was read.
fn hold_names(candidate: &AdoptableVectorizer) -> Result<(), PgError> {
    let source = &candidate.source;
    let mut schemas = vec![source.schema.as_str()];
    schemas.extend(candidate.entry.tables().map(|table| table.schema.as_str()));
    if let Destination::Table { target_schema, view_schema, .. } = &candidate.parsed.destination {
        schemas.extend([target_schema.as_str(), view_schema]);
    }
    lock::schema_names(&schemas)?;
    key::hold_schemas(source.oid)?;
    source.as_read().require_unchanged()?;
    candidate.entry.tables().try_for_each(|table| table.hold(pg_sys::AccessShareLock))
}

/// Grants USAGE on the schema `ai` to the roles that have it on pgai's, and raises a warning that names them.
pub fn share_schema(pgai_schema: &str) -> Result<(), PgError> {
    let roles = sql::query(
        &format!(
            "SELECT DISTINCT {GRANTEE}
             FROM pg_catalog.pg_namespace c
             CROSS JOIN pg_catalog.aclexplode(c.nspacl) AS a
             LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
             WHERE c.nspname::text = $1 AND a.privilege_type = 'USAGE' AND a.grantee <> c.nspowner
             ORDER BY 1"
        ),
        &[pgai_schema.to_owned().into()],
        |row| row.get::<String>(1),
    )?;

    for role in &roles {
        sql::execute(&format!("GRANT USAGE ON SCHEMA ai TO {role}"), &[])?;
    }
    if !roles.is_empty() {
        let message =
            format!("granted USAGE on schema ai to the roles that have it on pgai's: {}", roles.join(", "));
        tell(message, "To revoke it, run REVOKE USAGE ON SCHEMA ai FROM the role.".to_owned());
    }
    Ok(())
}

/// Raises warnings that name the rights granted to the owners of vectorizers that were taken over.
pub fn tell_granted(candidates: &[AdoptableVectorizer]) -> Result<(), PgError> {
    for candidate in candidates.iter().filter(|candidate| !candidate.granted.is_empty()) {
        let functions: Vec<String> =
            candidate.granted.iter().map(|right| format!("ai.{}", right.function())).collect();
        let functions = functions.join(", ");
        let owner = role_name(candidate.source.owner)?;
        let message =
            format!("granted EXECUTE on {functions} to {owner} for vectorizer \"{}\"", candidate.entry.name);
        let hint = format!(
            "To revoke it, run REVOKE EXECUTE ON FUNCTION {functions} FROM {owner}; what {owner} has declared \
             with it then stops."
        );
        tell(message, hint);
    }
    Ok(())
}

/// Raises a warning about a grant; the hint says how to revoke it.
fn tell(message: String, hint: String) {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_WARNING, message, "").set_hint(hint).report(PgLogLevel::WARNING);
}

/// The role `r` of an entry `a` of an access control list, in the form that GRANT expects.
const GRANTEE: &str = "CASE a.grantee WHEN 0 THEN 'public' ELSE pg_catalog.quote_ident(r.rolname) END";

/// Advances the sequence of ids beyond those that were taken over.
pub fn keep_ids_apart() -> Result<(), PgError> {
    as_superuser(|| {
        sql::execute(
            "SELECT pg_catalog.setval('ai.vectorizer_id_seq', greatest(
                 (SELECT max(id) FROM ai.vectorizer), (SELECT last_value FROM ai.vectorizer_id_seq)))",
            &[],
        )
    })
    .map(drop)
}

/// Returns the store and the view, which belong to the source's owner, and locks them; `(None, None)` for a column.
fn destination(candidate: &AdoptableVectorizer) -> Result<(Option<Table>, Option<Table>), PgError> {
    let Destination::Table { target_schema, target_table, view_schema, view_name, .. } =
        &candidate.parsed.destination
    else {
        return Ok((None, None));
    };
    let find = |schema: &str, name: &str, kinds: &[char]| -> Result<Option<Table>, PgError> {
        let Some(table) = old_table::find(schema, name, kinds)? else { return Ok(None) };
        table.hold(pg_sys::AccessShareLock)?;
        old_table::require_trusted(&table, &candidate.source)?;
        Ok(Some(table))
    };
    Ok((find(target_schema, target_table, &['r', 'p'])?, find(view_schema, view_name, &['v'])?))
}

fn pause_as_before(candidate: &AdoptableVectorizer) -> Result<(), PgError> {
    if !candidate.entry.disabled {
        return Ok(());
    }
    as_superuser(|| {
        sql::execute("UPDATE ai.vectorizer SET disabled = true WHERE id = $1", &[candidate.entry.id.into()])
    })
    .map(drop)
}

/// Copies keys as the owner of the source, who is granted the right to read them meanwhile. Returns their
/// number.
fn copy(
    candidate: &AdoptableVectorizer,
    from: Option<&Table>,
    to: &Table,
    more: &str,
) -> Result<u64, PgError> {
    let Some(from) = from else { return Ok(0) };
    let owner = candidate.source.owner;
    let columns = candidate.key.names(None) + more;
    let lent = Lent::to(owner, &role_name(owner)?, from, &["SELECT"])?;
    let statement = format!(
        "INSERT INTO {} ({columns}) SELECT DISTINCT {columns} FROM ONLY {}",
        to.qualified(),
        from.qualified()
    );
    let copied = as_user_on(owner, &[from.oid, to.oid].into(), || sql::execute(&statement, &[]))?;
    lent.take_back()?;
    Ok(copied)
}

/// Grants the roles that have rights on pgai's queue the same rights on ours. The source, the store and the view stay what they are, and
/// so do the rights on them.
fn grant_as_before(candidate: &AdoptableVectorizer, tables: &[&str]) -> Result<(), PgError> {
    let Some(queue) = &candidate.entry.queue else { return Ok(()) };

    let grants = sql::query(
        &format!(
            "SELECT {GRANTEE}, pg_catalog.string_agg(DISTINCT a.privilege_type, ', ')
             FROM pg_catalog.pg_class c
             CROSS JOIN pg_catalog.aclexplode(c.relacl) AS a
             LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
             WHERE c.oid = $1 AND a.grantee <> c.relowner
               AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
             GROUP BY 1 ORDER BY 1"
        ),
        &[queue.oid.into()],
        |row| Ok((row.get::<String>(1)?, row.get::<String>(2)?)),
    )?;
    let tables = tables.join(", ");
    for (role, rights) in grants {
        as_user(candidate.source.owner, || {
            sql::execute(&format!("GRANT {rights} ON {tables} TO {role}"), &[])
        })?;
        let message = format!(
            "granted {role} {rights} on the queue of vectorizer \"{}\", as on pgai's",
            candidate.entry.name
        );
        tell(message, format!("To revoke it, run REVOKE ALL ON {tables} FROM {role}."));
    }
    Ok(())
}
