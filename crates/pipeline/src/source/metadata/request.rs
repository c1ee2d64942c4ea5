//! Asking S3 for the metadata of an object.

use std::collections::HashMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use serde_json::{Map, Value};

use super::encoded_word::decoded;
use super::{Found, Invalid, LARGEST, ObjectMetadata, merged, sidecar};
use crate::config::{MetadataPlace, S3Access};
use crate::failure::Failure;
use crate::s3::{self, Operation, S3Error, S3Uri};
use crate::source::answer::plain_etag;
use crate::source::prefix::LONGEST_KEY;
use crate::source::{ListingScope, Network, failure};

/// The most bytes of a header for one that it says: an encoded byte has three.
const ENCODING: usize = 3;

/// The reason why there is no metadata of an object.
pub(in crate::source) enum NotRead {
    /// It can't be stored as it is.
    Invalid(Failure),
    /// S3 did not say.
    Unknown(Failure),
    /// The object is gone meanwhile.
    Gone,
}

/// Asks for the metadata of an object, whose headers are known: one request for its tags, and one for its sidecar.
pub(in crate::source) async fn ask(
    network: &Network,
    scope: &ListingScope,
    access: &S3Access,
    uri: &S3Uri,
    head: &HeadObjectOutput,
) -> Result<ObjectMetadata, NotRead> {
    let request = Request { network, scope, access, uri };
    let mut found = Found::default();
    for place in scope.metadata() {
        match place {
            MetadataPlace::User => {
                let headers = head.metadata().map_or(Ok(Map::new()), of_headers);
                found.user = headers.map_err(|why| request.invalid(why))?;
            }
            MetadataPlace::Tags => found.tags = request.tags().await?,
            MetadataPlace::Sidecar => request.sidecar(&mut found).await?,
        }
    }
    merged(scope.metadata(), found).map_err(|why| request.invalid(why))
}

/// Returns what the headers say, unless there is more than may be stored; decoding makes none of it longer.
fn of_headers(headers: &HashMap<String, String>) -> Result<Map<String, Value>, Invalid> {
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > ENCODING * LARGEST {
        return Err(Invalid::Large);
    }
    let decode = |(name, value): (&String, &String)| (name.to_lowercase(), Value::String(decoded(value)));
    Ok(headers.iter().map(decode).collect())
}

/// An object whose metadata is asked for.
struct Request<'a> {
    network: &'a Network,
    scope: &'a ListingScope,
    access: &'a S3Access,
    uri: &'a S3Uri,
}

impl Request<'_> {
    async fn tags(&self) -> Result<Map<String, Value>, NotRead> {
        let uri = self.uri;
        let get = |client: Client| client.get_object_tagging().bucket(uri.bucket()).key(uri.key()).send();
        let clients = &self.network.clients;
        let told = clients.call(self.network.owner, &uri.access(self.access), uri.bucket(), get).await;

        match told {
            Ok(output) => {
                Ok(output.tag_set.into_iter().map(|tag| (tag.key, Value::String(tag.value))).collect())
            }
            // As some servers say it.
            Err(error) if error.code() == Some("NoSuchTagSet") => Ok(Map::new()),
            Err(error) if is_missing(&error) => Err(NotRead::Gone),
            Err(error) => Err(self.unknown(&error, Operation::GetObjectTagging(uri))),
        }
    }

    async fn sidecar(&self, found: &mut Found) -> Result<(), NotRead> {
        let key = sidecar::sidecar_of(self.uri.key());
        if key.len() > LONGEST_KEY {
            return Ok(());
        }
        let uri = S3Uri::parse(&self.scope.prefix().uri(&key)).map_err(NotRead::Unknown)?;

        // With its body: the timeout of the client ends with the headers.
        let limit = self.network.clients.timeout();
        let fetched = tokio::time::timeout(limit, self.fetch(&uri)).await;
        match fetched.unwrap_or_else(|_| Err(S3Error::late(limit))) {
            Ok((bytes, etag)) => {
                let bytes = bytes.ok_or(Invalid::LargeSidecar);
                found.sidecar =
                    bytes.and_then(|bytes| sidecar::parse(&bytes)).map_err(|why| self.invalid(why))?;
                found.sidecar_etag = etag;
                Ok(())
            }
            Err(error) if is_missing(&error) => Ok(()),
            Err(error) => Err(self.unknown(&error, Operation::GetObject(&uri))),
        }
    }

    /// Returns the bytes of a sidecar, none if they are too many, and its version.
    async fn fetch(&self, uri: &S3Uri) -> Result<(Option<Vec<u8>>, String), S3Error> {
        let get = |client: Client| client.get_object().bucket(uri.bucket()).key(uri.key()).send();
        let clients = &self.network.clients;
        let output = clients.call(self.network.owner, &uri.access(self.access), uri.bucket(), get).await?;
        let etag = output.e_tag().and_then(plain_etag).unwrap_or_default();
        Ok((read(output).await?, etag))
    }

    fn unknown(&self, error: &S3Error, operation: Operation<'_>) -> NotRead {
        NotRead::Unknown(s3::failure(error, operation, self.access))
    }

    fn invalid(&self, why: Invalid) -> NotRead {
        NotRead::Invalid(failure::invalid_metadata(self.uri, why))
    }
}

/// Returns whether S3 says that there is no such object in the bucket.
fn is_missing(error: &S3Error) -> bool {
    error.status() == Some(404) && error.code() != Some("NoSuchBucket")
}

/// Reads a body; `None` if it has more bytes than a sidecar may have, of which no more are read.
async fn read(output: GetObjectOutput) -> Result<Option<Vec<u8>>, S3Error> {
    let told = output.content_length().and_then(|length| usize::try_from(length).ok());
    if told.is_some_and(|length| length > sidecar::LARGEST) {
        return Ok(None);
    }

    let mut body = output.body;
    let mut bytes = Vec::new();
    while let Some(part) = body.try_next().await.map_err(|error| S3Error::body(&error))? {
        if bytes.len() + part.len() > sidecar::LARGEST {
            return Ok(None);
        }
        bytes.extend_from_slice(&part);
    }
    match told {
        Some(length) if bytes.len() < length => {
            Err(S3Error::Body(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).to_string()))
        }
        _ => Ok(Some(bytes)),
    }
}
