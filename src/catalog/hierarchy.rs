//! SQL for the tables above and below a table: partitions, and tables that inherit.

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

/// SQL for the tables that contain the rows of the table `$1`, including itself: those that it is a partition
/// of or inherits from.
pub const ANCESTORS: &str = "
    WITH RECURSIVE above (relid) AS (
        SELECT $1::pg_catalog.oid
        UNION
        SELECT i.inhparent
        FROM pg_catalog.pg_inherits i
        JOIN above a ON a.relid = i.inhrelid
        WHERE NOT i.inhdetachpending)
    SELECT a.relid FROM above a";
