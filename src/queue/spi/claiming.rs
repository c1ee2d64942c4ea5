//! Claims of rows, and the settling of those of which there is no document.

use std::time::{Duration, Instant};

use pgai_rs_pipeline::document::{Document, Ticket};
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_pipeline::run::{Addresses, ClaimedDocuments};
use pgai_rs_queue::bounds::Bounds;
use pgai_rs_queue::claim::{self, Claims, Found, claim, give_back, read};
use pgai_rs_queue::definition::Definition;
use pgai_rs_queue::session::Session;
use pgai_rs_queue::suspects;
use pgai_rs_queue::work::Claimed;
use pgai_rs_queue::{fail, gone, inbox};

use super::{SpiQueue, limits, unreadable};
use crate::guc;
use crate::pg::connection::FEW;
use crate::pg::error::PgError;
use crate::pg::session::on_disk;
use crate::queue::roster::report;
use crate::queue::schedule::Schedule;
use crate::queue::session::SpiSession;

/// The time after its start in which the claims of a process are on disk before anything else is done for their rows. Where the
/// server ended with a row, that is among those which the next process claims first.
const COUNTED_FOR_SURE: Duration = Duration::from_secs(60);

/// The time for which suspects are not looked for after a claim has failed that did so.
const SUSPECTS_PUT_OFF: Duration = Duration::from_secs(60);

/// The rows of a claim, as they were read.
struct Taken {
    /// True if there may be more in the inbox.
    folds_more: bool,
    claims: Claims,
    /// The rows with which the worker has ended too often, which were not read.
    hopeless: Vec<Claimed>,
    tickets: Vec<Ticket>,
    found: Found,
    /// The state of the search for rows that a worker held when it ended, if this claim has looked for some.
    suspects: Option<Suspects>,
    /// The error with which the only row could not be read.
    unreadable: Option<PgError>,
}

/// The rows that a worker held when it ended, as a claim has found them.
enum Suspects {
    /// Some were claimed, and there may be more.
    Claimed,
    /// None could be claimed. Some will be due after this time, or can't be claimed just now.
    Later(Duration),
    /// There are none.
    Gone,
}

/// Claims suspects if some are looked for and due, and other rows otherwise.
fn claim_either<S: Session>(
    session: &mut S,
    v: &Definition,
    wanted: &claim::Request<'_>,
    looks_for_suspects: bool,
) -> Result<(Claims, Option<Suspects>), S::Error> {
    if !looks_for_suspects {
        return Ok((claim(session, v, wanted)?, None));
    }
    let claims = claim(session, v, &claim::Request { suspects: true, ..*wanted })?;
    if !claims.rows.is_empty() {
        return Ok((claims, Some(Suspects::Claimed)));
    }
    let suspects = suspects::next(session, v)?.map_or(Suspects::Gone, Suspects::Later);
    Ok((claim(session, v, wanted)?, Some(suspects)))
}

