//! The tables of a hierarchy.

/// SQL for the tables whose rows are also rows of the table `$1`, including itself: its partitions, and the
/// tables that inherit from it.
pub const DESCENDANTS: &str = "
    WITH RECURSIVE below (relid) AS (
        SELECT $1::pg_catalog.oid
        UNION
        SELECT i.inhrelid
        FROM pg_catalog.pg_inherits i
        JOIN below b ON b.relid = i.inhparent
        WHERE NOT i.inhdetachpending)
    SELECT b.relid FROM below b";

/// Returns the tables of the hierarchy of the table `$1`, at and below it, to which partitions can be added.
pub fn parents() -> String {
    format!(
        "SELECT c.oid FROM pg_catalog.pg_class c
         WHERE (c.relkind = 'p' OR c.relhassubclass) AND c.oid IN ({DESCENDANTS})"
    )
}
