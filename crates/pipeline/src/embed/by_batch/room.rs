//! The room for steps that hold much memory: an owner has one at a time, and of uploads there are few.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use crate::quota::Owner;

/// The largest number of uploads at a time. Each holds a batch's texts and its file, some 40 MB, and twice that at the worst.
const MOST_UPLOADS: usize = 2;

/// A step that holds much memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LargeStep {
    /// The file of a batch goes to the provider.
    Upload,
    /// The answers of a batch come from the provider.
    Fetch,
}

/// The turn of an owner.
#[derive(Debug)]
enum Turn {
    /// A step is under way since this time.
    Has(LargeStep, Instant),
    /// Its next upload may begin at this time, so that one with many batches and a slow server leaves room for others.
    Rests(Instant),
}

/// The steps under way, by owners.
#[derive(Debug, Clone, Default)]
pub struct Room(Rc<RefCell<HashMap<Owner, Turn>>>);

impl Room {
    /// Takes the room for a step; `None` if there is none now.
    pub fn take(&self, owner: Owner, step: LargeStep) -> Option<Place> {
        let now = Instant::now();
        let mut turns = self.0.borrow_mut();
        turns.retain(|_, turn| !matches!(turn, Turn::Rests(until) if *until <= now));

        let uploads = turns.values().filter(|turn| matches!(turn, Turn::Has(LargeStep::Upload, _))).count();
        let is_free = match (turns.get(&owner), step) {
            (Some(Turn::Has(..)), _) | (Some(Turn::Rests(_)), LargeStep::Upload) => false,
            (_, LargeStep::Upload) => uploads < MOST_UPLOADS,
            (_, LargeStep::Fetch) => true,
        };
        if !is_free {
            return None;
        }
        turns.insert(owner, Turn::Has(step, now));
        Some(Place { room: self.clone(), owner })
    }
}

/// The room of a step under way, which is given back when this is dropped.
#[derive(Debug)]
pub struct Place {
    room: Room,
    owner: Owner,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut turns = self.room.0.borrow_mut();
        if let Some(Turn::Has(_, since)) = turns.get(&self.owner) {
            let next = Instant::now() + since.elapsed();
            turns.insert(self.owner, Turn::Rests(next));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners() -> [Owner; 3] {
        [1, 2, 3].map(Owner::of)
    }

    #[test]
    fn an_owner_has_one_step_at_a_time() {
        let (room, [one, ..]) = (Room::default(), owners());
        let place = room.take(one, LargeStep::Fetch);
        assert!(place.is_some());
        assert!(room.take(one, LargeStep::Fetch).is_none() && room.take(one, LargeStep::Upload).is_none());
        drop(place);
        assert!(room.take(one, LargeStep::Fetch).is_some());
    }

    #[test]
    fn uploads_are_few_and_answers_do_not_count_among_them() {
        let (room, [one, other, third]) = (Room::default(), owners());
        let _uploads =
            (room.take(one, LargeStep::Upload).unwrap(), room.take(other, LargeStep::Upload).unwrap());
        assert!(room.take(third, LargeStep::Upload).is_none());
        assert!(room.take(third, LargeStep::Fetch).is_some());
    }
}
