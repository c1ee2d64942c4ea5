//! The meaning of a provider's refusal.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;

use super::inner_error::InnerError;
use crate::embed::error::EmbedError;
use crate::embed::limits::most::Most;
use crate::message::truncate_message;
use crate::secret::Secret;

/// Longest part of a provider's message that is repeated.
const MESSAGE_BYTES: usize = 300;
/// Inputs shorter than this occur in any text by chance.
const TELLING_BYTES: usize = 8;

/// The kind of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::embed) enum RefusalKind {
    /// Too many requests or tokens for now.
    Throttled,
    /// The account has nothing left.
    QuotaExhausted,
    /// No key, a wrong one, or one without the right.
    KeyRefused,
    /// The model or the address does not exist.
    NoSuchModel,
    /// Something that every request of the vectorizer has is refused.
    RequestRefused,
    /// One of the inputs, or their number, is refused.
    InputRefused,
    /// The provider failed.
    Unavailable,
}

/// A refusal, read.
#[derive(Debug)]
pub(in crate::embed) struct ProviderRefusal {
    /// The status of HTTP, or that of the error in an answer with another.
    pub status: StatusCode,
    /// Words for both.
    pub told_status: String,
    retry_after: Option<Duration>,
    /// OpenAI's `error.code`, else `error.type`.
    code: Option<String>,
    /// The parameter at fault: OpenAI's `error.param`.
    param: Option<String>,
    message: String,
    /// The whole answer, to look for words in; never repeated.
    body: String,
}

impl ProviderRefusal {
    /// Reads a refusal.
    pub(in crate::embed) fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let json: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let error = InnerError::find(&json);

