//! Adding the words of chunks that were there before words were kept: a pass over the store, a few chunks at a time.

use std::time::{Duration, Instant};

use pgai_rs_queue::definition::Definition;
use pgai_rs_queue::words::{Pass, Step, fill, is_of_too_many};

use super::active::Active;
use super::pause::Pause;
use super::roster::{Roster, its_turn, report};
use super::session::SpiSession;
use crate::catalog::binding;
use crate::catalog::words::Words;
use crate::pg::error::PgError;
use crate::pg::transaction::transaction;
use crate::pg::turn;

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
    words: Words,
    pass: Pass,
    /// The number of chunks to be looked at next.
    chunks: u16,
    /// The pause after an error, or after a pass that has left out chunks which others had locked.
    pause: Pause,
    /// The time of the last step; `None` before the first. Who has waited longest comes first.
    stepped: Option<Instant>,
}

impl Filling {
    /// Returns what is to be done for a vectorizer, going on where it was; `None` if all its chunks have words, or none are
    /// kept.
    pub fn of(words: Option<&Words>, known: Option<&Filling>) -> Option<Filling> {
        let words = words.filter(|words| !words.is_ready)?;
        let is_same = |known: &&Filling| {
            (&known.words.table.oid, &known.words.language) == (&words.table.oid, &words.language)
        };
        Some(known.filter(is_same).cloned().unwrap_or_else(|| Filling {
            words: words.clone(),
            pass: Pass::default(),
            chunks: FIRST,
            pause: Pause::default(),
            stepped: None,
        }))
    }

    /// Takes in a step that has taken this time. Returns whether all chunks have words now.
    fn stepped(&mut self, step: Step, took: Duration) -> bool {
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

impl Roster {
    /// Adds words to some chunks of the vectorizer that has waited longest for it. Returns whether there is more to be done
    /// now; the time of what is to be done later is noted.
    pub fn fill_words(&mut self) -> bool {
        let mut due: Vec<(Option<Instant>, i32)> = Vec::new();
        let mut rests = Vec::new();
        for active in self.all() {
            let Some(filling) = &active.filling else { continue };
            turn::has_work(active.vectorizer.owner);
            let rest = filling.pause.left().max(active.rest());
            match rest.or_else(|| its_turn(active.vectorizer.owner)) {
                Some(left) => rests.push(left),
                None => due.push((filling.stepped, active.definition.id)),
            }
        }
        rests.into_iter().for_each(|left| self.next.within(left));

        due.sort_unstable();
        let Some((_, id)) = due.first() else { return false };
        self.fill_words_of(*id);
        due.len() > 1 || self.get(*id).is_some_and(|active| active.filling.is_some())
    }

    fn fill_words_of(&mut self, id: i32) {
        let Some(active) = self.get_mut(id) else { return };
        let began = Instant::now();
        let result = step(active);
        let Some(filling) = &mut active.filling else { return };
        filling.stepped = Some(Instant::now());

        match result {
            Ok(step) => {
                let is_over = filling.stepped(step, began.elapsed());
                if is_over && let Err(error) = self.filled(id) {
                    self.filling_failed(id, &error);
                }
            }
            Err(error) => self.filling_failed(id, &error),
        }
    }

    /// Records that all chunks of a vectorizer have words.
    fn filled(&mut self, id: i32) -> Result<(), PgError> {
        let Some(active) = self.get_mut(id) else { return Ok(()) };
        if let Some(filling) = &active.filling {
            transaction(|| binding::words_are_ready(id, &filling.words.table))?;
        }
        active.filling = None;
        let name = active.vectorizer.name.clone();
        self.conditions.has_words(id, &name);
        Ok(())
    }

    /// Makes the words of a vectorizer wait after an error. Its rows are processed meanwhile.
    fn filling_failed(&mut self, id: i32, error: &PgError) {
        if error.is_contention() || self.is_outdated(id) {
            self.next.again();
        }
        let Some(active) = self.get_mut(id) else { return };
        let Some(filling) = &mut active.filling else { return };
        filling.pause.begin();
        let (left, name) = (filling.pause.left(), active.vectorizer.name.clone());
        left.into_iter().for_each(|left| self.next.within(left));
        if !error.is_contention() && self.conditions.lacks_words(id, error, left) {
            report(&name, "add words to the chunks of", error);
        }
    }
}

/// Looks at the next chunks. A text that has more words than there is room for is found, and gets none.
fn step(active: &mut Active) -> Result<Step, PgError> {
    let Some(filling) = &mut active.filling else { return Ok(Step::Over { has_skipped: false }) };
    let (pass, chunks) = (filling.pass, filling.chunks);
    let run = |active: &Active, v: &Definition, chunks| fill(&mut SpiSession::on(active), v, pass, chunks);

    match run(active, &active.definition, chunks) {
        Err(error) if is_of_too_many(&error) => {
            for size in [chunks / 8, 1] {
                match run(active, &active.definition, size.max(1)) {
                    Err(error) if is_of_too_many(&error) => {}
                    result => return result,
                }
            }
            run(active, &active.definition.without_words(), 1)
        }
        result => result,
    }
}
