//! The queue's SQL, written once per vectorizer.
//!
//! Keys are passed as text, one `text[]` parameter per column of the primary key (see
//! [`Key::given`](crate::catalog::key::Key::given)). That works for every type, and for a batch of any size
//! in one statement.

use pgai_rs_pipeline::config::Loading;
use pgrx::spi::quote_literal;

use super::column::ColumnStatements;
use super::fold::MARGIN;
use super::origin::OriginStatements;
use super::store::StoreStatements;
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::error::PgError;
use crate::pg::sql::ident;

/// The statements of a vectorizer. "Of keys" means that the first parameters are the keys; "then" names the
/// parameters after them, arrays unless they are `$n`. `ord` is a key's position among the parameters, from
/// 1.
#[derive(Debug)]
pub struct Statements {
    /// Returns whether anything can be folded, and in how many milliseconds the next row can be claimed.
    /// `$1`: the block of the inbox to start from.
    pub peek: String,
    /// Moves rows of the inbox to the work table. Returns their number, the block of the last one, and the
    /// number of blocks. `$1`: the row limit, `$2`: the block to start from.
    pub fold: String,
    /// Claims rows. `$1`: the row limit, `$2`: the lease's duration in seconds, `$3`: the lease, `$4`: the
    /// holder's process id, `$5`: the limit for all bytes together, `$6`: the limit for the bytes of a
    /// document that is read.
    pub claim: String,
    /// Claims rows by the prefixes of their addresses; `None` if rows have no addresses. Parameters are as
    /// for `claim`, and `$7`: the prefixes, `$8`: true for rows with one of them, false for rows with none.
    pub claim_among: Option<String>,
    /// Reads the source rows of keys: `ord`, the payload as text or bytes, its size in bytes, the template's
    /// columns. Then `$n`: the size beyond which a payload is not read.
    pub read: String,
    /// Locks the source rows of keys, skipping those that others have locked. Returns `ord`.
    pub lock: String,
    /// Returns `ord` of the keys whose source rows exist.
    pub present: String,
    /// Locks the work rows of keys whose lease is still the given one. Returns `ord`. Then `lease int8`.
    pub held: String,
    /// Deletes the work rows of keys whose generation is still the given one. Then `generation int8`.
    pub settle: String,
    /// Releases the work rows of keys that are still held with the given lease, due at once. Then `lease
    /// int8`.
    pub give_back: String,
    /// Reschedules the work rows of keys whose lease and generation are still the given ones. Then `lease
    /// int8`, `generation int8`, `delay int8` in milliseconds, `attempts int4`.
    pub postpone: String,
    /// Removes keys from the failed queue.
    pub forget_failed: String,
    /// Adds keys to the failed queue. Then `step`, `code`, `message`, `hint` as `text`, `attempts int4`.
    pub set_aside: String,
    /// Prolongs the leases of keys. Then `lease int8`, and `$n`: the duration in seconds.
    pub renew: String,
    /// Releases the rows that dead workers hold, or an earlier process with this one's id. `$1`: the process
    /// id.
    pub recover: String,
    /// Makes rows due that were postponed through no fault of their own, because the cause may be gone.
    pub resume: String,
    /// The statements that write documents.
    pub written: Written,
    /// The statements for provenance; `None` if none is stored.
    pub origin: Option<OriginStatements>,
}

/// The destination of a document, with the statements that write to it.
#[derive(Debug)]
pub enum Written {
    /// Documents are written to a store, as chunks.
    Store(StoreStatements),
    /// Documents are written to a column of the source, as one vector.
    Column(ColumnStatements),
}

impl Written {
    fn new(v: &Vectorizer) -> Result<Written, PgError> {
        match v.store() {
            Some(store) => StoreStatements::new(v, store).map(Written::Store),
            None => ColumnStatements::new(v).map(Written::Column),
        }
    }

    /// Returns the statement that reads the chunks that keys have: `ord`, UUID, seq, digest.
    pub fn existing(&self) -> &str {
        match self {
            Written::Store(statements) => &statements.existing,
            Written::Column(statements) => &statements.existing,
        }
    }

    /// Returns the strength of the lock on a source row whose document is written: a column's row is updated,
    /// a store's row must only stay.
    fn lock(&self) -> &'static str {
        match self {
            Written::Store(_) => "KEY SHARE",
            Written::Column(_) => "NO KEY UPDATE",
        }
    }
}

