//! Budgets: how much a vectorizer, all vectorizers of a role, or all of a database may use of models in a day or a month, in
//! tokens or in money.
//!
//! A budget counts what is billed, as [`usage`](crate::usage) does, and besides what is on its way, as it is estimated. A
//! document is let through while something is left, so that one that is larger than the whole budget does not wait for ever.
//! So a budget is exceeded by one document at most, and by what those that were on their way cost more than estimated.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::failure::{Failure, Retry, Scope, Step};
use crate::quota::{Day, Role, day_of};

/// Longest pause before a vectorizer whose budget is used up looks again: it may have been raised.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Length of a day.
const DAY: Duration = Duration::from_secs(86_400);

/// The unit that a budget is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Tokens that are billed.
    Tokens,
    /// US dollars, of models whose price is known.
    Dollars,
}

/// The holder of a budget.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Holder {
    /// The vectorizer with this UUID.
    Vectorizer(String),
    /// All vectorizers of a role.
    Role(Role),
    /// All vectorizers of the database.
    Database,
}

/// A budget has one holder, unit and period.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BudgetKey {
    /// The holder.
    pub holder: Holder,
    /// The unit.
    pub unit: Unit,
    /// `day` or `month`.
    pub period: String,
}

/// A budget, as its database has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// Its identity.
    pub key: BudgetKey,
    /// Its name for people: `budget of 1000 tokens a day for vectorizer "blog"`.
    pub name: String,
    /// The most that may be used, in its unit.
    pub amount: f64,
    /// The amount that was used in the present period, as far as it is written down.
    pub used: f64,
    /// The first day of the next period.
    pub ends: Day,
    /// The same day for people, such as `2026-12-01`.
    pub ends_on: String,
}

/// Dollars for a million tokens, by model and server.
pub type Prices = HashMap<(String, String), f64>;

/// Returns so many tokens of a model in a unit. A model without a price costs nothing.
pub fn cost(unit: Unit, prices: &Prices, (model, server): (&str, &str), tokens: u64) -> f64 {
    match unit {
        Unit::Tokens => tokens as f64,
        Unit::Dollars => {
            let price = prices.get(&(model.to_owned(), server.to_owned()));
            price.copied().unwrap_or_default() * tokens as f64 / 1_000_000.0
        }
    }
}

/// The vectorizer that is about to use a model, or has used it.
#[derive(Debug, Clone, Copy)]
pub struct Payer<'a> {
    /// Its UUID.
    pub vectorizer: &'a str,
    /// Its owner.
    pub owner: Role,
    /// The model, as prices name it.
    pub model: &'a str,
    /// The model's server, as prices name it.
    pub server: &'a str,
    /// The part of the model's price that it pays.
    pub share: f64,
}

impl Payer<'_> {
    fn has(&self, budget: &BudgetKey) -> bool {
        match &budget.holder {
            Holder::Vectorizer(uuid) => uuid == self.vectorizer,
            Holder::Role(role) => *role == self.owner,
            Holder::Database => true,
        }
    }
}

/// The budgets of one database. Shared by all threads; a lock is held for moments only.
#[derive(Debug, Default)]
pub struct Budgets(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    pages: Vec<Page>,
    prices: Prices,
}

/// A budget, and what is used of it.
#[derive(Debug)]
struct Page {
    budget: Budget,
    /// Used, and about to be written down.
    being_written: f64,
    /// Used since.
    unwritten: f64,
    /// The estimate of what is on its way.
    reserved: f64,
    /// True once its period is over, until it is read again.
    is_over: bool,
}

impl Page {
    /// Begins at nothing if the period is over.
    fn turn(&mut self, today: Day) {
        if !self.is_over && today >= self.budget.ends {
            (self.is_over, self.budget.used, self.being_written, self.unwritten) = (true, 0.0, 0.0, 0.0);
        }
    }

