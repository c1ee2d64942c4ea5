//! Fetching the document that an address names.

mod budget;
mod s3;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;

pub use self::budget::{Budget, Reservation};
use self::s3::S3Loader;
use crate::config::S3Access;
use crate::document::{Failure, Retry, Step};
use crate::s3::{Clients, S3Uri};
use crate::settings::Settings;

/// A document as it was fetched.
pub struct Loaded {
    /// Its bytes.
    pub bytes: Bytes,
    /// What a file would be called.
    pub name: Option<String>,
    /// The media type that its store has on record.
    pub content_type: Option<String>,
    /// Its share of the bytes that may be held at a time.
    pub reservation: Reservation,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("bytes", &self.bytes.len())
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What a single try to fetch comes to.
pub(crate) enum Fetched {
    /// The document.
    Object(Loaded),
    /// It has so many bytes, and there is no room for them now.
    NoRoom(u64),
}

/// The loaders, by scheme, and the limits that they share.
pub struct Loaders {
    allowed_uris: Vec<String>,
    slots: Semaphore,
    budget: Budget,
    s3: S3Loader,
}

impl Loaders {
    /// Loaders that keep the limits of `settings`. Connections and credentials of `previous` are
    /// kept if nothing that concerns them has changed.
    pub fn new(settings: &Settings, previous: Option<&Loaders>) -> Self {
        let clients = match previous {
            Some(previous) if previous.s3().serve(settings) => Arc::clone(previous.s3()),
            _ => Arc::new(Clients::new(settings)),
        };
        Loaders {
            allowed_uris: settings.allowed_uris.clone(),
            slots: Semaphore::new(settings.load_concurrency.max(1)),
            budget: Budget::new(settings.max_bytes_in_flight),
            s3: S3Loader::new(settings, clients),
        }
    }

    /// The clients that S3 is asked through, for others who ask it.
    pub fn s3(&self) -> &Arc<Clients> {
        self.s3.clients()
    }

    /// Fetches a document, as soon as there is room for it.
    ///
    /// Nothing is asked of the network for an address that is not allowed. Cancel-safe.
    ///
    /// # Errors
    ///
    /// `unsupported_scheme`, `invalid_uri`, `uri_not_allowed`, and those of
    /// [`failure`](crate::s3::failure).
    pub async fn load(&self, uri: &str, access: &S3Access) -> Result<Loaded, Failure> {
        let uri = S3Uri::parse(uri)?;
        if !uri.is_allowed(&self.allowed_uris) {
            return Err(not_allowed(&uri));
        }
        let mut reservation = Reservation::default();
        loop {
            let slot = self.slots.acquire().await;
            match self.s3.fetch(&uri, access, &self.budget, reservation).await? {
                Fetched::Object(loaded) => return Ok(loaded),
                // Whoever waits for room holds neither a slot nor a connection, so that smaller
                // objects go on; the request is made again once there is room.
                Fetched::NoRoom(bytes) => {
                    drop(slot);
                    reservation = self.budget.reserve(bytes).await;
                }
            }
        }
    }
}

fn not_allowed(uri: &S3Uri) -> Failure {
    Failure::new(
        Step::Loading,
        "uri_not_allowed",
        format!("{uri} is not among the allowed addresses"),
        Retry::Never,
    )
    .with_hint("The administrator allows addresses by prefix with pgai_rs.allowed_uris.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_is_not_allowed_is_not_asked_for() {
        let settings = Settings { allowed_uris: vec!["s3://mine/".into()], ..Settings::default() };
        let failure =
            Loaders::new(&settings, None).load("s3://yours/key", &S3Access::default()).await.unwrap_err();
        assert_eq!((failure.code, failure.retry), ("uri_not_allowed", Retry::Never));
    }
}
