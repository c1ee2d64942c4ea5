//! `ai.create_s3_source`.

mod arguments;

use pgrx::datum::Interval;
use pgrx::{JsonB, PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::config::SourceConfig;
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_pipeline::server_url::ServerUrl;
use pgai_rs_pipeline::source::{ListingScope, S3Prefix, queue_name};

use self::arguments::SourceRequest;
use super::quota;
use super::visibility::sees_s3_source;
use crate::access::source as access;
use crate::catalog::relation::Relation;
use crate::catalog::table::Table;
use crate::catalog::{rights, sequence, visibility};
use crate::declare::destination::relation_exists;
use crate::declare::names;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, current_user, may_act_as, superuser, with_pinned_path};
use crate::pg::interval;
use crate::pg::json::require_bounded;
use crate::pg::lock::{self, Named};
use crate::pg::roles::role_name;
use crate::pg::sql::MAX_IDENTIFIER;
use crate::pg::sql::{self, ident, qualified};
use crate::source::{entry, seen_name, target};
use crate::trigger::wake;

fn create(request: SourceRequest) -> Result<i32, PgError> {
    let prefix = S3Prefix::parse(&request.uri).map_err(refused)?;
    validate_schedule(request.schedule)?;
    let relation = find_or_create(&request.target, !request.config.metadata.is_empty())?;
    with_pinned_path(|| declare(request, &prefix, &relation))
}

/// Declares a source that mirrors to this table. The search path is pinned: what is decided here, and what the
/// extension's own rights are used for, does not depend on operators of the caller's.
fn declare(mut request: SourceRequest, prefix: &S3Prefix, relation: &Relation) -> Result<i32, PgError> {
    require_owner_of(relation)?;

    let config = access::declared_by(&request.config, rights::author(relation.owner));
    access::require_allowed(&config, &request.uri, relation.owner)?;
    request.config.queue_url = request.config.queue_url.map(|url| in_one_form(&url));
    ListingScope::new(&request.uri, &config, &guc::pipeline()).map_err(refused)?;
    target::require_table(relation)?;
    target::require_columns(relation, !config.metadata.is_empty())?;
    target::require_unique(relation)?;
    require_usage(relation)?;

    let name = request.name.clone().unwrap_or_else(|| default_name(relation));
    names::require_valid("S3 source", &name)?;
    lock::on_declarations_for(Named::SourcesOfTable, relation.oid);
    quota::hold(relation.owner);
    lock::on(Named::S3Source, &name);
    if let Some(existing) = existing(&name, relation, request.if_not_exists)? {
        return Ok(existing);
    }

    quota::require_room_for_s3_source(relation.owner)?;
    require_disjoint(relation, prefix)?;
    require_queue_free(&request.config)?;
    say_if_open_ended(prefix);

    let id = register(&name, relation, prefix, request)?;
    create_seen(id, relation)?;
    entry::note_declarers()?;
    wake::worker_at_commit();
    Ok(id)
}

/// Returns the source of this name, if the caller accepts an existing one for this table; `None` if the name is free.
/// Errors if it is taken otherwise.
fn existing(name: &str, relation: &Relation, if_not_exists: bool) -> Result<Option<i32>, PgError> {
    let Some((existing, kept_as)) = find_by_name(name)? else { return Ok(None) };
    let taken = duplicate(format!("S3 source \"{name}\" already exists"));
    if !if_not_exists {
        return Err(taken.with_hint("Choose another name, or use if_not_exists => true."));
    }
    if kept_as != relation.oid {
        return Err(taken
            .with_detail("Its objects are mirrored to another table.")
            .with_hint("Choose another name with the argument name."));
    }
    pgrx::notice!("S3 source \"{name}\" already exists, skipping");
    Ok(Some(existing))
}

/// Returns the error for an argument that is null but must be given.
pub fn not_null(argument: &str) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, format!("{argument} must not be null"))
}

fn invalid(message: impl Into<String>) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
}

fn duplicate(message: String) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT, message)
}

/// Returns an error (42501) for something that the caller has no right to.
pub fn not_allowed(message: impl Into<String>) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, message)
}