        // Some gateways fail themselves when the server behind them asks for fewer requests.
        let throttled = error
            .status()
            .filter(|inner| status.is_server_error() && *inner == StatusCode::TOO_MANY_REQUESTS);
        Self::of(status, throttled, headers, error, body)
    }

    /// Reads the error in an answer that has the status of a success and no vectors; none if there is none.
    ///
    /// A fault of which nothing says whose it is may be the provider's, which passes.
    pub(in crate::embed) fn in_success(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let json: Value = serde_json::from_slice(body).ok()?;
        let error = InnerError::find(&json);
        if error.message().is_none() && error.status().is_none() {
            return None;
        }

        let inner = error.status().unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Some(Self::of(status, Some(inner), headers, error, body))
    }

    fn of(
        status: StatusCode,
        inner: Option<StatusCode>,
        headers: &HeaderMap,
        error: InnerError<'_>,
        body: &[u8],
    ) -> Self {
        let told_status = match error.status().filter(|_| inner.is_some()) {
            Some(inner) => format!("HTTP {} with error {}", status.as_u16(), inner.as_u16()),
            None => format!("HTTP {}", status.as_u16()),
        };
        let owned = |text: Option<&str>| text.map(str::to_owned);

        ProviderRefusal {
            status: inner.unwrap_or(status),
            told_status,
            retry_after: retry_after(headers, SystemTime::now()).or_else(|| error.pause()),
            code: owned(error.code()),
            param: owned(error.param()),
            message: owned(error.message()).unwrap_or_default(),
            body: String::from_utf8_lossy(body).to_ascii_lowercase(),
        }
    }

    /// Leaves the message out if it repeats the beginning of one of these secrets.
    pub(in crate::embed) fn without_secrets(mut self, secrets: &[String]) -> Self {
        if secrets.iter().any(|secret| self.repeats(secret)) {
            self.message.clear();
        }
        self
    }

    /// Leaves the message out: what was sent is not at hand to be looked for in it.
    pub(in crate::embed) fn without_message(mut self) -> Self {
        self.message.clear();
        self
    }

    /// Returns whether the request itself is refused, not the caller.
    pub(in crate::embed) fn is_bad_request(&self) -> bool {
        matches!(self.status.as_u16(), 400 | 422)
    }

    /// Returns whether the refusal is about a parameter that can be left out.
    pub(in crate::embed) fn is_about(&self, parameter: &str) -> bool {
        self.param.as_deref() == Some(parameter) || (self.param.is_none() && self.body.contains(parameter))
    }

    /// Returns whether these words, in lower case, occur in the answer.
    pub(in crate::embed) fn says(&self, words: &str) -> bool {
        self.body.contains(words)
    }

    /// Returns the kind that a server means by this answer, if it speaks as most do.
    pub(in crate::embed) fn kind(&self) -> RefusalKind {
        match self.status.as_u16() {
            402 => RefusalKind::QuotaExhausted,
            429 if matches!(
                self.code.as_deref(),
                Some("insufficient_quota" | "billing_hard_limit_reached")
            ) =>
            {
                RefusalKind::QuotaExhausted
            }
            // OpenAI's words to a request that its limit of tokens a minute has never room for.
            429 if self.says("request too large") => RefusalKind::InputRefused,
            429 => RefusalKind::Throttled,
            503 if self.retry_after.is_some() => RefusalKind::Throttled,
            401 | 403 => RefusalKind::KeyRefused,
            404 => RefusalKind::NoSuchModel,
            400 | 413 | 422 if self.blames_the_vectorizer() => RefusalKind::RequestRefused,
            400 | 413 | 422 => RefusalKind::InputRefused,
            // 424: the part of the server that computes has failed (Text Embeddings Inference).
            408 | 409 | 424 | 425 | 500..=599 => RefusalKind::Unavailable,
            _ => RefusalKind::RequestRefused,
        }
    }

    /// Turns a refusal of this kind into the error that says what to do; the provider's hint goes before
    /// the usual one.
    pub(in crate::embed) fn into_error(
        self,
        kind: RefusalKind,
        hint_of_provider: Option<String>,
        key: Option<&Secret>,
        inputs: &[Arc<str>],
    ) -> EmbedError {
        let told = self.told(key, inputs);
        let (code, message, hint) = match kind {
            RefusalKind::Throttled => return EmbedError::Throttled(self.retry_after),
            RefusalKind::Unavailable => return EmbedError::Unavailable(told),
            RefusalKind::InputRefused => return self.refuses_inputs(inputs, told),
            RefusalKind::QuotaExhausted => (
                "quota_exhausted",
                format!("the embedding provider's quota is exhausted: {told}"),
                "Check the plan and the billing of the provider's account.",
            ),
            // What a provider says to a wrong key may repeat a part of the key.
            RefusalKind::KeyRefused => (
                "provider_refused_key",
                format!("the embedding provider rejected the API key ({})", self.told_status),
                "Check the key that the vectorizer's api_key_name stands for, and that it grants access to the \
                 model.",
            ),
            RefusalKind::NoSuchModel => (
                "no_such_model",
                format!("the embedding provider does not have this model or address: {told}"),
                "Check the vectorizer's model and base_url; a local server may have to pull the model first.",
            ),
            RefusalKind::RequestRefused => (
                "request_refused",
                format!("the embedding provider rejected the vectorizer's request: {told}"),
                "Check the vectorizer's model, dimensions and base_url.",
            ),
        };

        EmbedError::refused(code, message, hint_of_provider.as_deref().unwrap_or(hint))
    }

    /// The error of a refusal that is about one of the inputs, or about all of them together.
    fn refuses_inputs(&self, inputs: &[Arc<str>], told: String) -> EmbedError {
        // Text Embeddings Inference says 413 of one input, too, in words.
        let wordless = self.status == StatusCode::PAYLOAD_TOO_LARGE && self.message.is_empty();
        // Some servers repeat an input: words that stand in one are nobody's limit.
        let echoes = inputs.iter().any(|input| Most::told(input).is_some());
        let most = Most::told(&self.message).filter(|_| !echoes);
        let most = most.or(wordless.then_some(Most::Inputs(None)));

        match most.filter(|_| inputs.len() > 1) {
            Some(most) => EmbedError::TooMany(most, told),
            None => EmbedError::InputRefused(told),
        }
    }

    fn blames_the_vectorizer(&self) -> bool {
        matches!(self.param.as_deref(), Some("model" | "dimensions" | "user" | "encoding_format"))
            || self.code.as_deref() == Some("model_not_found")
    }

    /// The status and as much of the provider's message as gives nothing away.
    pub(in crate::embed) fn told(&self, key: Option<&Secret>, inputs: &[Arc<str>]) -> String {
        let status = self.told_status.clone();
        if self.message.is_empty() || key.is_some_and(|key| self.message.contains(key.expose())) {
            return status;
        }
        if inputs.iter().any(|input| self.repeats(input)) {
            return status;
        }
        format!("{status}, {}", truncate_message(&self.message, MESSAGE_BYTES))
    }

    /// Returns whether the message repeats the beginning of a text, unless that is so short that it is there
    /// by chance.
    fn repeats(&self, text: &str) -> bool {
        let start = &text[..text.floor_char_boundary(40)];
        start.len() >= TELLING_BYTES && self.message.contains(start)
    }
}

