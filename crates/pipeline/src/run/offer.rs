//! Handing results to the queue without losing any to an error.

use std::collections::HashSet;
use std::ops::Range;

use crate::document::{Completed, Failed, Ticket};

/// The number of items that erred alone, while none did not, after which the fault is the queue's and not theirs.
const HOPELESS: usize = 3;

/// Something that a queue settles.
pub(super) trait Settles {
    /// The ticket of the row that is settled.
    fn ticket(&self) -> Ticket;
}

impl Settles for Completed {
    fn ticket(&self) -> Ticket {
        self.ticket
    }
}

impl Settles for Failed {
    fn ticket(&self) -> Ticket {
        self.ticket
    }
}

/// The fate of a result that was offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Disposition {
    /// The queue has it.
    Settled,
    /// The queue can't take it now.
    Released,
    /// The queue errs for this one alone; the error's text.
    Erred(String),
    /// The queue took too long for this one and so many others; the error's text.
    TooLong(usize, String),
    /// It was not offered, or not alone, before it was clear that the queue takes nothing.
    Untouched,
}

/// Offers results to a queue: all together, and in halves when that errs; but not the parts of what is
/// costly.
///
/// Returns each one's disposition, and the queue's error if it took nothing at all.
pub(super) fn offer<T: Settles, E: std::fmt::Display>(
    items: &[T],
    mut call: impl FnMut(&[T]) -> Result<Vec<Ticket>, E>,
    is_costly: impl Fn(&E) -> bool,
) -> (Vec<Disposition>, Option<E>) {
    let mut dispositions = vec![Disposition::Untouched; items.len()];
    let mut parts: Vec<Range<usize>> = std::iter::once(0..items.len()).collect();
    let mut taken = 0;
    let mut erred = 0;
    let mut last_error = None;

    while let Some(part) = parts.pop().filter(|_| taken > 0 || erred < HOPELESS) {
        match call(&items[part.clone()]) {
            Ok(released) => {
                let released: HashSet<Ticket> = released.into_iter().collect();
                // One that comes back alone does not show that the queue takes anything.
                if part.len() == 1 && !released.is_empty() {
                    erred += 1;
                } else {
                    taken += 1;
                }

                for at in part {
                    let back = released.contains(&items[at].ticket());
                    dispositions[at] = if back { Disposition::Released } else { Disposition::Settled };
                }
            }
            Err(error) if is_costly(&error) => {
                let count = part.len();
                dispositions[part].fill(Disposition::TooLong(count, error.to_string()));
                break;
            }
            Err(error) if part.len() == 1 => {
                dispositions[part.start] = Disposition::Erred(error.to_string());
                erred += 1;
                last_error = Some(error);
            }
            Err(_) => {
                let middle = part.start + part.len() / 2;
                parts.extend([middle..part.end, part.start..middle]);
            }
        }
    }

    (dispositions, last_error.filter(|_| taken == 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Failure, Retry, Step};

    fn items(count: u64) -> Vec<Failed> {
        let failed = |ticket| Failed { ticket, failure: Failure::new(Step::Loading, "x", "x", Retry::Never) };
        (0..count).map(Ticket).map(failed).collect()
    }

    /// Offers to a queue that errs for batches with one of `poison`; the dispositions, and how many calls.
    fn dispositions(count: u64, poison: &[u64]) -> (Vec<Disposition>, Option<String>, usize) {
        let mut calls = 0;
        let (dispositions, error) = offer(
            &items(count),
            |part| {
                calls += 1;
                match part.iter().find(|item| poison.contains(&item.ticket.0)) {
                    Some(item) => Err(format!("no {}", item.ticket.0)),
                    None => Ok(part.iter().map(Settles::ticket).filter(|ticket| ticket.0 == 1).collect()),
                }
            },
            |error| error == "no 7777",
        );
        (dispositions, error, calls)
    }

    #[test]
    fn one_that_errs_harms_no_other() {
        let (dispositions, error, calls) = dispositions(1000, &[500]);
        assert_eq!(dispositions[500], Disposition::Erred("no 500".into()));
        assert_eq!(dispositions[1], Disposition::Released);
        assert!(
            dispositions
                .iter()
                .enumerate()
                .all(|(at, disposition)| matches!(at, 1 | 500) || *disposition == Disposition::Settled)
        );
        assert_eq!(error, None);
        assert!(calls < 30, "{calls}");
    }

    #[test]
    fn a_queue_that_takes_nothing_is_not_asked_for_each() {
        let all: Vec<u64> = (0..1000).collect();
        let (dispositions, error, calls) = dispositions(1000, &all);
        assert!(error.is_some());
        assert!(calls < 30, "{calls}");
        assert!(!dispositions.contains(&Disposition::Settled));
        assert_eq!(dispositions[999], Disposition::Untouched);
    }

    #[test]
    fn the_parts_of_what_is_costly_are_not_offered() {
        let (dispositions, error, calls) = dispositions(8000, &[7777]);
        assert!(
            dispositions
                .iter()
                .all(|disposition| *disposition == Disposition::TooLong(8000, "no 7777".into()))
        );
        assert_eq!((error, calls), (None, 1));
    }

    #[test]
    fn one_alone_that_errs_is_the_queues_error() {
        assert_eq!(dispositions(1, &[0]), (vec![Disposition::Erred("no 0".into())], Some("no 0".into()), 1));
    }
}
