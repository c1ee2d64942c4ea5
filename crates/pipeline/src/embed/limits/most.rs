//! The most that a server takes in one request, read from its refusal.

use super::pack::Limits;

/// Words before a number that is a limit, or that it follows.
const LIMIT_WORDS: [&str; 9] =
    ["larger than", "greater than", "at most", "maximum", "max", "limit", "exceed", "up to", "more than"];

/// Words of a refusal that is about the number of inputs.
const OF_INPUTS: [&str; 13] = [
    "batch size",
    "batch-size",
    "number of inputs",
    "number of texts",
    "too many inputs",
    "too many texts",
    "too many items",
    "too many instances",
    "items after validation",
    "array too long",
    "instance(s) is allowed",
    "can be in one batch",
    "into more batches",
];

/// Words of one that is about the tokens, or the bytes, of all inputs together.
const OF_TOKENS: [&str; 11] = [
    "tokens in batch",
    "tokens per request",
    "tokens per submitted batch",
    "tokens in the batch",
    "total tokens",
    "request size",
    "request too large",
    "payload too large",
    "payload size",
    "entity too large",
    "body too large",
];

/// Words of one that is about a single input.
const OF_ONE: [&str; 5] =
    ["context length", "context window", "context size", "sequence length", "input length"];

/// The most that a server takes in a request, as far as it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Most {
    /// Inputs, and their number if it is told.
    Inputs(Option<usize>),
    /// Tokens of all inputs, and their number if it is told.
    Tokens(Option<usize>),
}

impl Most {
    /// Reads the words of a refusal; none if they are about something else.
    pub(in crate::embed) fn told(message: &str) -> Option<Most> {
        let message = message.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
        if says(&OF_ONE) {
            None
        } else if says(&OF_TOKENS) {
            Some(Most::Tokens(limit(&message)))
        } else if says(&OF_INPUTS) {
            Some(Most::Inputs(limit(&message)))
        } else {
            None
        }
    }

    /// Returns the limits of a request, after one of so many inputs and estimated tokens was refused;
    /// `None` if they must be found by trying.
    pub(in crate::embed) fn limits(self, inputs: usize, tokens: usize) -> Option<Limits> {
        match self {
            Most::Inputs(told) => {
                let told = told.filter(|&told| told < inputs)?;
                Some(Limits { inputs: told, ..Limits::NONE })
            }
            // A provider that counts more strictly than we estimate is offered half.
            Most::Tokens(told) => {
                let told = told.filter(|&told| told < tokens).unwrap_or(tokens / 2);
                Some(Limits { tokens: told.max(1), ..Limits::NONE })
            }
        }
    }
}

/// Returns the first number that follows a word of limits, else the least of all, for more was asked for.
fn limit(message: &str) -> Option<usize> {
    let words = LIMIT_WORDS.iter().filter_map(|words| Some(message.find(words)? + words.len()));
    let mut after: Vec<usize> = words.collect();
    after.sort_unstable();
    let first = |from: usize| numbers(message.get(from..)?).next();
    after.into_iter().find_map(first).or_else(|| numbers(message).min())
}

/// The numbers in a text, but for zero. A number of thousands may have commas.
fn numbers(text: &str) -> impl Iterator<Item = usize> + '_ {
    let digits = |c: char| c.is_ascii_digit() || c == ',';
    let parts = text.split(move |c| !digits(c)).map(|part| part.replace(',', ""));
    parts.filter_map(|part| part.parse::<usize>().ok()).filter(|&number| number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_servers_say() {
        use Most::*;
        for (message, expected) in [
            // DashScope, Text Embeddings Inference, OpenAI, Azure, Cohere, Vertex AI, Voyage AI, Gemini,
            // FastAPI.
            (
                "<400> InternalError.Algo.InvalidParameter: Value error, batch size is invalid, it should not be \
                 larger than 10.: input.contents",
                Some(Inputs(Some(10))),
            ),
            ("batch size 64 > maximum allowed batch size 32", Some(Inputs(Some(32)))),
            (
                "Invalid 'input': array too long. Expected an array with maximum length 2048, but got an array with \
                 length 3000 instead.",
                Some(Inputs(Some(2048))),
            ),
            ("Too many inputs. The max number of inputs is 1.", Some(Inputs(Some(1)))),
            (
                "invalid request: total number of texts must be at most 96 - received 97",
                Some(Inputs(Some(96))),
            ),
            ("250 instance(s) is allowed per prediction. Actual: 251.", Some(Inputs(Some(250)))),
            ("The max allowed batch size is 1,000. Your batch size is 1,001.", Some(Inputs(Some(1000)))),
            (
                "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch",
                Some(Inputs(Some(100))),
            ),
            ("List should have at most 10 items after validation, not 11", Some(Inputs(Some(10)))),
            // Mistral AI, Voyage AI, OpenAI.
            ("Too many inputs in request, split into more batches.", Some(Inputs(None))),
            ("Too many tokens in batch. Max is 16384 got 33024", Some(Tokens(Some(16384)))),
            (
                "The max allowed tokens per submitted batch is 120000. Your batch has 170000 tokens after truncation.",
                Some(Tokens(Some(120_000))),
            ),
            (
                "Invalid 'input': maximum request size is 300000 tokens per request.",
                Some(Tokens(Some(300_000))),
            ),
            (
                "Request too large for m on tokens per min (TPM): Limit 10000, Requested 12000",
                Some(Tokens(Some(10_000))),
            ),
            ("Payload Too Large", Some(Tokens(None))),
            // Of one input, or of something else.
            ("This model's maximum context length is 8192 tokens, however you requested 9000 tokens", None),
            ("the input length exceeds the context length", None),
            ("input is empty", None),
            ("", None),
        ] {
            assert_eq!(Most::told(message), expected, "{message}");
        }
    }

    #[test]
    fn a_limit_is_less_than_what_was_refused() {
        let limits = |most: Most| most.limits(100, 1000).map(|limits| (limits.inputs, limits.tokens));
        assert_eq!(limits(Most::Inputs(Some(10))), Some((10, usize::MAX)));
        assert_eq!(limits(Most::Inputs(Some(100))), None);
        assert_eq!(limits(Most::Inputs(None)), None);
        assert_eq!(limits(Most::Tokens(Some(600))), Some((usize::MAX, 600)));
        assert_eq!(limits(Most::Tokens(Some(5000))), Some((usize::MAX, 500)));
        assert_eq!(Most::Tokens(None).limits(2, 1).map(|limits| limits.tokens), Some(1));
    }
}
