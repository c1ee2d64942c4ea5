//! The rest of a provider's rate limits, read from the headers of an answer.
//!
//! They come from outside and may say anything: what makes no sense is as good as not said.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;

/// The period that providers count in, where an answer does not say when all is there again.
const MINUTE: Duration = Duration::from_secs(60);
/// No provider counts in longer periods; a longer one is a mistake.
const LONGEST_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// The state of one limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::embed) struct Quota {
    /// All of it, if that is said.
    pub limit: Option<f64>,
    /// The part that is left.
    pub remaining: f64,
    /// The time after which all of it is there again.
    pub reset: Duration,
}

/// The state of a provider's limits.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::embed) struct RateLimits {
    /// Requests.
    pub requests: Option<Quota>,
    /// Tokens of inputs.
    pub tokens: Option<Quota>,
}

/// The headers that tell one limit.
struct Names {
    limit: &'static str,
    remaining: &'static str,
    reset: Option<&'static str>,
}

impl Names {
    const fn new(limit: &'static str, remaining: &'static str, reset: Option<&'static str>) -> Self {
        Names { limit, remaining, reset }
    }
}

/// OpenAI's, which Azure and most others have taken over
/// (<https://platform.openai.com/docs/guides/rate-limits>); Mistral's, of a minute; and what gateways
/// say, by the drafts of the IETF (draft-ietf-httpapi-ratelimit-headers-03) and before them.
const REQUESTS: [Names; 4] = [
    Names::new(
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        Some("x-ratelimit-reset-requests"),
    ),
    Names::new("x-ratelimit-limit-req-minute", "x-ratelimit-remaining-req-minute", None),
    Names::new("ratelimit-limit", "ratelimit-remaining", Some("ratelimit-reset")),
    Names::new("x-ratelimit-limit", "x-ratelimit-remaining", Some("x-ratelimit-reset")),
];

/// OpenAI's and Mistral's.
const TOKENS: [Names; 2] = [
    Names::new("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", Some("x-ratelimit-reset-tokens")),
    Names::new("x-ratelimit-limit-tokens-minute", "x-ratelimit-remaining-tokens-minute", None),
];

impl RateLimits {
    /// Reads an answer's headers.
    pub(in crate::embed) fn read(headers: &HeaderMap, now: SystemTime) -> Self {
        let first = |names: &[Names]| names.iter().find_map(|names| quota(names, headers, now));
        RateLimits { requests: first(&REQUESTS), tokens: first(&TOKENS) }
    }
}

fn quota(names: &Names, headers: &HeaderMap, now: SystemTime) -> Option<Quota> {
    let header = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    // Azure says -1 for what it does not count; nobody who answers has a limit of nothing.
    let limit = header(names.limit).and_then(number).filter(|&limit| limit >= 1.0);
    let remaining = header(names.remaining).and_then(number).filter(|&remaining| remaining >= 0.0)?;

    let reset = match names.reset.and_then(header) {
        Some(text) => period(text, now).filter(|&reset| reset <= LONGEST_PERIOD)?,
        None => MINUTE,
    };
    Some(Quota { limit, remaining: limit.map_or(remaining, |limit| remaining.min(limit)), reset })
}

fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// A period as Go writes it (`6m0s`, `20ms`: OpenAI), in seconds (Azure, the drafts), or as the time
/// at which it ends, in seconds or milliseconds since 1970.
pub(in crate::embed) fn period(text: &str, now: SystemTime) -> Option<Duration> {
    const YEAR_2001: f64 = 1e9;
    const YEAR_2001_IN_MILLISECONDS: f64 = 1e12;

    let Some(number) = number(text) else { return go_duration(text) };
    let seconds = if number >= YEAR_2001_IN_MILLISECONDS { number / 1e3 } else { number };
    let period = Duration::try_from_secs_f64(seconds).ok()?;
    if seconds < YEAR_2001 {
        return Some(period);
    }
    Some(SystemTime::UNIX_EPOCH.checked_add(period)?.duration_since(now).unwrap_or_default())
}

/// Reads a duration as <https://pkg.go.dev/time#ParseDuration> does, but none with a sign.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, after) = rest.split_at(digits);
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);

        let unit = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };

        seconds += number(amount)? * unit;
        rest = after;
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn read(headers: &[(&'static str, &str)]) -> RateLimits {
        let headers = headers.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap()));
        RateLimits::read(&headers.collect(), SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
    }

    fn quota(limit: f64, remaining: f64, reset_ms: u64) -> Option<Quota> {
        Some(Quota { limit: Some(limit), remaining, reset: Duration::from_millis(reset_ms) })
    }

    #[test]
    fn reads_openais() {
        let limits = read(&[
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-limit-tokens", "150000"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ]);
        assert_eq!(limits.requests, quota(60.0, 59.0, 1_000));
        assert_eq!(limits.tokens, quota(150_000.0, 149_984.0, 360_000));
    }

    #[test]
    fn reads_what_others_say() {
        let mistral =
            read(&[("x-ratelimit-limit-req-minute", "720"), ("x-ratelimit-remaining-req-minute", "717")]);
        assert_eq!(mistral.requests, quota(720.0, 717.0, 60_000));
        let draft =
            read(&[("ratelimit-limit", "100"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "7")]);
        assert_eq!((draft.requests, draft.tokens), (quota(100.0, 0.0, 7_000), None));
        let unlimited = read(&[("x-ratelimit-remaining-tokens", "5"), ("x-ratelimit-reset-tokens", "30")]);
        let quota = Quota { limit: None, remaining: 5.0, reset: Duration::from_secs(30) };
        assert_eq!(unlimited.tokens, Some(quota));
    }

    #[test]
    fn reads_periods_in_all_ways() {
        let reset = |text: &str| period(text, SystemTime::UNIX_EPOCH + Duration::from_secs(NOW));
        for (text, milliseconds) in [
            ("20ms", 20),
            ("6m0s", 360_000),
            ("1h2m3.5s", 3_723_500),
            ("1d", 86_400_000),
            ("0s", 0),
            ("12", 12_000),
            ("0.25", 250),
            ("1800000030", 30_000),
            ("1800000030500", 30_500),
            ("1700000000", 0),
        ] {
            assert_eq!(reset(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in [
            "",
            "s",
            "5",
            "-5",
            "-5s",
            "1y",
            "soon",
            "5s5",
            "..s",
            "NaN",
            "inf",
            "1e300",
            "99999999999999999999s",
        ] {
            let expected = (text == "5").then_some(Duration::from_secs(5));
            assert_eq!(reset(text), expected, "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_not_said() {
        for (limit, remaining, reset) in [
            ("60", "-1", "1s"),
            ("60", "many", "1s"),
            ("60", "NaN", "1s"),
            ("60", "inf", "1s"),
            ("60", "0", "87600h"),
            ("60", "0", "-1s"),
            ("60", "0", "99999999999"),
        ] {
            let limits = read(&[
                ("x-ratelimit-limit-requests", limit),
                ("x-ratelimit-remaining-requests", remaining),
                ("x-ratelimit-reset-requests", reset),
            ]);
            assert_eq!(limits, RateLimits::default(), "{limit} {remaining} {reset}");
        }
        for limit in ["-1", "0", "lots"] {
            let limits =
                read(&[("x-ratelimit-limit-requests", limit), ("x-ratelimit-remaining-requests", "3")]);
            assert_eq!(limits.requests.map(|quota| quota.limit), Some(None), "{limit}");
        }
    }
}
