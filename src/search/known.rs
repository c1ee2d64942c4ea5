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
use crate::catalog::words::{self, Configuration, Words};
use crate::pg::error::PgError;
use crate::pg::identity::with_pinned_path;

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
    /// The statistics of its words, if they are those of all chunks.
    collection: Option<Rc<Collection>>,
    /// True if it was read for an earlier search.
    is_kept: bool,
}

/// The knowledge of a vectorizer that a search needs.
pub struct Definitions {
    /// Its tables.
    pub vectorizer: Vectorizer,
    /// The order of a search.
    pub ordering: Ordering,
    /// The text search configuration of its words; `None` if it keeps none. An error if it is gone, or a stranger's by now.
    pub configuration: Result<Option<Configuration>, PgError>,
}

impl Definitions {
    /// Reads them. Errors if something is missing or does not fit.
    fn of(entry: &Entry) -> Result<Definitions, PgError> {
        with_pinned_path(|| {
            let vectorizer = entry.resolve()?;
            entry.model()?;
            let ordering = Ordering::of(&vectorizer)?;
            let configuration = words::configuration_of(&vectorizer.config.search, vectorizer.owner);
            Ok(Definitions { vectorizer, ordering, configuration })
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
        self.read_as_listed()?;
        let Some(disturbed) = self.watch.take_if(|watch| !watch.is_undisturbed()) else { return Ok(()) };

        if let Some(entry) = vectorizer::by_id(self.entry.id)? {
            self.entry = entry;
            self.read_as_listed()?;
        }
        drop(disturbed);
        Ok(())
    }

    /// Reads its definitions, and watches what they are read from.
    fn read_as_listed(&mut self) -> Result<(), PgError> {
        let definitions = Definitions::of(&self.entry)?;
        self.watch = watch(&self.entry, &definitions)?;
        self.definitions = Some(definitions);
        Ok(())
    }

    /// Returns the statistics of its words, as the current user sees them. Errors if it keeps none.
    pub fn collection(&mut self) -> Result<Rc<Collection>, PgError> {
        let vectorizer = &self.definitions()?.vectorizer;
        let words = vectorizer.words.clone().ok_or_else(|| without_words(&vectorizer.name))?;
        if let Some(collection) = self.collection.as_ref().filter(|_| sees_all(&words)) {
            return Ok(collection.clone());
        }

        let collection = Rc::new(with_pinned_path(|| Collection::read(&words))?);
        self.collection = Some(collection.clone()).filter(|collection| collection.is_analyzed);
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

/// Returns whether no policy hides rows of a table of words from the current user, who may lose the right to see all without
/// a change of the table.
fn sees_all(words: &Words) -> bool {
    /// `RLS_ENABLED` of Postgres's `utils/rls.h`.
    const HIDES_ROWS: i32 = 2;
    // SAFETY: looks up the catalogs on the main thread, in a transaction; errors are not raised.
    unsafe { pg_sys::check_enable_rls(words.table.oid, pg_sys::InvalidOid, true) != HIDES_ROWS }
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

/// Returns a watch over the catalog, the relations of a vectorizer and the configuration of its words; `None` if it was found
/// by names, which any relation may get, if its row may change without a word, or if the configuration was not found.
fn watch(entry: &Entry, definitions: &Definitions) -> Result<Option<Watch>, PgError> {
    let (Some(tables), Ok(configuration)) =
        (telling::of(&telling::OF_VECTORIZERS)?.filter(|_| entry.bound), &definitions.configuration)
    else {
        return Ok(None);
    };
    let mut watch = Watch::over(tables.into_iter().chain(entry.relations.all()), entry.generation)?;
    watch.add(configuration.iter().flat_map(Configuration::basis));
    Ok(Some(watch))
}
