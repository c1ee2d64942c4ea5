//! The work table and the failed queue.

use crate::definition::Definition;
use crate::quote::ident;
use crate::sql::{source, suspects, text};
use crate::tables::Texts;

/// Claims rows. Returns their generations, attempts and keys, and with each the number of rows that were due, up to the
/// limit, in how many milliseconds the next one is that was not, and its place among them. `$1`: the row limit, `$2`: the
/// lease's duration in seconds, `$3`: the lease, `$4`: the holder's process id, `$5`: the limit for all bytes together, `$6`:
/// the limit for the bytes of a document that is read, `$7`: true for suspects, a few of them, false for all other rows.
///
/// Without a look at sizes, rows count as nothing, and no value of the source is read.
pub fn claim(v: &Definition, looks_at_sizes: bool) -> String {
    claim_if(v, "true", looks_at_sizes)
}

/// Claims rows by the prefixes of their addresses. Parameters are as for [`claim`], and `$8`: the prefixes,
/// `$9`: true for rows with one of them, false for rows with none.
///
/// Without a look at sizes, nothing of the source is read but addresses. A row that is gone begins with none. The address is looked up for each row in the order in which they are
/// due, instead of a join, because the first matching rows are enough.
pub fn claim_among(v: &Definition, looks_at_sizes: bool) -> String {
    let address = format!(
        "coalesce((SELECT s.{}::text ^@ ANY ($8) FROM {} s WHERE {}), false) = $9",
        ident(&v.loaded.name),
        v.source,
        v.key.same("w", "s"),
    );
    claim_if(v, &address, looks_at_sizes)
}

/// Returns a statement that claims rows of the work table `w` that are due and meet a condition.
fn claim_if(v: &Definition, condition: &str, looks_at_sizes: bool) -> String {
    format!(
        "WITH due AS (
             SELECT {w_names}, w.{available_at}, w.{attempts} FROM {work} w
             WHERE w.{available_at} <= now() AND {is_suspect} = $7 AND {condition}
             ORDER BY w.{available_at} LIMIT $1 FOR UPDATE OF w SKIP LOCKED),
         sized AS (
             SELECT {d_names}, row_number() OVER due_first AS \"place of pgai_rs\",
                    sum({size}) OVER due_first AS \"size of pgai_rs\",
                    max(d.{attempts}) OVER due_first AS \"tries of pgai_rs\"
             FROM due d LEFT JOIN {source} s ON {d_is_s}{kept}
             WINDOW due_first AS (ORDER BY d.{available_at} ROWS UNBOUNDED PRECEDING))
         UPDATE {work} w
         SET {attempts} = w.{attempts} + 1, {lease} = $3, {leased_by} = $4,
             {available_at} = now() + make_interval(secs => $2)
         FROM sized z WHERE {w_is_z} AND (z.\"size of pgai_rs\" <= $5 OR z.\"place of pgai_rs\" = 1)
             AND (NOT $7 OR {is_one_of_few})
         RETURNING w.{generation}, w.{attempts}, {as_text}, (SELECT count(*) FROM due),
             (SELECT ceil(extract(epoch FROM min(l.{available_at}) - now()) * 1000)::int8
              FROM {work} l WHERE l.{available_at} > now()), z.\"place of pgai_rs\"",
        work = v.tables.work,
        source = v.source,
        available_at = v.own.name("available_at"),
        lease = v.own.name("lease"),
        leased_by = v.own.name("leased_by"),
        generation = v.own.name("generation"),
        attempts = v.own.name("attempts"),
        w_names = v.key.names(Some("w")),
        d_names = v.key.names(Some("d")),
        size = if looks_at_sizes { size(v, "$6") } else { "0 * $6::int8".to_owned() },
        d_is_s = v.key.same("d", "s"),
        kept = kept(v),
        w_is_z = v.key.same("w", "z"),
        as_text = v.key.as_text("w"),
        is_suspect = suspects::is_suspect(v),
        is_one_of_few = suspects::is_one_of_few("z.\"place of pgai_rs\"", "z.\"tries of pgai_rs\""),
    )
}

/// Returns the relation `o` of kept texts, to be joined to the rows `d`; nothing if none are kept.
fn kept(v: &Definition) -> String {
    match v.texts {
        Texts::Kept => format!(" LEFT JOIN {} o ON {}", v.tables.origin, v.key.same("d", "o")),
        Texts::Absent | Texts::Removed => String::new(),
    }
}

