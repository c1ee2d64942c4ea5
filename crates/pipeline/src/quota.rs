//! Daily quotas: how much each role, and all of a database together, may send to models and load from object
//! stores.
//!
//! The day is that of UTC. A document is let through while something of its owner's quota is left, so that
//! one that is larger than the whole quota does not wait for ever. A quota of tokens is exceeded by one
//! document at most, one of bytes by the objects that are loaded at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::failure::{Failure, Retry, Scope, Step};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Longest pause before a vectorizer whose quota is used up looks again: the quota may have been raised.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Identifies a role, as its database does.
pub type Role = u32;

/// The owner of work, among whom the worker's time and memory are shared: a role, or all superusers together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(Option<Role>);

impl Owner {
    /// Returns a role as an owner.
    pub const fn of(role: Role) -> Self {
        Owner(Some(role))
    }
}

/// Days since the first of January 1970.
pub type Day = u64;

/// An amount of what is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Tokens of inputs that were sent to a model, as estimated by
    /// [`estimated_tokens`](crate::embed::estimated_tokens).
    pub tokens: u64,
    /// Bytes of objects that were loaded.
    pub bytes: u64,
}

impl Spent {
    fn add(&mut self, other: Spent) {
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// The most that may be spent in a day; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuotaLimits {
    /// Tokens.
    pub tokens: Option<u64>,
    /// Bytes.
    pub bytes: Option<u64>,
}

/// Counts of one database, by role and day. Shared by all threads; a lock is held for moments only.
#[derive(Debug, Default)]
pub struct Quotas(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    /// The day that `roles` and `database` count.
    day: Day,
    roles: HashMap<Role, Page>,
    database: Page,
    /// Spent, and not yet taken by [`Quotas::take_unwritten`].
    unwritten: HashMap<(Role, Day), Spent>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Page {
    limits: QuotaLimits,
    spent: Spent,
}

/// The unit in which spending is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// Tokens of inputs that are sent to models.
    Tokens,
    /// Bytes of objects that are loaded.
    Bytes,
}

impl Unit {
    /// Returns how much is spent, and how much may be.
    fn of(self, page: &Page) -> (u64, Option<u64>) {
        match self {
            Unit::Tokens => (page.spent.tokens, page.limits.tokens),
            Unit::Bytes => (page.spent.bytes, page.limits.bytes),
        }
    }
}

/// The holder of the quota that ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// The vectorizer's owner.
    Role,
    /// All of the database together.
    Database,
}

impl Quotas {
    /// Sets the limits of the database, which count what roles with limits spend.
    pub fn limit_database(&self, limits: QuotaLimits) {
        self.books().database.limits = limits;
    }

    /// Sets the limits of a role.
    pub fn limit_role(&self, role: Role, limits: QuotaLimits) {
        self.books().roles.entry(role).or_default().limits = limits;
    }

    /// Returns the roles that have limits, or have spent something today.
    pub fn roles(&self) -> Vec<Role> {
        self.books().roles.keys().copied().collect()
    }

    /// Adds what is known to have been spent today, without counting it as unwritten.
    pub fn remember(&self, role: Role, day: Day, spent: Spent) {
        let mut books = self.books();
        if books.today(SystemTime::now()) == day {
            books.enter(role, spent);
        }
    }

    /// Adds what was spent elsewhere today, such as by a query.
    pub fn spend(&self, role: Role, spent: Spent) {
        self.books().spend(role, spent, SystemTime::now());
    }

    /// Takes what was spent since this was called last, by role and day.
    pub fn take_unwritten(&self) -> Vec<(Role, Day, Spent)> {
        let unwritten = std::mem::take(&mut self.books().unwritten);
        unwritten.into_iter().map(|((role, day), spent)| (role, day, spent)).collect()
    }