impl Statements {
    /// Writes the statements of a vectorizer.
    pub fn new(v: &Vectorizer) -> Result<Statements, PgError> {
        let (key, source, written) = (&v.key, v.source.qualified(), Written::new(v)?);
        let (inbox, work, failed) = (&v.queue.inbox, &v.queue.work, &v.queue.failed);
        let names = key.names(None);
        let own = |name: &str| v.own.name(name);
        let [queued_at, available_at, lease, leased_by, generation, attempts] =
            ["queued_at", "available_at", "lease", "leased_by", "generation", "attempts"].map(own);
        let given = key.given(&[]);
        let with = |more: &[(&str, &str)]| key.given(more);
        let next = key.len() + 1;
        let on = |left: &str| key.same_given(left);
        let blocks = format!(
            "pg_relation_size({}::regclass) / current_setting('block_size')::int8",
            quote_literal(inbox)
        );
        // Vacuum may have cut off what lay beyond.
        let from_block = |block: &str| {
            format!("(SELECT format('(%s,0)', greatest(least({block}::int8, {blocks}) - {MARGIN}, 0))::tid)")
        };
        Ok(Statements {
            peek: format!(
                "SELECT EXISTS (SELECT FROM {inbox} WHERE ctid >= {}),
                        (SELECT ceil(extract(epoch FROM min({available_at}) - now()) * 1000)::int8 FROM {work})",
                from_block("$1"),
            ),
            fold: format!(
                "WITH part AS MATERIALIZED (
                     SELECT ctid AS place FROM {inbox} WHERE ctid >= {} LIMIT $1),
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
                from_block("$2"),
            ),
            claim: claim(v, "true")?,
            claim_among: match &v.config.loading {
                Loading::Column { .. } => None,
                Loading::Uri { .. } => Some(claim(v, &among(v))?),
            },
            read: read(v, &given, &source)?,
            lock: format!(
                "SELECT k.ord FROM {given} k JOIN {source} s ON {} ORDER BY {} FOR {} OF s SKIP LOCKED",
                on("s"),
                key.names(Some("s")),
                written.lock(),
            ),
            present: format!("SELECT k.ord FROM {given} k JOIN {source} s ON {}", on("s")),
            held: format!(
                "SELECT k.ord FROM {} k JOIN {work} w ON {} WHERE w.{lease} = k.lease FOR UPDATE OF w",
                with(&[("lease", "int8")]),
                on("w"),
            ),
            settle: format!(
                "DELETE FROM {work} w USING {} k WHERE {} AND w.{generation} = k.generation",
                with(&[("generation", "int8")]),
                on("w"),
            ),
            give_back: format!(
                "UPDATE {work} w SET {lease} = NULL, {leased_by} = NULL, {attempts} = 0, {available_at} = now()
                 FROM {} k WHERE {} AND w.{lease} = k.lease",
                with(&[("lease", "int8")]),
                on("w"),
            ),
            postpone: format!(
                "UPDATE {work} w SET {lease} = NULL, {leased_by} = NULL, {attempts} = k.attempts,
                     {available_at} = now() + k.delay * interval '1 millisecond'
                 FROM {} k WHERE {} AND w.{lease} = k.lease AND w.{generation} = k.generation",
                with(&[("lease", "int8"), ("generation", "int8"), ("delay", "int8"), ("attempts", "int4")]),
                on("w"),
            ),
            forget_failed: format!("DELETE FROM {failed} f USING {given} k WHERE {}", on("f")),
            set_aside: format!(
                "INSERT INTO {failed} ({names}, {}, {attempts})
                 SELECT {}, k.step, k.code, k.message, k.hint, k.attempts FROM {} k",
                ["failure_step", "failure_code", "failure_message", "failure_hint"].map(own).join(", "),
                key.given_names(),
                with(&[
                    ("step", "text"),
                    ("code", "text"),
                    ("message", "text"),
                    ("hint", "text"),
                    ("attempts", "int4"),
                ]),
            ),
            renew: format!(
                "UPDATE {work} w SET {available_at} = now() + make_interval(secs => ${}::float8)
                 FROM {} k WHERE {} AND w.{lease} = k.lease",
                next + 1,
                with(&[("lease", "int8")]),
                on("w"),
            ),
            recover: format!(
                "UPDATE {work} w SET {lease} = NULL, {leased_by} = NULL, {available_at} = now()
                 WHERE w.{leased_by} = $1 OR (w.{leased_by} IS NOT NULL AND NOT EXISTS (
                     SELECT FROM pg_stat_get_activity(NULL) a
                     JOIN pg_database d ON d.oid = a.datid AND d.datname = current_database()
                     WHERE a.pid = w.{leased_by}))"
            ),
            resume: format!(
                "UPDATE {work} w SET {available_at} = now()
                 WHERE w.{available_at} > now() AND w.{attempts} = 0 AND w.{lease} IS NULL"
            ),
            origin: OriginStatements::new(v),
            written,
        })
    }
}