/// Returns the time for which the provider wants to be left alone: `retry-after-ms` (OpenAI's, more
/// precise), else `Retry-After` in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let header = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(pause) = header("retry-after-ms").and_then(|text| duration(text, 1e-3)) {
        return Some(pause);
    }

    let text = header(RETRY_AFTER.as_str())?;
    if let Some(pause) = duration(text, 1.0) {
        return Some(pause);
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// Reads a number of units, each of so many seconds. A negative number counts as zero.
fn duration(text: &str, unit: f64) -> Option<Duration> {
    let seconds = text.parse::<f64>().ok()? * unit;
    Duration::try_from_secs_f64(seconds.max(0.0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_repeats_what_the_request_was_signed_with_is_not_told() {
        let token = "ya29.c.b0AXv0zTPQhgvnqNMCsFyxbGWKDKbFzKXWDF-OXKAx5Jkz".to_owned();
        let told = |secrets: &[String]| {
            let body = format!(r#"{{"error": {{"message": "you sent Bearer {token}"}}}}"#);
            read(500, &body).without_secrets(secrets).told(None, &[])
        };
        assert!(told(&[]).contains("ya29"));
        assert_eq!(told(&["other".to_owned(), token.clone()]), "HTTP 500");
    }

    fn read(status: u16, body: &str) -> ProviderRefusal {
        ProviderRefusal::read(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes())
    }

    fn error(status: u16, body: &str) -> EmbedError {
        let refusal = read(status, body);
        let kind = refusal.kind();
        refusal.into_error(kind, None, Some(&Secret::new("sk-secret")), &["the text of a document".into()])
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

    fn within(body: &str) -> Option<EmbedError> {
        let refusal = ProviderRefusal::in_success(StatusCode::OK, &HeaderMap::new(), body.as_bytes())?;
        let kind = refusal.kind();
        Some(refusal.into_error(kind, None, None, &["a".into(), "b".into()]))
    }

    #[test]
    fn an_error_in_an_answer_counts_as_what_it_is() {
        let code = |body: &str| within(body).map(|error| error.into_failure().code);
        for (body, expected) in [
            (r#"{"error": {"code": 429, "message": "slow down"}}"#, "throttled"),
            (r#"{"error": {"code": 401, "message": "no key"}}"#, "provider_refused_key"),
            (r#"{"error": {"code": 403, "message": "no right"}}"#, "provider_refused_key"),
            (r#"{"error": {"code": 502, "message": "upstream"}}"#, "provider_unavailable"),
            (r#"{"error": {"code": "insufficient_quota", "message": "empty"}}"#, "quota_exhausted"),
            (r#"{"error": {"code": 400, "message": "too long"}}"#, "input_refused"),
            (r#"{"error": {"code": "model_not_found", "message": "m"}}"#, "no_such_model"),
            (r#"{"error": "model is loading"}"#, "provider_unavailable"),
        ] {
            assert_eq!(code(body), Some(expected), "{body}");
        }
        let pause = within(r#"{"error": {"code": 429, "message": "Please try again in 2s"}}"#);
        assert_eq!(pause, Some(EmbedError::Throttled(Some(Duration::from_secs(2)))));
        let said = within(r#"{"error": {"code": 502, "message": "upstream is down"}}"#);
        assert_eq!(said, Some(EmbedError::Unavailable("HTTP 200 with error 502, upstream is down".into())));
        let said = within(r#"{"error": "model is loading"}"#);
        assert_eq!(said, Some(EmbedError::Unavailable("HTTP 200, model is loading".into())));
        assert_eq!(within(r#"{"data": []}"#), None);
        assert_eq!(within("<html>"), None);
        let bad_gateway = read(502, r#"{"error": {"code": 429, "message": "slow down"}}"#);
        assert_eq!(bad_gateway.status, StatusCode::TOO_MANY_REQUESTS);
    }

    #[test]
    fn a_request_that_is_too_large_is_no_inputs_fault() {
        let body = r#"{"error": {"code": 400, "message": "batch size is invalid, it should not be larger than 10."}}"#;
        assert!(matches!(within(body), Some(EmbedError::TooMany(Most::Inputs(Some(10)), _))));
        let body = r#"{"error": {"code": 413}}"#;
        assert!(matches!(within(body), Some(EmbedError::TooMany(Most::Inputs(None), _))));
        assert!(matches!(error(413, ""), EmbedError::InputRefused(_)));
    }

    #[test]
    fn a_limit_that_an_input_speaks_of_is_none() {
        let words = "batch size is invalid, it should not be larger than 10.";
        let refusal = read(400, &format!(r#"{{"error": {{"message": "can't embed: {words}"}}}}"#));
        let error = refusal.into_error(RefusalKind::InputRefused, None, None, &[words.into(), "b".into()]);
        assert!(matches!(error, EmbedError::InputRefused(_)), "{error:?}");
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
        assert!(
            !read(400, r#"{"error": {"param": "input", "message": "encoding_format"}}"#)
                .is_about("encoding_format")
        );
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