    fn is_used_up(&self) -> bool {
        self.budget.used + self.being_written + self.unwritten + self.reserved >= self.budget.amount
    }
}

impl Books {
    /// Calls `change` with each budget that a vectorizer has, and so many tokens in its unit.
    fn each(&mut self, payer: Payer<'_>, tokens: u64, mut change: impl FnMut(&mut Page, f64)) {
        for page in self.pages.iter_mut().filter(|page| payer.has(&page.budget.key)) {
            let unit = page.budget.key.unit;
            let amount = cost(unit, &self.prices, (payer.model, payer.server), tokens);
            change(page, if unit == Unit::Dollars { amount * payer.share } else { amount });
        }
    }

    /// Sets tokens aside of each budget that a vectorizer has. Returns the amounts.
    fn set_aside(&mut self, payer: Payer<'_>, tokens: u64) -> Vec<(BudgetKey, f64)> {
        let mut parts = Vec::new();
        self.each(payer, tokens, |page, amount| {
            page.reserved += amount;
            parts.push((page.budget.key.clone(), amount));
        });
        parts
    }

    /// Refuses if a budget of a vectorizer is used up. What can't be counted is not refused.
    fn require(&mut self, payer: Payer<'_>, step: Step, now: SystemTime) -> Result<(), Failure> {
        let today = day_of(now);
        let mut refused = None;
        self.each(payer, 1, |page, one| {
            page.turn(today);
            if refused.is_none() && one > 0.0 && page.is_used_up() {
                refused = Some(used_up(&page.budget, step, now));
            }
        });
        refused.map_or(Ok(()), Err)
    }
}

impl Budgets {
    /// Takes in the budgets as the database has them now. What was about to be written is in them if it `is_written`.
    pub fn read(&self, budgets: Vec<Budget>, prices: Prices, is_written: bool) {
        let mut books = self.books();
        let mut before: HashMap<BudgetKey, Page> =
            books.pages.drain(..).map(|page| (page.budget.key.clone(), page)).collect();
        books.prices = prices;
        books.pages = budgets
            .into_iter()
            .map(|budget| {
                let known = before.remove(&budget.key);
                let (mut being_written, mut unwritten, mut reserved) = (0.0, 0.0, 0.0);
                if let Some(known) = known {
                    reserved = known.reserved;
                    if known.budget.ends == budget.ends || known.is_over {
                        being_written = if is_written { 0.0 } else { known.being_written };
                        unwritten = known.unwritten;
                    }
                }
                Page { budget, being_written, unwritten, reserved, is_over: false }
            })
            .collect();
    }

    /// Notes that all that was used by now is about to be written down. It comes before what is written is looked up, so
    /// that nothing is left out; what is used meanwhile may count twice until it was written as well.
    pub fn begin_writing(&self) {
        for page in &mut self.books().pages {
            page.being_written += std::mem::take(&mut page.unwritten);
        }
    }

    /// Counts what a vectorizer has used.
    pub fn charge(&self, payer: Payer<'_>, tokens: u64) {
        let today = day_of(SystemTime::now());
        self.books().each(payer, tokens, |page, amount| {
            page.turn(today);
            page.unwritten += amount;
        });
    }

    /// Refuses if nothing is left for a vectorizer.
    ///
    /// # Errors
    ///
    /// `budget_exceeded`, which concerns the whole vectorizer and costs no row a try.
    pub fn require_left(&self, payer: Payer<'_>) -> Result<(), Failure> {
        self.books().require(payer, Step::Loading, SystemTime::now())
    }

    /// Sets aside what a vectorizer is about to send, or refuses if nothing is left.
    ///
    /// # Errors
    ///
    /// Fails as [`require_left`](Self::require_left) does.
    pub fn reserve(self: &Arc<Self>, payer: Payer<'_>, tokens: u64) -> Result<Reserved, Failure> {
        let mut books = self.books();
        books.require(payer, Step::Embedding, SystemTime::now())?;
        let parts = books.set_aside(payer, tokens);
        drop(books);
        Ok(Reserved { budgets: Arc::clone(self), parts })
    }

