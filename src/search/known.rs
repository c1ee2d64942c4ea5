//! The vectorizers that a session has searched, kept until something changes of which they were read.
//!
//! Reading one takes a dozen queries of the catalog, many times the time of a search in ten thousand chunks.

use std::cell::RefCell;
use std::rc::Rc;

use pgrx::{PgSqlErrorCode, pg_sys};

use super::collection::Collection;
use super::ordering::Ordering;
use super::words::without_words;
use crate::catalog::definitions::Watch;
use crate::catalog::telling;
use crate::catalog::vectorizer::{self, Entry, Vectorizer};
use crate::pg::error::PgError;
use crate::pg::identity::{current_user, with_pinned_path};

/// The number of vectorizers that a session keeps.
const MOST: usize = 16;

thread_local! {
    /// The last one searched comes last. One that is being searched is not among them, so that an error leaves it out:
    /// what is wrong about it may be something that nobody tells of, such as the name of a type.
    static KNOWN: RefCell<Vec<Known>> = const { RefCell::new(Vec::new()) };
}

/// A vectorizer as a caller names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// Its id.
    Id(i32),
    /// Its name.
    Name(String),
}

/// A vectorizer that is being searched.
pub struct Known {
    /// Its row in the catalog.
    pub entry: Entry,
    definitions: Option<Definitions>,
    /// The watch over all that this was read from; `None` if it has to be read each time.
    watch: Option<Watch>,
    /// The statistics of its words, and the role that was shown them.
    collection: Option<(pg_sys::Oid, Rc<Collection>)>,
    /// True if it was read for an earlier search.
    is_kept: bool,
}

/// The knowledge of a vectorizer that a search needs.
pub struct Definitions {
    /// Its tables.
    pub vectorizer: Vectorizer,
    /// The order of a search.
    pub ordering: Ordering,
}

impl Definitions {
    /// Reads them. Errors if something is missing or does not fit.
    fn of(entry: &Entry) -> Result<Definitions, PgError> {
        with_pinned_path(|| {
            let vectorizer = entry.resolve()?;
            let ordering = Ordering::of(&vectorizer)?;
            Ok(Definitions { vectorizer, ordering })
        })
    }
}

impl Known {
    /// Returns the vectorizer of this name; `None` if there is none, or its relations are missing.
    pub fn find(named: &Named) -> Result<Option<Known>, PgError> {
        if let Some(known) = take(named).filter(Known::is_current) {
            return Ok(Some(Known { is_kept: true, ..known }));
        }
        let found = match named {
            Named::Id(id) => vectorizer::by_id(*id)?,
            Named::Name(name) => vectorizer::by_name(name)?,
        };
        Ok(found.map(|entry| Known {
            entry,
            definitions: None,
            watch: None,
            collection: None,
            is_kept: false,
        }))
    }

    /// Returns what a search needs of it.
    pub fn definitions(&mut self) -> Result<&Definitions, PgError> {
        if self.definitions.is_none() {
            self.read()?;
        }
        self.definitions.as_ref().ok_or_else(|| PgError::internal("a vectorizer was not read"))
    }

    /// Reads its definitions. If some definition has changed meanwhile, they are read once more, while what they are read
    /// from is watched already: then changes of others do not concern them.
    fn read(&mut self) -> Result<(), PgError> {
        self.definitions = Some(Definitions::of(&self.entry)?);
        self.watch = watch(&self.entry)?;
        let Some(disturbed) = self.watch.take_if(|watch| !watch.is_undisturbed()) else { return Ok(()) };

        if let Some(entry) = vectorizer::by_id(self.entry.id)? {
            self.definitions = Some(Definitions::of(&entry)?);
            self.watch = watch(&entry)?;
            self.entry = entry;
        }
        drop(disturbed);
        Ok(())
    }

    /// Returns the statistics of its words, as the current user sees them. Errors if it keeps none.
    pub fn collection(&mut self) -> Result<Rc<Collection>, PgError> {
        let role = current_user();
        if let Some((seen_by, collection)) = &self.collection
            && *seen_by == role
        {
            return Ok(collection.clone());
        }

        let vectorizer = &self.definitions()?.vectorizer;
        let words = vectorizer.words.as_ref().ok_or_else(|| without_words(&vectorizer.name))?;
        let collection = Rc::new(with_pinned_path(|| Collection::read(words))?);
        self.collection = Some((role, collection.clone())).filter(|(_, read)| read.is_analyzed);
        Ok(collection)
    }

    /// Reads it anew if it was read for an earlier search, and has changed since. Errors if it is gone.
    pub fn refresh(&mut self) -> Result<(), PgError> {
        if !self.is_kept || self.is_current() {
            return Ok(());
        }
        self.is_kept = false;
        self.collection = None;
        let entry = vectorizer::by_id(self.entry.id)?;
        self.entry = entry.ok_or_else(|| {
            PgError::new(
                PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
                format!("vectorizer \"{}\" was dropped concurrently", self.entry.name),
            )
        })?;
        self.read()
    }

    /// Returns whether it is still as it was read, as far as this process was told.
    fn is_current(&self) -> bool {
        self.watch.as_ref().is_some_and(Watch::is_undisturbed)
            && self.definitions.as_ref().is_some_and(|known| known.ordering.has_its_schema())
    }

    /// Keeps it for the searches to come.
    pub fn keep(self) {
        if !self.is_current() {
            return;
        }
        KNOWN.with_borrow_mut(|known| {
            known.retain(|other| other.entry.id != self.entry.id);
            if known.len() == MOST {
                known.remove(0);
            }
            known.push(self);
        });
    }
}

/// Takes a vectorizer out of those that are kept.
fn take(named: &Named) -> Option<Known> {
    KNOWN.with_borrow_mut(|known| {
        let place = known.iter().position(|known| match named {
            Named::Id(id) => known.entry.id == *id,
            Named::Name(name) => known.entry.name == *name,
        })?;
        Some(known.remove(place))
    })
}

/// Returns a watch over the catalog and the relations of a vectorizer; `None` if it was found by names, which any relation
/// may get, or its row may change without a word.
fn watch(entry: &Entry) -> Result<Option<Watch>, PgError> {
    let tables = telling::of(&telling::OF_VECTORIZERS)?.filter(|_| entry.bound);
    let watch =
        |tables: Vec<_>| Watch::over(tables.into_iter().chain(entry.relations.all()), entry.generation);
    tables.map(watch).transpose()
}