/// Returns an expression for the size in bytes of all that may be read for a row. A text counts as the document does.
fn size(v: &Definition, limit: &str) -> String {
    let document = source::document_size(v, limit);
    match v.texts {
        Texts::Kept => {
            let kept = text::stored_size(v);
            format!("{document} + CASE WHEN {kept} <= {limit} THEN {kept} ELSE 0 END")
        }
        Texts::Absent | Texts::Removed => document,
    }
}

/// Locks the work rows of keys whose lease is still the given one. Returns `ord`. Then `lease int8`.
pub fn held(v: &Definition) -> String {
    format!(
        "SELECT k.ord FROM {given} k JOIN {work} w ON {same} WHERE w.{lease} = k.lease FOR UPDATE OF w",
        given = v.key.given(&[("lease", "int8")]),
        work = v.tables.work,
        same = v.key.same_given("w"),
        lease = v.own.name("lease"),
    )
}

/// Deletes the work rows of keys whose generation is still the given one. Then `generation int8`.
pub fn settle(v: &Definition) -> String {
    format!(
        "DELETE FROM {work} w USING {given} k WHERE {same} AND w.{generation} = k.generation",
        work = v.tables.work,
        given = v.key.given(&[("generation", "int8")]),
        same = v.key.same_given("w"),
        generation = v.own.name("generation"),
    )
}

/// Releases the work rows of keys that are still held with the given lease, due at once. Then `lease int8`.
pub fn release(v: &Definition) -> String {
    format!(
        "UPDATE {work} w SET {lease} = NULL, {leased_by} = NULL, {attempts} = 0, {available_at} = now()
         FROM {given} k WHERE {same} AND w.{lease} = k.lease",
        work = v.tables.work,
        lease = v.own.name("lease"),
        leased_by = v.own.name("leased_by"),
        attempts = v.own.name("attempts"),
        available_at = v.own.name("available_at"),
        given = v.key.given(&[("lease", "int8")]),
        same = v.key.same_given("w"),
    )
}

/// Reschedules the work rows of keys whose lease and generation are still the given ones. Then `lease int8`,
/// `generation int8`, `delay int8` in milliseconds, `attempts int4`.
pub fn postpone(v: &Definition) -> String {
    let more = [("lease", "int8"), ("generation", "int8"), ("delay", "int8"), ("attempts", "int4")];
    format!(
        "UPDATE {work} w SET {lease} = NULL, {leased_by} = NULL, {attempts} = k.attempts,
             {available_at} = now() + k.delay * interval '1 millisecond'
         FROM {given} k WHERE {same} AND w.{lease} = k.lease AND w.{generation} = k.generation",
        work = v.tables.work,
        lease = v.own.name("lease"),
        leased_by = v.own.name("leased_by"),
        generation = v.own.name("generation"),
        attempts = v.own.name("attempts"),
        available_at = v.own.name("available_at"),
        given = v.key.given(&more),
        same = v.key.same_given("w"),
    )
}

/// Has the work rows of keys whose lease and generation are still the given ones wait for a batch. Their attempt counts. Then
/// `lease int8`, `generation int8`, `until int8` in microseconds since 1970.
pub fn wait(v: &Definition) -> String {
    let more = [("lease", "int8"), ("generation", "int8"), ("until", "int8")];
    format!(
        "UPDATE {work} w SET {lease} = NULL, {leased_by} = NULL,
             {available_at} = 'epoch'::timestamptz + k.until * interval '1 microsecond'
         FROM {given} k WHERE {same} AND w.{lease} = k.lease AND w.{generation} = k.generation",
        work = v.tables.work,
        lease = v.own.name("lease"),
        leased_by = v.own.name("leased_by"),
        generation = v.own.name("generation"),
        available_at = v.own.name("available_at"),
        given = v.key.given(&more),
        same = v.key.same_given("w"),
    )
}

/// Makes the rows due that wait for the batch with this time. `$1`: the time in microseconds since 1970.
pub fn end_wait(v: &Definition) -> String {
    format!(
        "UPDATE {work} w SET {available_at} = now()
         WHERE w.{available_at} = 'epoch'::timestamptz + $1 * interval '1 microsecond' AND w.{lease} IS NULL",
        work = v.tables.work,
        available_at = v.own.name("available_at"),
        lease = v.own.name("lease"),
    )
}

