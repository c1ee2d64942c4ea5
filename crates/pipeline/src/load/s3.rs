//! Fetching objects from S3 and from servers that speak its protocol.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;

use super::unpack::Packing;
use super::{LoadBudget, LoadReservation};
use crate::config::S3Access;
use crate::message::storable;
use crate::quota::Owner;
use crate::s3::{Clients, LONGEST_ETAG, S3Error, S3Uri};
use crate::settings::Settings;

/// The number of times that an object is asked for when its body breaks off. The SDK retries requests,
/// not bodies.
const BODY_ATTEMPTS: u32 = 3;
/// A compressed object makes room for so many times its size at first. Text is seldom compressed
/// to less than an eighth; what is asks again, for as much room as there may be.
const EXPANSION: u64 = 8;
/// S3's answer when the object is the one that `If-None-Match` names.
const NOT_MODIFIED: u16 = 304;

/// The object that is asked for, and the way to ask.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Its address.
    pub uri: &'a S3Uri,
    /// The identity and the endpoint that it is asked with.
    pub access: &'a S3Access,
    /// The version that is known already.
    pub known: Option<&'a str>,
    /// The owner of the document.
    pub owner: Owner,
}

/// The result of a single attempt to fetch an object.
pub(super) enum Fetched {
    /// The object as it is stored.
    Object(Stored),
    /// It is the version that was known.
    Unchanged,
    /// It takes so many bytes, and there is no room for them now.
    NoRoom(u64),
}

/// An object as it is stored.
pub(super) struct Stored {
    /// Its bytes as they came.
    pub bytes: Vec<u8>,
    /// The media type on record.
    pub content_type: Option<String>,
    /// The ways in which it is compressed.
    pub packing: Packing,
    /// Its version, if it is told in so many words as can be stored.
    pub etag: Option<String>,
    /// Its share of the bytes that may be held at a time.
    pub reservation: LoadReservation,
}

/// Fetches objects with the credentials of the server, or of a role that it assumes.
pub(super) struct S3Loader {
    clients: Arc<Clients>,
    timeout: Duration,
    max_size: u64,
}

impl S3Loader {
    /// A loader that asks through `clients`.
    pub(super) fn new(settings: &Settings, clients: Arc<Clients>) -> Self {
        S3Loader { clients, timeout: settings.load_timeout, max_size: settings.max_document_size }
    }

    /// Returns the clients that it asks with.
    pub(super) fn clients(&self) -> &Arc<Clients> {
        &self.clients
    }

    /// Fetches an object if there is room for it in the budget, from request to last byte within
    /// the settings' `load_timeout`.
    ///
    /// # Errors
    ///
    /// See [`S3Error`]; `TooLarge` before a byte of the body is read if the server tells the size.
    pub(super) async fn fetch(
        &self,
        wanted: Wanted<'_>,
        budget: &LoadBudget,
        reservation: LoadReservation,
    ) -> Result<Fetched, S3Error> {
        let fetched = self.fetch_whole(wanted, budget, reservation);
        let late = |_| Err(S3Error::late(self.timeout));
        tokio::time::timeout(self.timeout, fetched).await.unwrap_or_else(late)
    }

    /// The most bytes of a document.
    pub(super) fn max_size(&self) -> u64 {
        self.max_size
    }

    /// Returns the room that a compressed object of that size takes, at first and at most.
    pub(super) fn room(&self, size: u64) -> (u64, u64) {
        let most = size.saturating_add(self.max_size);
        (size.saturating_mul(1 + EXPANSION).min(most), most)
    }

    async fn fetch_whole(
        &self,
        wanted: Wanted<'_>,
        budget: &LoadBudget,
        mut reservation: LoadReservation,
    ) -> Result<Fetched, S3Error> {
        let mut attempt = 1;
        loop {
            let output = match self.request(wanted).await {
                Ok(output) if wanted.known.is_some() && output.e_tag() == wanted.known => {
                    return Ok(Fetched::Unchanged);
                }
                Ok(output) => output,
                Err(error) if wanted.known.is_some() && error.status() == Some(NOT_MODIFIED) => {
                    return Ok(Fetched::Unchanged);
                }
                Err(error) => return Err(error),
            };

            let size = self.expected_size(&output)?;
            let packing = Packing::new(wanted.uri.file_name(), output.content_encoding());
            let room = if packing.is_none() { size } else { self.room(size).0 };

            // What is held is given back first, so that it counts as free.
            if !budget.covers(&reservation, room) {
                drop(reservation);
                match budget.try_reserve(wanted.owner, room) {
                    Some(enough) => reservation = enough,
                    None => return Ok(Fetched::NoRoom(room)),
                }
            }

            let content_type = output.content_type().map(str::to_owned);
            let etag = output.e_tag().and_then(|etag| storable(etag, LONGEST_ETAG)).map(str::to_owned);
            match self.read_body(output, size).await {
                Ok(bytes) => {
                    return Ok(Fetched::Object(Stored { bytes, content_type, packing, etag, reservation }));
                }
                Err(S3Error::Body(_)) if attempt < BODY_ATTEMPTS => {
                    tokio::time::sleep(crate::backoff::backoff(Duration::from_millis(200), attempt)).await;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn request(&self, wanted: Wanted<'_>) -> Result<GetObjectOutput, S3Error> {
        let uri = wanted.uri;
        let get = |client: Client| {
            let get = client.get_object().bucket(uri.bucket()).key(uri.key());
            let get = get.set_version_id(uri.version().map(str::to_owned));
            get.set_if_none_match(wanted.known.map(str::to_owned)).send()
        };
        self.clients.call(wanted.owner, &uri.access(wanted.access), uri.bucket(), get).await
    }

    /// Returns the number of bytes to make room for: as many as the server says, else as many as are
    /// allowed.
    fn expected_size(&self, output: &GetObjectOutput) -> Result<u64, S3Error> {
        match output.content_length().and_then(|length| u64::try_from(length).ok()) {
            Some(size) if size > self.max_size => {
                Err(S3Error::TooLarge { size: Some(size), limit: self.max_size })
            }
            Some(size) => Ok(size),
            None => Ok(self.max_size),
        }
    }

    async fn read_body(&self, output: GetObjectOutput, expected: u64) -> Result<Vec<u8>, S3Error> {
        let told = output.content_length().is_some();
        let mut body = output.body;
        let mut bytes = Vec::with_capacity(if told { usize::try_from(expected).unwrap_or(0) } else { 0 });

        while let Some(part) = body.try_next().await.map_err(|error| S3Error::body(&error))? {
            let size = bytes.len() as u64 + part.len() as u64;
            if size > self.max_size {
                return Err(S3Error::TooLarge { size: None, limit: self.max_size });
            }
            // There is room for no more.
            if size > expected {
                return Err(S3Error::Body(format!(
                    "it has more than {expected} bytes, which the header says"
                )));
            }
            bytes.extend_from_slice(&part);
        }

        if told && (bytes.len() as u64) < expected {
            return Err(S3Error::Body(format!("it ended after {} of {expected} bytes", bytes.len())));
        }
        Ok(bytes)
    }
}
