//! The queue's protocol, in all interleavings of users, workers, deaths and failures that fit some
//! bounds: when all is at rest the store equals f(source), and rest can always be reached.
//!
//! `simulation/model.rs` says which statements each step stands for, and `simulation/replay.rs` holds it to them: it
//! replays histories on the real SQL. That the search, and the replay, would find a mistake is shown by planting some.
#![allow(clippy::unwrap_used)]

#[path = "simulation/model.rs"]
mod model;
#[path = "simulation/replay.rs"]
mod replay;
mod support;

use std::collections::{HashMap, VecDeque};

use model::{Act, Bounds, Bug, State, Step};
use replay::{Mistake, Random, Taken, replay_one};
use support::server::server;
use support::source::Source;

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
    from: Vec<Option<(usize, Step)>>,
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
            for (step, state) in search.states[at].next(bounds, bug) {
                let number = *known.entry(state.clone()).or_insert(search.states.len());
                if number == search.states.len() {
                    search.states.push(state);
                    search.from.push(Some((at, step)));
                    search.before.push(Vec::new());
                    queue.push_back(number);
                }
                search.before[number].push(at);
            }
        }
        search
    }

    /// Returns what is wrong, with the shortest history that leads there.
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
        while let Some((before, step)) = &self.from[at] {
            steps.push(step.to_string());
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
    finds(TWO, Bug::UncheckedLeases, "set aside for what is no longer there");
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

/// Replays histories of one worker, and of two. Returns how often each step was taken, or what went otherwise than in
/// the model; `None` if there is no Postgres at hand.
fn replayed(histories: usize, mistake: Mistake) -> Option<Result<Taken, String>> {
    let source = Source::of_texts(server()?);
    let (mut random, mut taken) = (Random(0x9e37_79b9_7f4a_7c15), Taken::new());
    for number in 0..histories {
        let bounds = if number % 2 == 0 { ONE } else { TWO };
        if let Err(error) = replay_one(&source, bounds, 60, &mut random, &mut taken, mistake) {
            return Some(Err(error));
        }
    }
    Some(Ok(taken))
}

/// Returns the number of histories to replay; `HISTORIES=1000` asks for more.
fn histories() -> usize {
    std::env::var("HISTORIES").map_or(30, |count| count.parse().unwrap())
}

#[test]
fn the_statements_do_what_the_model_does() {
    let taken = match replayed(histories(), None) {
        None => return,
        Some(taken) => taken.unwrap_or_else(|error| panic!("{error}")),
    };
    let by_users =
        [Step::UserWrites, Step::UserDeletes, Step::UserCommits, Step::UserRollsBack, Step::TimePasses];
    let by_workers = [
        Act::BeginsToClaim,
        Act::Claims,
        Act::Folds,
        Act::SettlesGone,
        Act::HasLostItsLease,
        Act::OffersAgain,
        Act::LooksForTheRow,
        Act::Writes,
        Act::Postpones,
        Act::FailsForGood,
        Act::FindsLockedAndPostpones,
        Act::SetsAside,
        Act::Dies,
        Act::ComesBack,
    ];
    let is_taken = |step: &Step| match *step {
        Step::Worker(_, act) => (0..2).any(|number| taken.contains_key(&Step::Worker(number, act))),
        step => taken.contains_key(&step),
    };
    let all = by_users.into_iter().chain(by_workers.map(|act| Step::Worker(0, act)));
    let never: Vec<String> = all.filter(|step| !is_taken(step)).map(|step| step.to_string()).collect();
    assert!(never.is_empty(), "in no history: {}", never.join(", "));
}

#[test]
fn a_statement_that_does_otherwise_would_be_found() {
    let mistakes = [
        // `settle` and `postpone` do not look at the generation.
        (" AND w.\"generation\" = k.generation", ""),
        // `fold` leaves the tries of an earlier content.
        (", \"attempts\" = 0,", ","),
        // `held` takes any lease for its own.
        (" WHERE w.\"lease\" = k.lease FOR UPDATE OF w", " FOR UPDATE OF w"),
        // `lock` does not lock.
        ("FOR KEY SHARE OF s SKIP LOCKED", ""),
        // `recover` leaves what is held.
        ("(w.\"leased_by\" = $1 OR", "(false AND"),
        // `forget_failed` forgets nothing.
        ("WHERE f.\"id\" OPERATOR(pg_catalog.=) k.k0", "WHERE false"),
    ];
    for mistake in mistakes {
        match replayed(200, Some(mistake)) {
            None => return,
            Some(result) => assert!(result.is_err(), "{mistake:?} was not found"),
        }
    }
}
