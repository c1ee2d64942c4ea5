//! Adding words to chunks that lack them, in turn with other work.

use std::time::Instant;

use pgai_rs_queue::definition::Definition;
use pgai_rs_queue::words::{Step, fill, is_of_too_many};

use super::active::Active;
use super::filling::Filling;
use super::roster::{Roster, its_turn, report};
use super::session::SpiSession;
use crate::catalog::binding;
use crate::pg::error::PgError;
use crate::pg::transaction::transaction;
use crate::pg::turn;

impl Roster {
    /// Adds words to some chunks of the vectorizer that has waited longest for it. Returns whether there is more to be done
    /// now; the time of what is to be done later is noted.
    pub fn fill_words(&mut self) -> bool {
        let mut due: Vec<(Option<Instant>, i32)> = Vec::new();
        let mut rests = Vec::new();
        for active in self.all() {
            let Some(filling) = &active.filling else { continue };
            let owner = active.vectorizer.owner;
            let rest = filling.pause.left().max(active.rest());
            if rest.is_none() {
                turn::has_work(owner);
            }
            match rest.or_else(|| its_turn(owner)) {
                Some(left) => rests.push(left),
                None => due.push((filling.last_step, active.definition.id)),
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
        let Some(filling) = &active.filling else { return };
        let began = Instant::now();
        let result = step(active, filling);
        let Some(filling) = &mut active.filling else { return };
        filling.last_step = Some(Instant::now());

        match result {
            Ok(step) => {
                let is_over = filling.took_step(step, began.elapsed());
                if is_over && let Err(error) = self.filled(id) {
                    self.filling_failed(id, &error);
                }
            }
            // The chunk at fault is found by looking at fewer.
            Err(error) if filling.chunks > 1 && is_of_too_many(&error) => filling.look_at_fewer(),
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
        if error.is_costly() {
            filling.look_at_fewer();
        }
        let (left, name) = (filling.pause.left(), active.vectorizer.name.clone());
        left.into_iter().for_each(|left| self.next.within(left));
        if !error.is_contention() && self.conditions.lacks_words(id, error, left) {
            report(&name, "add words to the chunks of", error);
        }
    }
}

/// Looks at the next chunks. A chunk whose text has more words than there is room for gets none.
fn step(active: &Active, filling: &Filling) -> Result<Step, PgError> {
    let run = |v: &Definition| fill(&mut SpiSession::on(active), v, filling.pass, filling.chunks);
    match run(&active.definition) {
        Err(error) if filling.chunks == 1 && is_of_too_many(&error) => {
            run(&active.definition.without_words())
        }
        result => result,
    }
}
