//! The file of a batch's requests: a line an input, each with the number by which its answer is known.

use serde::Serialize;

use crate::embed::endpoint::Endpoint;
use crate::embed::provider::OpenAiRequest;
use crate::embed::request::optional::Optional;

/// The largest number of inputs of a batch: OpenAI takes 50,000 embedding inputs in one
/// (<https://platform.openai.com/docs/api-reference/batch/create>).
pub const MOST_INPUTS: u64 = 50_000;

/// The largest number of bytes of a batch's inputs. OpenAI takes a file of 200 MB; this is what the worker holds in memory, about
/// twice, while it uploads one.
pub const MOST_BYTES: u64 = 16 << 20;

/// The largest number of a batch's tokens, as they are estimated. OpenAI limits the tokens that wait at a time, for each model and
/// by the account's tier (<https://platform.openai.com/docs/guides/rate-limits>): in the lowest that pays to 3,000,000.
pub const MOST_TOKENS: u64 = 2_000_000;

/// Returns the number of bytes of a text as a string of JSON, without its quotes.
pub fn json_bytes(text: &str) -> u64 {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

/// The path that each request of a batch names, whatever the base URL is.
pub(super) const PATH: &str = "/v1/embeddings";

/// The beginning of the id of a request.
const ID: &str = "pgai_rs-";

/// A request of a batch.
#[derive(Serialize)]
struct Line<'a> {
    custom_id: String,
    method: &'static str,
    url: &'static str,
    body: OpenAiRequest<'a, [&'a str]>,
}

/// A file of requests to a model, in JSON lines.
#[derive(Debug, Default)]
pub struct BatchFile(Vec<u8>);

impl BatchFile {
    /// Adds the request for an input that has this place.
    pub(super) fn add(&mut self, endpoint: &Endpoint, place: i32, input: &str) -> serde_json::Result<()> {
        let everything = Optional { base64: true, dimensions: true };
        let inputs = [input];
        let body = OpenAiRequest::new(endpoint, inputs.as_slice(), everything);
        let line = Line { custom_id: format!("{ID}{place}"), method: "POST", url: PATH, body };
        serde_json::to_writer(&mut self.0, &line)?;
        self.0.push(b'\n');
        Ok(())
    }

    /// Returns the lines.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Returns the place that an answer's id names; `None` if it is not the id of one of ours.
pub(super) fn place_of(custom_id: &str) -> Option<i32> {
    custom_id.strip_prefix(ID)?.parse().ok().filter(|place| *place >= 0)
}

/// The form by which a file is uploaded.
pub(super) struct Form {
    /// Its media type.
    pub content_type: String,
    /// The form.
    pub body: Vec<u8>,
}

/// The line between the parts of a form. No line of a file begins like it, for each begins with a brace.
const BOUNDARY: &str = "pgai_rs-boundary-2f6c1d";

/// Makes the form, with these fields before the file.
pub(super) fn form(file: &BatchFile, fields: &[(&str, &str)]) -> Form {
    let mut body = Vec::with_capacity(file.0.len() + 1024);
    for (name, value) in fields {
        let part =
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }

    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"pgai_rs.jsonl\"\r\n\
         Content-Type: application/jsonl\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(&file.0);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    Form { content_type: format!("multipart/form-data; boundary={BOUNDARY}"), body }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::embed::model::Model;

    #[test]
    fn each_input_has_a_line_of_its_own() {
        let model = Model::of_openai("http://h/v1", None);
        let mut file = BatchFile::default();
        file.add(&model.endpoint, 0, "a\nb").unwrap();
        file.add(&model.endpoint, 7, "\u{2028}").unwrap();

        let lines: Vec<Value> = file
            .bytes()
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
            .map(|l| serde_json::from_slice(l).unwrap())
            .collect();
        let line = |id: &str, input: &str| {
            json!({"custom_id": id, "method": "POST", "url": "/v1/embeddings",
                   "body": {"model": "m", "input": [input], "dimensions": 3, "encoding_format": "base64"}})
        };
        // A model that nothing is known of is told no dimensions.
        let told = |mut line: Value| {
            if file.bytes().windows(10).all(|w| w != b"dimensions") {
                line["body"].as_object_mut().unwrap().remove("dimensions");
            }
            line
        };
        assert_eq!(lines, [told(line("pgai_rs-0", "a\nb")), told(line("pgai_rs-7", "\u{2028}"))]);
    }

    #[test]
    fn a_text_has_as_many_bytes_as_are_written() {
        for text in ["", "a\"b\\c/d", "\n\r\t\u{8}\u{c}", "\0\u{1f}\u{7f}", "\u{2028} \u{e9}"] {
            assert_eq!(json_bytes(text) + 2, serde_json::to_string(text).unwrap().len() as u64, "{text:?}");
        }
    }

    #[test]
    fn ids_of_others_are_none_of_ours() {
        assert_eq!(place_of("pgai_rs-49999"), Some(49_999));
        for other in ["", "pgai_rs-", "pgai_rs--1", "pgai_rs-1x", "1", "pgai_rs-99999999999"] {
            assert_eq!(place_of(other), None, "{other}");
        }
    }

    #[test]
    fn the_file_is_in_the_form_as_it_is() {
        let file = BatchFile(b"{\"a\":1}\n".to_vec());
        let Form { content_type, body } = form(&file, &[("purpose", "batch")]);
        let text = String::from_utf8(body).unwrap();
        assert!(content_type.ends_with(BOUNDARY));
        assert!(text.starts_with(&format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n"
        )));
        assert!(text.ends_with(&format!("\r\n\r\n{{\"a\":1}}\n\r\n--{BOUNDARY}--\r\n")));
    }
}
