//! Inputs cut to what a model reads.

use std::borrow::Cow;

use super::litellm;
use crate::chunk::before_blanks;
use crate::config::Embedding;

/// The largest number of tokens of one input, by OpenAI's API reference; pgai cuts at the same.
const MAX_INPUT_TOKENS: usize = 8191;

/// No token of `cl100k_base` has more bytes: the longest is 128 blanks.
const LONGEST_TOKEN: usize = 128;

/// Returns whether OpenAI refuses a longer input to this model, counted in `cl100k_base`.
fn is_limited(model: &str) -> bool {
    matches!(model, "text-embedding-3-small" | "text-embedding-3-large" | "text-embedding-ada-002")
}

/// Returns whether the tokens of a model are those of `cl100k_base`, as those of OpenAI's models for embeddings are.
pub fn is_counted_in_cl100k(embedding: &Embedding) -> bool {
    is_limited(litellm::bare(embedding.model()))
}

/// The part of an input that a vectorizer's model reads, if that is known here; other providers cut or
/// refuse what is too long themselves.
pub(crate) fn truncate<'a>(embedding: &Embedding, input: &'a str) -> Cow<'a, str> {
    truncate_for_model(litellm::bare(embedding.model()), input)
}

/// Returns as many of a text's tokens as the model reads; the same as [`truncate`], and exact.
pub(crate) fn truncate_tokens<'a>(embedding: &Embedding, tokens: &'a [u32]) -> &'a [u32] {
    let reads = tokens.get(..MAX_INPUT_TOKENS).filter(|_| is_limited(litellm::bare(embedding.model())));
    reads.unwrap_or(tokens)
}

/// Cuts what is sent, not what is stored.
///
/// Text that spells a special token, such as `<|endoftext|>`, is ordinary text here: it comes from
/// documents, not from us.
fn truncate_for_model<'a>(model: &str, input: &'a str) -> Cow<'a, str> {
    // A token is at least a byte.
    if input.len() <= MAX_INPUT_TOKENS || !is_limited(model) {
        return Cow::Borrowed(input);
    }

    // What lies beyond can't be reached, and need not be encoded.
    let reachable = input.floor_char_boundary(MAX_INPUT_TOKENS * LONGEST_TOKEN);
    let reachable = &input[..reachable];
    let before = before_blanks(reachable);
    let (reachable, whole) = (before.unwrap_or(reachable), before.unwrap_or(input));
    let encoding = tiktoken_rs::cl100k_base_singleton();
    let tokens = encoding.encode_ordinary(reachable);
    let Some(kept) = tokens.get(..MAX_INPUT_TOKENS).filter(|_| tokens.len() > MAX_INPUT_TOKENS) else {
        return Cow::Borrowed(whole);
    };

    match encoding.decode_bytes(kept) {
        // The last token may end within a character, which is left out.
        Ok(bytes) => {
            let valid = bytes.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len());
            Cow::Borrowed(input.get(..valid).unwrap_or(input))
        }
        // Tokens that the encoder itself made always decode; the provider would say the rest.
        Err(_) => Cow::Borrowed(input),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::LONGEST_WHITESPACE;

    const MODEL: &str = "text-embedding-3-small";

    #[test]
    fn cuts_what_the_model_does_not_read() {
        let input = "word ".repeat(10_000);
        let cut = truncate_for_model(MODEL, &input);
        assert!(cut.len() < input.len());
        assert_eq!(tiktoken_rs::cl100k_base_singleton().encode_ordinary(&cut).len(), MAX_INPUT_TOKENS);
        assert_eq!(truncate_for_model("nomic-embed-text", &input), input);
    }

    #[test]
    fn keeps_what_fits() {
        let input = "word ".repeat(8_000);
        assert_eq!(truncate_for_model(MODEL, &input), input);
        let input = "a".repeat(MAX_INPUT_TOKENS);
        assert_eq!(truncate_for_model(MODEL, &input), input);
    }

    #[test]
    fn takes_special_tokens_for_text() {
        let input = "<|endoftext|> ".repeat(5_000);
        let cut = truncate_for_model(MODEL, &input);
        assert!(cut.len() < input.len() && cut.starts_with("<|endoftext|> <|endoftext|>"));
    }

    #[test]
    fn a_giant_without_a_blank_takes_no_time() {
        let input = "a".repeat(8 << 20);
        assert!(truncate_for_model(MODEL, &input).len() <= MAX_INPUT_TOKENS * LONGEST_TOKEN);
    }

    #[test]
    fn more_blanks_than_the_tokenizer_takes_end_what_is_sent() {
        let input = format!("before{}behind", " ".repeat(1_000_001));
        assert_eq!(truncate_for_model(MODEL, &input), "before");
        let input = format!("before{}behind", " ".repeat(LONGEST_WHITESPACE));
        assert_eq!(truncate_for_model(MODEL, &input), input);

        let words = "word ".repeat(20_000);
        let cut = |text: &str| truncate_for_model(MODEL, text).into_owned();
        assert_eq!(cut(&format!("{words}{}", " ".repeat(600_000))), cut(&words));
    }

    #[test]
    fn never_cuts_within_a_character() {
        let input = "🜁🜂🜃🜄".repeat(3_000);
        let cut = truncate_for_model(MODEL, &input);
        assert!(!cut.is_empty() && cut.len() < input.len() && input.starts_with(&*cut));
    }
}
