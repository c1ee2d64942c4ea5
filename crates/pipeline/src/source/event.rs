//! Event notifications of S3: which objects they speak of.
//!
//! They arrive in three wrappings: as S3 sends them to SQS itself (User Guide, "Event message
//! structure"), inside an SNS notification, or as EventBridge writes them. Only bucket and key are
//! read: an event of any kind makes us look.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use thiserror::Error;

/// The largest number of records of a message. S3 writes one, and never promised that.
const MOST_RECORDS: usize = 1_000;

/// An object that something happened to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Change {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key, decoded.
    pub key: String,
}

/// A message that is no notification of S3.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Malformed {
    /// It can't be read as JSON at all.
    #[error("it is not JSON")]
    NotJson,
    /// It is JSON of some other kind.
    #[error("it is not an S3 event notification, neither plain nor from SNS or EventBridge")]
    NotS3,
    /// It speaks of more objects than a message of S3 does.
    #[error("it has more than {MOST_RECORDS} records")]
    TooLong,
    /// A record lacks its bucket or its key.
    #[error("a record lacks a bucket or a key")]
    Incomplete,
    /// A key is no text.
    #[error("a key is not UTF-8")]
    NotUtf8,
}

/// A message as S3, SNS or EventBridge write it. Whatever else is in it takes no memory.
#[derive(Deserialize)]
struct Message {
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(rename = "Message")]
    inner: Option<String>,
    #[serde(rename = "Event")]
    event: Option<String>,
    source: Option<String>,
    detail: Option<Names>,
    #[serde(rename = "Records")]
    records: Option<Records>,
}

/// The first records of a message, one more than it may have.
struct Records(Vec<Record>);

#[derive(Deserialize)]
struct Record {
    s3: Option<Names>,
}

#[derive(Deserialize)]
struct Names {
    bucket: Option<Bucket>,
    object: Option<Object>,
}

#[derive(Deserialize)]
struct Bucket {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Object {
    key: Option<String>,
}

impl<'de> Deserialize<'de> for Records {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct First;

        impl<'de> Visitor<'de> for First {
            type Value = Records;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("records of S3 events")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Records, A::Error> {
                let mut first = Vec::new();
                while first.len() <= MOST_RECORDS {
                    match all.next_element()? {
                        Some(record) => first.push(record),
                        None => return Ok(Records(first)),
                    }
                }

                while all.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Records(first))
            }
        }

        deserializer.deserialize_seq(First)
    }
}

/// The objects that a message's body speaks of; none for the test event that S3 sends when
/// notifications are set up.
///
/// # Errors
///
/// [`Malformed`], whose text repeats nothing of the message.
pub fn changes(body: &str) -> Result<Vec<Change>, Malformed> {
    serde_json::from_str::<IgnoredAny>(body).map_err(|_| Malformed::NotJson)?;
    let message = read(body)?;

    // SNS wraps messages unless its subscription has raw message delivery.
    if message.kind.as_deref() == Some("Notification") {
        return plain(read(&message.inner.ok_or(Malformed::NotS3)?)?);
    }
    plain(message)
}

fn read(text: &str) -> Result<Message, Malformed> {
    serde_json::from_str(text).map_err(|_| Malformed::NotS3)
}

fn plain(message: Message) -> Result<Vec<Change>, Malformed> {
    if message.event.as_deref() == Some("s3:TestEvent") {
        return Ok(Vec::new());
    }

    if message.source.as_deref() == Some("aws.s3") {
        // EventBridge leaves the key as it is.
        let (bucket, key) = names(message.detail)?;
        return Ok(vec![Change { bucket, key }]);
    }

    let Records(records) = message.records.ok_or(Malformed::NotS3)?;
    if records.len() > MOST_RECORDS {
        return Err(Malformed::TooLong);
    }
    records.into_iter().map(change).collect()
}

fn change(record: Record) -> Result<Change, Malformed> {
    let (bucket, key) = names(record.s3)?;
    Ok(Change { bucket, key: form_decoded(&key).ok_or(Malformed::NotUtf8)? })
}

