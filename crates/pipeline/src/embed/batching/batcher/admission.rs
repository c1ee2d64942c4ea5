//! The admission of a request before it is sent: the account's turn, memory and a connection.

use std::sync::Arc;

use futures_util::FutureExt;

use super::Provider;
use crate::embed::error::EmbedError;
use crate::embed::pacing::connections::HeldConnection;
use crate::embed::pacing::limiter::RequestPermit;
use crate::memory_budget::Reservation;

/// A request that may be sent.
pub(super) struct Admitted<'a> {
    /// Counts it as under way at the account.
    pub(super) permit: RequestPermit<'a>,
    /// The memory and the connection that it takes of this process.
    pub(super) room: Room,
}

/// Memory for a request with its answer, and a connection for it.
pub(super) struct Room {
    _memory: Reservation,
    _connection: HeldConnection,
}

impl Provider {
    /// Waits until a request may be sent.
    ///
    /// A request that waits for the account holds nothing that others could use meanwhile. One that finds no room when its turn
    /// comes gives the turn back, for an account that other owners share must not wait for the memory of one of them; it keeps
    /// what it then gets for its next turn.
    ///
    /// # Errors
    ///
    /// Fails if the provider wants to be left alone for longer than one waits here.
    pub(super) async fn admit(&self, inputs: &[Arc<str>], tokens: usize) -> Result<Admitted<'_>, EmbedError> {
        let permit = self.permit(tokens).await?;
        if let Some(room) = self.room(inputs).now_or_never() {
            return Ok(Admitted { permit, room });
        }

        drop(permit);
        let room = self.room(inputs).await;
        Ok(Admitted { permit: self.permit(tokens).await?, room })
    }

    async fn permit(&self, tokens: usize) -> Result<RequestPermit<'_>, EmbedError> {
        let permit = self.limiter.admit(self.memory.owner(), tokens).await;
        permit.map_err(|pause| EmbedError::Throttled(Some(pause)))
    }

    async fn room(&self, inputs: &[Arc<str>]) -> Room {
        let memory = self.memory.reserve(self.embedder.request_bytes(inputs)).await;
        Room { _memory: memory, _connection: self.connections.take().await }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;

    use reqwest::header::{HeaderMap, HeaderValue};
    use tokio::sync::{Mutex, Semaphore};
    use tokio::time::Instant;

    use super::super::GroupPolicy;
    use super::*;
    use crate::embed::limits::pack::Limits;
    use crate::embed::pacing::connections::Connections;
    use crate::embed::pacing::health::Health;
    use crate::embed::pacing::limiter::Limiter;
    use crate::embed::{Embedder, Vectors};
    use crate::memory_budget::{MemoryBudget, Share};
    use crate::quota::Owner;
    use crate::settings::Settings;
    use crate::usage::Bill;

    const A: Owner = Owner::of(1);
    const B: Owner = Owner::of(2);

    /// The bytes of all requests, and of one.
    const BYTES: u64 = 100;

    struct Model;

    impl Embedder for Model {
        fn embed<'a>(
            &'a self,
            _: &'a [Arc<str>],
            _: &'a Bill,
        ) -> Pin<Box<dyn Future<Output = Result<Vectors, EmbedError>> + Send + 'a>> {
            Box::pin(std::future::ready(Ok(Vec::new())))
        }

        fn request_bytes(&self, _: &[Arc<str>]) -> u64 {
            BYTES
        }
    }

    fn provider(limiter: &Arc<Limiter>, memory: &Arc<MemoryBudget>, connections: &Connections) -> Provider {
        Provider {
            embedder: Arc::new(Model),
            policy: GroupPolicy::new(&Settings::default(), Limits::NONE, None),
            limiter: Arc::clone(limiter),
            memory: Share::new(memory, A),
            connections: connections.share(A),
            slots: Arc::new(Semaphore::new(1)),
            narrowing: Mutex::default(),
            health: Health::default(),
        }
    }

    /// An account that takes ten tokens a minute.
    fn account() -> Arc<Limiter> {
        let limiter = Arc::<Limiter>::default();
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-ratelimit-limit-tokens", "10"),
            ("x-ratelimit-remaining-tokens", "10"),
            ("x-ratelimit-reset-tokens", "60s"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        limiter.learn(&headers, Instant::now());
        limiter
    }

    /// Checks that a request which waits for what its owner has elsewhere keeps nobody waiting, and is sent once that is
    /// given back.
    async fn check_waits_alone(provider: Provider, held: impl Sized) {
        let limiter = Arc::clone(&provider.limiter);
        let mut waits = Box::pin(provider.admit(&[], 6));
        assert!(waits.as_mut().now_or_never().is_none());
        let other = limiter.admit(B, 6).now_or_never();
        assert!(other.is_some_and(|other| other.is_ok()), "the other owner waits");

        drop(held);
        assert!(waits.await.is_ok());
    }

    #[tokio::test]
    async fn a_request_that_waits_for_its_owners_memory_keeps_nobody_of_the_account_waiting() {
        let memory = MemoryBudget::new(BYTES);
        let held = [(); 2].map(|()| Reservation::new(&Share::new(&memory, A), BYTES));
        check_waits_alone(provider(&account(), &memory, &Connections::new(8)), held).await;
    }

    #[tokio::test]
    async fn a_request_that_waits_for_a_connection_keeps_nobody_of_the_account_waiting() {
        let connections = Connections::new(1);
        let held = connections.share(A).take().await;
        check_waits_alone(provider(&account(), &MemoryBudget::new(10 * BYTES), &connections), held).await;
    }

    #[tokio::test]
    async fn a_request_that_waits_for_its_account_holds_no_memory() {
        let (limiter, memory) = (account(), MemoryBudget::new(BYTES));
        let provider = provider(&limiter, &memory, &Connections::new(8));
        let under_way = limiter.admit(B, 6).await.unwrap();
        let mut waits = Box::pin(provider.admit(&[], 6));
        assert!(waits.as_mut().now_or_never().is_none());
        assert_eq!(Share::new(&memory, A).left(), BYTES / 2);

        drop(under_way);
        assert!(waits.await.is_ok());
    }
}
