//! Rows of the work table that a worker held when it ended: nobody has a lease on them, and [`NOBODY`] is their holder.

use crate::definition::Definition;

/// The process id that stands for a worker that has ended: no process has it.
const NOBODY: i32 = 0;

/// The largest number of suspects that are claimed together with which the worker has ended once, and the binary logarithm of
/// how many times fewer they are for each time more.
const TOGETHER: u32 = 32;
const FEWER: u32 = 3;

/// Returns a condition for a row `w`: whether it is a suspect.
pub fn is_suspect(v: &Definition) -> String {
    format!("(w.{} IS NOT DISTINCT FROM {NOBODY})", v.own.name("leased_by"))
}

/// Returns a condition for a row at this place among those that are due: whether so many suspects can be claimed together, the
/// most often tried of which has been tried so many times.
pub fn is_one_of_few(place: &str, tries: &str) -> String {
    format!("({place} = 1 OR {place} <= {TOGETHER} >> least({FEWER} * greatest({tries} - 1, 0), 31))")
}

/// Returns in how many milliseconds the next suspect is due; NULL if there are none.
pub fn next(v: &Definition) -> String {
    format!(
        "SELECT ceil(extract(epoch FROM min(w.{available_at}) - now()) * 1000)::int8 FROM {work} w WHERE {is_suspect}",
        available_at = v.own.name("available_at"),
        work = v.tables.work,
        is_suspect = is_suspect(v),
    )
}

/// Makes suspects of the work rows of keys on which nobody has a lease.
pub fn mark(v: &Definition) -> String {
    format!(
        "UPDATE {work} w SET {leased_by} = {NOBODY} FROM {given} k WHERE {same} AND w.{lease} IS NULL",
        work = v.tables.work,
        leased_by = v.own.name("leased_by"),
        given = v.key.given(&[]),
        same = v.key.same_given("w"),
        lease = v.own.name("lease"),
    )
}

/// Releases the rows that dead workers hold, or an earlier process with this one's id, as suspects: the more often they have been
/// tried, the later they are due, so that not the same ones are under way again together. What this process itself has left
/// is no suspect, and was not tried. `$1`: the process id, `$2`, `$3`: its first lease and its last one, `$4`, `$5`: the first
/// pause and the longest one in seconds.
pub fn recover(v: &Definition) -> String {
    format!(
        "UPDATE {work} w
         SET {lease} = NULL, {leased_by} = CASE WHEN {is_own} THEN NULL ELSE {NOBODY} END,
             {attempts} = CASE WHEN {is_own} THEN greatest(w.{attempts} - 1, 0) ELSE w.{attempts} END,
             {available_at} = now() + CASE WHEN {is_own} OR w.{attempts} < 2 THEN interval '0' ELSE make_interval(
                 secs => least($5, $4 * power(2, least(w.{attempts} - 2, 30))) * (1 - random() / 2)) END
         WHERE w.{lease} IS NOT NULL AND (w.{leased_by} = $1 OR NOT EXISTS (
             SELECT FROM pg_stat_get_activity(NULL) a
             JOIN pg_database d ON d.oid = a.datid AND d.datname = current_database()
             WHERE a.pid = w.{leased_by}))",
        work = v.tables.work,
        lease = v.own.name("lease"),
        leased_by = v.own.name("leased_by"),
        attempts = v.own.name("attempts"),
        available_at = v.own.name("available_at"),
        is_own = format!("w.{} = $1 AND w.{} BETWEEN $2 AND $3", v.own.name("leased_by"), v.own.name("lease")),
    )
}
