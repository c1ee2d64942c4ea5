//! The places of a presentation's parts: each time it is saved, changed parts and a list of their places are added.

use std::collections::{HashMap, HashSet};

use super::super::numbers::{long, size};
use super::records::{Record, kinds, records};

/// The sign of a presentation that is encrypted.
const ENCRYPTED: u32 = 0xf3d1_c4df;

/// The places of parts, by their numbers.
pub(super) struct PersistedParts<'a> {
    stream: &'a [u8],
    places: HashMap<u32, usize>,
    document: u32,
    /// `true` if the presentation is encrypted; its parts are not read then.
    pub(super) encrypted: bool,
}

impl<'a> PersistedParts<'a> {
    /// Returns the parts of a presentation; `None` if nothing says where they are.
    pub(super) fn read(stream: &'a [u8], current_user: &[u8]) -> Option<Self> {
        let mut parts = PersistedParts { stream, places: HashMap::new(), document: 0, encrypted: false };
        if long(current_user, 12) == Some(ENCRYPTED) {
            parts.encrypted = true;
            return Some(parts);
        }

        let named = size(current_user, 16).filter(|at| is_edit(stream, *at));
        let mut next = named.or_else(|| last_edit(stream));
        let mut seen = HashSet::new();
        while let Some(at) = next.filter(|at| seen.insert(*at)) {
            let Some(edit) = Record::at(stream, at).filter(|edit| edit.kind == kinds::USER_EDIT) else {
                break;
            };
            if seen.len() == 1 {
                parts.document = edit.number(16)?;
            }
            parts.encrypted |= edit.number(28).is_some_and(|session| session != 0);
            parts.add(size(edit.bytes, 12)?);
            next = size(edit.bytes, 8).filter(|at| *at > 0);
        }
        (!seen.is_empty()).then_some(parts)
    }

    /// Adds the places that a list names. Those of later lists, which come first, stay.
    fn add(&mut self, at: usize) -> Option<()> {
        let list = Record::at(self.stream, at).filter(|list| list.kind == kinds::PERSIST_DIRECTORY)?;
        let mut at = 0;
        while let Some(head) = list.number(at) {
            at += 4;
            let (first, count) = (head & 0xf_ffff, head >> 20);
            for number in first..first.saturating_add(count) {
                let Some(place) = size(list.bytes, at) else { break };
                at += 4;
                self.places.entry(number).or_insert(place);
            }
        }
        Some(())
    }

    /// Returns the part with this number.
    pub(super) fn get(&self, number: u32) -> Option<Record<'a>> {
        self.places.get(&number).and_then(|at| Record::at(self.stream, *at))
    }

    /// Returns the part that lists the others.
    pub(super) fn document(&self) -> Option<Record<'a>> {
        self.get(self.document).filter(|record| record.kind == kinds::DOCUMENT)
    }
}

fn is_edit(stream: &[u8], at: usize) -> bool {
    Record::at(stream, at).is_some_and(|record| record.kind == kinds::USER_EDIT)
}

/// Returns the place of the last edit, if the presentation does not say where it is.
fn last_edit(stream: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut found = None;
    for record in records(stream) {
        if record.kind == kinds::USER_EDIT {
            found = Some(at);
        }
        at += record.bytes.len() + 8;
    }
    found
}
