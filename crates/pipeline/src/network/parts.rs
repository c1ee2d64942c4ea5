//! The number of parts in an answer to the AWS SDK: elements of XML, objects of JSON.
//!
//! The SDK makes a structure of hundreds of bytes of each part, also of one that is empty and takes three bytes on the
//! wire. So they are counted on their way to it, besides the bytes.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

/// Most tags of an answer in XML: a page of a listing has 1,000 keys, for which S3 writes up to 26 tags each.
const TAGS: u32 = 64_000;

/// Most objects of an answer in JSON: SQS answers ten messages, whose attributes are objects as well.
const OBJECTS: u32 = 1_000;

/// The header by which the SDK names what is asked for in JSON.
const TARGET: &str = "x-amz-target";

/// Counts the parts of an answer as it comes.
#[derive(Debug)]
pub(super) struct Parts {
    left: u32,
    format: Format,
}

/// The format of an answer, which its request decides: the SDK asks for nothing else.
#[derive(Debug, Clone, Copy)]
enum Format {
    Xml,
    Json(Place),
}

/// The place in a text of JSON.
#[derive(Debug, Clone, Copy)]
enum Place {
    Outside,
    InString,
    /// After a backslash in a string.
    Escaped,
}

impl Parts {
    /// Counts those of the answer to a request.
    pub(super) fn of(request: &HttpRequest) -> Parts {
        match request.headers().get(TARGET) {
            Some(_) => Parts { left: OBJECTS, format: Format::Json(Place::Outside) },
            None => Parts { left: TAGS, format: Format::Xml },
        }
    }

    /// Takes the next bytes of the answer; false if they have more parts than are left.
    pub(super) fn take(&mut self, bytes: &[u8]) -> bool {
        let found = match &mut self.format {
            Format::Xml => bytes.iter().filter(|byte| **byte == b'<').count(),
            Format::Json(place) => bytes.iter().filter(|byte| place.begins_object(**byte)).count(),
        };
        let left = u32::try_from(found).ok().and_then(|found| self.left.checked_sub(found));
        self.left = left.unwrap_or_default();
        left.is_some()
    }
}

impl Place {
    /// Goes on by one byte, and tells whether an object begins with it.
    fn begins_object(&mut self, byte: u8) -> bool {
        *self = match (*self, byte) {
            (Place::Outside, b'"') | (Place::Escaped, _) => Place::InString,
            (Place::InString, b'\\') => Place::Escaped,
            (Place::InString, b'"') => Place::Outside,
            (place, _) => place,
        };
        matches!(self, Place::Outside) && byte == b'{'
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_json() -> Parts {
        let mut request = HttpRequest::empty();
        request.headers_mut().insert(TARGET, "AmazonSQS.ReceiveMessage");
        Parts::of(&request)
    }

    #[test]
    fn a_full_page_of_a_listing_is_taken() {
        let tags = "<Key>a&lt;b</Key>".repeat(13);
        let mut parts = Parts::of(&HttpRequest::empty());
        assert!((0..1000).all(|_| parts.take(format!("<Contents>{tags}</Contents>").as_bytes())));
    }

    #[test]
    fn a_page_of_empty_elements_is_not() {
        let mut parts = Parts::of(&HttpRequest::empty());
        assert!(!parts.take("<Contents/>".repeat(100_000).as_bytes()));
        assert!(!parts.take(b"<"));
    }

    #[test]
    fn what_a_message_says_is_no_part_of_the_answer() {
        let body = r#"{\"Records\": [{\"s3\": {}}, \"\\\"{\"]}"#.repeat(10_000);
        let message = format!(r#"{{"Body": "{body}", "Attributes": {{}}}}"#);
        assert!(of_json().take(message.as_bytes()));
    }

    #[test]
    fn an_answer_of_empty_messages_is_not_taken() {
        let answer = format!(r#"{{"Messages": [{}{{}}]}}"#, "{},".repeat(5_000));
        assert!(!of_json().take(answer.as_bytes()));

        // However the bytes come.
        let mut parts = of_json();
        assert!(!answer.as_bytes().chunks(1).all(|byte| parts.take(byte)));
    }
}
