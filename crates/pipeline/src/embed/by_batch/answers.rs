//! The answers of a batch, line by line: in any order, each known by the id of its request.

use std::collections::HashSet;

use serde::Deserialize;

use super::file::place_of;
use crate::embed::error::EmbedError;
use crate::embed::http::{Expected, in_order};
use crate::embed::provider::Protocol;
use crate::embed::request::answer::{AnsweredItem, tokens_of};
use crate::embed::request::check::is_finite;
use crate::embed::request::said::Said;

/// The answer to an input of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchAnswer {
    /// The place of the input.
    pub place: i32,
    /// The vector, checked as all are; `None` if the provider has refused the input, or answered wrongly.
    pub vector: Option<Vec<f32>>,
    /// The number of tokens that are billed for it, as the provider says.
    pub tokens: Option<u64>,
}

/// A line as the provider writes it.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    custom_id: Option<String>,
    #[serde(default)]
    response: Option<Response>,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    status_code: u16,
    #[serde(default)]
    body: Option<Body>,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    data: Option<Vec<AnsweredItem>>,
    #[serde(default)]
    usage: Said,
}

/// The answers to the inputs of a batch that have come by now.
pub(super) struct Answers<'a> {
    protocol: &'a dyn Protocol,
    /// The size that each must have.
    expected: Expected,
    /// The number of inputs.
    inputs: i32,
    /// The places that are answered.
    seen: HashSet<i32>,
}

impl<'a> Answers<'a> {
    /// Begins to read the answers to so many inputs, each with a vector of so many dimensions.
    pub(super) fn new(protocol: &'a dyn Protocol, expected: Expected, inputs: i32) -> Self {
        Answers { protocol, expected, inputs, seen: HashSet::new() }
    }

    /// Reads a line; `None` if it is no answer to one of the inputs, or another one to the same.
    pub(super) fn read(&mut self, line: &[u8]) -> Option<BatchAnswer> {
        if line.iter().all(u8::is_ascii_whitespace) || self.expected.has_too_many_items(line) {
            return None;
        }
        let line: Line = serde_json::from_slice(line).ok()?;
        let place = place_of(line.custom_id.as_deref()?).filter(|place| *place < self.inputs)?;
        if !self.seen.insert(place) {
            return None;
        }

        let Some(body) = line.response.filter(|r| r.status_code == 200).and_then(|response| response.body)
        else {
            return Some(BatchAnswer { place, vector: None, tokens: None });
        };
        let tokens = tokens_of(&body.usage);
        let items = body.data.unwrap_or_default().into_iter().map(AnsweredItem::into_parts).collect();
        let vectors = in_order(self.protocol, items, self.expected);
        let vector = vectors.ok().and_then(|mut vectors| vectors.pop()).filter(|vector| is_finite(vector));
        Some(BatchAnswer { place, vector, tokens })
    }
}

/// Cuts what comes into lines, none of which may be longer than this.
pub(super) struct Lines {
    most: usize,
    rest: Vec<u8>,
}

impl Lines {
    /// Begins to cut into lines of at most so many bytes.
    pub(super) fn new(most: usize) -> Self {
        Lines { most, rest: Vec::new() }
    }

    /// Takes in a part, and calls `line` with each line that it ends.
    pub(super) fn add(&mut self, part: &[u8], mut line: impl FnMut(&[u8])) -> Result<(), EmbedError> {
        let mut pieces = part.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            if self.rest.len() + piece.len() > self.most {
                let message = format!("a line of it has more than {} bytes", self.most);
                return Err(EmbedError::BadResponse(message));
            }
            if pieces.peek().is_none() {
                self.rest.extend_from_slice(piece);
            } else if self.rest.is_empty() {
                line(piece);
            } else {
                self.rest.extend_from_slice(piece);
                line(&std::mem::take(&mut self.rest));
            }
        }
        Ok(())
    }

    /// Calls `line` with the last line, if nothing has ended it.
    pub(super) fn end(self, mut line: impl FnMut(&[u8])) {
        if !self.rest.is_empty() {
            line(&self.rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::model::Model;

    fn read(lines: &[&str]) -> Vec<Option<BatchAnswer>> {
        let protocol = Model::of_openai("http://h/v1", None).protocol();
        let expected = Expected { inputs: 1, dimensions: 3, shortened_to: None, proven: false };
        let mut answers = Answers::new(&*protocol, expected, 2);
        lines.iter().map(|line| answers.read(line.as_bytes())).collect()
    }

    fn line(id: &str, body: &str) -> String {
        format!(
            r#"{{"id":"x","custom_id":"{id}","response":{{"status_code":200,"body":{body}}},"error":null}}"#
        )
    }

    const GOOD: &str = r#"{"data":[{"index":0,"embedding":[1,2,3]}],"usage":{"total_tokens":5}}"#;

    #[test]
    fn an_answer_is_known_by_its_id_and_read_once() {
        let (one, other) = (line("pgai_rs-1", GOOD), line("pgai_rs-0", GOOD));
        let answer = |place| Some(BatchAnswer { place, vector: Some(vec![1.0, 2.0, 3.0]), tokens: Some(5) });
        assert_eq!(read(&[&one, &other, &one]), [answer(1), answer(0), None]);
    }

    #[test]
    fn what_is_no_answer_is_left_out() {
        let of_nobody = line("pgai_rs-2", GOOD);
        let of_others = line("request-1", GOOD);
        assert_eq!(read(&["", "  ", "no JSON", "[]", "{}", &of_nobody, &of_others]), vec![None; 7]);
    }

    #[test]
    fn a_wrong_answer_is_no_vector() {
        let wrong = [
            r#"{"data":[{"index":0,"embedding":[1,2]}]}"#,
            r#"{"data":[{"index":0,"embedding":[1,2,null]}]}"#,
            r#"{"data":[{"index":1,"embedding":[1,2,3]}]}"#,
            r#"{"data":[]}"#,
            r#"{"error":{"message":"no"}}"#,
        ];
        for body in wrong {
            let answer = read(&[&line("pgai_rs-0", body)]).remove(0);
            assert_eq!(answer, Some(BatchAnswer { place: 0, vector: None, tokens: None }), "{body}");
        }
        let refused = r#"{"custom_id":"pgai_rs-0","response":{"status_code":400,"body":{"error":{}}}}"#;
        let expired = r#"{"custom_id":"pgai_rs-1","response":null,"error":{"code":"batch_expired"}}"#;
        assert!(read(&[refused, expired]).iter().all(|answer| answer.as_ref().unwrap().vector.is_none()));
    }

    #[test]
    fn numbers_without_end_are_not_read() {
        let numbers = vec!["0"; 1_000_000].join(",");
        let body = format!(r#"{{"data":[{{"index":0,"embedding":[{numbers}]}}]}}"#);
        assert_eq!(read(&[&line("pgai_rs-0", &body)]), [None]);
    }

    #[test]
    fn lines_come_in_parts() {
        let mut found = Vec::new();
        let mut lines = Lines::new(5);
        for part in ["ab", "c\nd\n\nef", "", "g"] {
            lines.add(part.as_bytes(), |line| found.push(line.to_vec())).unwrap();
        }
        lines.end(|line| found.push(line.to_vec()));
        assert_eq!(found, [b"abc".to_vec(), b"d".to_vec(), b"".to_vec(), b"efg".to_vec()]);
        assert!(Lines::new(5).add(b"abcdef\n", |_| ()).is_err());
        assert!(Lines::new(5).add(b"abcdef", |_| ()).is_err());
    }
}