/// Returns the error for an address or a glob that the pipeline rejects.
fn refused(failure: Failure) -> PgError {
    let error = match failure.code {
        "uri_not_allowed" => not_allowed(failure.message),
        _ => invalid(failure.message),
    };
    match failure.hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// Errors if the schedule is too short, infinite or otherwise unusable. Each run requests every page of the
/// listing, and S3 bills by the request.
fn validate_schedule(schedule: Option<Interval>) -> Result<(), PgError> {
    const HINT: &str = "With NULL, the bucket is listed only by ai.sync_s3_source(); with queue_url, changes \
                        arrive at once.";
    let Some(schedule) = schedule else { return Ok(()) };

    with_pinned_path(|| {
        let look = "SELECT $1::text, $1 < interval '1 second'";
        let looked =
            sql::query_row(look, &[schedule.into()], |row| Ok((row.get::<String>(1)?, row.get::<bool>(2)?)))?;
        match looked {
            Some((text, false)) => interval::require_bounded("schedule", &text),
            _ => Err(invalid("schedule must be at least one second")),
        }
    })
    .map_err(|error| error.with_hint(HINT))
}

/// Returns the table with this name, resolved with the caller's search path; creates it if there is none. Nothing
/// but the name is looked up there.
fn find_or_create(name: &str, with_metadata: bool) -> Result<Relation, PgError> {
    let plain = name.rsplit('.').next().unwrap_or(name).trim_matches('"').to_lowercase();
    lock::on(Named::Relation, &plain);
    if let Some(relation) = find(name)? {
        return Ok(relation);
    }

    let parts = sql::query_row("SELECT pg_catalog.parse_ident($1)", &[name.to_owned().into()], |row| {
        row.get::<Vec<String>>(1)
    })?;
    let quoted = match parts.as_deref() {
        Some([table]) => ident(table),
        Some([schema, table]) => qualified(schema, table),
        _ => return Err(invalid(format!("{name:?} is not the name of a table"))),
    };
    target::create(&quoted, with_metadata)?;

    let relation = find(name)?.ok_or_else(|| {
        invalid(format!("{name:?} is not the name of a table")).with_hint("Write the name as schema.table.")
    })?;
    // A schema may have been renamed since, and the name be that of another table.
    with_pinned_path(|| Table::made(&relation.schema, &relation.name, &[relation.owner]))?;
    pgrx::notice!("created table {}", relation.qualified());
    Ok(relation)
}

fn find(name: &str) -> Result<Option<Relation>, PgError> {
    let oid = sql::query_row(
        "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid",
        &[name.to_owned().into()],
        |row| row.get_opt::<pg_sys::Oid>(1),
    )?;
    oid.flatten().map_or(Ok(None), |oid| with_pinned_path(|| Relation::load(oid)))
}

fn require_owner_of(relation: &Relation) -> Result<(), PgError> {
    if may_act_as(current_user(), relation.owner) {
        return Ok(());
    }
    Err(not_allowed(format!("must be owner of table {}", relation.qualified()))
        .with_detail("An S3 source writes with the rights of its table's owner."))
}

/// Errors unless the table's owner has USAGE on `ai`, which contains the source's own table.
fn require_usage(relation: &Relation) -> Result<(), PgError> {
    let allowed = sql::query_row(
        "SELECT pg_catalog.has_schema_privilege($1, 'ai', 'USAGE')",
        &[relation.owner.into()],
        |row| row.get::<bool>(1),
    )?;
    if allowed == Some(true) {
        return Ok(());
    }
    Err(not_allowed("permission denied for schema ai")
        .with_hint(format!("GRANT USAGE ON SCHEMA ai TO {};", role_name(relation.owner)?)))
}

/// Returns `<schema>_<table>`, adapted to the rule for names.
fn default_name(relation: &Relation) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let mut name: String = format!("{}_{}", relation.schema, relation.name).chars().map(plain).collect();
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.insert(0, 's');
    }
    name.truncate(MAX_IDENTIFIER);
    name
}

/// Returns the id of the source with this name, and the table that it is kept in; `None` if there is no such
/// source.
fn find_by_name(name: &str) -> Result<Option<(i32, pg_sys::Oid)>, PgError> {
    as_superuser(|| {
        sql::query_row(
            "SELECT id, target::oid FROM ai.s3_source WHERE name::text = $1",
            &[name.to_owned().into()],
            |row| Ok((row.get::<i32>(1)?, row.get::<pg_sys::Oid>(2)?)),
        )
    })
}

/// Errors if another source of the table has an overlapping prefix: each source deletes the rows that its own
/// listing lacks. The table's sources must be locked.
fn require_disjoint(relation: &Relation, prefix: &S3Prefix) -> Result<(), PgError> {
    let overlapping = as_superuser(|| {
        sql::read_now(
            "SELECT name::text, uri FROM ai.s3_source
             WHERE target = $1 AND (starts_with(uri, $2) OR starts_with($2, uri))",
            &[relation.oid.into(), prefix.to_string().into()],
            |row| Ok((row.get::<String>(1)?, row.get::<String>(2)?)),
        )
    })?;
    let Some((name, uri)) = overlapping.into_iter().next() else { return Ok(()) };
    Err(duplicate(format!("S3 source \"{name}\" already mirrors {uri} to this table"))
        .with_detail("A source deletes the rows under its prefix that are missing from its own listing.")
        .with_hint("Choose another prefix or another table, or drop the other source."))
}