/// Returns a statement that claims rows of the work table `w` that are due and meet a condition.
fn claim(v: &Vectorizer, condition: &str) -> Result<String, PgError> {
    let (key, source, work) = (&v.key, v.source.qualified(), &v.queue.work);
    let [available_at, lease, leased_by, generation, attempts] =
        ["available_at", "lease", "leased_by", "generation", "attempts"].map(|name| v.own.name(name));
    Ok(format!(
        "WITH due AS (
             SELECT {}, w.{available_at} FROM {work} w WHERE w.{available_at} <= now() AND {condition}
             ORDER BY w.{available_at} LIMIT $1 FOR UPDATE OF w SKIP LOCKED),
         sized AS (
             SELECT {}, row_number() OVER due_first AS \"place of pgai_rs\",
                    sum({}) OVER due_first AS \"size of pgai_rs\"
             FROM due d LEFT JOIN {source} s ON {}
             WINDOW due_first AS (ORDER BY d.{available_at} ROWS UNBOUNDED PRECEDING))
         UPDATE {work} w
         SET {attempts} = w.{attempts} + 1, {lease} = $3, {leased_by} = $4,
             {available_at} = now() + make_interval(secs => $2)
         FROM sized z WHERE {} AND (z.\"size of pgai_rs\" <= $5 OR z.\"place of pgai_rs\" = 1)
         RETURNING w.{generation}, w.{attempts}, {}",
        key.names(Some("w")),
        key.names(Some("d")),
        document_size(v, "$6")?,
        key.same("d", "s"),
        key.same("w", "z"),
        key.as_text("w"),
    ))
}

/// Returns the condition that the address of the source row of `w` begins with one of `$7`, or with none of
/// them. A row that is gone begins with none. The address is looked up for each row in the order in which
/// they are due, instead of a join, because the first matching rows are enough.
fn among(v: &Vectorizer) -> String {
    format!(
        "coalesce((SELECT s.{}::text ^@ ANY ($7) FROM {} s WHERE {}), false) = $8",
        ident(v.config.loading.column_name()),
        v.source.qualified(),
        v.key.same("w", "s"),
    )
}

fn read(v: &Vectorizer, given: &str, source: &str) -> Result<String, PgError> {
    let loaded = format!("s.{}", ident(v.config.loading.column_name()));
    let size = stored_size(&loaded, v.loading_type()?);
    let small = |value: String| format!("CASE WHEN {size} <= ${} THEN {value} END", v.key.len() + 1);
    let payload = match (&v.config.loading, v.loading_type()?) {
        (Loading::Column { .. }, "bytea") => format!("NULL::text, {}", small(format!("{loaded}::bytea"))),
        _ => format!("{}, NULL::bytea", small(format!("{loaded}::text"))),
    };
    let mut columns = vec!["k.ord".to_owned(), payload, size];
    columns.extend(
        v.template_columns()?.iter().map(|c| as_python(&format!("s.{}", ident(&c.name)), &c.type_name)),
    );
    Ok(format!("SELECT {} FROM {given} k JOIN {source} s ON {}", columns.join(", "), v.key.same_given("s")))
}

/// Returns an expression for a document's size in bytes, which does not read it. A payload beyond the limit
/// counts as zero, because it will not be read.
fn document_size(v: &Vectorizer, limit: &str) -> Result<String, PgError> {
    let column = |name: &str| format!("s.{}", ident(name));
    let payload = stored_size(&column(v.config.loading.column_name()), v.loading_type()?);
    let mut sizes = vec![format!("CASE WHEN {payload} <= {limit} THEN {payload} ELSE 0 END")];
    sizes.extend(
        v.template_columns()?
            .iter()
            .map(|c| format!("coalesce({}, 0)", stored_size(&column(&c.name), &c.type_name))),
    );
    Ok(sizes.join(" + "))
}

/// Returns an expression for a value's size in bytes, which Postgres knows without reading what is out of
/// line or compressed. For other types than strings and `bytea` it is the stored size.
fn stored_size(value: &str, type_name: &str) -> String {
    match type_name {
        "text" | "varchar" | "bpchar" | "bytea" => format!("octet_length({value})::int8"),
        _ => format!("pg_column_size({value})::int8"),
    }
}

/// Returns an expression for a value in the format of Python's `str()` on what psycopg makes of it, which
/// pgai's templates use.
///
/// Containers (`json`, arrays, composites) keep the format of Postgres.
fn as_python(value: &str, type_name: &str) -> String {
    let text = match type_name {
        "bool" => format!("CASE {value} WHEN true THEN 'True' WHEN false THEN 'False' END"),
        "float4" | "float8" => {
            format!(
                "CASE WHEN {value}::text ~ '^-?[0-9]+$' THEN {value}::text || '.0'
                 ELSE replace(lower({value}::text), 'infinity', 'inf') END"
            )
        }
        "timestamptz" => format!(
            "CASE WHEN isfinite({value}) THEN regexp_replace({value}::text, '([+-][0-9]{{2}})$', '\\1:00')
             ELSE {value}::text END"
        ),
        // The cast to text writes the /32 of a single address as well.
        "inet" => format!("abbrev({value})"),
        _ => format!("{value}::text"),
    };
    format!("coalesce({text}, 'None')")
}