fn names(of: Option<Names>) -> Result<(String, String), Malformed> {
    let Names { bucket, object } = of.ok_or(Malformed::Incomplete)?;
    let bucket = bucket.and_then(|bucket| bucket.name);
    bucket.zip(object.and_then(|object| object.key)).ok_or(Malformed::Incomplete)
}

/// Undoes the encoding of HTML forms, in which S3 writes keys: `+` is a blank, `%2B` a plus.
pub(super) fn form_decoded(encoded: &str) -> Option<String> {
    let blanks = encoded.replace('+', " ");
    percent_decode_str(&blanks).decode_utf8().ok().map(|key| key.into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn s3(bucket: &str, key: &str) -> Value {
        json!({"Records": [{
            "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": bucket, "arn": format!("arn:aws:s3:::{bucket}")},
                   "object": {"key": key, "size": 1, "eTag": "x", "sequencer": "0055AED6DCD90281E5"}},
        }]})
    }

    fn change(key: &str) -> Vec<Change> {
        vec![Change { bucket: "b".into(), key: key.into() }]
    }

    #[test]
    fn keys_of_s3s_own_messages_are_decoded() {
        let body = s3("b", "a+dir/%C3%A9+100%25%2B.md").to_string();
        assert_eq!(changes(&body), Ok(change("a dir/é 100%+.md")));
    }

    #[test]
    fn sns_wraps_and_eventbridge_does_not_encode() {
        let wrapped = json!({"Type": "Notification", "Message": s3("b", "x%20y").to_string()}).to_string();
        assert_eq!(changes(&wrapped), Ok(change("x y")));
        let bridged = json!({
            "version": "0", "detail-type": "Object Created", "source": "aws.s3",
            "detail": {"bucket": {"name": "b"}, "object": {"key": "x+y%20", "size": 1}},
        });
        assert_eq!(changes(&bridged.to_string()), Ok(change("x+y%20")));
    }

    #[test]
    fn several_records_travel_together() {
        let mut body = s3("b", "x");
        let other = s3("b2", "y")["Records"][0].clone();
        body["Records"].as_array_mut().unwrap().push(other);
        let keys: Vec<_> =
            changes(&body.to_string()).unwrap().into_iter().map(|c| (c.bucket, c.key)).collect();
        assert_eq!(keys, [("b".into(), "x".into()), ("b2".into(), "y".into())]);
    }

    #[test]
    fn a_message_has_so_many_records_at_most() {
        let record = s3("b", "x")["Records"][0].clone();
        let of = |count| json!({"Records": vec![record.clone(); count]}).to_string();
        assert_eq!(changes(&of(MOST_RECORDS)).map(|changes| changes.len()), Ok(MOST_RECORDS));
        assert_eq!(changes(&of(MOST_RECORDS + 1)), Err(Malformed::TooLong));
    }

    #[test]
    fn only_so_many_records_are_kept_in_memory() {
        let Records(kept) = serde_json::from_str(&format!("[{}{{}}]", "{},".repeat(100_000))).unwrap();
        assert_eq!(kept.len(), MOST_RECORDS + 1);
    }

    #[test]
    fn the_test_event_speaks_of_nothing() {
        let body = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"});
        assert_eq!(changes(&body.to_string()), Ok(vec![]));
    }

    #[test]
    fn other_messages_are_told_apart() {
        assert_eq!(changes("hello"), Err(Malformed::NotJson));
        assert_eq!(changes("{}"), Err(Malformed::NotS3));
        assert_eq!(changes("[]"), Err(Malformed::NotS3));
        assert_eq!(changes(r#"{"Records": 1}"#), Err(Malformed::NotS3));
        assert_eq!(changes(r#"{"Records": [{}]}"#), Err(Malformed::Incomplete));
        assert_eq!(changes(r#"{"Type": "Notification", "Message": "hello"}"#), Err(Malformed::NotS3));
        assert_eq!(
            changes(r#"{"Records": [{"s3": {"bucket": {"name": "b"}}}]}"#),
            Err(Malformed::Incomplete)
        );
        assert_eq!(changes(&s3("b", "%FF").to_string()), Err(Malformed::NotUtf8));
    }
}