/// Makes the rows due that wait for a batch that is not there, as in a database that was restored: whose next attempt is more than
/// a day away, and at none of these times. One that was postponed for so long after a failure is tried early. `$1`: the times of
/// the batches that are there, in microseconds since 1970.
pub fn end_stray_waits(v: &Definition) -> String {
    format!(
        "UPDATE {work} w SET {available_at} = now()
         WHERE w.{available_at} > now() + interval '1 day' AND w.{attempts} > 0 AND w.{lease} IS NULL
           AND (extract(epoch FROM w.{available_at}) * 1000000)::int8 <> ALL ($1)",
        work = v.tables.work,
        available_at = v.own.name("available_at"),
        attempts = v.own.name("attempts"),
        lease = v.own.name("lease"),
    )
}

/// Returns whether rows wait for the batch with this time, or others are due or being processed that may need what it has brought.
/// `$1`: the time in microseconds since 1970.
pub fn may_need(v: &Definition) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM {work} w
                        WHERE w.{available_at} = 'epoch'::timestamptz + $1 * interval '1 microsecond')
             OR EXISTS (SELECT FROM {work} w WHERE w.{available_at} <= now())
             OR EXISTS (SELECT FROM {work} w WHERE w.{lease} IS NOT NULL)",
        work = v.tables.work,
        available_at = v.own.name("available_at"),
        lease = v.own.name("lease"),
    )
}

/// Returns which of the keys with these leases were enqueued in one of these transactions and have not changed since: `ord`. Then
/// `lease int8`, and `$n`: the times of the transactions in microseconds since 1970, as `int8[]`.
pub fn unchanged_since(v: &Definition) -> String {
    format!(
        "SELECT k.ord FROM {given} k JOIN {work} w ON {same}
         WHERE w.{lease} = k.lease AND w.{generation} = 1
           AND (extract(epoch FROM w.{queued_at}) * 1000000)::int8 = ANY (${times})",
        given = v.key.given(&[("lease", "int8")]),
        work = v.tables.work,
        same = v.key.same_given("w"),
        lease = v.own.name("lease"),
        generation = v.own.name("generation"),
        queued_at = v.own.name("queued_at"),
        times = v.key.len() + 2,
    )
}

/// Prolongs the leases of keys. Then `lease int8`, and `$n`: the duration in seconds.
pub fn renew(v: &Definition) -> String {
    format!(
        "UPDATE {work} w SET {available_at} = now() + make_interval(secs => ${seconds}::float8)
         FROM {given} k WHERE {same} AND w.{lease} = k.lease",
        work = v.tables.work,
        available_at = v.own.name("available_at"),
        seconds = v.key.len() + 2,
        given = v.key.given(&[("lease", "int8")]),
        same = v.key.same_given("w"),
        lease = v.own.name("lease"),
    )
}

/// Makes rows due that were postponed through no fault of their own, because the cause may be gone.
pub fn resume(v: &Definition) -> String {
    format!(
        "UPDATE {work} w SET {available_at} = now()
         WHERE w.{available_at} > now() AND w.{attempts} = 0 AND w.{lease} IS NULL",
        work = v.tables.work,
        available_at = v.own.name("available_at"),
        attempts = v.own.name("attempts"),
        lease = v.own.name("lease"),
    )
}

/// Removes keys from the failed queue.
pub fn forget_failed(v: &Definition) -> String {
    format!(
        "DELETE FROM {failed} f USING {given} k WHERE {same}",
        failed = v.tables.failed,
        given = v.key.given(&[]),
        same = v.key.same_given("f"),
    )
}

/// Adds keys to the failed queue. Then `step`, `code`, `message`, `hint` as `text`, `attempts int4`.
pub fn set_aside(v: &Definition) -> String {
    let more =
        [("step", "text"), ("code", "text"), ("message", "text"), ("hint", "text"), ("attempts", "int4")];
    let own = ["failure_step", "failure_code", "failure_message", "failure_hint", "attempts"];
    format!(
        "INSERT INTO {failed} ({names}, {own})
         SELECT {given_names}, k.step, k.code, k.message, k.hint, k.attempts FROM {given} k",
        failed = v.tables.failed,
        names = v.key.names(None),
        own = own.map(|name| v.own.name(name)).join(", "),
        given_names = v.key.given_names(),
        given = v.key.given(&more),
    )
}
