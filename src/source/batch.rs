//! The objects of a listing's page, or of a slice of the table, that are asked about and written together.

use std::collections::HashSet;

use pgai_rs_pipeline::source::{MOST_WITH_METADATA, Object, S3Prefix};

use super::write::Refused;

/// Objects that are to be asked about and written.
#[derive(Default)]
pub struct Batch {
    /// The keys of those that are new.
    new: HashSet<String>,
    /// The keys of those that have not been asked about.
    rest: Vec<String>,
    /// The last address of the slice of the table that they are from; `None` if they are of a page of the listing.
    slice: Option<String>,
}

impl Batch {
    /// The objects of a page; with the keys of those that are new, and of those that are to be asked about.
    pub fn of_page(new: HashSet<String>, rest: Vec<String>) -> Batch {
        Batch { new, rest, slice: None }
    }

    /// Objects that the table has, from a slice that ends with the address `last`.
    pub fn of_slice(rest: Vec<String>, last: String) -> Batch {
        Batch { new: HashSet::new(), rest, slice: Some(last) }
    }

    /// Takes the keys that are to be asked about next: all that are left, or a few of them if their metadata comes along.
    pub fn take_next(&mut self, with_metadata: bool) -> Vec<String> {
        let most = if with_metadata { MOST_WITH_METADATA } else { usize::MAX };
        let later = self.rest.split_off(most.min(self.rest.len()));
        std::mem::replace(&mut self.rest, later)
    }

    /// Returns whether there are others to be asked about.
    pub fn has_more(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Returns the last address of the slice that the objects are from; `None` if they are of a page.
    pub fn slice(self) -> Option<String> {
        self.slice
    }

    /// Counts those of the written objects that are new, each once: a server may list a key twice on a page.
    pub fn count_new(&mut self, prefix: &S3Prefix, objects: &[Object], refused: &[Refused]) -> u64 {
        let mut count = 0;
        for object in objects {
            let is_refused = refused.iter().any(|refused| prefix.key(&refused.uri) == Some(&object.key));
            if self.new.remove(&object.key) && !is_refused {
                count += 1;
            }
        }
        count
    }
}
