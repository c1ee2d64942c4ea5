//! Errors as they stand in the JSON of an answer, in all shapes that are met: also in one whose HTTP status
//! says that all is well.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use serde_json::Value;

use crate::embed::pacing::rate_limit::period;

/// The error in an answer's JSON.
#[derive(Debug, Clone, Copy)]
pub(in crate::embed) struct InnerError<'a> {
    /// The whole answer.
    root: &'a Value,
    /// The error in it: an object, or a text.
    error: &'a Value,
}

impl<'a> InnerError<'a> {
    /// Finds the error: OpenAI sends `{"error": {"message", "type", "param", "code"}}`, Google the same or a
    /// list of it, Ollama `{"error": "…"}`, Cloudflare `{"errors": [{…}]}`, FastAPI `{"detail": …}`, others
    /// the object itself.
    pub(in crate::embed) fn find(root: &'a Value) -> Self {
        let root = root.as_array().and_then(|list| list.first()).unwrap_or(root);
        let first = |name: &str| root[name].as_array().and_then(|list| list.first());
        let named = [&root["error"], &root["detail"]].into_iter().find(|error| error.is_object());
        let error = named.or_else(|| first("errors")).or_else(|| first("detail")).unwrap_or(root);
        InnerError { root, error }
    }

    /// Returns the error's message.
    pub(in crate::embed) fn message(&self) -> Option<&'a str> {
        let names = ["message", "msg", "error_msg", "detail", "error"];
        let of = |value: &'a Value| names.into_iter().find_map(|name| text(&value[name]));
        // LiteLLM wraps what it says itself.
        let wrapped = text(&self.error["message"]["error"]);
        of(self.error).or(wrapped).or_else(|| text(self.error)).or_else(|| of(self.root))
    }

    /// OpenAI's `error.code`, else `error.type`.
    pub(in crate::embed) fn code(&self) -> Option<&'a str> {
        text(&self.error["code"]).or_else(|| text(&self.error["type"]))
    }

    /// The parameter at fault: OpenAI's `error.param`.
    pub(in crate::embed) fn param(&self) -> Option<&'a str> {
        text(&self.error["param"])
    }

    /// The HTTP status that the error has, by a number or by a word.
    pub(in crate::embed) fn status(&self) -> Option<StatusCode> {
        let names = ["code", "status", "status_code", "statusCode", "error_code", "type"];
        let values = || [self.error, self.root].into_iter().flat_map(move |of| names.map(|name| &of[name]));
        let number = values().find_map(number);
        let word = || values().filter_map(Value::as_str).find_map(status_of_word);
        StatusCode::from_u16(number.or_else(word)?).ok()
    }

    /// Returns the time for which the server asks to be left alone: by a field, in Google's way
    /// (`{"details": [{"@type": "…RetryInfo", "retryDelay": "34s"}]}`), or in words.
    pub(in crate::embed) fn pause(&self) -> Option<Duration> {
        self.retry_delay().or_else(|| self.field()).or_else(|| pause_in_words(self.message()?))
    }

    fn retry_delay(&self) -> Option<Duration> {
        let delays = self.error["details"].as_array()?.iter();
        let delays = delays.filter_map(|detail| detail["retryDelay"].as_str()?.strip_suffix('s'));
        delays.filter_map(|seconds| Duration::try_from_secs_f64(seconds.parse().ok()?).ok()).max()
    }

    fn field(&self) -> Option<Duration> {
        let names = [
            ("retry_after", 1.0),
            ("retryAfter", 1.0),
            ("retry_after_seconds", 1.0),
            ("retry_after_ms", 1e-3),
        ];
        let places = [self.error, &self.error["metadata"], self.root];

        places.into_iter().find_map(|of| {
            let (seconds, unit) = names.iter().find_map(|(name, unit)| Some((of[*name].as_f64()?, unit)))?;
            Duration::try_from_secs_f64(seconds * unit).ok()
        })
    }
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

/// A status of an error, as a number or written out.
fn number(value: &Value) -> Option<u16> {
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())?;
    u16::try_from(number).ok().filter(|status| (400..600).contains(status))
}

/// The status that a word stands for: codes and types of OpenAI, Google, AWS and DashScope. The first that
/// occurs counts.
fn status_of_word(word: &str) -> Option<u16> {
    const WORDS: [(&[&str], u16); 6] = [
        (&["ratelimit", "toomanyrequests", "resourceexhausted", "throttl", "quota", "billing"], 429),
        (&["apikey", "authentica", "unauthorized", "permission", "forbidden", "accessdenied"], 401),
        (&["notfound"], 404),
        (&["toolarge"], 413),
        (&["invalid", "badrequest", "validation", "unprocessable"], 400),
        (&["unavailable", "overloaded", "internal", "servererror", "timeout", "capacity"], 503),
    ];

    let word: String =
        word.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    WORDS.iter().find(|(words, _)| words.iter().any(|part| word.contains(part))).map(|(_, status)| *status)
}

