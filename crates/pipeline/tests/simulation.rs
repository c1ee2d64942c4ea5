//! The queue's protocol, in all interleavings of users, workers, deaths and failures that fit some
//! bounds: when all is at rest the store equals f(source), and rest can always be reached.
//!
//! `simulation/model.rs` says which statements each step stands for. That the search would find a
//! mistake is shown by planting some.
#![allow(clippy::unwrap_used)]

#[path = "simulation/model.rs"]
mod model;

use std::collections::{HashMap, VecDeque};

use model::{Bounds, Bug, State};

/// One worker at a time, as in a database today: it may die and come back, and work slowly.
const ONE: Bounds = Bounds { workers: 1, changes: 4, leases: 8, crashes: 2, failures: 2 };

/// Two at a time, of which one may sleep longer than its lease lasts: what a worker outside of
/// Postgres would be.
const TWO: Bounds = Bounds { workers: 2, changes: 3, leases: 4, crashes: 1, failures: 1 };

/// All states that can be reached, and how.
struct Search {
    bounds: Bounds,
    states: Vec<State>,
    /// Which state each was first reached from, and by what.
    from: Vec<Option<(usize, String)>>,
    /// Which states lead to each.
    before: Vec<Vec<usize>>,
}

impl Search {
    fn run(bounds: Bounds, bug: Bug) -> Search {
        let initial = State::initial(bounds);
        let mut known = HashMap::from([(initial.clone(), 0)]);
        let mut search = Search { bounds, states: vec![initial], from: vec![None], before: vec![Vec::new()] };
        let mut queue = VecDeque::from([0]);
        while let Some(at) = queue.pop_front() {
            for (what, state) in search.states[at].next(bounds, bug) {
                let number = *known.entry(state.clone()).or_insert(search.states.len());
                if number == search.states.len() {
                    search.states.push(state);
                    search.from.push(Some((at, what)));
                    search.before.push(Vec::new());
                    queue.push_back(number);
                }
                search.before[number].push(at);
            }
        }
        search
    }

    /// What is wrong, with the shortest history that leads there.
    fn mistake(&self) -> Option<String> {
        if let Some((at, what)) = (0..self.states.len()).find_map(|at| Some((at, self.states[at].wrong()?))) {
            return Some(format!("{what}:\n{}\n{:?}", self.history(at), self.states[at]));
        }
        let at_rest = |at: &usize| self.states[*at].is_at_rest();
        let mut resting = (0..self.states.len()).filter(at_rest);
        let broken = resting.find_map(|at| Some((at, self.states[at].broken()?)));
        let (at, what) = broken.or_else(|| Some((self.stuck()?, "the queue never becomes empty")))?;
        Some(format!("{what}:\n{}\n{:?}", self.history(at), self.states[at]))
    }

    /// A state from which none at rest can be reached.
    fn stuck(&self) -> Option<usize> {
        let ends = |state: &State| state.is_at_rest() || state.is_cut_off(self.bounds);
        let mut ends: Vec<bool> = self.states.iter().map(ends).collect();
        let mut queue: VecDeque<usize> = (0..ends.len()).filter(|at| ends[*at]).collect();
        while let Some(at) = queue.pop_front() {
            for &before in &self.before[at] {
                if !std::mem::replace(&mut ends[before], true) {
                    queue.push_back(before);
                }
            }
        }
        ends.iter().position(|ends| !ends)
    }

    fn history(&self, mut at: usize) -> String {
        let mut steps = Vec::new();
        while let Some((before, what)) = &self.from[at] {
            steps.push(what.as_str());
            at = *before;
        }
        steps.reverse();
        steps.join("\n")
    }
}

#[track_caller]
fn keeps_the_promise(bounds: Bounds, bug: Bug) {
    let search = Search::run(bounds, bug);
    let resting = search.states.iter().filter(|state| state.is_at_rest()).count();
    assert!(resting > 100, "only {resting} states at rest of {}", search.states.len());
    if let Some(mistake) = search.mistake() {
        panic!("{mistake}");
    }
}

#[track_caller]
fn finds(bounds: Bounds, bug: Bug, what: &str) {
    let mistake = Search::run(bounds, bug).mistake().unwrap_or_default();
    assert!(mistake.starts_with(what), "{bug:?}: {mistake}");
}

#[test]
fn a_worker_loses_nothing_and_leaves_nothing_behind() {
    keeps_the_promise(ONE, Bug::None);
}

#[test]
fn two_workers_need_every_write_to_check_its_lease() {
    keeps_the_promise(TWO, Bug::None);
    let well = Bounds { failures: 0, ..TWO };
    finds(well, Bug::UncheckedLeases, "a row without its chunks");
    finds(well, Bug::NoLeaseCheck, "chunks of an earlier content");
}

#[test]
fn mistakes_in_the_queue_would_be_found() {
    let well = Bounds { failures: 0, ..ONE };
    finds(well, Bug::SettleIgnoresGeneration, "chunks of an earlier content");
    finds(well, Bug::FoldForgetsConflicts, "chunks of an earlier content");
    finds(ONE, Bug::NoSourceLock, "chunks of a row that is gone");
    finds(ONE, Bug::SettleBeforeWrite, "a row without its chunks");
    finds(ONE, Bug::DeleteLeavesChunks, "chunks of a row that is gone");
    finds(ONE, Bug::LeasesLastForever, "the queue never becomes empty");
    finds(ONE, Bug::SuccessKeepsFailed, "set aside for what is no longer there");
    finds(ONE, Bug::NoLockForSettingAside, "a row that is gone is set aside");
    finds(ONE, Bug::DeleteLeavesFailed, "a row that is gone is set aside");
    finds(ONE, Bug::PostponeIgnoresGeneration, "tries of an earlier content count");
}
