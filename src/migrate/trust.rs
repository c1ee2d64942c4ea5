//! The author of a config in pgai's catalog: a superuser, or who else may have written it.
//!
//! A superuser's declaration is free of the administrator's lists. In pgai, whoever may declare vectorizers may write to its
//! catalog, also to the entries of others. So an entry on a superuser's table is taken for a superuser's word only if nobody else
//! may write there. Else the lists bind it, until a superuser who has read its config answers for it.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode};
use serde_json::Value;

use pgai_rs_pipeline::config::Author;
use pgai_rs_pipeline::embed::api_key_name;
use pgai_rs_pipeline::server_url::ServerUrl;

use super::old_table;
use super::requirements::AdoptableVectorizer;
use crate::access;
use crate::catalog::secret;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, is_superuser};
use crate::pg::sql;

/// Roles other than superusers that may write to the table `$1`, or put a trigger on it, directly or by a membership. Roles that
/// Postgres itself has made count by their members, and not as such.
const WRITERS: &str = "
    WITH able AS MATERIALIZED (
        SELECT r.oid FROM pg_catalog.pg_roles r JOIN pg_catalog.pg_class c ON c.oid = $1
        WHERE NOT r.rolsuper
          AND (r.oid = c.relowner OR pg_catalog.has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, TRIGGER')
               OR pg_catalog.has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE')))
    SELECT pg_catalog.quote_ident(m.rolname::text) FROM pg_catalog.pg_roles m
    WHERE NOT m.rolsuper AND m.oid >= 16384
      AND EXISTS (SELECT FROM able a WHERE pg_catalog.pg_has_role(m.oid, a.oid, 'MEMBER'))
    ORDER BY 1";

/// The number of roles that a warning names.
const MOST_NAMED: usize = 10;

/// Returns the roles other than superusers that may write to pgai's catalog. It must be locked.
pub fn writers(schema: &str) -> Result<Vec<String>, PgError> {
    let Some(table) = old_table::find(schema, "vectorizer", &['r'])? else { return Ok(Vec::new()) };
    as_superuser(|| sql::read_now(WRITERS, &[table.oid.into()], |row| row.get::<String>(1)))
}

/// Raises a warning for each vectorizer on a superuser's table that does no work because its config may be that of one of these
/// `writers`, and the administrator's lists do not allow it to them.
pub fn tell_bound(candidates: &[AdoptableVectorizer], writers: &[String]) -> Result<(), PgError> {
    if writers.is_empty() {
        return Ok(());
    }
    for candidate in candidates.iter().filter(|candidate| is_superuser(candidate.source.owner)) {
        let key = secret::api_key_of(&candidate.parsed.embedding)?;
        let owner = candidate.source.owner;
        let allowed =
            access::vectorizer::require_allowed(&candidate.parsed, owner, Author::Other, key.as_ref());
        if let Err(refusal) = allowed {
            tell(candidate, writers, &refusal);
        }
    }
    Ok(())
}

fn tell(candidate: &AdoptableVectorizer, writers: &[String], refusal: &PgError) {
    let id = candidate.entry.id;
    let message =
        format!("this server does not allow what the config of vectorizer \"{}\" says", candidate.entry.name);
    let detail = format!(
        "The reason: {}. The config names {}. Roles other than superusers may write to pgai's catalog: {}. So it is not taken for a \
         superuser's word, and the vectorizer waits.",
        refusal.message,
        named(candidate),
        some_of(writers),
    );
    let answer = format!(
        "Or read its config in ai.vectorizer and, to answer for it as a superuser, run UPDATE ai.vectorizer SET for_superuser = true \
         WHERE id = {id}."
    );
    let hint = refusal.hint.as_ref().map_or_else(|| answer.clone(), |hint| format!("{hint} {answer}"));
    ErrorReport::new(PgSqlErrorCode::ERRCODE_WARNING, message, "")
        .set_detail(detail)
        .set_hint(hint)
        .report(PgLogLevel::WARNING);
}

/// Returns what a config names that the lists are about: a server, the name of a key, roles of AWS.
fn named(candidate: &AdoptableVectorizer) -> String {
    let text = |at: &str| candidate.config.pointer(at).and_then(Value::as_str);
    let embedding = "/embedding/extra_options";
    let server = text("/embedding/base_url").map(str::to_owned);
    let server = server.or_else(|| text(&format!("{embedding}/api_base")).map(str::to_owned));
    // One that is no URL may hold a password.
    let server = server.map(|url| {
        ServerUrl::parse(&url).map_or("a base_url that is not valid".to_owned(), |url| url.normal())
    });
    let key = api_key_name(&candidate.parsed.embedding);

    let roles = [text(&format!("{embedding}/aws_role_name")), text("/loading/aws_role_arn")];
    let roles = roles.into_iter().flatten().map(|role| format!("the AWS role {role}"));
    let server = server.unwrap_or_else(|| "the provider's usual server".to_owned());
    let key = key.map(|key| format!("the API key {key}"));
    [server].into_iter().chain(key).chain(roles).collect::<Vec<_>>().join(", ")
}

/// Returns the first of these names, and the number of the others.
fn some_of(names: &[String]) -> String {
    let first = names[..names.len().min(MOST_NAMED)].join(", ");
    match names.len().saturating_sub(MOST_NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
