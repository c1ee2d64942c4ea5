//! `ai.parse_document` and `ai.chunk_document`: what a vectorizer would make of a document.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pgrx::prelude::*;
use pgrx::{JsonB, PgSqlErrorCode, pg_sys};
use serde_json::json;

use pgai_rs_pipeline::chunk::{Allowance, chunker};
use pgai_rs_pipeline::citation::cut_cited;
use pgai_rs_pipeline::config::{Chunking, Loading, ParserChoice, TextFormat};
use pgai_rs_pipeline::failure::{Failure, Retry};
use pgai_rs_pipeline::load::Loaders;
use pgai_rs_pipeline::parse::{Input, ParseFailure, Parsed, Parser, UnparsedDocument, parse_plain};
use pgai_rs_pipeline::settings::Settings;

use super::chunking::StopOnDrop;
use super::network::{await_answer, await_work};
use crate::access;
use crate::catalog::rights;
use crate::catalog::spending::{self, LoadedInSession};
use crate::declare::chunking::sqlstate;
use crate::declare::config::ConfigPart;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::identity::current_user;
use crate::pg::json::Json;

/// Memory in bytes that a chunk takes in addition to its text.
const PER_CHUNK: u64 = 256;

type Result<T> = std::result::Result<T, pg_sys::panic::ErrorReport>;

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn parse_document(
    document: Option<&[u8]>,
    name: Option<&str>,
    content_type: Option<&str>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(kind, String),
            name!(format, String),
            name!(metadata, JsonB),
            name!(pages, JsonB),
            name!(content, String),
        ),
    >,
> {
    let parsed = document.map(|bytes| parse(given(bytes, name, content_type))).transpose()?;
    Ok(TableIterator::new(parsed.map(row)))
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn parse_document_at(
    uri: Option<&str>,
    loading: Option<Json>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(kind, String),
            name!(format, String),
            name!(metadata, JsonB),
            name!(pages, JsonB),
            name!(content, String),
        ),
    >,
> {
    let parsed = uri.map(|uri| load(uri, loading).and_then(parse)).transpose()?;
    Ok(TableIterator::new(parsed.map(row)))
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn chunk_document(
    document: Option<&[u8]>,
    chunking: Option<Json>,
    name: Option<&str>,
    content_type: Option<&str>,
) -> Result<TableIterator<'static, (name!(seq, i64), name!(chunk, String), name!(citation, JsonB))>> {
    let Some(bytes) = document else { return Ok(TableIterator::new(Vec::new())) };
    let parsed = parse(given(bytes, name, content_type))?;
    Ok(TableIterator::new(chunk(parsed, chunking)?))
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn chunk_document_at(
    uri: Option<&str>,
    chunking: Option<Json>,
    loading: Option<Json>,
) -> Result<TableIterator<'static, (name!(seq, i64), name!(chunk, String), name!(citation, JsonB))>> {
    let Some(uri) = uri else { return Ok(TableIterator::new(Vec::new())) };
    let parsed = load(uri, loading).and_then(parse)?;
    Ok(TableIterator::new(chunk(parsed, chunking)?))
}

fn given(bytes: &[u8], name: Option<&str>, content_type: Option<&str>) -> UnparsedDocument {
    UnparsedDocument {
        bytes: bytes.to_vec().into(),
        name: name.map(str::to_owned),
        content_type: content_type.map(str::to_owned),
    }
}

/// Fetches an object as a vectorizer of the caller's would.
fn load(uri: &str, loading: Option<Json>) -> std::result::Result<UnparsedDocument, PgError> {
    let declared = loading.map(|loading| loading.0);
    let config: ConfigPart<Loading> = ConfigPart::parse("loading", declared);
    let loading = config.readable()?;
    let Loading::Uri { s3, .. } = loading else {
        return Err(PgError::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "loading must be a config of ai.loading_uri",
        )
        .with_hint("Use ai.loading_uri, as in loading => ai.loading_uri('uri', region => 'eu-central-1')."));
    };
    let author = rights::author(current_user());
    access::loading::require_allowed(loading, current_user(), author)?;

    spending::require_bytes_in_session()?;

    let settings = guc::pipeline();
    let access = access::s3::declared_by(s3, author);
    let loaders = Loaders::new(&settings, None);
    let charged = LoadedInSession::new();
    let account = charged.account();
    let loaded = loaders.load(uri, &access, None, Instant::now(), &account);
    let loaded = await_answer(2 * settings.load_timeout, loaded)?.ok_or_else(no_answer)?.map_err(failed)?;
    let loaded = loaded.ok_or_else(|| PgError::internal("an object without a known version is unchanged"))?;
    Ok(UnparsedDocument { bytes: loaded.bytes, name: loaded.name, content_type: loaded.content_type })
}

