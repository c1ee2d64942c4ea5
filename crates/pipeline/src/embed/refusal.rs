//! What a provider's refusal means.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::StatusCode;
use serde_json::Value;

use super::provider::Wire;
use super::EmbedError;
use crate::document::Secret;
use crate::shorten::shorten;

/// Longest part of a provider's message that is repeated.
const MESSAGE_BYTES: usize = 300;
/// Inputs shorter than this occur in any text by chance.
const TELLING_BYTES: usize = 8;

/// What a refusal comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Too many requests or tokens for now.
    Throttled,
    /// The account has nothing left.
    QuotaExhausted,
    /// No key, a wrong one, or one without the right.
    KeyRefused,
    /// The model or the address does not exist.
    NoSuchModel,
    /// What every request of the vectorizer has is refused.
    RequestRefused,
    /// One of the inputs, or their number, is refused.
    InputRefused,
    /// The provider failed.
    Unavailable,
}

/// A refusal, read.
#[derive(Debug)]
pub(super) struct Refusal {
    pub status: StatusCode,
    retry_after: Option<Duration>,
    /// OpenAI's `error.code`, else `error.type`.
    code: Option<String>,
    /// The parameter at fault: OpenAI's `error.param`.
    param: Option<String>,
    message: String,
    /// The whole answer, to look for words in; never repeated.
    body: String,
}

impl Refusal {
    /// Reads a refusal. OpenAI sends `{"error": {"message", "type", "param", "code"}}`, others
    /// `{"error": "…"}`, `{"message": "…"}` or `{"detail": "…"}`.
    pub(super) fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let json: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let error = &json["error"];
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let message = text(&error["message"])
            // LiteLLM's, which wraps what it says itself.
            .or_else(|| text(&error["message"]["error"]))
            .or_else(|| text(error))
            .or_else(|| text(&json["message"]))
            .or_else(|| text(&json["detail"]));
        Refusal {
            status,
            retry_after: retry_after(headers, SystemTime::now()).or_else(|| retry_delay(error)),
            code: text(&error["code"]).or_else(|| text(&error["type"])),
            param: text(&error["param"]),
            message: message.unwrap_or_default(),
            body: String::from_utf8_lossy(body).to_ascii_lowercase(),
        }
    }

    /// Whether the request itself is refused, not the caller.
    pub(super) fn is_bad_request(&self) -> bool {
        matches!(self.status.as_u16(), 400 | 422)
    }

    /// Whether the refusal is about a parameter that can be left out.
    pub(super) fn is_about(&self, parameter: &str) -> bool {
        self.param.as_deref() == Some(parameter) || (self.param.is_none() && self.body.contains(parameter))
    }

    /// Whether these words, in lower case, occur in the answer.
    pub(super) fn says(&self, words: &str) -> bool {
        self.body.contains(words)
    }

    /// What a server means by this answer, if it speaks as most do.
    fn kind(&self) -> Kind {
        match self.status.as_u16() {
            402 => Kind::QuotaExhausted,
            429 if matches!(
                self.code.as_deref(),
                Some("insufficient_quota" | "billing_hard_limit_reached")
            ) =>
            {
                Kind::QuotaExhausted
            }
            // OpenAI's words to a request that its limit of tokens a minute has never room for.
            429 if self.says("request too large") => Kind::InputRefused,
            429 => Kind::Throttled,
            503 if self.retry_after.is_some() => Kind::Throttled,
            401 | 403 => Kind::KeyRefused,
            404 => Kind::NoSuchModel,
            400 | 413 | 422 if self.blames_the_vectorizer() => Kind::RequestRefused,
            400 | 413 | 422 => Kind::InputRefused,
            // 424: the part of the server that computes has failed (Text Embeddings Inference).
            408 | 409 | 424 | 425 | 500..=599 => Kind::Unavailable,
            _ => Kind::RequestRefused,
        }
    }

    /// What to do about it.
    pub(super) fn into_error(self, wire: &dyn Wire, key: Option<&Secret>, inputs: &[Arc<str>]) -> EmbedError {
        let told = self.told(key, inputs);
        let kind = wire.kind(&self).unwrap_or_else(|| self.kind());
        let (code, message, hint) = match kind {
            Kind::Throttled => return EmbedError::Throttled(self.retry_after),
            Kind::Unavailable => return EmbedError::Unavailable(told),
            Kind::InputRefused => return EmbedError::InputRefused(told),
            Kind::QuotaExhausted => (
                "quota_exhausted",
                format!("the embedding provider's quota is used up: {told}"),
                "Check plan and billing of the provider's account.",
            ),
            // What a provider says to a wrong key may repeat a part of the key.
            Kind::KeyRefused => (
                "provider_refused_key",
                format!("the embedding provider refused the API key (HTTP {})", self.status.as_u16()),
                "Check the key that the vectorizer's api_key_name stands for, and that it may use the model.",
            ),
            Kind::NoSuchModel => (
                "no_such_model",
                format!("the embedding provider knows no such model or address: {told}"),
                "Check the vectorizer's model and base_url; a local server may have to pull the model first.",
            ),
            Kind::RequestRefused => (
                "request_refused",
                format!("the embedding provider refuses what the vectorizer asks for: {told}"),
                "Check the vectorizer's model, dimensions and base_url.",
            ),
        };
        EmbedError::refused(code, message, wire.hint(kind).as_deref().unwrap_or(hint))
    }

    fn blames_the_vectorizer(&self) -> bool {
        matches!(self.param.as_deref(), Some("model" | "dimensions" | "user" | "encoding_format"))
            || self.code.as_deref() == Some("model_not_found")
    }

    /// The status and as much of the provider's message as gives nothing away.
    fn told(&self, key: Option<&Secret>, inputs: &[Arc<str>]) -> String {
        let status = format!("HTTP {}", self.status.as_u16());
        let gives_away = |text: &str| {
            let start = &text[..text.floor_char_boundary(40)];
            start.len() >= TELLING_BYTES && self.message.contains(start)
        };
        if self.message.is_empty() || key.is_some_and(|key| self.message.contains(key.expose())) {
            return status;
        }
        if inputs.iter().any(|input| gives_away(input)) {
            return status;
        }
        format!("{status}, {}", shorten(&self.message, MESSAGE_BYTES))
    }
}

