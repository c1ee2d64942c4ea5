//! Requests and their answers, as a bill has them.

use std::future::Future;

use reqwest::header::HeaderMap;

use crate::embed::error::EmbedError;
use crate::embed::request::network_error::network_error;
use crate::usage::{Bill, Size};

/// Sends a request of this size, and puts it on the bill if it leaves.
pub(in crate::embed) async fn on_bill(
    bill: &Bill,
    size: Size,
    request: impl Future<Output = reqwest::Result<reqwest::Response>>,
) -> Result<reqwest::Response, EmbedError> {
    bill.sent(size);
    request.await.map_err(network_error).inspect_err(|error| {
        // Whatever breaks off later may have been read, and is billed then.
        if !matches!(error, EmbedError::Unavailable(_)) {
            bill.not_sent(size);
        }
    })
}

/// Returns the number of tokens that headers say were read: those of Amazon Bedrock, and of Text Embeddings Inference.
pub(in crate::embed) fn tokens_told(headers: &HeaderMap) -> Option<u64> {
    let told = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse().ok();
    told("x-amzn-bedrock-input-token-count").or_else(|| told("x-compute-tokens"))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn headers_tell_tokens_or_nothing() {
        let told = |name: &'static str, value: &'static str| {
            tokens_told(&HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))]))
        };
        assert_eq!(told("x-amzn-bedrock-input-token-count", "12"), Some(12));
        assert_eq!(told("x-compute-tokens", " 7 "), Some(7));
        assert_eq!(told("x-compute-tokens", "many"), None);
        assert_eq!(told("x-other", "7"), None);
    }
}
