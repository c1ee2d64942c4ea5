//! The tokens of texts, and the requests that they take, before they are sent.

use std::sync::atomic::{AtomicBool, Ordering};

use super::limits::pack::Limits;
use super::request::input_type::Purpose;
use super::resolve::resolve;
use crate::config::{Author, Embedding};
use crate::failure::Failure;
use crate::settings::Settings;

/// The number of bytes that are counted at a time, which takes some milliseconds.
const PART: usize = 64 << 10;

/// Returns the number of tokens that a text has in `cl100k_base`; of a long one, some more for each part of 64 KB that ends within
/// a word. Ends soon after `stop` is set, with the tokens so far.
pub fn cl100k_tokens(text: &str, stop: &AtomicBool) -> u64 {
    let encoding = tiktoken_rs::cl100k_base_singleton();
    let wanted = Parts(text).take_while(|_| !stop.load(Ordering::Relaxed));
    wanted.map(|part| encoding.encode_ordinary(part).len() as u64).sum()
}

/// The parts of a text, each of which ends before a blank if there is one. Blanks belong to the word after them.
struct Parts<'a>(&'a str);

impl<'a> Iterator for Parts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let reached = self.0.floor_char_boundary(PART);
        let whole = self.0.len() == reached;
        let blank = self.0[..reached].rfind(' ').filter(|blank| *blank > 0 && !whole);
        let (part, rest) = self.0.split_at(blank.unwrap_or(reached));
        self.0 = rest;
        (!part.is_empty()).then_some(part)
    }
}

/// The most that a request to a model may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    inputs: usize,
    tokens: usize,
}

impl RequestLimits {
    /// Returns the limits of a model's provider and of the operator.
    ///
    /// # Errors
    ///
    /// Fails as [`check`](super::check()) does.
    pub fn of(embedding: &Embedding, author: Author, settings: &Settings) -> Result<Self, Failure> {
        let model = resolve(embedding, author, None, settings, Purpose::Document)?;
        let Limits { inputs, tokens } = Limits::of(settings).and(model.protocol().limits());
        Ok(RequestLimits { inputs, tokens })
    }

    /// Returns the least number of requests that take so many inputs of so many bytes.
    pub fn requests(self, inputs: f64, bytes: f64) -> f64 {
        // As they are packed: by the estimate, whatever the model counts.
        let tokens = bytes / 4.0;
        (inputs / self.inputs as f64).max(tokens / self.tokens as f64).ceil()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> u64 {
        cl100k_tokens(text, &AtomicBool::new(false))
    }

    fn at_once(text: &str) -> u64 {
        tiktoken_rs::cl100k_base_singleton().encode_ordinary(text).len() as u64
    }

    #[test]
    fn a_text_is_counted_in_parts_as_at_once() {
        for text in ["", "word", "a few words", &"some more words. ".repeat(20_000)] {
            assert_eq!(tokens(text), at_once(text));
        }

        let letters = "ab🜁".repeat(40_000);
        assert!(tokens(&letters).abs_diff(at_once(&letters)) <= (letters.len() / PART) as u64);
    }

    #[test]
    fn counting_that_nobody_waits_for_ends() {
        let text = "word ".repeat(PART);
        assert_eq!(cl100k_tokens(&text, &AtomicBool::new(true)), 0);
        let first: String = Parts(&text).take(1).collect();
        assert!(first.len() <= PART && Parts(&text).count() > 4);
        assert_eq!(Parts(&text).collect::<String>(), text);
    }
}
