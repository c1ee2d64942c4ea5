//! The sources that the catalog lists. They are read again when this process was told that something has changed.

use std::time::{Duration, Instant};

use super::entry::{self, S3Source, Unreadable};
use crate::catalog::definitions::{self, Told, Watch};
use crate::catalog::telling;
use crate::pg::error::PgError;
use crate::pg::transaction::transaction;

/// The enabled sources, as the catalog had them.
pub struct ListedSources {
    entries: Vec<S3Source>,
    /// Those whose rows can't be read, until they are taken.
    unreadable: Vec<Unreadable>,
    /// The time at which they were read.
    read: Instant,
    /// The watch over all that this was read from; `None` if it has to be read each time.
    watch: Option<Watch>,
    /// The watch for sources whose table of seen keys is missing, over whatever changes: it is found by its name, which any
    /// relation may get. `None` if there are no such sources.
    missing: Option<Watch>,
    /// The watch over the rights of the owners, who are those of the tables of seen keys.
    rights: Watch,
}

impl ListedSources {
    /// Reads them. Must be called outside a transaction.
    pub fn read() -> Result<ListedSources, PgError> {
        transaction(|| {
            let read = Instant::now();
            let since = definitions::generation();
            let tables = telling::of(&telling::OF_SOURCES)?;
            let enabled = entry::enabled()?;

            let (mut entries, mut unreadable) = (Vec::new(), Vec::new());
            for source in enabled.found {
                match source {
                    Ok(entry) => entries.push(entry),
                    Err(error) => unreadable.push(error),
                }
            }
            let seen = entries.iter().map(|entry| entry.seen);
            let rights = Watch::over(seen.clone(), since)?;
            let watch =
                tables.map(|tables| Watch::over(tables.into_iter().chain(seen), since)).transpose()?;
            let missing = enabled.has_others.then(|| Watch::over_all(since));
            Ok(ListedSources { entries, unreadable, read, watch, missing, rights })
        })
    }

    /// Returns whether the catalog may not have them like that any more, as far as this process was told by the beginning of its
    /// last transaction, or another of them is due by now.
    pub fn told(&self) -> Told {
        let passed = self.read.elapsed();
        let has_become_due = |due: Duration| due > Duration::ZERO && due <= passed;
        if self.entries.iter().filter_map(|entry| entry.due_in).any(has_become_due) {
            return Told::OfIt;
        }
        match self.watch.as_ref().map_or(Told::OfIt, Watch::told) {
            Told::Nothing => self.missing.as_ref().map_or(Told::Nothing, Watch::told),
            told => told,
        }
    }

    /// Returns whether nothing was heard of a change of their owners' rights.
    pub fn has_same_rights(&self) -> bool {
        self.rights.is_undisturbed()
    }

    /// Returns the sources, with the times of their next runs counted from now.
    pub fn entries(&self) -> Vec<S3Source> {
        let passed = self.read.elapsed();
        let left = |due: Duration| due.saturating_sub(passed);
        let as_of_now = |entry: &S3Source| S3Source { due_in: entry.due_in.map(left), ..entry.clone() };
        self.entries.iter().map(as_of_now).collect()
    }

    /// Takes the sources whose rows can't be read.
    pub fn take_unreadable(&mut self) -> Vec<Unreadable> {
        std::mem::take(&mut self.unreadable)
    }
}
