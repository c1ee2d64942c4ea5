//! Fetching objects from S3 and from servers that speak its protocol.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::Client;

use super::{Budget, Fetched, Loaded, Reservation};
use crate::config::S3Access;
use crate::document::Failure;
use crate::s3::{failure, Clients, Operation, S3Error, S3Uri};
use crate::settings::Settings;

/// How often an object is asked for when its body breaks off. The SDK retries requests, not bodies.
const BODY_ATTEMPTS: u32 = 3;

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

    /// What it asks through.
    pub(super) fn clients(&self) -> &Arc<Clients> {
        &self.clients
    }

    /// Fetches an object if there is room for it in the budget, from request to last byte within
    /// the settings' `load_timeout`.
    ///
    /// # Errors
    ///
    /// See [`failure`]; `too_large` before a byte of the body is read if the server tells the size.
    pub(super) async fn fetch(
        &self,
        uri: &S3Uri,
        access: &S3Access,
        budget: &Budget,
        reservation: Reservation,
    ) -> Result<Fetched, Failure> {
        let fetched = self.fetch_whole(uri, access, budget, reservation);
        let late = |_| Err(S3Error::late(self.timeout));
        let fetched = tokio::time::timeout(self.timeout, fetched).await.unwrap_or_else(late);
        fetched.map_err(|error| failure(&error, Operation::GetObject(uri), access))
    }

    async fn fetch_whole(
        &self,
        uri: &S3Uri,
        access: &S3Access,
        budget: &Budget,
        mut reservation: Reservation,
    ) -> Result<Fetched, S3Error> {
        let mut attempt = 1;
        loop {
            let output = self.request(uri, access).await?;
            let size = self.expected_size(&output)?;
            if !budget.covers(&reservation, size) {
                drop(reservation);
                match budget.try_reserve(size) {
                    Some(enough) => reservation = enough,
                    None => return Ok(Fetched::NoRoom(size)),
                }
            }
            let content_type = output.content_type().map(str::to_owned);
            match self.read_body(output, size).await {
                Ok(bytes) => {
                    reservation.shrink(bytes.len() as u64);
                    let name = uri.file_name().map(str::to_owned);
                    let bytes = bytes.into();
                    return Ok(Fetched::Object(Loaded { bytes, name, content_type, reservation }));
                }
                Err(S3Error::Body(_)) if attempt < BODY_ATTEMPTS => {
                    tokio::time::sleep(crate::backoff::backoff(Duration::from_millis(200), attempt)).await;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn request(&self, uri: &S3Uri, access: &S3Access) -> Result<GetObjectOutput, S3Error> {
        let get = |client: Client| {
            let get = client.get_object().bucket(uri.bucket()).key(uri.key());
            get.set_version_id(uri.version().map(str::to_owned)).send()
        };
        self.clients.call(&uri.access(access), uri.bucket(), get).await
    }

    /// How many bytes to make room for: as many as the server says, else as many as are allowed.
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
            if bytes.len() as u64 + part.len() as u64 > self.max_size {
                return Err(S3Error::TooLarge { size: None, limit: self.max_size });
            }
            bytes.extend_from_slice(&part);
        }
        if told && (bytes.len() as u64) < expected {
            return Err(S3Error::Body(format!("it ended after {} of {expected} bytes", bytes.len())));
        }
        Ok(bytes)
    }
}
