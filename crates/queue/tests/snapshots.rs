//! The text of each statement, as it stands in `sql/`. With `UPDATE_SNAPSHOTS=1` the files are written anew, to be
//! read before they are committed.
#![allow(clippy::unwrap_used)]

#[path = "support/definitions.rs"]
mod definitions;

use std::fs;
use std::path::Path;

use pgai_rs_queue::definition::{Definition, Target};
use pgai_rs_queue::sql::trigger::Followers;
use pgai_rs_queue::sql::{column, inbox, provenance, source, store, suspects, text, trigger, words, work};
use pgai_rs_queue::tables::{Remembered, Texts, definitions as table_definitions};

/// All statements of a vectorizer, with their names.
fn statements(v: &Definition) -> Vec<(String, String)> {
    let mut all = vec![
        ("inbox::peek", inbox::peek(v)),
        ("inbox::fold", inbox::fold(v)),
        ("work::claim", work::claim(v, true)),
        ("work::claim without sizes", work::claim(v, false)),
        ("work::held", work::held(v)),
        ("work::settle", work::settle(v)),
        ("work::release", work::release(v)),
        ("work::postpone", work::postpone(v)),
        ("work::renew", work::renew(v)),
        ("suspects::recover", suspects::recover(v)),
        ("suspects::next", suspects::next(v)),
        ("suspects::mark", suspects::mark(v)),
        ("work::resume", work::resume(v)),
        ("work::forget_failed", work::forget_failed(v)),
        ("work::set_aside", work::set_aside(v)),
        ("source::read", source::read(v)),
        ("source::lock", source::lock(v)),
        ("source::present", source::present(v)),
    ];
    if v.by_address {
        all.push(("work::claim_among", work::claim_among(v, true)));
    }
    match &v.target {
        Target::Store(name) => all.extend([
            ("store::existing", store::existing(v, name)),
            ("store::there", store::there(name)),
            ("store::delete_chunks", store::delete_chunks(v, name)),
            ("store::move_aside", store::move_aside(name)),
            ("store::renumber", store::renumber(name)),
            ("store::insert_chunks", store::insert_chunks(v, name)),
            ("store::cite", store::cite(name)),
        ]),
        Target::Column(name) => all.extend([
            ("column::existing", column::existing(v, name)),
            ("column::filled", column::filled(v, name)),
            ("column::fill", column::fill(v, name)),
            ("column::clear", column::clear(v, name)),
        ]),
    }
    if v.remembered != Remembered::Nothing {
        all.extend([
            ("provenance::remember", provenance::remember(v)),
            ("provenance::forget", provenance::forget(v)),
        ]);
    }
    if matches!(v.remembered, Remembered::Object | Remembered::Input) {
        all.push(("provenance::read", provenance::read(v)));
    }
    if let (Target::Store(name), Some(kept)) = (&v.target, &v.words) {
        all.extend([
            ("words::add", words::add(name, kept)),
            ("words::look", words::look(name, kept)),
            ("words::lock", words::lock(name)),
        ]);
    }
    if v.texts == Texts::Kept {
        all.extend([
            ("text::known", text::known(v)),
            ("text::read", text::read(v)),
            ("text::write", text::write(v)),
            ("text::show", text::show(&v.key, &v.own, &v.tables.origin, &v.source)),
        ]);
    }

    let followers = followers(v);
    let removal = |others, which| trigger::removal(&v.key, &v.tables, &followers, others, which);
    all.extend([
        ("trigger::enqueue_inserted", trigger::enqueue_inserted(&v.key, &v.tables.inbox)),
        ("trigger::enqueue_changed", trigger::enqueue_changed(&v.key, &v.tables.inbox, read_columns(v))),
        ("trigger::enqueue_row", trigger::enqueue_row(&v.key, &v.tables.inbox)),
        ("trigger::remove_row", trigger::remove_row(&v.key, &v.tables, &followers)),
        ("trigger::removal", removal(Some("old_rows o"), &v.key.same("s", "o"))),
    ]);
    let tables = table_definitions(&v.tables, &v.key, v.remembered);
    let tables = tables.into_iter().map(|statement| ("tables::definitions", statement));
    all.into_iter().chain(tables).map(|(name, statement)| (name.to_owned(), statement)).collect()
}

/// The tables of a vectorizer whose rows belong to rows of the source.
fn followers(v: &Definition) -> Followers {
    let store = match &v.target {
        Target::Store(name) => Some(name.clone()),
        Target::Column(_) => None,
    };
    let origin = (v.remembered != Remembered::Nothing).then(|| v.tables.origin.clone());
    Followers { store, words: v.words.as_ref().map(|words| words.table.clone()), origin }
}

fn read_columns(v: &Definition) -> impl Iterator<Item = &str> {
    std::iter::once(&v.loaded).chain(&v.fields).map(|field| field.name.as_str())
}

#[track_caller]
fn is_as_written(name: &str, v: &Definition) {
    are_as_written(name, statements(v));
}

#[track_caller]
fn are_as_written(name: &str, statements: Vec<(String, String)>) {
    let texts = statements.into_iter().map(|(name, text)| {
        // What indents a statement in the source is no part of it.
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        format!("-- {name}\n{};\n", lines.join("\n"))
    });
    let now = texts.collect::<Vec<_>>().join("\n");

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql").join(name).with_extension("sql");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&file, &now).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    let differs = now.lines().zip(written.lines()).find(|(now, written)| now != written);
    assert!(
        now == written,
        "{} differs, first in {differs:?}: UPDATE_SNAPSHOTS=1 writes it anew",
        file.display()
    );
}

#[test]
fn the_statements_of_texts_with_a_store() {
    is_as_written("texts", &definitions::texts());
}

/// Those that a vectorizer of texts without words does not have.
#[test]
fn the_statements_of_words() {
    let without = statements(&definitions::texts());
    let mut with = statements(&definitions::with_words());
    with.retain(|statement| !without.contains(statement));
    are_as_written("words", with);
}

#[test]
fn the_statements_of_documents_whose_texts_are_kept() {
    is_as_written("documents", &definitions::documents());
}

#[test]
fn the_statements_of_addresses_with_a_column() {
    is_as_written("addresses", &definitions::addresses());
}