    /// Gives back what could not be written.
    pub fn return_unwritten(&self, unwritten: Vec<(Role, Day, Spent)>) {
        let mut books = self.books();
        for (role, day, spent) in unwritten {
            books.unwritten.entry((role, day)).or_default().add(spent);
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // Nothing that panics half-way is done under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    /// Returns the day, and begins a new one if the last is over.
    fn today(&mut self, now: SystemTime) -> Day {
        let day = day_of(now);
        if day != self.day {
            self.day = day;
            self.database.spent = Spent::default();
            for page in self.roles.values_mut() {
                page.spent = Spent::default();
            }
        }
        day
    }

    fn enter(&mut self, role: Role, spent: Spent) {
        self.roles.entry(role).or_default().spent.add(spent);
        self.database.spent.add(spent);
    }

    fn spend(&mut self, role: Role, spent: Spent, now: SystemTime) {
        let day = self.today(now);
        self.enter(role, spent);
        self.unwritten.entry((role, day)).or_default().add(spent);
    }

    /// Refuses if nothing is left of what a role or the database may spend.
    fn require(&self, unit: Unit, role: Role, now: SystemTime) -> Result<(), Failure> {
        let page = self.roles.get(&role).copied().unwrap_or_default();
        for (holder, page) in [(Holder::Role, page), (Holder::Database, self.database)] {
            let (spent, limit) = unit.of(&page);
            if let Some(limit) = limit.filter(|limit| spent >= *limit) {
                return Err(exceeded(unit, holder, limit, now));
            }
        }
        Ok(())
    }
}

/// Returns the day of UTC that a time belongs to.
pub fn day_of(time: SystemTime) -> Day {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / DAY
}

/// Charges what one vectorizer spends to its owner. Without an owner nothing is counted and nothing limited.
#[derive(Debug, Clone, Default)]
pub struct Account(Option<(Arc<Quotas>, Role)>);

/// Two accounts are the same if they are of the same role: a process has the quotas of one database.
impl PartialEq for Account {
    fn eq(&self, other: &Self) -> bool {
        self.role() == other.role()
    }
}

impl Account {
    fn role(&self) -> Option<Role> {
        self.0.as_ref().map(|(_, role)| *role)
    }

    /// Returns whose it is.
    pub fn owner(&self) -> Owner {
        Owner(self.role())
    }

    /// Returns the account of a role.
    pub fn new(quotas: &Arc<Quotas>, role: Role) -> Self {
        Account(Some((Arc::clone(quotas), role)))
    }

    /// Refuses to load an object if no bytes are left for today, or no tokens with which it could be
    /// embedded.
    ///
    /// # Errors
    ///
    /// `quota_exceeded`, which concerns the whole vectorizer and costs no row a try.
    pub fn require_left(&self) -> Result<(), Failure> {
        let Some((quotas, role)) = &self.0 else { return Ok(()) };
        let now = SystemTime::now();
        let mut books = quotas.books();
        books.today(now);
        books.require(Unit::Bytes, *role, now)?;
        books.require(Unit::Tokens, *role, now)
    }

    /// Counts bytes that were loaded.
    pub fn spend_bytes(&self, bytes: u64) {
        if let Some((quotas, role)) = &self.0 {
            quotas.spend(*role, Spent { bytes, tokens: 0 });
        }
    }

    /// Counts tokens that are about to be sent, or refuses if none are left for today.
    ///
    /// # Errors
    ///
    /// Fails as [`require_left`](Self::require_left) does.
    pub fn spend_tokens(&self, tokens: u64) -> Result<(), Failure> {
        let Some((quotas, role)) = &self.0 else { return Ok(()) };
        let now = SystemTime::now();
        let mut books = quotas.books();
        books.today(now);
        books.require(Unit::Tokens, *role, now)?;
        books.spend(*role, Spent { tokens, bytes: 0 }, now);
        Ok(())
    }
}

fn exceeded(unit: Unit, holder: Holder, limit: u64, now: SystemTime) -> Failure {
    let (whose, of) = match holder {
        Holder::Role => ("the owner", "role"),
        Holder::Database => ("the database", "database"),
    };
    let (unit, step) = match unit {
        Unit::Tokens => ("tokens", Step::Embedding),
        Unit::Bytes => ("bytes", Step::Loading),
    };

    let message = format!("daily quota of {limit} {unit} exceeded for {whose}");
    Failure::new(step, "quota_exceeded", message, Retry::After(until_tomorrow(now).min(LONGEST_PAUSE)))
        .concerning(Scope::Limit)
        .with_hint(format!(
            "It continues at 00:00 UTC, or when a superuser increases pgai_rs.max_daily_{unit}_per_{of}."
        ))
}

/// Returns the time left until the next day of UTC.
fn until_tomorrow(now: SystemTime) -> Duration {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(DAY) - Duration::from_secs(since.as_secs() % DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Role = 1;
    const BOB: Role = 2;

    fn quotas(role: Option<u64>, database: Option<u64>) -> Arc<Quotas> {
        let quotas = Arc::new(Quotas::default());
        for alike in [ALICE, BOB] {
            quotas.limit_role(alike, QuotaLimits { tokens: role, bytes: role });
        }
        quotas.limit_database(QuotaLimits { tokens: database, bytes: database });
        quotas
    }

    #[test]
    fn a_role_spends_what_it_may_and_no_more() {
        let quotas = quotas(Some(10), None);
        let alice = Account::new(&quotas, ALICE);
        alice.spend_tokens(9).unwrap();
        alice.spend_tokens(9).unwrap();
        let refused = alice.spend_tokens(1).unwrap_err();
        assert_eq!(
            (refused.code, refused.scope, refused.step),
            ("quota_exceeded", Scope::Limit, Step::Embedding)
        );
        assert!(refused.hint.unwrap().contains("pgai_rs.max_daily_tokens_per_role"));
        Account::new(&quotas, BOB).spend_tokens(1).unwrap();
    }

    #[test]
    fn a_document_larger_than_the_quota_is_not_refused_for_ever() {
        let quotas = quotas(Some(10), None);
        Account::new(&quotas, ALICE).spend_tokens(1_000).unwrap();
    }

    #[test]
    fn a_quota_of_nothing_lets_nothing_through() {
        let quotas = quotas(Some(0), None);
        let alice = Account::new(&quotas, ALICE);
        assert!(alice.spend_tokens(1).is_err() && alice.require_left().is_err());
    }

    #[test]
    fn bytes_are_counted_by_themselves() {
        let quotas = quotas(Some(10), None);
        let alice = Account::new(&quotas, ALICE);
        alice.require_left().unwrap();
        alice.spend_bytes(10);
        assert_eq!(alice.require_left().unwrap_err().step, Step::Loading);
        alice.spend_tokens(1).unwrap();
    }

    #[test]
    fn a_database_has_a_quota_of_all_its_roles() {
        let quotas = quotas(None, Some(10));
        Account::new(&quotas, ALICE).spend_tokens(10).unwrap();
        let refused = Account::new(&quotas, BOB).spend_tokens(1).unwrap_err();
        assert!(refused.hint.unwrap().contains("pgai_rs.max_daily_tokens_per_database"));
    }

    #[test]
    fn each_day_begins_at_nothing_and_the_last_is_still_to_be_written() {
        let mut books = Books::default();
        let first = UNIX_EPOCH + Duration::from_secs(DAY - 1);
        books.spend(ALICE, Spent { tokens: 5, bytes: 7 }, first);
        books.spend(ALICE, Spent { tokens: 1, bytes: 0 }, first + Duration::from_secs(1));
        assert_eq!(books.roles[&ALICE].spent, Spent { tokens: 1, bytes: 0 });
        assert_eq!(books.database.spent, Spent { tokens: 1, bytes: 0 });
        assert_eq!(books.unwritten[&(ALICE, 0)], Spent { tokens: 5, bytes: 7 });
        assert_eq!(books.unwritten[&(ALICE, 1)], Spent { tokens: 1, bytes: 0 });
    }

    #[test]
    fn what_is_remembered_counts_and_is_not_written_again() {
        let quotas = quotas(Some(10), None);
        quotas.remember(ALICE, day_of(SystemTime::now()), Spent { tokens: 10, bytes: 0 });
        assert!(Account::new(&quotas, ALICE).spend_tokens(1).is_err());
        assert_eq!(quotas.take_unwritten(), []);
    }

    #[test]
    fn what_could_not_be_written_is_not_lost() {
        let quotas = quotas(None, None);
        Account::new(&quotas, ALICE).spend_tokens(3).unwrap();
        let taken = quotas.take_unwritten();
        Account::new(&quotas, ALICE).spend_tokens(4).unwrap();
        quotas.return_unwritten(taken);
        let total: u64 = quotas.take_unwritten().iter().map(|(_, _, spent)| spent.tokens).sum();
        assert_eq!((total, quotas.take_unwritten().len()), (7, 0));
    }

    #[test]
    fn the_pause_ends_with_the_day() {
        let almost = UNIX_EPOCH + Duration::from_secs(5 * DAY - 10);
        assert_eq!(until_tomorrow(almost), Duration::from_secs(10));
        assert_eq!(until_tomorrow(UNIX_EPOCH), Duration::from_secs(DAY));
    }
}