    /// Sets aside what a vectorizer has sent already, whatever is left.
    pub fn set_aside(self: &Arc<Self>, payer: Payer<'_>, tokens: u64) -> Reserved {
        let parts = self.books().set_aside(payer, tokens);
        Reserved { budgets: Arc::clone(self), parts }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // Nothing that panics half-way is done under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The amounts that are set aside for a document on its way. They are given back when this is dropped: by then it is billed, or was not sent.
#[derive(Debug)]
pub struct Reserved {
    budgets: Arc<Budgets>,
    parts: Vec<(BudgetKey, f64)>,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.parts.is_empty() {
            return;
        }
        let mut books = self.budgets.books();
        for (key, amount) in &self.parts {
            if let Some(page) = books.pages.iter_mut().find(|page| page.budget.key == *key) {
                page.reserved = (page.reserved - amount).max(0.0);
            }
        }
    }
}

fn used_up(budget: &Budget, step: Step, now: SystemTime) -> Failure {
    let end = UNIX_EPOCH + DAY.saturating_mul(u32::try_from(budget.ends).unwrap_or(u32::MAX));
    let left = end.duration_since(now).unwrap_or_default().clamp(Duration::from_secs(1), LONGEST_PAUSE);
    Failure::new(step, "budget_exceeded", format!("{} is used up", budget.name), Retry::After(left))
        .concerning(Scope::Limit)
        .with_hint(format!(
            "It continues on {} at 00:00 UTC, or when ai.set_budget() raises it.",
            budget.ends_on
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Role = 1;
    const PAYER: Payer<'_> = Payer { vectorizer: "u", owner: ALICE, model: "m", server: "", share: 1.0 };

    fn key(holder: Holder, unit: Unit) -> BudgetKey {
        BudgetKey { holder, unit, period: "day".into() }
    }

    fn budget(holder: Holder, unit: Unit, amount: f64, used: f64) -> Budget {
        let ends = day_of(SystemTime::now()) + 1;
        let key = key(holder, unit);
        Budget { key, name: "budget".into(), amount, used, ends, ends_on: "tomorrow".into() }
    }

    fn prices() -> Prices {
        [(("m".to_owned(), String::new()), 2_000_000.0)].into()
    }

    fn of_database(unit: Unit, amount: f64, used: f64) -> Arc<Budgets> {
        let budgets = Arc::new(Budgets::default());
        budgets.read(vec![budget(Holder::Database, unit, amount, used)], prices(), true);
        budgets
    }

    #[test]
    fn a_document_is_let_through_while_something_is_left_and_what_is_on_its_way_counts() {
        let budgets = of_database(Unit::Tokens, 10.0, 0.0);
        let first = budgets.reserve(PAYER, 9).unwrap();
        let second = budgets.reserve(PAYER, 900).unwrap();
        let refused = budgets.reserve(PAYER, 1).unwrap_err();
        assert_eq!((refused.code, refused.scope), ("budget_exceeded", Scope::Limit));
        assert!(refused.hint.unwrap().contains("tomorrow"));
        // What was not sent is given back, and what was billed counts instead of its estimate.
        drop(second);
        budgets.charge(PAYER, 4);
        drop(first);
        drop(budgets.reserve(PAYER, 1).unwrap());
        budgets.charge(PAYER, 6);
        assert!(budgets.reserve(PAYER, 1).is_err() && budgets.require_left(PAYER).is_err());
    }

    #[test]
    fn money_is_counted_by_the_price_of_the_model_and_not_without_one() {
        let budgets = of_database(Unit::Dollars, 10.0, 0.0);
        budgets.charge(PAYER, 4);
        budgets.require_left(PAYER).unwrap();
        budgets.charge(PAYER, 1);
        assert!(budgets.require_left(PAYER).is_err());
        budgets.require_left(Payer { model: "other", ..PAYER }).unwrap();
    }

    #[test]
    fn a_share_of_the_price_counts_in_money_and_not_in_tokens() {
        let by_batch = Payer { share: 0.5, ..PAYER };
        let budgets = of_database(Unit::Dollars, 10.0, 0.0);
        budgets.charge(by_batch, 5);
        let reserved = budgets.reserve(by_batch, 5).unwrap();
        assert!(budgets.require_left(PAYER).is_err());
        drop(reserved);
        budgets.require_left(PAYER).unwrap();

        let budgets = of_database(Unit::Tokens, 10.0, 0.0);
        budgets.charge(by_batch, 10);
        assert!(budgets.require_left(by_batch).is_err());
    }

    #[test]
    fn what_was_sent_by_an_earlier_process_is_set_aside_whatever_is_left() {
        let budgets = of_database(Unit::Tokens, 10.0, 10.0);
        let reserved = budgets.set_aside(PAYER, 5);
        budgets.read(vec![budget(Holder::Database, Unit::Tokens, 15.0, 10.0)], prices(), false);
        assert!(budgets.require_left(PAYER).is_err());
        drop(reserved);
        budgets.require_left(PAYER).unwrap();
    }

    #[test]
    fn each_holder_has_its_own() {
        let budgets = Arc::new(Budgets::default());
        for holder in [Holder::Vectorizer("u".into()), Holder::Role(ALICE)] {
            budgets.read(vec![budget(holder, Unit::Tokens, 1.0, 1.0)], prices(), true);
            assert!(budgets.require_left(PAYER).is_err());
            budgets.require_left(Payer { vectorizer: "v", owner: 2, ..PAYER }).unwrap();
        }
    }

    #[test]
    fn what_is_used_counts_once_whether_it_is_written_or_not() {
        let budgets = of_database(Unit::Tokens, 10.0, 0.0);
        let again = |used: f64, is_written| {
            budgets.read(vec![budget(Holder::Database, Unit::Tokens, 10.0, used)], prices(), is_written);
            let books = budgets.books();
            let page = &books.pages[0];
            page.budget.used + page.being_written + page.unwritten
        };
        budgets.charge(PAYER, 5);
        assert_eq!(again(0.0, false), 5.0);
        budgets.begin_writing();
        budgets.charge(PAYER, 2);
        assert_eq!(again(0.0, false), 7.0);
        assert_eq!(again(5.0, true), 7.0);
        budgets.begin_writing();
        assert_eq!(again(7.0, true), 7.0);
    }

    #[test]
    fn a_budget_that_is_raised_or_dropped_lets_through_and_keeps_what_is_on_its_way() {
        let budgets = of_database(Unit::Tokens, 10.0, 10.0);
        assert!(budgets.reserve(PAYER, 1).is_err());
        budgets.read(vec![budget(Holder::Database, Unit::Tokens, 11.0, 10.0)], prices(), false);
        let reserved = budgets.reserve(PAYER, 1).unwrap();
        assert!(budgets.reserve(PAYER, 1).is_err());
        budgets.read(Vec::new(), prices(), false);
        drop(budgets.reserve(PAYER, 1).unwrap());
        drop(reserved);
    }

    #[test]
    fn a_new_period_begins_at_nothing() {
        let budgets = Arc::new(Budgets::default());
        let over =
            Budget { ends: day_of(SystemTime::now()), ..budget(Holder::Database, Unit::Tokens, 10.0, 10.0) };
        budgets.read(vec![over], prices(), true);
        budgets.require_left(PAYER).unwrap();
        budgets.charge(PAYER, 10);
        assert!(budgets.require_left(PAYER).is_err());
    }

    #[test]
    fn a_budget_of_nothing_lets_nothing_through() {
        let budgets = of_database(Unit::Tokens, 0.0, 0.0);
        assert!(budgets.reserve(PAYER, 1).is_err());
    }
}
