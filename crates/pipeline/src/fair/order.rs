//! The order in which owners get permits.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use crate::quota::Owner;

/// Permits, and those who have or want some.
#[derive(Debug)]
pub(super) struct Order<W> {
    total: u64,
    /// Permits that only an owner may take who has none.
    spare: u64,
    free: u64,
    owners: HashMap<Owner, Standing<W>>,
    /// The number of requests so far.
    arrivals: u64,
}

/// One owner's permits and requests.
#[derive(Debug)]
struct Standing<W> {
    held: u64,
    /// Permits times the microseconds for which they were held, until `since`.
    charge: u128,
    since: Instant,
    waiting: VecDeque<Waiter<W>>,
}

/// A request for permits.
#[derive(Debug)]
struct Waiter<W> {
    permits: u64,
    arrival: u64,
    waiter: W,
}

impl<W> Standing<W> {
    /// Returns the charge with that for what is held now.
    fn charge(&self, now: Instant) -> u128 {
        let held_for = now.saturating_duration_since(self.since).as_micros();
        self.charge + held_for * u128::from(self.held)
    }

    fn change(&mut self, held: u64, now: Instant) {
        self.charge = self.charge(now);
        self.since = now;
        self.held = held;
    }

    fn is_active(&self) -> bool {
        self.held > 0 || !self.waiting.is_empty()
    }
}

impl<W> Order<W> {
    /// Makes permits, all of which are free.
    pub(super) fn new(total: u64, spare: u64) -> Self {
        Order { total, spare, free: total, owners: HashMap::new(), arrivals: 0 }
    }

    /// Enters a request for permits, of which there are as many at least.
    pub(super) fn ask(&mut self, owner: Owner, permits: u64, waiter: W, now: Instant) {
        // Who was away has not saved anything up meanwhile.
        let least = self.least_charge(now);
        let standing = self.owners.entry(owner).or_insert_with(|| Standing {
            held: 0,
            charge: 0,
            since: now,
            waiting: VecDeque::new(),
        });
        if !standing.is_active() {
            standing.charge = standing.charge.max(least.unwrap_or(0));
        }

        self.arrivals += 1;
        standing.waiting.push_back(Waiter { permits, arrival: self.arrivals, waiter });
    }

    /// Takes the request that is granted next, if one can be granted now. Those of whoever is no longer there are
    /// forgotten.
    pub(super) fn next(&mut self, now: Instant, is_there: impl Fn(&W) -> bool) -> Option<(Owner, u64, W)> {
        for standing in self.owners.values_mut() {
            while standing.waiting.front().is_some_and(|first| !is_there(&first.waiter)) {
                standing.waiting.pop_front();
            }
        }

        let owner = self.chosen(now)?;
        let standing = self.owners.get_mut(&owner)?;
        let Waiter { permits, waiter, .. } = standing.waiting.pop_front()?;
        standing.change(standing.held + permits, now);
        self.free -= permits;
        Some((owner, permits, waiter))
    }

    /// Takes permits back.
    pub(super) fn release(&mut self, owner: Owner, permits: u64, now: Instant) {
        self.free += permits;
        if let Some(standing) = self.owners.get_mut(&owner) {
            standing.change(standing.held.saturating_sub(permits), now);
        }

        // Who has had no more than all who are there would be entered anew with the same charge.
        let least = self.least_charge(now).unwrap_or(u128::MAX);
        self.owners.retain(|_, standing| standing.is_active() || standing.charge > least);
    }

    /// Returns the owner whose first request is granted next.
    fn chosen(&self, now: Instant) -> Option<Owner> {
        let first = |standing: &Standing<W>| standing.waiting.front().map(|first| first.arrival);
        let waiting = self.owners.iter().filter_map(|(owner, standing)| {
            Some((standing.charge(now), standing.held, first(standing)?, *owner))
        });
        let mut waiting: Vec<_> = waiting.collect();
        waiting.sort_unstable();

        let mut is_blocked = false;
        for (_, held, _, owner) in waiting {
            let permits = self.owners.get(&owner)?.waiting.front()?.permits;
            let is_newcomer = held == 0;
            let may_take = if is_newcomer { self.free } else { self.free.saturating_sub(self.spare) };

            if is_blocked {
                // The one before waits for others' permits, which the spare ones are not.
                if is_newcomer && permits <= self.free.min(self.spare) {
                    return Some(owner);
                }
            } else if permits <= may_take {
                return Some(owner);
            } else if is_newcomer {
                // Nobody passes, or one who wants much would wait for ever.
                return None;
            } else {
                // One who has to give something back first keeps nobody waiting.
                is_blocked = held + permits <= self.total.saturating_sub(self.spare);
            }
        }
        None
    }

