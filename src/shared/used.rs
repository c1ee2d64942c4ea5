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

/// The number of vectorizers, roles and models that a database counts separately until the worker has written the counts, and how
/// many of them a role may have. Of further ones the models are counted together, then the vectorizers, and only then the roles.
const KINDS: usize = 128;
const KINDS_OF_A_ROLE: usize = KINDS / 2;

/// The largest length of a model's name with its server, in bytes. Longer ones are cut.
const LONGEST_NAME: usize = 96;

/// The separator of a model's name and its server's, which a URL can't have. In the name, that may be any text, it becomes a blank.
const SEPARATOR: char = '\n';

/// The use of one model for the queries of one vectorizer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UsedByQueries {
    /// The vectorizer's id; zero for several.
    pub vectorizer: i32,
    /// The role that asked; zero for several.
    pub role: u32,
    /// The purpose.
    pub asking: Asking,
    /// The use.
    pub usage: Usage,
    /// The price of it, where a budget of money had to be asked; else zero.
    pub usd: f64,
    name: [u8; LONGEST_NAME],
    length: u8,
}

/// No use.
const NOTHING: UsedByQueries = UsedByQueries {
    vectorizer: 0,
    role: 0,
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
    usd: 0.0,
    name: [0; LONGEST_NAME],
    length: 0,
};

impl UsedByQueries {
    /// Returns the use of a model for a vectorizer, by a role, and its price in USD.
    pub fn new(
        (vectorizer, role): (i32, u32),
        asking: Asking,
        model: &ModelName,
        (usage, usd): (Usage, f64),
    ) -> Self {
        let full = format!("{}{SEPARATOR}{}", model.model.replace(SEPARATOR, " "), model.server);
        let length = full.floor_char_boundary(LONGEST_NAME);
        let mut name = [0; LONGEST_NAME];
        name[..length].copy_from_slice(&full.as_bytes()[..length]);
        UsedByQueries { vectorizer, role, asking, usage, usd, name, length: length as u8 }
    }

    /// Returns the model; that of several is nameless.
    pub fn model(&self) -> ModelName {
        let full = String::from_utf8_lossy(&self.name[..usize::from(self.length)]);
        let (model, server) = full.split_once(SEPARATOR).unwrap_or((&full, ""));
        ModelName { model: model.to_owned(), server: server.to_owned() }
    }

    fn is_of_the_same(&self, other: &UsedByQueries) -> bool {
        UsedByQueries { usage: other.usage, usd: other.usd, ..*self } == *other
    }

    /// Returns the same use as that of ever more together: of the models of a vectorizer and a role, of the vectorizers of a role,
    /// and of all.
    fn of_several(&self) -> [UsedByQueries; 3] {
        let (usage, usd) = (self.usage, self.usd);
        let models = UsedByQueries { name: NOTHING.name, length: 0, ..*self };
        [models, UsedByQueries { vectorizer: 0, ..models }, UsedByQueries { usage, usd, ..NOTHING }]
    }

    fn add(&mut self, other: &UsedByQueries) {
        self.usage.add(other.usage);
        self.usd += other.usd;
    }
}

/// The use by the queries of one database that its worker has not written.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    kinds: [UsedByQueries; KINDS],
    count: usize,
}

impl Used {
    /// The state before any query.
    pub(super) const NONE: Used = Used { kinds: [NOTHING; KINDS], count: 0 };

    /// Returns whether there is something that the worker has not written.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn note(&mut self, noted: &UsedByQueries) {
        let known = &mut self.kinds[..self.count];
        let of_role = known.iter().filter(|known| known.role == noted.role).count();
        if let Some(known) = known.iter_mut().find(|known| known.is_of_the_same(noted)) {
            return known.add(noted);
        }
        if of_role < KINDS_OF_A_ROLE && self.insert(noted) {
            return;
        }
        let [models, vectorizers, all] = noted.of_several();
        if !self.merge(&models) && !self.merge(&vectorizers) && !self.insert(noted) {
            self.merge_into_last(&all);
        }
    }

    /// Adds a kind. Returns false if there is no place.
    fn insert(&mut self, noted: &UsedByQueries) -> bool {
        let Some(free) = self.kinds.get_mut(self.count) else { return false };
        *free = *noted;
        self.count += 1;
        true
    }

    /// Adds to a kind that counts several together, or makes one of those that it stands for do so. Returns false if there is none.
    fn merge(&mut self, several: &UsedByQueries) -> bool {
        let known = &mut self.kinds[..self.count];
        let is_among =
            |known: &UsedByQueries| known.of_several().iter().any(|all| all.is_of_the_same(several));
        let place = known.iter().position(|known| known.is_of_the_same(several));
        let Some(place) = place.or_else(|| known.iter().position(is_among)) else { return false };

        let mut together = *several;
        together.add(&known[place]);
        known[place] = together;
        true
    }

    fn merge_into_last(&mut self, all: &UsedByQueries) {
        if let Some(last) = self.kinds.last_mut() {
            let mut together = *all;
            together.add(last);
            *last = together;
        }
    }

    fn forget(&mut self, written: &UsedByQueries) {
        let known = &mut self.kinds[..self.count];
        // It may be one of several by now.
        let place = |wanted: &UsedByQueries| known.iter().position(|known| known.is_of_the_same(wanted));
        let place = place(written).or_else(|| written.of_several().iter().find_map(place));
        let Some(place) = place else { return };

        known[place].usage.subtract(written.usage);
        known[place].usd = (known[place].usd - written.usd).max(0.0);
        if known[place].usage == Usage::default() {
            self.count -= 1;
            self.kinds.swap(place, self.count);
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

/// Returns what queries have used and the worker has not written yet.
pub fn unwritten(database: pg_sys::Oid) -> Vec<UsedByQueries> {
    super::with_used(database, |used| *used).map(|used| used.kinds[..used.count].to_vec()).unwrap_or_default()
}

/// Forgets what the worker has written. It comes after the commit, so that nobody who looks for both finds it nowhere.
pub fn forget(database: pg_sys::Oid, written: &[UsedByQueries]) {
    super::with_used(database, |used| written.iter().for_each(|written| used.forget(written)));
}