/// Claims a row in one transaction, and reads it in another, so that it stays claimed if it can't be read.
fn claim_and_read_apart(
    session: &mut SpiSession<'_>,
    v: &Definition,
    claim: impl FnOnce(&mut SpiSession<'_>) -> Result<Taken, PgError>,
    read: impl FnOnce(&mut SpiSession<'_>, &mut Taken) -> Result<(), PgError>,
) -> Result<Taken, PgError> {
    let mut taken = session.transaction(|s| s.as_owner_unchanged(claim))?;
    match session.transaction(|s| s.as_owner_unchanged(|s| read(s, &mut taken))) {
        Ok(()) => Ok(taken),
        Err(error) if unreadable::is_of_row(&error) => {
            taken.unreadable = Some(error);
            Ok(taken)
        }
        Err(error) => {
            // If it can't be given back, its lease runs out.
            let _ = session.transaction(|s| s.as_owner(|s| give_back(s, v, taken.claims.rows.iter())));
            Err(error)
        }
    }
}

impl SpiQueue {
    pub(super) fn claim_rows(
        &mut self,
        id: i32,
        limit: usize,
        bytes: u64,
        addresses: &Addresses,
    ) -> Result<ClaimedDocuments, PgError> {
        let Some(active) = self.roster.get(id) else { return Ok(ClaimedDocuments::default()) };
        let unpeeked = active.looks.has_changed();
        let began = Instant::now();
        let taken = match self.take(id, limit, bytes, addresses) {
            Ok(taken) => taken,
            Err(error) if self.claims_singly(id, limit, &error) => return Ok(ClaimedDocuments::default()),
            Err(error) => {
                self.put_suspects_off(id);
                return Err(error);
            }
        };
        let more = self.claimed(id, began, &taken);
        let Taken { folds_more, claims, hopeless, tickets, mut found, unreadable, .. } = taken;
        if let Some(error) = unreadable {
            if self.has_others_unreadable(id) {
                self.give_back(id, &claims.rows);
                return Err(error);
            }
            self.fail_unread(id, &claims.rows, |_| unreadable::failure(&error));
            self.roster.next.within(Duration::ZERO);
            return Ok(ClaimedDocuments::default());
        }

        let mut documents = Vec::with_capacity(found.documents.len());
        let mut missing = Vec::new();
        for (index, (ticket, row)) in tickets.into_iter().zip(claims.rows).enumerate() {
            if found.left.contains(&index) {
                continue;
            }
            match found.documents.remove(&index) {
                Some(document) => {
                    self.tickets.add(ticket, row);
                    documents.push(document);
                }
                None => missing.push(row),
            }
        }
        // The pipeline gets nothing, and would not ask again before it is woken.
        let has_others = !missing.is_empty() || !hopeless.is_empty();
        if documents.is_empty() && (folds_more || unpeeked || has_others) {
            self.roster.next.within(Duration::ZERO);
        }

        self.settle_gone(id, &missing);
        self.fail_unread(id, &hopeless, |row| suspects::failure(row.attempts));
        if let Some(active) = self.roster.get_mut(id) {
            if !documents.is_empty() {
                active.unreadable = 0;
            }
            let total: u64 = documents.iter().map(Document::size).sum();
            active.mean_size = total.checked_div(documents.len() as u64).unwrap_or_default();
        }
        Ok(ClaimedDocuments { documents, more })
    }

    /// Has a vectorizer's suspects looked for later, because a claim has failed that looked for them: in a long queue that may take
    /// longer than its owner's statements may.
    fn put_suspects_off(&mut self, id: i32) {
        let Some(active) = self.roster.get_mut(id) else { return };
        if active.suspects_from.is_some_and(|from| from <= Instant::now()) {
            active.suspects_from = Some(Instant::now() + SUSPECTS_PUT_OFF);
        }
    }

    /// Claims and reads rows, in a transaction of its own.
    fn take(&mut self, id: i32, limit: usize, bytes: u64, addresses: &Addresses) -> Result<Taken, PgError> {
        let active = self.roster.get(id).ok_or_else(|| PgError::internal("a vectorizer is not served"))?;
        let v = &active.definition;
        let bounds = Bounds { all: bytes, ..self.bounds };
        let singly = active.singly > 0;
        let most = if singly { 1 } else { active.likely_to_fit(bytes).min(limit as u64) };
        let mut wanted = claim::Request {
            rows: most as i64,
            bytes,
            largest: bounds.document,
            addresses,
            lease: self.tickets.next_lease(),
            duration: guc::lease_duration(),
            suspects: false,
            looks_at_sizes: !singly,
        };
        let looks_for_suspects =
            active.suspects_from.is_some_and(|from| from <= Instant::now()) && !self.tickets.has_suspects(id);

        let mut claim_some = |s: &mut SpiSession<'_>| {
            let folded = inbox::fold(s, v, &active.cursor)?;
            // Most often there is nothing else, and the statement need not be planned for more.
            if !folded.more && folded.rows <= FEW as i64 && active.looks.was_all() {
                wanted.rows = wanted.rows.min(FEW as i64);
            }
            let (mut claims, suspects) = claim_either(s, v, &wanted, looks_for_suspects)?;
            let hopeless = suspects::take_hopeless(&mut claims.rows, guc::max_retries());
            let tickets = self.tickets.issue(claims.rows.len());
            let found = Found::default();
            Ok(Taken {
                folds_more: folded.more,
                claims,
                hopeless,
                tickets,
                found,
                suspects,
                unreadable: None,
            })
        };
        let read_them = |s: &mut SpiSession<'_>, taken: &mut Taken| {
            let Taken { claims, tickets, found, .. } = taken;
            *found = read(s, v, &active.shared, &mut claims.rows, tickets, bounds)?;
            // What was left is due at once.
            claims.next = claims.next.filter(|_| found.left.is_empty());
            Ok(())
        };
        let claim_and_read = || {
            let session = &mut SpiSession::on(active);
            if singly {
                return claim_and_read_apart(session, v, claim_some, read_them);
            }
            session.transaction(|s| {
                s.as_owner_unchanged(|s| {
                    let mut taken = claim_some(s)?;
                    read_them(s, &mut taken)?;
                    Ok(taken)
                })
            })
        };
        // Or the attempt of a row with which the server ends would be undone by that, and never counted.
        match looks_for_suspects || self.began.elapsed() < COUNTED_FOR_SURE {
            true => on_disk(claim_and_read),
            false => claim_and_read(),
        }
    }

    /// Takes in what is known of a vectorizer's queue after a claim. Returns whether there may be more now. One with a schedule
    /// is looked at once more, for its run ends when nothing is found.
    fn claimed(&mut self, id: i32, began: Instant, taken: &Taken) -> bool {
        let Some(active) = self.roster.get_mut(id) else { return false };
        active.singly = active.singly.saturating_sub(1);
        match taken.suspects {
            None | Some(Suspects::Claimed) => {}
            Some(Suspects::Later(left)) => {
                active.suspects_from = Some(began + left.max(suspects::LOOK_PAUSE))
            }
            Some(Suspects::Gone) => active.suspects_from = None,
        }
        let suspects_from = active.suspects_from;
        // Suspects that are due wait for each other's ends.
        let is_drained = !taken.folds_more && active.schedule == Schedule::Always && suspects_from.is_none();
        let next = taken.claims.next.filter(|_| is_drained).map(|next| next.min(guc::poll_interval()));
        active.looks.claimed(began, taken.claims.rows.len(), next);
        next.into_iter().for_each(|next| self.roster.next.within(next));

        let left = suspects_from.and_then(|from| from.checked_duration_since(Instant::now()));
        left.filter(|left| !left.is_zero()).into_iter().for_each(|left| self.roster.next.within(left));
        next.is_none()
    }

    /// Settles rows that were not found when they were claimed. If that fails, their leases run out, and they
    /// are found gone again; the others go on.
    fn settle_gone(&mut self, id: i32, missing: &[Claimed]) {
        let Some(active) = self.roster.get_mut(id).filter(|_| !missing.is_empty()) else { return };
        active.looks.forget();
        let settled = gone::settle(&mut SpiSession::on(active), &active.definition, missing);
        self.tell_of(id, "settle deleted rows of", settled);
    }

    /// Gives rows back that were claimed and not read. If that fails, their leases run out.
    fn give_back(&mut self, id: i32, rows: &[Claimed]) {
        let Some(active) = self.roster.get_mut(id) else { return };
        active.looks.forget();
        let mut session = SpiSession::on(active);
        let given =
            session.transaction(|s| s.as_owner_unchanged(|s| give_back(s, &active.definition, rows.iter())));
        self.tell_of(id, "give back rows of", given);
    }

    /// Has rows fail that were claimed and not read. If that fails, their leases run out.
    fn fail_unread(&mut self, id: i32, rows: &[Claimed], failure: impl Fn(&Claimed) -> Failure) {
        let Some(active) = self.roster.get_mut(id).filter(|_| !rows.is_empty()) else { return };
        active.looks.forget();
        let failures: Vec<Failure> = rows.iter().map(failure).collect();
        let failed: Vec<_> = rows.iter().zip(&failures).collect();
        let mut session = SpiSession::on(active);
        let settled = fail::fail(&mut session, &active.definition, &active.shared, &failed, &limits());
        self.tell_of(id, "record failed rows of", settled);
    }

    /// Reports an error of an action that the others need not wait for, and has the vectorizer rest if it was costly.
    pub(in crate::queue) fn tell_of(&mut self, id: i32, action: &'static str, result: Result<(), PgError>) {
        let Err(error) = result else { return };
        match self.roster.get(id) {
            Some(active) if !error.is_costly() => report(&active.vectorizer.name, action, &error),
            _ => self.roster.pause(id, action, &error),
        }
    }
}
