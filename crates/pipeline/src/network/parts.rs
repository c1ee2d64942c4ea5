//! The number of parts in an answer to the AWS SDK: elements and attributes of XML, objects, entries and
//! items of JSON.
//!
//! The SDK makes a structure of up to hundreds of bytes of each part, also of one that is empty and takes
//! three bytes on the wire. So they are counted on their way to it, besides the bytes.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

use crate::json_items::JsonItems;

/// The largest number of tags and attributes of an answer in XML: a page of a listing has 1,000 keys,
/// for which S3 writes up to 26 tags each, and hardly any attribute.
const OF_XML: u32 = 64_000;

/// The largest number of objects, lists, entries and items of an answer in JSON: SQS answers ten
/// messages, of which each has up to a dozen fields, as many attributes of the queue's, and ten of the
/// sender's with five fields.
const OF_JSON: u32 = 10_000;

/// The header by which the SDK names what is asked for in JSON.
const TARGET: &str = "x-amz-target";

/// Counts the parts of an answer as it comes.
#[derive(Debug)]
pub(super) struct PartCounter {
    left: u32,
    format: Format,
}

/// The format of an answer, which its request decides: the SDK asks for nothing else.
#[derive(Debug, Clone, Copy)]
enum Format {
    /// Text of XML, as S3 and STS write it.
    Xml(Markup),
    /// Text of JSON, as SQS writes it.
    Json(JsonItems),
}

/// The markup that came last in a text of XML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Markup {
    /// An equals sign, and blanks at most after it.
    Equals,
    /// Anything else.
    Else,
}

impl PartCounter {
    /// Counts the parts of the answer to a request.
    pub(super) fn of(request: &HttpRequest) -> PartCounter {
        match request.headers().get(TARGET) {
            Some(_) => PartCounter { left: OF_JSON, format: Format::Json(JsonItems::default()) },
            None => PartCounter { left: OF_XML, format: Format::Xml(Markup::Else) },
        }
    }

    /// Takes the next bytes of the answer; false if they have more parts than are left.
    pub(super) fn take(&mut self, bytes: &[u8]) -> bool {
        let found = match &mut self.format {
            Format::Xml(last) => bytes.iter().filter(|byte| last.begins_part(**byte)).count(),
            Format::Json(items) => items.count(bytes),
        };

        let left = u32::try_from(found).ok().and_then(|found| self.left.checked_sub(found));
        self.left = left.unwrap_or_default();
        left.is_some()
    }
}

impl Markup {
    /// Goes on by one byte, and tells whether a tag or the value of an attribute begins with it.
    ///
    /// It does not ask whether a quotation mark stands in a tag: an answer that is made for it could mislead
    /// it there. A text that looks like an attribute is counted, too; an equals sign alone, as keys have it,
    /// is not.
    fn begins_part(&mut self, byte: u8) -> bool {
        let before = *self;
        *self = match (before, byte) {
            (_, b'=') | (Markup::Equals, b' ' | b'\t' | b'\r' | b'\n') => Markup::Equals,
            _ => Markup::Else,
        };
        byte == b'<' || (before == Markup::Equals && matches!(byte, b'"' | b'\''))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_json() -> PartCounter {
        let mut request = HttpRequest::empty();
        request.headers_mut().insert(TARGET, "AmazonSQS.ReceiveMessage");
        PartCounter::of(&request)
    }

    fn of_xml() -> PartCounter {
        PartCounter::of(&HttpRequest::empty())
    }

    #[test]
    fn a_full_page_of_a_listing_is_taken() {
        let key = "year=2024/month=01/".repeat(50);
        let owner = "<Owner><ID>75aa57f0</ID><DisplayName>me</DisplayName></Owner>";
        let restored = "<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress></RestoreStatus>";
        let contents = format!(
            "<Contents><Key>{key}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>\
             <ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>\
             <ChecksumType>FULL_OBJECT</ChecksumType><Size>1</Size>{owner}\
             <StorageClass>STANDARD</StorageClass>{restored}</Contents>"
        );
        let mut parts = of_xml();
        let head =
            r#"<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">"#;
        assert!(parts.take(head.as_bytes()));
        assert!((0..1000).all(|_| parts.take(contents.as_bytes())));
    }

    #[test]
    fn an_answer_with_an_attribute_for_each_key_is_taken() {
        let mut parts = of_xml();
        let owner =
            r#"<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"/>"#;
        assert!((0..10_000).all(|_| parts.take(owner.as_bytes())));
    }

    #[test]
    fn an_element_of_many_attributes_is_not() {
        for attribute in [r#" a="""#, " a=''", " a = \n\"\"", r#" a=">""#, r#" a="\"""#] {
            let answer = format!("<a{}/>", attribute.repeat(100_000));
            assert!(!of_xml().take(answer.as_bytes()), "{attribute}");

            let mut parts = of_xml();
            assert!(!answer.as_bytes().chunks(1).all(|byte| parts.take(byte)), "{attribute}");
        }
    }

    #[test]
    fn a_page_of_empty_elements_is_not() {
        let mut parts = of_xml();
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
    fn ten_full_messages_are_taken() {
        let pairs = |count: usize, value: &str| {
            let pairs = (0..count).map(|number| format!(r#""Attribute{number}": {value}"#));
            pairs.collect::<Vec<_>>().join(", ")
        };
        let value = r#"{"DataType": "String", "StringValue": "a, b: [{", "StringListValues": [], "BinaryListValues": []}"#;
        let message = format!(
            r#"{{"MessageId": "1", "ReceiptHandle": "a==", "MD5OfBody": "b", "Body": "{{}}", "MD5OfMessageAttributes": "c",
                "Attributes": {{{}}}, "MessageAttributes": {{{}}}}}"#,
            pairs(12, r#""1""#),
            pairs(10, value),
        );
        assert!(of_json().take(format!(r#"{{"Messages": [{}]}}"#, vec![message; 10].join(", ")).as_bytes()));
    }

    #[test]
    fn a_message_of_many_attributes_is_not() {
        for attribute in [r#""": "","#, r#""":null,"#, r#""","#, "0,", "["] {
            let answer = format!(r#"{{"Messages": [{{"Attributes": {{{}"#, attribute.repeat(20_000));
            assert!(!of_json().take(answer.as_bytes()), "{attribute}");
        }
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
