//! Fair turns on the one thread that everybody's statements run on.
//!
//! A turn of that thread serves every owner. One who has taken much of it is left out of the rest of the
//! turn, and of the turns after it for as long as the time beyond a fair part was, but only while somebody
//! else has work. So one with a hundred vectorizers, or with slow triggers, gets no more than another with
//! one, and all of the time that nobody else wants.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// Time that an owner may take of one phase of a turn: of writing, or of claiming.
const QUOTA: Duration = Duration::from_millis(250);

/// The same while nobody else has work: so long may it take until it is seen that somebody has.
const QUOTA_ALONE: Duration = Duration::from_secs(1);

/// The factor by which an owner rests longer for time that was cut off, and so has led to nothing.
const CUT_OFF: u32 = 4;

/// The time of this process that the owners of its work have taken.
#[derive(Debug, Default)]
pub struct Shares {
    /// The time that each owner has taken of this phase.
    taken: HashMap<u32, Duration>,
    /// The time until which each owner is left out.
    rests: HashMap<u32, Instant>,
    /// The owners that had something to be done in this turn, and in the one before.
    busy: [HashSet<u32>; 2],
}

impl Shares {
    /// Begins a turn.
    pub fn begin_turn(&mut self, now: Instant) {
        self.begin_phase();
        self.rests.retain(|_, until| *until > now);
        self.busy.swap(0, 1);
        self.busy[0].clear();
    }

    /// Begins a phase of a turn: whoever has written much has not claimed yet.
    pub fn begin_phase(&mut self) {
        self.taken.clear();
    }

    /// Notes that an owner has something to be done.
    pub fn has_work(&mut self, owner: u32) {
        self.busy[0].insert(owner);
    }

    /// Notes that an owner's statements took so long, and whether they were cut off.
    pub fn took(&mut self, owner: u32, time: Duration, cut_off: bool, now: Instant) {
        let taken = self.taken.entry(owner).or_default();
        let before = (*taken).max(QUOTA);
        *taken += time;

        let beyond = taken.saturating_sub(before);
        let rest = if cut_off { time * CUT_OFF } else { beyond };
        if !rest.is_zero() {
            let until = self.rests.entry(owner).or_insert(now);
            *until = (*until).max(now) + rest;
        }
    }

    /// Returns the time that an owner has taken of this phase so far.
    pub fn taken_of(&self, owner: u32) -> Duration {
        self.taken.get(&owner).copied().unwrap_or_default()
    }

    /// Returns the time until an owner may be served, zero for the next turn; `None` if that is now.
    pub fn left(&self, owner: u32, now: Instant) -> Option<Duration> {
        let is_alone = !self.busy.iter().flatten().any(|other| *other != owner);
        let rest = self.rests.get(&owner).map(|until| until.saturating_duration_since(now));
        if let Some(left) = rest.filter(|left| !is_alone && !left.is_zero()) {
            return Some(left);
        }

        let quota = if is_alone { QUOTA_ALONE } else { QUOTA };
        self.taken.get(&owner).is_some_and(|taken| *taken >= quota).then_some(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u32 = 1;
    const B: u32 = 2;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn shares(busy: &[u32]) -> (Shares, Instant) {
        let (mut shares, now) = (Shares::default(), Instant::now());
        shares.begin_turn(now);
        busy.iter().for_each(|owner| shares.has_work(*owner));
        (shares, now)
    }

    #[test]
    fn nobody_rests_while_nobody_else_has_work() {
        let (mut shares, now) = shares(&[A]);
        shares.took(A, ms(10_000), true, now);
        assert_eq!(shares.left(A, now), Some(ms(0)), "it is looked whether somebody has");
        shares.begin_phase();
        assert_eq!(shares.left(A, now), None);
    }

    #[test]
    fn one_who_took_his_part_waits_for_the_next_turn() {
        let (mut shares, now) = shares(&[A, B]);
        shares.took(A, ms(200), false, now);
        assert_eq!(shares.left(A, now), None);
        shares.took(A, ms(50), false, now);
        assert_eq!((shares.left(A, now), shares.left(B, now)), (Some(ms(0)), None));
        shares.begin_turn(now);
        assert_eq!(shares.left(A, now), None);
    }

    #[test]
    fn one_who_took_more_rests_as_long() {
        let (mut shares, now) = shares(&[A, B]);
        shares.took(A, ms(1_250), false, now);
        shares.begin_turn(now);
        assert_eq!(shares.left(A, now), Some(ms(1_000)));
        assert_eq!(shares.left(A, now + ms(1_000)), None);
    }

    #[test]
    fn what_was_cut_off_costs_more() {
        let (mut shares, now) = shares(&[A, B]);
        shares.took(A, ms(100), true, now);
        assert_eq!(shares.left(A, now), Some(ms(400)));
        shares.took(A, ms(100), true, now);
        assert_eq!(shares.left(A, now), Some(ms(800)));
    }

    #[test]
    fn work_of_the_turn_before_counts_and_older_does_not() {
        let (mut shares, now) = shares(&[B]);
        shares.took(A, ms(10_000), false, now);
        shares.begin_turn(now);
        assert!(shares.left(A, now).is_some());
        shares.begin_turn(now);
        assert_eq!(shares.left(A, now), None);
    }

    #[test]
    fn two_who_always_have_work_get_the_same_whatever_one_piece_takes() {
        let mut shares = Shares::default();
        let begin = Instant::now();
        let (mut now, mut got) = (begin, [ms(0); 2]);
        while now < begin + ms(600_000) {
            shares.begin_turn(now);
            shares.has_work(A);
            shares.has_work(B);
            for (place, (owner, piece)) in [(A, ms(5_000)), (B, ms(20))].into_iter().enumerate() {
                while shares.left(owner, now).is_none() && now < begin + ms(600_000) {
                    now += piece;
                    got[place] += piece;
                    shares.took(owner, piece, false, now);
                }
            }
            now += ms(1);
        }
        assert!(got[1] * 10 > got[0] * 9, "{got:?}");
    }
}
