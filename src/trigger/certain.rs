//! Tells whether a user's changes to the vectorizer's tables can make a trigger's statements fail.
//!
//! A subtransaction would keep every failure from the user's statement, but takes a transaction id of its
//! own, for each row of a partitioned table. It is therefore begun only where something is out of the
//! ordinary.

use pgrx::pg_sys;

use crate::catalog::binding::Relations;
use crate::catalog::table::Table;
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::error::PgError;
use crate::pg::sql;

/// Returns a row for each table that is an ordinary one, on which nothing is executed or checked, and for
/// which the role has the right. `$1`: tables, `$2`: the privilege that is used on each, `$3`: the role.
const ORDINARY: &str = "
    SELECT FROM ROWS FROM (pg_catalog.unnest($1::oid[]), pg_catalog.unnest($2::text[])) AS t (oid, privilege)
    JOIN pg_catalog.pg_class c ON c.oid = t.oid
    WHERE c.relkind = 'r' AND NOT c.relhasrules AND NOT c.relrowsecurity AND NOT c.relispartition
      -- The foreign key of words keeps them in step with their chunks.
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g
                      WHERE g.tgrelid = c.oid AND NOT (g.tgisinternal AND g.tgconstrrelid = ANY ($1)))
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent))
      AND pg_catalog.has_schema_privilege($3, c.relnamespace, 'USAGE')
      AND pg_catalog.has_table_privilege($3, c.oid, t.privilege)
      AND CASE t.privilege
          WHEN 'INSERT' THEN
              NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid)
              AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype <> 'n')
          -- A table that is published must say which row is deleted.
          WHEN 'DELETE' THEN
              c.relreplident = 'f'
              OR EXISTS (SELECT FROM pg_catalog.pg_index i
                         WHERE i.indrelid = c.oid AND i.indisvalid
                           AND CASE c.relreplident WHEN 'd' THEN i.indisprimary ELSE i.indisreplident END)
          ELSE true END";

/// Returns a row for each column of the inbox `$1` that is neither in the key `$2` nor the queue's own.
const OTHERS: &str = "
    SELECT FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attname::text <> ALL ($2::text[])
      AND pg_catalog.ltrim(a.attname::text, '_') NOT IN ('queued_at', 'loading_retries', 'loading_retry_after')";

/// Returns whether the statements for inserted, updated and deleted rows can only fail by errors of the
/// database itself. It must be called as superuser, after the key columns were compared.
pub fn is_certain(v: &Vectorizer) -> Result<bool, PgError> {
    let Relations { inbox, failed, .. } = &v.relations;
    let mut uses = vec![(inbox.oid, "INSERT"), (failed.oid, "SELECT")];
    for table in v.tables_that_follow_rows().into_iter().filter(|table| table.oid != failed.oid) {
        uses.extend([(table.oid, "SELECT"), (table.oid, "DELETE")]);
    }
    uses.extend(v.relations.words.iter().flat_map(|words| [(words.oid, "SELECT"), (words.oid, "DELETE")]));
    let (tables, privileges): (Vec<pg_sys::Oid>, Vec<String>) =
        uses.into_iter().map(|(table, privilege)| (table, privilege.to_owned())).unzip();
    let wanted = tables.len();
    let ordinary =
        sql::read_now(ORDINARY, &[tables.into(), privileges.into(), v.owner.into()], |_| Ok(()))?.len();

    let names: Vec<String> = v.key.columns().iter().map(|column| column.name.clone()).collect();
    let others = sql::read_now(OTHERS, &[inbox.oid.into(), names.into()], |_| Ok(()))?;
    Ok(ordinary == wanted && others.is_empty() && has_same_collations(v)?)
}

/// Returns whether the key columns have the same collations in all tables; columns with different ones can't
/// be compared.
fn has_same_collations(v: &Vectorizer) -> Result<bool, PgError> {
    let tables = v.tables_that_follow_rows();
    let tables: Vec<&Table> = tables.iter().collect();
    let different = crate::catalog::key_columns::different(&tables, v.source.oid, &v.key, true)?;
    Ok(different.is_empty())
}
