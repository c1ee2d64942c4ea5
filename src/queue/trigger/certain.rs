//! Whether the statements of a trigger can fail by what a user has made of the vectorizer's tables.
//!
//! A subtransaction would keep any failure from the user's statement, and take a transaction id of its own,
//! on a partitioned table for each row. So it is begun only where something is out of the ordinary.

use crate::catalog::objects::QueueTables;
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::error::PgError;
use crate::pg::sql;

/// `$1`: tables, `$2`: what is done to each, `$3`: as whom. Rows of those that are ordinary tables, with
/// nothing on them that runs or checks anything, and the rights that it takes.
const ORDINARY: &str = "
    SELECT FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS t (name, privilege)
    JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(t.name)
    WHERE c.relkind = 'r' AND NOT c.relhasrules AND NOT c.relrowsecurity AND NOT c.relispartition
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid)
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

/// Columns of the inbox that are not the key's nor the queue's own, `$2`.
const OTHERS: &str = "
    SELECT FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attname::text <> ALL ($2::text[])
      AND pg_catalog.ltrim(a.attname::text, '_') NOT IN ('queued_at', 'loading_retries', 'loading_retry_after')";

/// Whether the statements for rows that were inserted, updated and deleted can fail by nothing but what
/// befalls the database itself. To be called as superuser; key columns were compared before.
pub fn is_certain(v: &Vectorizer) -> Result<bool, PgError> {
    let QueueTables { inbox, failed, .. } = &v.queue;
    let mut uses = vec![(inbox.clone(), "INSERT"), (failed.clone(), "SELECT")];
    for table in v.tables_of_chunks() {
        uses.extend([(table.clone(), "SELECT"), (table, "DELETE")]);
    }
    let (tables, privileges): (Vec<String>, Vec<String>) =
        uses.into_iter().map(|(table, privilege)| (table, privilege.to_owned())).unzip();
    let wanted = tables.len();
    let ordinary =
        sql::read_now(ORDINARY, &[tables.into(), privileges.into(), v.owner.into()], |_| Ok(()))?.len();

    let names: Vec<String> = v.key.columns().iter().map(|column| column.name.clone()).collect();
    let others = sql::read_now(OTHERS, &[inbox.clone().into(), names.into()], |_| Ok(()))?;
    Ok(ordinary == wanted && others.is_empty() && has_same_collations(v)?)
}

/// Two columns of different collations can't be compared.
fn has_same_collations(v: &Vectorizer) -> Result<bool, PgError> {
    let tables = v.tables_of_chunks().into_iter().chain([v.queue.failed.clone()]).collect();
    let different = crate::catalog::key_columns::different(tables, v.source.oid, &v.key, true)?;
    Ok(different.is_empty())
}
