//! The inbox: whether there is anything, and its way to the work table.

use crate::definition::Definition;
use crate::quote::literal;

/// The number of blocks before the last position that are scanned again. They may have rows of concurrent
/// transactions that committed later. An inbox of at most so many blocks is always scanned from the
/// beginning.
pub const MARGIN: i64 = 128;

/// Returns whether anything can be folded, and in how many milliseconds the next row can be claimed. `$1`: the
/// block of the inbox to start from.
pub fn peek(v: &Definition) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM {inbox} WHERE ctid >= {from}),
                (SELECT ceil(extract(epoch FROM min({available_at}) - now()) * 1000)::int8 FROM {work})",
        inbox = v.tables.inbox,
        work = v.tables.work,
        available_at = v.own.name("available_at"),
        from = from_block(v, "$1"),
    )
}

/// Moves rows of the inbox to the work table. Returns their number, the block of the last one, and the number
/// of blocks. `$1`: the row limit, `$2`: the block to start from.
pub fn fold(v: &Definition) -> String {
    format!(
        "WITH part AS MATERIALIZED (
             SELECT ctid AS place FROM {inbox} WHERE ctid >= {from} LIMIT $1),
         taken AS (
             DELETE FROM {inbox} WHERE ctid = ANY (ARRAY(SELECT place FROM part))
             RETURNING {names}, {queued_at}),
         folded AS (
             INSERT INTO {work} AS w ({names}, {queued_at})
             SELECT {names}, min({queued_at}) FROM taken GROUP BY {names}
             ON CONFLICT ({names}) DO UPDATE
             SET {generation} = w.{generation} + 1, {attempts} = 0,
                 {available_at} = CASE WHEN w.{lease} IS NULL THEN now() ELSE w.{available_at} END)
         SELECT count(*), ((max(place)::text::point)[0])::int8, {blocks} FROM part",
        inbox = v.tables.inbox,
        work = v.tables.work,
        names = v.key.names(None),
        queued_at = v.own.name("queued_at"),
        available_at = v.own.name("available_at"),
        lease = v.own.name("lease"),
        generation = v.own.name("generation"),
        attempts = v.own.name("attempts"),
        blocks = blocks(v),
        from = from_block(v, "$2"),
    )
}

/// Returns an expression for the number of the inbox's blocks.
fn blocks(v: &Definition) -> String {
    let inbox = literal(&v.tables.inbox);
    format!("pg_relation_size({inbox}::regclass) / current_setting('block_size')::int8")
}

/// Returns an expression for the place from which a scan starts: [`MARGIN`] blocks before `block`, or before
/// the end, because vacuum may have cut off what lay beyond.
fn from_block(v: &Definition, block: &str) -> String {
    let blocks = blocks(v);
    format!("(SELECT format('(%s,0)', greatest(least({block}::int8, {blocks}) - {MARGIN}, 0))::tid)")
}