fn no_answer() -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_QUERY_CANCELED, "S3 did not respond in time")
        .with_hint("Check the network between the Postgres server and S3, or increase pgai_rs.load_timeout.")
}

/// Returns the text of a document, with its facts.
fn parse(document: UnparsedDocument) -> std::result::Result<Parsed, PgError> {
    let settings = guc::pipeline();
    let size = document.bytes.len() as u64;
    if size > settings.max_document_size {
        return Err(PgError::new(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, "document too large")
            .with_detail(format!("It has {size} bytes, and the maximum is {}.", settings.max_document_size))
            .with_hint("Split the document, or increase pgai_rs.max_document_size."));
    }

    // Bytes are shared, not copied.
    let plain = parse_plain(ParserChoice::Auto, Input::Document(document.clone()));
    let parsed = match plain {
        Ok(Some(parsed)) => Ok(parsed),
        Ok(None) => run_parser(&settings, &document)?,
        Err(error) => Err(error),
    };
    parsed.map_err(|error| failed(error.into()))
}

/// Lets the parser read a document, while the session hears Ctrl-C.
fn run_parser(
    settings: &Settings,
    document: &UnparsedDocument,
) -> std::result::Result<std::result::Result<Parsed, ParseFailure>, PgError> {
    let parser = Parser::new(settings).ok_or_else(|| PgError::internal("there is no parser"))?;
    // The program has its own limit, which is told in better words.
    let longest = settings.parse_timeout + Duration::from_secs(60);
    await_answer(longest, parser.read(document))?
        .ok_or_else(|| PgError::internal("the parser did not end in time"))
}

/// Cuts a document with this config.
fn chunk(
    mut parsed: Parsed,
    chunking: Option<Json>,
) -> std::result::Result<Vec<(i64, String, JsonB)>, PgError> {
    let config: ConfigPart<Chunking> = ConfigPart::parse("chunking", chunking.map(|chunking| chunking.0));
    let chunking = config.readable()?.clone();
    let most = guc::pipeline().largest_document_memory();

    let stop = StopOnDrop::default();
    let stopped = Arc::clone(&stop.0);
    let pieces = await_work(move || {
        let allowance = Allowance::new(most, PER_CHUNK).until_stopped(&stopped);
        let (pieces, citations) = cut_cited(&chunking, chunker(&chunking)?.as_ref(), &mut parsed, allowance)?;
        Ok(pieces.into_iter().zip(citations).collect::<Vec<_>>())
    })?;
    let pieces = pieces.map_err(|error| {
        PgError::new(sqlstate(&error), format!("could not split the document: {error}"))
            .with_hint(error.hint())
    })?;

    let rows = pieces.into_iter().zip(0..);
    Ok(rows.map(|((piece, citation), seq)| (seq, piece.text, JsonB(json!(citation)))).collect())
}

/// Returns a document as a row: its type, its format, its metadata, its pages and its text.
pub(super) fn row(parsed: Parsed) -> (String, String, JsonB, JsonB, String) {
    let format = match parsed.format {
        TextFormat::Text => "text",
        TextFormat::Markdown => "markdown",
    };
    let pages = JsonB(pages(&parsed));
    let metadata = JsonB(json!(parsed.metadata));
    let kind = parsed.kind.unwrap_or_else(|| match parsed.format {
        TextFormat::Text => "text".to_owned(),
        TextFormat::Markdown => "markdown".to_owned(),
    });
    (kind, format.to_owned(), metadata, pages, parsed.text)
}

/// Returns the pages with the number of characters before each, as Postgres counts in a text.
fn pages(parsed: &Parsed) -> serde_json::Value {
    let (mut place, mut characters) = (0, 0);
    let mut pages = Vec::with_capacity(parsed.pages.len());
    for page in &parsed.pages {
        characters += parsed.text[place..page.start].chars().count();
        place = page.start;
        pages.push(json!({"page": page.number, "start": characters}));
    }
    pages.into()
}

/// Returns the error for a document that a vectorizer would set aside, or try again.
pub(super) fn failed(failure: Failure) -> PgError {
    let sqlstate = match failure.retry {
        Retry::Never => PgSqlErrorCode::ERRCODE_DATA_EXCEPTION,
        _ => PgSqlErrorCode::ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
    };
    let error = PgError::new(sqlstate, failure.message)
        .with_detail(format!("The failure has the code {}.", failure.code));
    match failure.hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}
