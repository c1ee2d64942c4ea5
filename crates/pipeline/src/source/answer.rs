//! S3's answers about an object, its bytes left aside.

use super::ObjectMetadata;
use crate::failure::Failure;
use crate::message::storable;
use crate::s3::LONGEST_ETAG;

/// An object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key in the bucket.
    pub key: String,
    /// The version of its bytes, without quotes.
    pub etag: Option<String>,
    /// Bytes.
    pub size: u64,
    /// The time when it was written, in microseconds since 1970.
    pub last_modified: Option<i64>,
    /// The media type on record. A listing does not tell it.
    pub content_type: Option<String>,
    /// Its metadata. A listing does not tell it; nor is there any if it can't be stored, or if nobody wants it.
    pub metadata: Option<ObjectMetadata>,
}

/// The state of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectState {
    /// It is there and wanted.
    Present(Object),
    /// It is gone, or not wanted any more.
    Absent,
    /// S3 did not say.
    Unknown(Failure),
    /// It is there and wanted, but S3 did not say what its metadata is.
    MetadataUnknown(Failure),
}

/// The state of the object with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectAnswer {
    /// Its key in the bucket.
    pub key: String,
    /// The object's state.
    pub state: ObjectState,
    /// The reason why an object that is present lacks its metadata: it can't be stored.
    pub invalid_metadata: Option<Failure>,
}

/// The most bytes of a media type that is stored. Those that are registered have up to a hundred, without parameters.
const LONGEST_MEDIA_TYPE: usize = 1024;

/// Returns an ETag as it is compared and stored, for servers differ in whether they quote it; `None` for one that
/// can't be stored, as if the server had told none.
pub(super) fn plain_etag(etag: &str) -> Option<String> {
    storable(etag.trim_matches('"'), LONGEST_ETAG).map(str::to_owned)
}

/// Returns a media type as it is stored; `None` for one that can't be stored.
pub(super) fn media_type(told: &str) -> Option<String> {
    storable(told, LONGEST_MEDIA_TYPE).map(str::to_owned)
}

/// The SDK's time in microseconds since 1970; none beyond some 290,000 years.
pub(super) fn micros(time: &aws_smithy_types::DateTime) -> Option<i64> {
    i64::try_from(time.as_nanos() / 1_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_the_same_with_and_without_quotes() {
        assert_eq!(plain_etag("\"abc-2\"").as_deref(), Some("abc-2"));
        assert_eq!(plain_etag("abc-2").as_deref(), Some("abc-2"));
    }

    #[test]
    fn an_etag_that_cannot_be_stored_is_none() {
        assert_eq!(plain_etag("abc\0"), None);
        assert_eq!(plain_etag(&"x".repeat(LONGEST_ETAG + 1)), None);
    }

    #[test]
    fn a_media_type_that_cannot_be_stored_is_none() {
        assert_eq!(media_type("text/plain; charset=utf-8").as_deref(), Some("text/plain; charset=utf-8"));
        assert_eq!(media_type("text/plain\0"), None);
        assert_eq!(media_type(&"x".repeat(LONGEST_MEDIA_TYPE + 1)), None);
    }

    #[test]
    fn times_are_in_microseconds() {
        let time = aws_smithy_types::DateTime::from_millis(1_500);
        assert_eq!(micros(&time), Some(1_500_000));
    }
}
