//! Rests: the failures that a vectorizer waits for, and the attempts that end the waiting.
//!
//! Whatever concerns more than one row makes those that it concerns rest: all rows of the vectorizer, or
//! those of one object store. After the rest a single row is tried, and the next rest is longer; as soon
//! as one gets past what was in the way, all go on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::failure::{Failure, Retry, Scope, Step};

/// First rest after a failure that does not say how long.
const FIRST_REST: Duration = Duration::from_secs(1);
/// Longest rest between two probes.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// If more stores than this are in trouble, it is not they but what they are asked with.
const MOST_STORES: usize = 16;
/// Stores that gave something are remembered for this time, and so many of them.
const REMEMBERED: Duration = Duration::from_secs(60);
const MOST_REMEMBERED: usize = 64;
/// The number of looks for a row of a store after which none is taken to wait for it.
const FRUITLESS_LOOKS: u32 = 3;

/// A rest, and why.
#[derive(Debug)]
struct Rest {
    failure: Failure,
    until: Instant,
    backoff: Backoff,
    fruitless: u32,
}

impl Rest {
    fn new(failure: &Failure, now: Instant) -> Self {
        let backoff = Backoff::new(FIRST_REST, LONGEST_REST);
        Rest { failure: failure.clone(), until: now, backoff, fruitless: 0 }
    }

    /// Takes in one more failure. Those that come while it rests are of rows that were under way: they
    /// make it no longer, unless they say for how long.
    fn prolong(&mut self, failure: &Failure, now: Instant) {
        let rests = self.until > now;
        let pause = match failure.retry {
            Retry::After(pause) => pause.min(LONGEST_REST),
            _ if rests => Duration::ZERO,
            _ => self.backoff.grow(),
        };

        self.until = self.until.max(now + pause);
        self.failure = failure.clone();
        self.fruitless = 0;
    }

    fn left(&self, now: Instant) -> Duration {
        self.until.saturating_duration_since(now)
    }
}

/// All that a vectorizer waits for.
#[derive(Debug, Default)]
pub(super) struct Rests {
    whole: Option<Rest>,
    /// The rests of stores, by the beginning of the addresses of their objects.
    stores: HashMap<Arc<str>, Rest>,
    /// Stores that gave an object, and when.
    gave: HashMap<Arc<str>, Instant>,
}

impl Rests {
    /// Takes in a failure of a row whose document lies in `store`. Returns the failure as the queue is
    /// to settle it: with the time at which its row may be tried again, if that is not a matter of tries.
    pub(super) fn note(&mut self, failure: Failure, store: Option<&Arc<str>>, now: Instant) -> Failure {
        let rest = match (failure.scope, store) {
            (Scope::Row, _) => return failure,
            (Scope::Store, Some(store)) if self.is_of_row(&failure, store, now) => {
                return failure.of_row();
            }
            (Scope::Store, Some(store)) if self.has_room_for(store) => {
                self.gave.remove(store);
                self.stores.entry(Arc::clone(store)).or_insert_with(|| Rest::new(&failure, now))
            }
            (Scope::Store | Scope::Provider | Scope::Limit | Scope::Vectorizer, _) => {
                self.whole.get_or_insert_with(|| Rest::new(&failure, now))
            }
        };

        rest.prolong(&failure, now);
        match failure.retry {
            Retry::OnRecovery => Failure { retry: Retry::After(rest.left(now)), ..failure },
            Retry::Never | Retry::Backoff | Retry::After(_) | Retry::Until(_) => failure,
        }
    }

    /// Returns whether a failure that may be the row's own fault is, for its store just gave another row
    /// what it asked for.
    fn is_of_row(&self, failure: &Failure, store: &str, now: Instant) -> bool {
        let lately = |gave: &Instant| now.saturating_duration_since(*gave) < REMEMBERED;
        failure.retry == Retry::Backoff && self.gave.get(store).is_some_and(lately)
    }

    fn has_room_for(&self, store: &str) -> bool {
        self.stores.len() < MOST_STORES || self.stores.contains_key(store)
    }

    /// A row got past this step: what was in its way there is over.
    pub(super) fn passed(&mut self, step: Step, store: Option<&Arc<str>>, now: Instant) {
        if self.whole.as_ref().is_some_and(|rest| rest.failure.step <= step) {
            self.whole = None;
        }

        if let Some(store) = store {
            self.stores.remove(store);
            if self.gave.len() >= MOST_REMEMBERED && !self.gave.contains_key(store) {
                self.gave.clear();
            }
            self.gave.insert(Arc::clone(store), now);
        }
    }

    /// No row of this store can be claimed now.
    pub(super) fn found_none(&mut self, store: &str, now: Instant) {
        let Some(rest) = self.stores.get_mut(store) else { return };
        rest.fruitless += 1;
        rest.until = now + FIRST_REST;
        if rest.fruitless >= FRUITLESS_LOOKS {
            self.stores.remove(store);
        }
    }