    /// Returns the least that anybody was charged who has or wants permits.
    fn least_charge(&self, now: Instant) -> Option<u128> {
        let active = self.owners.values().filter(|standing| standing.is_active());
        active.map(|standing| standing.charge(now)).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const A: Owner = Owner::of(1);
    const B: Owner = Owner::of(2);
    const C: Owner = Owner::of(3);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Asks so many times for one permit.
    fn ask(order: &mut Order<()>, owner: Owner, times: usize, now: Instant) {
        (0..times).for_each(|_| order.ask(owner, 1, (), now));
    }

    /// Grants what can be granted; returns to whom.
    fn grant(order: &mut Order<()>, now: Instant) -> Vec<Owner> {
        std::iter::from_fn(|| order.next(now, |()| true)).map(|(owner, ..)| owner).collect()
    }

    #[test]
    fn one_alone_is_served_in_order_up_to_the_spare_ones() {
        let (mut order, now) = (Order::new(5, 1), Instant::now());
        (0..6).for_each(|place| order.ask(A, 1, place, now));
        let mut granted = std::iter::from_fn(|| order.next(now, |_| true)).map(|(.., place)| place);
        assert_eq!(granted.by_ref().collect::<Vec<_>>(), [0, 1, 2, 3]);
        order.release(A, 1, now);
        assert_eq!(order.next(now, |_| true).map(|(.., place)| place), Some(4));
    }

    #[test]
    fn a_newcomer_passes_the_thousands_that_one_owner_has_waiting() {
        let (mut order, now) = (Order::new(4, 0), Instant::now());
        ask(&mut order, A, 4000, now);
        assert_eq!(grant(&mut order, now), [A; 4]);
        ask(&mut order, B, 10, now + ms(1));
        assert_eq!(grant(&mut order, now + ms(1)), []);
        for moment in 2..4 {
            order.release(A, 1, now + ms(moment));
            assert_eq!(grant(&mut order, now + ms(moment)), [B]);
        }
    }

    #[test]
    fn spare_permits_are_for_who_has_none() {
        let (mut order, now) = (Order::new(5, 1), Instant::now());
        ask(&mut order, A, 4000, now);
        assert_eq!(grant(&mut order, now), [A; 4]);
        ask(&mut order, B, 2, now);
        assert_eq!(grant(&mut order, now), [B]);
        ask(&mut order, C, 1, now);
        assert_eq!(grant(&mut order, now), []);
        order.release(B, 1, now + ms(1));
        assert_eq!(grant(&mut order, now + ms(1)), [C], "it has had nothing yet");
    }

    #[test]
    fn two_who_always_want_more_get_the_same_time_whatever_one_piece_takes() {
        // A's pieces take a minute, B's a second: it comes anew when its own is done.
        let (mut order, begin) = (Order::new(4, 0), Instant::now());
        let mut ends: Vec<(Instant, Owner)> = Vec::new();
        let (mut now, mut got) = (begin, [ms(0); 2]);
        ask(&mut order, A, 10_000, now);
        ask(&mut order, B, 4, now);
        while now < begin + ms(3_600_000) {
            for owner in grant(&mut order, now) {
                let takes = if owner == A { ms(60_000) } else { ms(1000) };
                got[usize::from(owner == B)] += takes;
                ends.push((now + takes, owner));
            }
            ends.sort_unstable_by_key(|(end, _)| std::cmp::Reverse(*end));
            let (end, owner) = ends.pop().unwrap();
            now = end;
            if owner == B {
                order.ask(B, 1, (), now);
            }
            order.release(owner, 1, now);
        }
        assert!(got[1] * 10 > got[0] * 9 && got[0] * 10 > got[1] * 8, "{got:?}");
    }

    #[test]
    fn who_wants_all_of_it_is_not_passed_for_ever_and_pays_for_it() {
        let (mut order, now) = (Order::new(10, 1), Instant::now());
        ask(&mut order, B, 20, now);
        order.ask(A, 10, (), now);
        assert_eq!(grant(&mut order, now), [B]);
        order.release(B, 1, now + ms(1));
        assert_eq!(grant(&mut order, now + ms(1)), [A]);

        // A minute of everything is to be made up for before it gets everything again.
        order.ask(A, 10, (), now + ms(2));
        order.release(A, 10, now + ms(60_000));
        let mut moment = now + ms(60_000);
        for _ in 0..2 {
            assert_eq!(grant(&mut order, moment), [B; 9]);
            moment += ms(1000);
            order.release(B, 9, moment);
        }
        assert_eq!(grant(&mut order, moment), [B], "all that it had left");
    }

    #[test]
    fn who_was_away_has_saved_nothing_up_and_who_was_charged_is_not_forgotten() {
        let (mut order, now) = (Order::new(1, 0), Instant::now());
        ask(&mut order, A, 3, now);
        assert_eq!(grant(&mut order, now), [A]);
        // B comes late, and each has the permit in turn from then on.
        let late = now + ms(10_000);
        ask(&mut order, B, 3, late);
        let mut got = Vec::new();
        for turn in 1..5 {
            let moment = late + ms(turn * 100);
            order.release(*got.last().unwrap_or(&A), 1, moment);
            got.extend(grant(&mut order, moment));
        }
        assert_eq!(got[..3], [B, A, B]);

        let mut order = Order::new(1, 0);
        ask(&mut order, A, 1, now);
        assert_eq!(grant(&mut order, now), [A]);
        ask(&mut order, B, 2, now);
        order.release(A, 1, now + ms(1000));
        assert_eq!(grant(&mut order, now + ms(1000)), [B]);
        // It was away for a moment only.
        ask(&mut order, A, 1, now + ms(1001));
        order.release(B, 1, now + ms(1002));
        assert_eq!(grant(&mut order, now + ms(1002)), [B]);
    }

    #[test]
    fn who_is_gone_is_neither_served_nor_kept() {
        let (mut order, now) = (Order::new(1, 0), Instant::now());
        order.ask(A, 1, "gone", now);
        order.ask(A, 1, "there", now);
        let next = order.next(now, |waiter| *waiter == "there");
        assert_eq!(next, Some((A, 1, "there")));
        order.release(A, 1, now);
        assert!(order.owners.is_empty());
        assert_eq!(order.free, 1);
    }
}
