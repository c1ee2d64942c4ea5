//! Event notifications of S3: which objects they speak of.
//!
//! They arrive in three wrappings: as S3 sends them to SQS itself (User Guide, "Event message
//! structure"), inside an SNS notification, or as EventBridge writes them. Only bucket and key are
//! read: an event of any kind makes us look.

use percent_encoding::percent_decode_str;
use serde_json::Value;
use thiserror::Error;

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
    /// A record lacks its bucket or its key.
    #[error("a record lacks a bucket or a key")]
    Incomplete,
    /// A key is no text.
    #[error("a key is not UTF-8")]
    NotUtf8,
}

/// The objects that a message's body speaks of; none for the test event that S3 sends when
/// notifications are set up.
///
/// # Errors
///
/// [`Malformed`], whose text repeats nothing of the message.
pub fn changes(body: &str) -> Result<Vec<Change>, Malformed> {
    let message: Value = serde_json::from_str(body).map_err(|_| Malformed::NotJson)?;
    match unwrapped(&message)? {
        Some(inner) => plain(&inner),
        None => plain(&message),
    }
}

/// Returns the message inside an SNS notification. SNS wraps messages unless its subscription has raw
/// message delivery.
fn unwrapped(message: &Value) -> Result<Option<Value>, Malformed> {
    if message["Type"] != "Notification" {
        return Ok(None);
    }
    let inner = message["Message"].as_str().ok_or(Malformed::NotS3)?;
    serde_json::from_str(inner).map(Some).map_err(|_| Malformed::NotS3)
}

fn plain(message: &Value) -> Result<Vec<Change>, Malformed> {
    if message["Event"] == "s3:TestEvent" {
        return Ok(Vec::new());
    }

    if message["source"] == "aws.s3" {
        // EventBridge leaves the key as it is.
        let (bucket, key) = names(&message["detail"])?;
        return Ok(vec![Change { bucket: bucket.to_owned(), key: key.to_owned() }]);
    }

    let records = message["Records"].as_array().ok_or(Malformed::NotS3)?;
    records.iter().map(record).collect()
}

fn record(record: &Value) -> Result<Change, Malformed> {
    let (bucket, key) = names(&record["s3"])?;
    Ok(Change { bucket: bucket.to_owned(), key: form_decoded(key).ok_or(Malformed::NotUtf8)? })
}

fn names(of: &Value) -> Result<(&str, &str), Malformed> {
    of["bucket"]["name"].as_str().zip(of["object"]["key"].as_str()).ok_or(Malformed::Incomplete)
}

/// Undoes the encoding of HTML forms, in which S3 writes keys: `+` is a blank, `%2B` a plus.
pub(super) fn form_decoded(encoded: &str) -> Option<String> {
    let blanks = encoded.replace('+', " ");
    percent_decode_str(&blanks).decode_utf8().ok().map(|key| key.into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
    fn the_test_event_speaks_of_nothing() {
        let body = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"});
        assert_eq!(changes(&body.to_string()), Ok(vec![]));
    }

    #[test]
    fn other_messages_are_told_apart() {
        assert_eq!(changes("hello"), Err(Malformed::NotJson));
        assert_eq!(changes("{}"), Err(Malformed::NotS3));
        assert_eq!(changes("[]"), Err(Malformed::NotS3));
        assert_eq!(changes(r#"{"Type": "Notification", "Message": "hello"}"#), Err(Malformed::NotS3));
        assert_eq!(
            changes(r#"{"Records": [{"s3": {"bucket": {"name": "b"}}}]}"#),
            Err(Malformed::Incomplete)
        );
        assert_eq!(changes(&s3("b", "%FF").to_string()), Err(Malformed::NotUtf8));
    }
}
