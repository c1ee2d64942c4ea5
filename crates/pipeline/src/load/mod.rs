//! Fetching the document that an address names.
//!
//! * `s3`: from S3
//! * `stores`: whether a failure is one object's doing or its store's
//! * `unpack`: decompressing what was stored compressed
//! * `budget`: how many bytes may be held at a time

mod budget;
mod s3;
mod stores;
mod unpack;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

pub use self::budget::{LoadBudget, LoadReservation};
use self::s3::{Fetched, S3Loader, Stored, Wanted};
use self::stores::Stores;
use self::unpack::{inner_name, inner_type};
use crate::compression::{UnpackBounds, UnpackError};
use crate::config::S3Access;
use crate::failure::{Failure, Retry, Step};
use crate::fair::FairSemaphore;
use crate::offload::{Offload, Stopped};
use crate::quota::Account;
use crate::s3::{Clients, Operation, S3Error, S3Uri, failure, reachable};
use crate::settings::Settings;
use bytes::Bytes;

/// A document as it was fetched.
pub struct Loaded {
    /// Its bytes, decompressed.
    pub bytes: Bytes,
    /// The name that a file of it would have.
    pub name: Option<String>,
    /// The media type that its store has on record.
    pub content_type: Option<String>,
    /// Its version, as its store names it.
    pub etag: Option<String>,
    /// Its share of the bytes that may be held at a time.
    pub reservation: LoadReservation,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("bytes", &self.bytes.len())
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The result of unpacking a stored object.
enum Unpacked {
    /// The document in it.
    Document(Loaded),
    /// It takes so many bytes, which is more room than it has.
    NoRoom(u64),
}

/// The loaders, by scheme, and the limits that they share.
pub struct Loaders {
    allowed_uris: Vec<String>,
    slots: Arc<FairSemaphore>,
    budget: LoadBudget,
    s3: S3Loader,
    stores: Stores,
    offload: Offload,
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
            slots: FairSemaphore::new(settings.loads_at_a_time() as u64, settings.spare_loads() as u64),
            budget: LoadBudget::new(settings.loading_memory()),
            stores: Stores::new(Arc::clone(&clients)),
            s3: S3Loader::new(settings, clients),
            offload: previous.map_or_else(Offload::new, |previous| previous.offload.clone()),
        }
    }

    /// The clients that S3 is asked through, for others who ask it.
    pub fn s3(&self) -> &Arc<Clients> {
        self.s3.clients()
    }

    /// Returns the threads for the work on documents that takes processor time.
    pub(crate) fn offload(&self) -> &Offload {
        &self.offload
    }

    /// Fetches a document, as soon as there is room for it. `None` if it still is the version whose
    /// `etag` is `known`. Who waits for a slot since that time learns at once if the store, or what the
    /// vectorizer asks it with, turns out to be in trouble meanwhile. The bytes are charged to the `account`.
    ///
    /// Nothing is asked of the network for an address that is not allowed. Cancel-safe.
    ///
    /// # Errors
    ///
    /// `unsupported_scheme`, `invalid_uri`, `uri_not_allowed`, `broken_archive`, and those of
    /// [`failure`].
    pub async fn load(
        &self,
        uri: &str,
        access: &S3Access,
        known: Option<&str>,
        since: Instant,
        account: &Account,
    ) -> Result<Option<Loaded>, Failure> {
        let uri = S3Uri::parse(uri)?;
        uri.permit(reachable(&self.allowed_uris, access))?;
        let wanted = Wanted { uri: &uri, access, known, owner: account.owner() };
        let owner = wanted.owner;
        let mut reservation = LoadReservation::default();

        loop {
            let slot = self.slots.acquire(owner, 1).await;
            if let Some(failure) = self.stores.problem_since(wanted, since) {
                return Err(failure);
            }
            account.require_left()?;

            let sent = Instant::now();
            let fetched = match self.s3.fetch(wanted, &self.budget, reservation).await {
                Ok(fetched) => fetched,
                Err(error) => return Err(self.stores.judge(&error, wanted, sent).await),
            };
            self.stores.answered(wanted);

            let room = match fetched {
                Fetched::Unchanged => return Ok(None),
                Fetched::Object(stored) => {
                    // As it came, and whatever becomes of it: one that can't be unpacked was loaded, too.
                    account.spend_bytes(stored.bytes.len() as u64);
                    match self.unpack(wanted, stored).await? {
                        Unpacked::Document(loaded) => return Ok(Some(loaded)),
                        Unpacked::NoRoom(room) => room,
                    }
                }
                Fetched::NoRoom(room) => room,
            };

            // Whoever waits for room holds neither a slot nor a connection, so that smaller objects
            // go on; the request is made again once there is room.
            drop(slot);
            reservation = self.budget.reserve(owner, room).await;
        }
    }

    /// The document in a stored object.
    async fn unpack(&self, wanted: Wanted<'_>, stored: Stored) -> Result<Unpacked, Failure> {
        let Stored { bytes, content_type, packing, etag, mut reservation } = stored;
        let name = wanted.uri.file_name().map(str::to_owned);
        if packing.is_none() {
            reservation.shrink(bytes.len() as u64);
            let bytes = bytes.into();
            return Ok(Unpacked::Document(Loaded { bytes, name, content_type, etag, reservation }));
        }

        // Both are held for a while: the object as it is stored, and what is in it.
        let size = bytes.len() as u64;
        let (_, most) = self.s3.room(size);
        let enough = self.budget.covers(&reservation, most);
        let limit =
            if enough { self.s3.max_size() } else { self.budget.room(&reservation).saturating_sub(size) };

        let work = move |stop: &AtomicBool| packing.unpack(bytes.into(), UnpackBounds { limit, stop });
        let unpacked = self.offload.run(wanted.owner, usize::MAX, work).await;
        match unpacked.map_err(|stopped| stopped.failure(Step::Loading))? {
            Ok(bytes) => {
                reservation.shrink(bytes.len() as u64);
                let name = name.map(inner_name);
                let content_type = inner_type(content_type);
                Ok(Unpacked::Document(Loaded { bytes, name, content_type, etag, reservation }))
            }
            Err(UnpackError::TooLarge) if !enough => Ok(Unpacked::NoRoom(most)),
            Err(UnpackError::TooLarge) => {
                let error = S3Error::TooLarge { size: None, limit };
                Err(failure(&error, Operation::GetObject(wanted.uri), wanted.access))
            }
            Err(UnpackError::Broken(why)) => Err(broken_archive(wanted.uri, &why)),
            Err(UnpackError::Unknown(word)) => Err(unknown_encoding(wanted.uri, &word)),
            Err(UnpackError::Stopped) => Err(Stopped.failure(Step::Loading)),
        }
    }
}

fn broken_archive(uri: &S3Uri, why: &str) -> Failure {
    let message = format!("could not decompress {uri}: {why}");
    Failure::new(Step::Loading, "broken_archive", message, Retry::Never)
        .with_hint("Compress and upload the document again.")
}

fn unknown_encoding(uri: &S3Uri, word: &str) -> Failure {
    let message = format!("{uri} has the Content-Encoding {word:?}, which is not supported");
    Failure::new(Step::Loading, "broken_archive", message, Retry::Never)
        .with_hint("Upload the document uncompressed, or compressed with gzip, zstd, br, bzip2 or deflate.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_is_not_allowed_is_not_asked_for() {
        let settings = Settings { allowed_uris: vec!["s3://mine/".into()], ..Settings::default() };
        let loaders = Loaders::new(&settings, None);
        let failure = loaders
            .load("s3://yours/key", &S3Access::default(), None, Instant::now(), &Account::default())
            .await
            .unwrap_err();
        assert_eq!((failure.code, failure.retry), ("uri_not_allowed", Retry::Never));
    }
}