/// Reads a pause in words, such as "Please try again in 1.5s" and "Please retry after 20 seconds".
fn pause_in_words(message: &str) -> Option<Duration> {
    let message = message.to_ascii_lowercase();
    let phrases = ["try again in ", "retry after ", "retry in "];
    let rest = phrases.iter().find_map(|phrase| Some(message.split_once(phrase)?.1))?;

    let now = SystemTime::now();
    let mut words = rest.split_whitespace();
    let amount = words.next()?.trim_end_matches(['.', ',', ';']);
    match words.next().unwrap_or_default() {
        unit if unit.starts_with("ms") || unit.starts_with("millisecond") => {
            period(&format!("{amount}ms"), now)
        }
        unit if unit.starts_with("minute") => period(&format!("{amount}m"), now),
        _ => period(amount, now),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: Value) -> (Option<u16>, Option<String>) {
        let error = InnerError::find(&json);
        (error.status().map(|status| status.as_u16()), error.message().map(str::to_owned))
    }

    #[test]
    fn finds_an_error_in_all_shapes() {
        for (json, status, message) in [
            (json!({"error": {"message": "no", "code": 429}}), Some(429), "no"),
            (json!({"error": {"message": "no", "code": "429", "type": "x"}}), Some(429), "no"),
            (json!({"error": {"message": "no", "type": "rate_limit_error"}}), Some(429), "no"),
            (json!({"error": {"message": "no", "code": "invalid_api_key"}}), Some(401), "no"),
            (json!({"error": {"message": "no", "type": "server_error", "code": null}}), Some(503), "no"),
            (json!({"error": {"message": "no", "status": "RESOURCE_EXHAUSTED"}}), Some(429), "no"),
            (json!([{"error": {"message": "no", "status": "UNAUTHENTICATED"}}]), Some(401), "no"),
            (json!({"error": "no"}), None, "no"),
            (json!({"error": "no", "code": 503}), Some(503), "no"),
            (json!({"success": false, "errors": [{"code": 7003, "message": "no"}]}), None, "no"),
            (json!({"code": "InvalidApiKey", "message": "no", "request_id": "x"}), Some(401), "no"),
            (json!({"code": "Throttling.RateQuota", "message": "no"}), Some(429), "no"),
            (
                json!({"object": "error", "message": "no", "type": "NotFoundError", "code": 404}),
                Some(404),
                "no",
            ),
            (json!({"error_code": 500, "error_msg": "no"}), Some(500), "no"),
            (json!({"detail": "no"}), None, "no"),
            (json!({"detail": [{"msg": "no", "type": "too_long"}]}), None, "no"),
            (json!({"detail": {"message": "no", "status": 403}}), Some(403), "no"),
            (json!({"message": "no"}), None, "no"),
        ] {
            assert_eq!(read(json.clone()), (status, Some(message.to_owned())), "{json}");
        }
        for json in [json!({}), json!([]), json!(null), json!(7), json!({"data": []}), json!({"error": null})]
        {
            assert_eq!(read(json), (None, None));
        }
    }

    #[test]
    fn finds_how_long_it_asks_to_be_left_alone() {
        for (json, milliseconds) in [
            (json!({"error": {"message": "Please try again in 1.5s. See"}}), Some(1500)),
            (json!({"error": {"message": "Please try again in 20ms."}}), Some(20)),
            (json!({"error": {"message": "Please try again in 6m0s."}}), Some(360_000)),
            (json!({"error": {"message": "Please retry after 20 seconds."}}), Some(20_000)),
            (json!({"error": {"message": "retry after 2 minutes"}}), Some(120_000)),
            (json!({"error": {"message": "try again in a while"}}), None),
            (json!({"error": {"message": "x", "retry_after": 3}}), Some(3000)),
            (json!({"error": {"message": "x", "metadata": {"retry_after_ms": 30}}}), Some(30)),
            (json!({"retry_after": -1}), None),
            (json!({"error": {"details": [{"reason": "x"}, {"retryDelay": "34.5s"}]}}), Some(34_500)),
            (json!({}), None),
        ] {
            let pause = InnerError::find(&json).pause();
            assert_eq!(pause, milliseconds.map(Duration::from_millis), "{json}");
        }
    }
}
