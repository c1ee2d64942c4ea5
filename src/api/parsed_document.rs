//! `ai.parsed_document`: the text that a vectorizer keeps of a document.

use pgrx::datum::{DatumWithOid, TimestampWithTimeZone};
use pgrx::prelude::*;
use pgrx::{JsonB, PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::parse::KeptText;
use pgai_rs_queue::sql::text;

use super::documents;
use super::drop_vectorizer::require_id;
use super::given_key::{self, KEY_HINT};
use super::retry_failed::lost;
use crate::catalog::key::{GivenKeys, KeyValues};
use crate::catalog::table::Table;
use crate::catalog::texts::{self, Texts};
use crate::catalog::vectorizer::{self, Entry, Vectorizer};
use crate::catalog::visibility;
use crate::pg::error::PgError;
use crate::pg::identity::{as_user_on, current_user, may_act_as, with_own_search_path, with_pinned_path};
use crate::pg::json::Json;
use crate::pg::sql;
use crate::pg::statement::on_tables;
use crate::pg::transaction::subtransaction;

/// A kept document: type, format, metadata, pages, text, the time at which it was parsed, and by what.
type Shown = (String, String, JsonB, JsonB, String, TimestampWithTimeZone, String);

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn parsed_document(
    vectorizer_id: Option<i32>,
    key: Option<Json>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(kind, String),
            name!(format, String),
            name!(metadata, JsonB),
            name!(pages, JsonB),
            name!(content, String),
            name!(parsed_at, TimestampWithTimeZone),
            name!(parsed_by, String),
        ),
    >,
    pg_sys::panic::ErrorReport,
> {
    let id = require_id(vectorizer_id)?;
    let entry =
        seen(vectorizer::by_id(id)?).ok_or_else(|| unknown(format!("Vectorizer {id} does not exist.")))?;
    Ok(TableIterator::new(shown(&entry, key)?))
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn parsed_document_of(
    name: Option<&str>,
    key: Option<Json>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(kind, String),
            name!(format, String),
            name!(metadata, JsonB),
            name!(pages, JsonB),
            name!(content, String),
            name!(parsed_at, TimestampWithTimeZone),
            name!(parsed_by, String),
        ),
    >,
    pg_sys::panic::ErrorReport,
> {
    let name = name.ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "name must not be null")
            .with_hint("See the view ai.vectorizer_status for the existing vectorizers.")
    })?;
    let entry = seen(vectorizer::by_name(name)?)
        .ok_or_else(|| unknown(format!("There is no vectorizer named {name:?}.")))?;
    Ok(TableIterator::new(shown(&entry, key)?))
}

/// Returns the vectorizer if the caller sees it.
fn seen(entry: Option<Entry>) -> Option<Entry> {
    entry.filter(|entry| entry.is_seen_by(current_user()))
}

fn unknown(detail: String) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_NO_DATA_FOUND, "query returned no rows")
        .with_detail(detail)
        .with_hint("See the view ai.vectorizer_status for the existing vectorizers.")
}

/// Returns the kept document of a row; none if the caller does not see the row, or nothing is kept of it.
fn shown(entry: &Entry, key: Option<Json>) -> Result<Option<Shown>, PgError> {
    let v = entry.resolve()?;
    v.relations.require_one_owner()?;
    let origin = kept_in(&v)?;
    require_reader(&v, origin)?;
    let Some(Json(key)) = key else { return Ok(None) };
    let key = given_key::one(&v.key, &key)?;

    // A subtransaction, to add the hint: a value may be invalid for its column's type.
    let found = subtransaction(|| {
        v.relations.hold()?;
        if is_hidden(&v, &key)? { Ok(None) } else { read(&v, &key) }
    });
    let found = found.map_err(|error| match error.hint {
        None if error.sqlstate().starts_with("22") => error.with_hint(KEY_HINT),
        _ => error,
    })?;
    Ok(found.map(|(kept, parsed_at)| {
        let (kind, format, metadata, pages, content) = documents::row(kept.parsed);
        (kind, format, metadata, pages, content, parsed_at, kept.parser)
    }))
}

/// Returns the table that a vectorizer keeps texts in. Errors if it keeps none.
fn kept_in(v: &Vectorizer) -> Result<&Table, PgError> {
    if texts::of(v)? != Texts::Kept {
        return Err(PgError::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("vectorizer \"{}\" does not keep the texts of documents", v.name),
        )
        .with_hint(
            "Create a vectorizer with parsing => ai.parsing_auto(keep_text => true). ai.parse_document() shows what \
             would become of a document.",
        ));
    }
    v.relations.origin.as_ref().ok_or_else(|| lost(v.id))
}

/// Errors unless the caller may read the source and the table of texts.
fn require_reader(v: &Vectorizer, origin: &Table) -> Result<(), PgError> {
    let (user, source) = (current_user(), &v.relations.source);
    let may_read = |table: &Table| visibility::may_read_all(user, table.oid);
    if may_act_as(user, v.owner) || may_read(source) && may_read(origin) {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("permission denied for the texts of vectorizer \"{}\"", v.name),
    )
    .with_hint(format!(
        "GRANT SELECT ON {}, {} lets a role read them.",
        source.qualified(),
        origin.qualified()
    )))
}

/// Returns whether row security hides a row of the source from the caller. Policies are evaluated as they are when the
/// caller reads the source: whom they do not concern runs nothing of the owner's.
fn is_hidden(v: &Vectorizer, key: &KeyValues) -> Result<bool, PgError> {
    let source = v.relations.source.oid;
    let is_secured = with_pinned_path(|| {
        sql::read("SELECT pg_catalog.row_security_active($1)", &[source.into()], |row| row.get::<bool>(1))
    })?;
    if is_secured != [true] {
        return Ok(false);
    }

    let look = format!(
        "SELECT FROM {} k JOIN {} s ON {}",
        v.key.given(&[]),
        v.source.qualified(),
        v.key.same_given("s")
    );
    let rows = with_pinned_path(|| {
        with_own_search_path(|| on_tables(&[source].into(), || sql::read(&look, &given(v, key), |_| Ok(()))))
    })?;
    Ok(rows.is_empty())
}

/// Reads the kept document of a row that is in the source, as the owner of both tables.
fn read(v: &Vectorizer, key: &KeyValues) -> Result<Option<(KeptText, TimestampWithTimeZone)>, PgError> {
    let show = text::show(&v.key, &v.own, &v.queue.origin, &v.source.qualified());
    let found = as_user_on(v.owner, &v.relations.oids(), || {
        sql::read(&show, &given(v, key), |row| {
            let (outline, parsed_at) = (row.get::<String>(2)?, row.get(3)?);
            Ok(KeptText::read(row.get(1)?, &outline).map(|kept| (kept, parsed_at)))
        })
    })?;
    Ok(found.into_iter().flatten().next())
}

/// Returns a key as the parameters of a statement.
fn given<'a>(v: &Vectorizer, key: &'a KeyValues) -> Vec<DatumWithOid<'a>> {
    GivenKeys::new([key].into_iter(), v.key.len()).into_columns().map(DatumWithOid::from).collect()
}