/// Returns a queue's URL in the form in which it is stored.
fn in_one_form(url: &str) -> String {
    ServerUrl::parse(url).map_or_else(|_| url.to_owned(), |url| url.normal())
}

/// Returns which queue a URL names; of one that an earlier version has stored and that is no URL, the text.
fn queue_of(url: &str) -> String {
    ServerUrl::parse(url).map_or_else(|_| url.to_owned(), |url| queue_name(&url))
}

/// Errors if another source reads the same queue, however its URL is written: each of the two would get only a part of its messages.
fn require_queue_free(config: &SourceConfig) -> Result<(), PgError> {
    let Some(queue) = config.queue_url.as_deref().map(queue_of) else { return Ok(()) };
    lock::on(Named::Queue, &queue);
    let others = as_superuser(|| {
        sql::read_now(
            "SELECT name::text, id, target::oid, config ->> 'queue_url'
             FROM ai.s3_source WHERE config ->> 'queue_url' IS NOT NULL",
            &[],
            |row| {
                Ok((
                    row.get::<String>(1)?,
                    row.get::<i32>(2)?,
                    row.get::<pg_sys::Oid>(3)?,
                    row.get::<String>(4)?,
                ))
            },
        )
    })?;

    let other = others.into_iter().find(|(.., url)| queue_of(url) == queue);
    let Some((name, id, target, _)) = other else { return Ok(()) };
    let user = current_user();
    let who = match visibility::sees_all(user) || sees_s3_source(user, id, Some(target)) {
        true => format!("S3 source {name}"),
        false => "another S3 source".to_owned(),
    };
    Err(duplicate(format!("this queue is already read by {who}"))
        .with_hint("Use a separate queue for each source; S3 can notify several queues, by prefix."))
}

/// Raises a notice if the prefix is not a folder: S3 knows no folders, but people think in them.
fn say_if_open_ended(prefix: &S3Prefix) {
    let key = prefix.prefix();
    if !key.is_empty() && !key.ends_with('/') {
        pgrx::notice!(
            "all keys that begin with {key:?} will be mirrored; to mirror a folder, end the address with a slash"
        );
    }
}

fn register(
    name: &str,
    relation: &Relation,
    prefix: &S3Prefix,
    request: SourceRequest,
) -> Result<i32, PgError> {
    let config = serde_json::to_value(&request.config)
        .map_err(|error| PgError::internal(format!("could not serialize the config: {error}")))?;
    require_bounded("S3 source", &config)?;
    let id = next_id()?;

    as_superuser(|| {
        sql::execute(
            "INSERT INTO ai.s3_source (id, name, target, uri, config, schedule)
             VALUES ($1, $2::name, $3, $4, $5, $6)",
            &[
                id.into(),
                name.to_owned().into(),
                relation.oid.into(),
                prefix.to_string().into(),
                JsonB(config).into(),
                request.schedule.into(),
            ],
        )
    })?;
    Ok(id)
}

/// Returns the next id for which no table is left over from a previous installation of the extension.
fn next_id() -> Result<i32, PgError> {
    loop {
        let id: i32 = sequence::S3_SOURCES.next("int4")?;
        if !relation_exists("ai", &seen_name(id))? {
            return Ok(id);
        }
    }
}

/// Creates the table of seen keys. It is unlogged: after a crash the listing starts over anyway. `sidecar` is the version of
/// a sidecar, whose document has the address; NULL for a document itself.
fn create_seen(id: i32, relation: &Relation) -> Result<(), PgError> {
    let seen = qualified("ai", &seen_name(id));
    as_superuser(|| {
        sql::execute(
            &format!(
                "CREATE UNLOGGED TABLE {seen} (run int8 NOT NULL, uri text COLLATE \"C\" NOT NULL, sidecar text)"
            ),
            &[],
        )?;
        sql::execute(&format!("CREATE INDEX ON {seen} (run, uri)"), &[])
    })?;
    // An event trigger may already have given it to the right role.
    let made = Table::made("ai", &seen_name(id), &[superuser(), relation.owner])?;
    made.give_to(relation.owner).map(drop)
}
