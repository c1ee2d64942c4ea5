//! A search in one vectorizer.

use pgrx::PgSqlErrorCode;

use super::arguments::{InOne, Question};
use super::terms::{Mode, Terms, invalid, null};
use crate::api::embed::{Embedded, embed_question, may_ask};
use crate::api::named::does_not_exist;
use crate::api::rerank::CallersReranker;
use crate::catalog::vectorizer::Entry;
use crate::catalog::visibility::may_read_all;
use crate::catalog::words::Words;
use crate::pg::error::PgError;
use crate::pg::identity::current_user;
use crate::search::answer::Receiver;
use crate::search::known::{Definitions, Known, Named};
use crate::search::prepared::is_model_changed;
use crate::search::request::Request;
use crate::search::reranked::Reranker;
use crate::search::run;
use crate::search::scale::Scale;
use crate::search::steps::Steps;
use crate::search::words::without_words;

/// Searches as the arguments say.
pub fn search(given: InOne, steps: &Steps, receiver: &dyn Receiver) -> Result<(), PgError> {
    let named = given.vectorizer.ok_or_else(|| null("vectorizer"))?;
    let terms = Terms::of(given.options)?;
    search_in(&named, given.question.as_ref(), &terms, steps, receiver).map(drop)
}

/// The number of times that a question is embedded, where the model changes between that and the search.
const TRIES: usize = 3;

/// Searches in a vectorizer, and returns what its scores measure; `None` if there is no question. Whatever can be refused is
/// refused before the model is asked, and no table is locked while it is. A question that was embedded by a model that is replaced
/// at that moment is embedded by the new one.
pub fn search_in(
    named: &Named,
    question: Option<&Question>,
    terms: &Terms,
    steps: &Steps,
    receiver: &dyn Receiver,
) -> Result<Option<Scale>, PgError> {
    for _ in 1..TRIES {
        match search_once(named, question, terms, steps, receiver) {
            Err(error) if is_model_changed(&error) => {}
            result => return result,
        }
    }
    search_once(named, question, terms, steps, receiver)
}

fn search_once(
    named: &Named,
    question: Option<&Question>,
    terms: &Terms,
    steps: &Steps,
    receiver: &dyn Receiver,
) -> Result<Option<Scale>, PgError> {
    let mut known = visible(named)?;
    steps.begin(&known.entry.name);
    let reranker = reranker(terms, question, &mut known)?;

    let (vector, words) = match question {
        None => return Ok(None),
        Some(Question::Text(text)) if text.trim().is_empty() => {
            return Err(invalid("query must not be empty").with_hint("Say what to search for."));
        }
        Some(Question::Text(text)) => {
            let mode = terms.mode.map_or_else(|| best_mode(&mut known), Ok)?;
            require_words(mode, &mut known)?;
            steps.note_preparation();
            let vector = vector_of(mode, &known.entry, named, text, steps)?;
            (vector, (mode != Mode::Vector).then(|| text.clone()))
        }
        Some(Question::Vector(vector)) => {
            let mode = terms.mode.unwrap_or(if terms.words.is_some() { Mode::Hybrid } else { Mode::Vector });
            require_words(mode, &mut known)?;
            let words = given_words(terms);
            if mode != Mode::Vector && words.is_none() {
                return Err(invalid("a search for words needs a text")
                    .with_hint("Pass the question as words => '...', beside the vector."));
            }
            let vector = (mode != Mode::Text).then(|| vector.clone());
            (vector, words.filter(|_| mode != Mode::Vector).map(str::to_owned))
        }
    };
    let reranker = reranker.as_ref().map(|reranker| reranker as &dyn Reranker);
    let made_by = match question {
        Some(Question::Text(_)) if vector.is_some() => Some(known.entry.config()?.embedding.clone()),
        _ => None,
    };
    let request = Request { vector, made_by, words, ..terms.request.clone() };
    run::search(known, &request, reranker, steps, receiver).map(Some)
}

/// Returns the text that is given beside a vector; `None` if it has no words.
fn given_words(terms: &Terms) -> Option<&str> {
    terms.words.as_deref().filter(|words| !words.trim().is_empty())
}

/// Returns the model that ranks what is found; `None` if none is asked for, or there is no question. Errors if there is nothing
/// that it could read.
fn reranker(
    terms: &Terms,
    question: Option<&Question>,
    known: &mut Known,
) -> Result<Option<CallersReranker>, PgError> {
    let (Some(config), Some(question)) = (&terms.rerank, question) else { return Ok(None) };
    let text = match question {
        Question::Text(text) => text,
        Question::Vector(_) => given_words(terms).ok_or_else(|| {
            invalid("reranking needs the text of the question")
                .with_hint("Pass the question as words => '...', beside the vector.")
        })?,
    };
    let vectorizer = &known.definitions()?.vectorizer;
    CallersReranker::for_search(config.clone(), text, terms.request.k, vectorizer).map(Some)
}

/// Returns the vector of a question, unless words alone are looked for.
fn vector_of(
    mode: Mode,
    entry: &Entry,
    named: &Named,
    text: &str,
    steps: &Steps,
) -> Result<Option<Vec<f32>>, PgError> {
    if mode == Mode::Text {
        return Ok(None);
    }
    if !may_ask(entry)? {
        return Err(no_such(named));
    }

    let Embedded { vector, tokens } = embed_question(entry, text.to_owned())?;
    steps.note("embed", |step| {
        let embedding = &entry.config()?.embedding;
        step.ask(embedding.implementation(), Some(embedding.model()), tokens.unwrap_or(0));
        if tokens.is_none() {
            step.detail("remembered", true);
        }
        Ok(())
    })?;
    Ok(Some(vector))
}

/// Returns the best mode for a question: hybrid where the words of all chunks are kept, the caller may read them, and there
/// is still what makes words of a question.
fn best_mode(known: &mut Known) -> Result<Mode, PgError> {
    let Definitions { vectorizer, configuration, .. } = known.definitions()?;
    let may_read = |words: &Words| words.is_ready && may_read_all(current_user(), words.table.oid);
    match vectorizer.words.as_ref().is_some_and(may_read) && configuration.is_ok() {
        true => Ok(Mode::Hybrid),
        false => Ok(Mode::Vector),
    }
}

/// Errors if a mode looks for words that are not kept (55000), or that the caller may not read (42501).
fn require_words(mode: Mode, known: &mut Known) -> Result<(), PgError> {
    if mode == Mode::Vector {
        return Ok(());
    }
    let vectorizer = &known.definitions()?.vectorizer;
    let words = vectorizer.words.as_ref().ok_or_else(|| without_words(&vectorizer.name))?;
    if may_read_all(current_user(), words.table.oid) {
        return Ok(());
    }
    let table = words.table.qualified();
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("permission denied for the words of vectorizer \"{}\"", vectorizer.name),
    )
    .with_hint(format!("GRANT SELECT ON {table} lets a role search for words.")))
}

/// Returns the vectorizer that is named. Errors (42704) if there is none, or the caller does not see it.
fn visible(named: &Named) -> Result<Known, PgError> {
    let found = Known::find(named)?;
    found.filter(|known| known.entry.is_seen_by(current_user())).ok_or_else(|| no_such(named))
}

fn no_such(named: &Named) -> PgError {
    does_not_exist(&match named {
        Named::Id(id) => format!("vectorizer with id {id}"),
        Named::Name(name) => format!("vectorizer {name:?}"),
    })
}