/// How long the provider wants to be left alone: `retry-after-ms` (OpenAI's, more precise), else
/// `Retry-After` in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let header = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str, unit: f64| {
        let seconds = text.parse::<f64>().ok()? * unit;
        Duration::try_from_secs_f64(seconds.max(0.0)).ok()
    };
    if let Some(pause) = header("retry-after-ms").and_then(|text| number(text, 1e-3)) {
        return Some(pause);
    }
    let text = header(RETRY_AFTER.as_str())?;
    number(text, 1.0).or_else(|| {
        let date = httpdate::parse_http_date(text).ok()?;
        Some(date.duration_since(now).unwrap_or_default())
    })
}

/// Google's way to say it: `{"details": [{"@type": "…RetryInfo", "retryDelay": "34s"}]}`.
fn retry_delay(error: &Value) -> Option<Duration> {
    let delays = error["details"].as_array()?.iter().filter_map(|detail| detail["retryDelay"].as_str());
    let seconds = delays.filter_map(|delay| delay.strip_suffix('s')?.parse::<f64>().ok());
    seconds.filter_map(|seconds| Duration::try_from_secs_f64(seconds).ok()).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::model::Model;
    use crate::embed::provider::Provider;

    fn read(status: u16, body: &str) -> Refusal {
        Refusal::read(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes())
    }

    fn error(status: u16, body: &str) -> EmbedError {
        let wire = Model {
            provider: Provider::OpenAi,
            base_url: "http://h/v1".into(),
            name: "m".into(),
            dimensions: 3,
            region: None,
            api_key: None,
            parameters: serde_json::Map::new(),
        }
        .wire();
        read(status, body).into_error(
            &*wire,
            Some(&Secret::new("sk-secret")),
            &["the text of a document".into()],
        )
    }

    fn code(status: u16, body: &str) -> &'static str {
        error(status, body).into_failure().code
    }

    #[test]
    fn tells_refusals_apart() {
        assert_eq!(code(401, ""), "provider_refused_key");
        assert_eq!(code(403, ""), "provider_refused_key");
        assert_eq!(code(404, ""), "no_such_model");
        assert_eq!(code(429, ""), "throttled");
        assert_eq!(code(429, r#"{"error": {"code": "insufficient_quota"}}"#), "quota_exhausted");
        let too_large =
            r#"{"error": {"message": "Request too large for m on tokens per min (TPM): Limit 10000"}}"#;
        assert_eq!(code(429, too_large), "input_refused");
        assert_eq!(code(500, ""), "provider_unavailable");
        assert_eq!(code(413, ""), "input_refused");
        assert_eq!(code(400, r#"{"error": {"message": "too long", "param": "input"}}"#), "input_refused");
        assert_eq!(code(400, r#"{"error": {"message": "no", "param": "dimensions"}}"#), "request_refused");
        assert_eq!(code(302, ""), "request_refused");
    }

    #[test]
    fn repeats_neither_key_nor_document() {
        assert_eq!(
            error(400, r#"{"error": "is too long"}"#),
            EmbedError::InputRefused("HTTP 400, is too long".into())
        );
        for message in ["key sk-secret is wrong", "can't embed 'the text of a document'"] {
            let body = serde_json::json!({"error": {"message": message}}).to_string();
            assert_eq!(error(400, &body), EmbedError::InputRefused("HTTP 400".into()));
        }
        let detail = r#"{"detail": [{"loc": ["body", "input"], "input": "the text of a document"}]}"#;
        assert_eq!(error(422, detail), EmbedError::InputRefused("HTTP 422".into()));
    }

    #[test]
    fn finds_the_parameter_at_fault() {
        assert!(
            read(422, r#"{"detail": [{"loc": ["body", "encoding_format"]}]}"#).is_about("encoding_format")
        );
        assert!(!read(400, r#"{"error": {"param": "input", "message": "encoding_format"}}"#)
            .is_about("encoding_format"));
    }

    #[test]
    fn reads_googles_way_to_ask_for_a_pause() {
        let body = r#"{"error": {"code": 429, "details": [{"reason": "x"}, {"retryDelay": "34.5s"}]}}"#;
        assert_eq!(error(429, body), EmbedError::Throttled(Some(Duration::from_millis(34_500))));
    }

    #[test]
    fn reads_all_ways_to_ask_for_a_pause() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let pause = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(pause("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(pause("retry-after", "0.5"), Some(Duration::from_millis(500)));
        assert_eq!(pause("retry-after-ms", "120"), Some(Duration::from_millis(120)));
        assert_eq!(pause("retry-after", "Sun, 06 Nov 1994 08:49:39 GMT"), Some(Duration::from_secs(2)));
        assert_eq!(pause("retry-after", "Sun, 06 Nov 1994 08:49:30 GMT"), Some(Duration::ZERO));
        assert_eq!(pause("retry-after", "-1"), Some(Duration::ZERO));
        assert_eq!(pause("retry-after", "soon"), None);
        assert_eq!(pause("retry-after", "inf"), None);
    }
}
