//! Waiting for the inputs of other documents, to share a request with them.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::super::arrivals::Arrivals;
use super::waiting::{Item, Waiting};
use crate::embed::limits::pack::Limits;

/// A trickle of inputs delays the first of them by so many lingers at most.
const MOST_LINGERS: u32 = 20;

/// Returns when no more inputs are expected; never if nothing is known of it.
pub(super) async fn company(arrivals: Option<&Arrivals>) {
    match arrivals {
        Some(arrivals) => arrivals.end().await,
        None => std::future::pending().await,
    }
}

/// Waits for company until a request is full, no more company is expected, or nobody has come for a while.
pub(super) async fn linger(
    inbox: &mut mpsc::UnboundedReceiver<Item>,
    waiting: &mut Waiting,
    company: impl Future<Output = ()>,
    linger: Duration,
    limits: Limits,
) {
    let mut company = std::pin::pin!(company);
    let latest = Instant::now() + linger * MOST_LINGERS;
    while !waiting.is_full(limits) {
        let until = latest.min(Instant::now() + linger);
        tokio::select! {
            // Whoever has come already is taken along.
            biased;
            item = inbox.recv() => match item {
                Some(item) => waiting.push(item),
                None => return,
            },
            () = &mut company => return,
            () = sleep_until(until) => return,
        }
    }
}
