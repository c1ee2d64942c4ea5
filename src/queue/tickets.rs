//! The tickets under which the pipeline knows claimed rows, and the leases on these rows.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use pgai_rs_pipeline::document::Ticket;
use pgai_rs_queue::work::Claimed;

/// The claims in flight, by their tickets.
pub struct Tickets {
    claimed: HashMap<Ticket, Claimed>,
    last_ticket: u64,
    first_lease: i64,
    last_lease: i64,
    /// The time at which suspects were claimed last.
    suspects_since: Option<Instant>,
}

/// The time for which suspects are alone in the worker: a row with which it ends does so soon, and one whose result can't be written
/// must not keep others' from being tried.
const ALONE: Duration = Duration::from_secs(60);

impl Tickets {
    /// Returns a set without claims, whose leases count from `seed`.
    pub fn new(seed: i64) -> Self {
        Tickets {
            claimed: HashMap::new(),
            last_ticket: 0,
            first_lease: seed,
            last_lease: seed,
            suspects_since: None,
        }
    }

    /// Returns a lease that was not used before.
    pub fn next_lease(&mut self) -> i64 {
        self.last_lease = self.last_lease.wrapping_add(1);
        self.last_lease
    }

    /// Returns the first and the last of the leases that were used. No earlier process had any of them.
    pub fn leases(&self) -> (i64, i64) {
        (self.first_lease, self.last_lease)
    }

    /// Returns whether rows are in flight that a worker held when it ended, beside which no more of a vectorizer's are to be: its
    /// own, or for a while those of any.
    pub fn has_suspects(&self, id: i32) -> bool {
        let are_new = self.suspects_since.is_some_and(|since| since.elapsed() < ALONE);
        self.claimed.values().any(|claimed| claimed.is_suspect && (are_new || claimed.vectorizer == id))
    }

    /// Returns as many new tickets.
    pub fn issue(&mut self, count: usize) -> Vec<Ticket> {
        let first = self.last_ticket + 1;
        self.last_ticket += count as u64;
        (first..=self.last_ticket).map(Ticket).collect()
    }

    /// Adds a claim that is in flight from now on.
    pub fn add(&mut self, ticket: Ticket, claimed: Claimed) {
        if claimed.is_suspect {
            self.suspects_since = Some(Instant::now());
        }
        self.claimed.insert(ticket, claimed);
    }

    /// Returns the claim of a ticket, or `None` if it was dropped.
    pub fn get(&self, ticket: Ticket) -> Option<&Claimed> {
        self.claimed.get(&ticket)
    }

    /// Returns the claims on rows of a vectorizer, with their tickets.
    pub fn of(&self, id: i32) -> impl Iterator<Item = (Ticket, &Claimed)> {
        let claimed = self.claimed.iter().filter(move |(_, claimed)| claimed.vectorizer == id);
        claimed.map(|(ticket, claimed)| (*ticket, claimed))
    }

    /// Returns whether rows of a vectorizer are in flight.
    pub fn has_any_of(&self, id: i32) -> bool {
        self.of(id).next().is_some()
    }

    /// Returns the ids of the vectorizers of which rows are in flight.
    pub fn vectorizers(&self) -> HashSet<i32> {
        self.claimed.values().map(|claimed| claimed.vectorizer).collect()
    }

    /// Drops the claims of tickets that are settled.
    pub fn settle(&mut self, tickets: impl IntoIterator<Item = Ticket>) {
        for ticket in tickets {
            self.claimed.remove(&ticket);
        }
    }

    /// Drops all claims but those of these tickets.
    pub fn retain(&mut self, in_flight: &HashSet<Ticket>) {
        self.claimed.retain(|ticket, _| in_flight.contains(ticket));
    }
}
