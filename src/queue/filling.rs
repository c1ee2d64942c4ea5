//! The words that chunks may lack that were there before words were kept: a pass over the store, a few chunks at a time.

use std::time::{Duration, Instant};

use pgai_rs_queue::words::{Pass, Step};

use super::pause::Pause;
use crate::catalog::words::Words;

/// The number of chunks that are looked at first.
const FIRST: u16 = 64;

/// The largest number of chunks that are looked at in a transaction.
const MOST: u16 = 500;

/// The time that a transaction is to take. Others wait for it, and whoever deletes one of its chunks.
const LONG_ENOUGH: Duration = Duration::from_millis(50);

/// The words of a vectorizer that may lack some.
#[derive(Clone)]
pub struct Filling {
    /// The table and the configuration that it is about.
    pub words: Words,
    /// The position of the pass.
    pub pass: Pass,
    /// The number of chunks to be looked at next.
    pub chunks: u16,
    /// The pause after an error, or after a pass that has left out chunks which others had locked.
    pub pause: Pause,
    /// The time of the last step; `None` before the first. Who has waited longest comes first.
    pub last_step: Option<Instant>,
}

impl Filling {
    /// Returns what is to be done for a vectorizer, going on where it was; `None` if all its chunks have words, or none are
    /// kept.
    pub fn of(words: Option<&Words>, known: Option<&Filling>) -> Option<Filling> {
        let words = words.filter(|words| !words.is_ready)?;
        // Words of another language are in another table.
        let is_same = |known: &&Filling| known.words.table.oid == words.table.oid;
        Some(known.filter(is_same).cloned().unwrap_or_else(|| Filling {
            words: words.clone(),
            pass: Pass::default(),
            chunks: FIRST,
            pause: Pause::default(),
            last_step: None,
        }))
    }

    /// Has fewer chunks looked at next.
    pub fn look_at_fewer(&mut self) {
        self.chunks = (self.chunks / 8).max(1);
    }

    /// Takes in a step that has taken this time. Returns whether all chunks have words now.
    pub fn took_step(&mut self, step: Step, took: Duration) -> bool {
        self.chunks = match took {
            took if took > LONG_ENOUGH => (self.chunks / 2).max(1),
            took if took < LONG_ENOUGH / 2 => self.chunks.saturating_mul(2).min(MOST),
            _ => self.chunks,
        };
        match step {
            Step::Further(pass) => self.pass = pass,
            Step::Over { has_skipped: true } => {
                self.pass = Pass::default();
                self.pause.begin();
            }
            Step::Over { has_skipped: false } => return true,
        }
        false
    }
}
