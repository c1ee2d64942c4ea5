//! The vectorizers that the catalog lists. They are read again when this process was told that something has changed.

use std::collections::HashSet;
use std::rc::Rc;

use crate::catalog::alteration::{self, Alteration};
use crate::catalog::definitions::{self, Told, Watch};
use crate::catalog::vectorizer::{self, Entry};
use crate::catalog::{secret, telling};
use crate::pg::error::PgError;
use crate::pg::transaction::transaction;

/// The enabled vectorizers, as the catalog had them.
#[derive(Default)]
pub struct Listed {
    /// Those that can be worked on.
    pub entries: Rc<[Entry]>,
    /// The ids of all of them.
    pub enabled: Rc<HashSet<i32>>,
    /// The alterations that are in progress.
    pub alterations: Rc<[Alteration]>,
    /// The version of the database's secrets.
    pub secrets: Option<String>,
    /// The watch over all that this was read from; `None` if it has to be read each time.
    watch: Option<Watch>,
}

impl Listed {
    /// Reads them. Must be called outside a transaction.
    pub fn read() -> Result<Listed, PgError> {
        transaction(|| {
            let since = definitions::generation();
            let tables = telling::of(&telling::OF_VECTORIZERS)?;
            let found = vectorizer::enabled()?;
            let secrets = secret::version()?;
            let alterations = alteration::all()?.into();

            let is_found_by_oid = |(_, entry): &(i32, Option<Entry>)| entry.as_ref().is_some_and(|e| e.bound);
            let all_by_oid = found.iter().all(is_found_by_oid);
            let enabled = found.iter().map(|(id, _)| *id).collect();
            let entries: Rc<[Entry]> = found.into_iter().filter_map(|(_, entry)| entry).collect();

            let relations = || entries.iter().flat_map(|entry| entry.relations.all());
            let watch = tables.map(|tables| match all_by_oid {
                true => Watch::over_names(tables.into_iter().chain(relations()), since),
                // They are found by names, which any relation may get.
                false => Watch::over_all(since),
            });
            Ok(Listed { enabled: Rc::new(enabled), entries, alterations, secrets, watch })
        })
    }

    /// Returns what this process was told of changes by the beginning of its last transaction.
    pub fn told(&self) -> Told {
        self.watch.as_ref().map_or(Told::OfIt, Watch::told)
    }

    /// Returns the generation of the definitions from which they were read.
    pub fn since(&self) -> u64 {
        self.watch.as_ref().map_or(0, Watch::since)
    }

    /// Has them read again at the next refresh.
    pub fn forget(&mut self) {
        self.watch = None;
    }
}
