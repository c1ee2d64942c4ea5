//! What queries have used of models, until the worker writes it down.
//!
//! A session cannot write it itself: its transaction may be read-only or rolled back, and what was sent was sent.

use pgrx::pg_sys;

use pgai_rs_pipeline::usage::{ModelName, Usage};

/// The purpose for which a query asks a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// The vector of a question.
    Embedding,
    /// The relevance of what was found.
    Reranking,
}

/// The number of vectorizers and models that a database counts separately. Further ones are counted together, without a name,
/// until the worker has taken over the counts.
const KINDS: usize = 64;

/// The largest length of a model's name with its server, in bytes. Longer ones are cut.
const LONGEST_NAME: usize = 96;

/// The separator of a model's name and its server's, which a URL can't have. In the name, that may be any text, it becomes a blank.
const SEPARATOR: char = '\n';

/// The use of one model for the queries of one vectorizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedByQueries {
    /// The vectorizer's id; zero for several.
    pub vectorizer: i32,
    /// The purpose.
    pub asking: Asking,
    /// The use.
    pub usage: Usage,
    name: [u8; LONGEST_NAME],
    length: u8,
}

/// No use.
const NOTHING: UsedByQueries = UsedByQueries {
    vectorizer: 0,
    asking: Asking::Embedding,
    usage: Usage {
        requests: 0,
        inputs: 0,
        bytes: 0,
        documents: 0,
        tokens: 0,
        estimated_tokens: 0,
        billed_bytes: 0,
    },
    name: [0; LONGEST_NAME],
    length: 0,
};

impl UsedByQueries {
    /// Returns the use of a model.
    pub fn new(vectorizer: i32, asking: Asking, model: &ModelName, usage: Usage) -> Self {
        let full = format!("{}{SEPARATOR}{}", model.model.replace(SEPARATOR, " "), model.server);
        let length = full.floor_char_boundary(LONGEST_NAME);
        let mut name = [0; LONGEST_NAME];
        name[..length].copy_from_slice(&full.as_bytes()[..length]);
        UsedByQueries { vectorizer, asking, usage, name, length: length as u8 }
    }

    /// Returns the model; that of several is nameless.
    pub fn model(&self) -> ModelName {
        let full = String::from_utf8_lossy(&self.name[..usize::from(self.length)]);
        let (model, server) = full.split_once(SEPARATOR).unwrap_or((&full, ""));
        ModelName { model: model.to_owned(), server: server.to_owned() }
    }

    fn is_of_the_same(&self, other: &UsedByQueries) -> bool {
        UsedByQueries { usage: other.usage, ..*self } == *other
    }
}

/// The use by the queries of one database since its worker took it over.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    kinds: [UsedByQueries; KINDS],
    count: usize,
}

impl Used {
    /// The state before any query.
    pub(super) const NONE: Used = Used { kinds: [NOTHING; KINDS], count: 0 };

    /// Returns whether there is something that the worker has not taken over.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn note(&mut self, noted: &UsedByQueries) {
        let known = &mut self.kinds[..self.count];
        if let Some(known) = known.iter_mut().find(|known| known.is_of_the_same(noted)) {
            return known.usage.add(noted.usage);
        }
        if let Some(free) = self.kinds.get_mut(self.count) {
            *free = *noted;
            self.count += 1;
            return;
        }
        if let Some(last) = self.kinds.last_mut() {
            let mut usage = last.usage;
            usage.add(noted.usage);
            *last = UsedByQueries { usage, ..NOTHING };
        }
    }
}

/// Counts what a query has used; without preloading it is not counted. Does not raise errors.
pub fn note(database: pg_sys::Oid, noted: &UsedByQueries) {
    let note = || super::with_used(database, |used| used.note(noted));
    // A database without a worker may have no slot yet.
    if note().is_none() && super::update(database, |_| ()) {
        note();
    }
}

/// Takes over what queries have used since the last call.
pub fn take(database: pg_sys::Oid) -> Vec<UsedByQueries> {
    let taken = super::with_used(database, |used| {
        let taken = *used;
        *used = Used::NONE;
        taken
    });
    taken.map(|used| used.kinds[..used.count].to_vec()).unwrap_or_default()
}