    /// Returns the time that the vectorizer still rests as a whole.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        self.whole.as_ref().map(|rest| rest.left(now)).filter(|left| !left.is_zero())
    }

    /// Returns whether the vectorizer as a whole rests, or is to be tried with a single row.
    pub(super) fn is_whole(&self) -> bool {
        self.whole.is_some()
    }

    /// Returns whether it waits for nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.whole.is_none() && self.stores.is_empty()
    }

    /// The stores in trouble.
    pub(super) fn stores(&self) -> Vec<Arc<str>> {
        self.stores.keys().map(Arc::clone).collect()
    }

    /// The stores whose rest is over, and of which a row is to be tried.
    pub(super) fn due_stores(&self, now: Instant) -> Vec<Arc<str>> {
        let due = self.stores.iter().filter(|(_, rest)| rest.left(now).is_zero());
        due.map(|(store, _)| Arc::clone(store)).collect()
    }

    /// Returns the time at which the next rest is over.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let rests = self.whole.iter().chain(self.stores.values());
        rests.map(|rest| rest.until).filter(|until| *until > now).min()
    }

    /// Returns the failure that it waits for in the first place, and the end of that rest: the whole
    /// comes before a store, and of several stores the one that has been in trouble for longest.
    pub(super) fn reason(&self) -> Option<(&Failure, Instant)> {
        let longest = self.stores.values().max_by_key(|rest| (rest.backoff.times(), rest.until));
        self.whole.as_ref().or(longest).map(|rest| (&rest.failure, rest.until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(scope: Scope, retry: Retry) -> Failure {
        Failure::new(Step::Loading, "x", "x", retry).concerning(scope)
    }

    fn store(name: &str) -> Arc<str> {
        name.into()
    }

    #[test]
    fn a_row_of_its_own_stops_nobody() {
        let mut rests = Rests::default();
        for retry in [Retry::Never, Retry::Backoff] {
            let noted = rests.note(failure(Scope::Row, retry), Some(&store("a")), Instant::now());
            assert_eq!(noted.retry, retry);
        }
        assert!(rests.is_empty());
    }

    #[test]
    fn a_store_rests_for_itself_and_costs_no_try() {
        let (mut rests, now, (a, b)) = (Rests::default(), Instant::now(), (store("a"), store("b")));
        let noted = rests.note(failure(Scope::Store, Retry::OnRecovery), Some(&a), now);
        assert!(matches!(noted.retry, Retry::After(pause) if !pause.is_zero() && pause <= FIRST_REST));
        assert_eq!((rests.left(now), rests.stores()), (None, vec![Arc::clone(&a)]));
        // Others of the same moment make it no longer.
        let next = rests.next(now);
        rests.note(failure(Scope::Store, Retry::OnRecovery), Some(&a), now);
        assert_eq!(rests.next(now), next);

        rests.passed(Step::Loading, Some(&b), now);
        assert_eq!(rests.stores(), [Arc::clone(&a)]);
        let later = now + FIRST_REST;
        assert_eq!(rests.due_stores(later), [Arc::clone(&a)]);
        rests.passed(Step::Loading, Some(&a), later);
        assert!(rests.is_empty());
    }

    #[test]
    fn rests_grow_up_to_a_minute() {
        let (mut rests, mut now) = (Rests::default(), Instant::now());
        let mut longest = Duration::ZERO;
        for _ in 0..20 {
            rests.note(failure(Scope::Provider, Retry::OnRecovery), None, now);
            let left = rests.left(now).unwrap();
            longest = longest.max(left);
            now += left;
        }
        assert!(longest > LONGEST_REST / 2 && longest <= LONGEST_REST, "{longest:?}");
    }

    #[test]
    fn what_comes_after_the_trouble_ends_it_and_what_comes_before_does_not() {
        let (mut rests, now) = (Rests::default(), Instant::now());
        let embedding = Failure::new(Step::Embedding, "x", "x", Retry::OnRecovery);
        rests.note(embedding, None, now);
        rests.passed(Step::Formatting, None, now);
        assert!(rests.is_whole());
        rests.passed(Step::Embedding, None, now);
        assert!(rests.is_empty());
    }

    #[test]
    fn many_stores_in_trouble_are_one_trouble() {
        let (mut rests, now) = (Rests::default(), Instant::now());
        for number in 0..100 {
            let store = store(&number.to_string());
            rests.note(failure(Scope::Store, Retry::OnRecovery), Some(&store), now);
        }
        assert_eq!((rests.stores().len(), rests.is_whole()), (MOST_STORES, true));
    }

    #[test]
    fn what_one_store_forbids_concerns_one_row_if_it_grants_others() {
        let (mut rests, now, a) = (Rests::default(), Instant::now(), store("a"));
        let forbidden = || failure(Scope::Store, Retry::Backoff);
        rests.passed(Step::Loading, Some(&a), now);
        assert_eq!(rests.note(forbidden(), Some(&a), now).retry, Retry::Backoff);
        assert!(rests.is_empty());
        // Not any more, if that was long ago; but a try it costs.
        assert_eq!(rests.note(forbidden(), Some(&a), now + REMEMBERED).retry, Retry::Backoff);
        assert_eq!(rests.stores(), [a]);
    }

    #[test]
    fn a_store_that_nobody_waits_for_is_forgotten() {
        let (mut rests, now, a) = (Rests::default(), Instant::now(), store("a"));
        rests.note(failure(Scope::Store, Retry::OnRecovery), Some(&a), now);
        for _ in 0..FRUITLESS_LOOKS {
            rests.found_none("a", now);
        }
        assert!(rests.is_empty());
    }
}
