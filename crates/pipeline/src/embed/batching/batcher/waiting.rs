//! Inputs that wait for a request, and how one is filled with them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::super::batch::{Batch, Reply};
use crate::embed::limits::pack::{Limits, Load};
use crate::usage::Meter;

/// An input on its way.
pub(super) struct Item {
    /// The text.
    pub input: Arc<str>,
    /// Its tokens, as estimated.
    pub tokens: usize,
    /// The sender to the one who waits for its vector.
    pub reply: Reply,
    /// Counts what it costs.
    pub meter: Meter,
}

/// Inputs that wait for a request.
#[derive(Default)]
pub(super) struct Waiting {
    items: VecDeque<Item>,
    tokens: usize,
}

impl Waiting {
    /// Adds one to the end.
    pub(super) fn push(&mut self, item: Item) {
        self.tokens += item.tokens;
        self.items.push_back(item);
    }

    /// Returns whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns whether they fill a request.
    pub(super) fn is_full(&self, limits: Limits) -> bool {
        self.items.len() >= limits.inputs || self.tokens >= limits.tokens
    }

    /// Takes as much as a request holds, from the front. Equal inputs are sent once; those that
    /// nobody waits for any more, not at all.
    pub(super) fn cut(&mut self, limits: Limits) -> Batch {
        let mut load = Load::new(limits);
        let mut places: HashMap<Arc<str>, usize> = HashMap::new();
        let mut batch = Batch::default();

        while let Some(item) = self.items.pop_front() {
            if item.reply.is_closed() {
                self.tokens -= item.tokens;
            } else if let Some(&place) = places.get(&item.input) {
                self.tokens -= item.tokens;
                batch.join(place, item.reply);
            } else if load.take(item.tokens) {
                self.tokens -= item.tokens;
                let place = batch.push(Arc::clone(&item.input), item.reply, item.meter);
                places.insert(item.input, place);
            } else {
                self.items.push_front(item);
                break;
            }
        }

        batch
    }
}
