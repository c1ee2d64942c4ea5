//! The time at which the next request may be sent, computed from what a provider's answers have said.
//! Knows no clock: it is told the time.

use std::time::Duration;

use tokio::time::Instant;

use super::rate_limit::{Quota, RateLimits};
use crate::backoff::backoff;
use crate::embed::error::LONGEST_THROTTLE;

/// First pause after "too many requests" from a provider that does not say how long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// A provider that says "now" must not be asked in a tight loop.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// The wait for the end of a request that is under way, which is told when it comes.
const UNTIL_ONE_ENDS: Duration = Duration::from_secs(60);

/// The knowledge of a provider's limits.
#[derive(Debug, Default)]
pub(in crate::embed) struct Pace {
    requests: Option<Level>,
    tokens: Option<Level>,
    in_flight: Load,
    /// No request before this time.
    resume_at: Option<Instant>,
    /// The number of times in a row that the provider has asked for fewer requests; those of one pause
    /// count once.
    throttles: u32,
    /// Since when the provider has taken nothing.
    refusing_since: Option<Instant>,
    /// The headers said that nothing was left, and a request was taken nevertheless.
    distrusted: bool,
}

/// Requests, and the tokens in them.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Load {
    requests: f64,
    tokens: f64,
}

/// One limit, as it was told last.
#[derive(Debug, Clone, Copy)]
struct Level {
    quota: Quota,
    told: Instant,
}

impl Level {
    /// Returns how much comes back in a second. OpenAI and most others fill up steadily; one that does
    /// so at the end of its period says that it wants no more by then.
    fn rate(&self) -> Option<f64> {
        let missing = self.quota.limit? - self.quota.remaining;
        let rate = missing / self.quota.reset.as_secs_f64();
        rate.is_finite().then_some(rate)
    }

    /// Returns the time until so much is left for a request beside what is under way.
    fn wait(&self, own: f64, in_flight: f64, now: Instant) -> Duration {
        let limit = self.quota.limit.filter(|limit| *limit >= 1.0).unwrap_or(f64::INFINITY);
        // More than there ever is waits for all of it.
        let needed = in_flight + own.min(limit);
        // However long the answers take: what is under way may reach the provider together.
        if needed > limit && in_flight > 0.0 {
            return UNTIL_ONE_ENDS;
        }

        let missing = needed - self.quota.remaining;
        if missing <= 0.0 {
            return Duration::ZERO;
        }

        let period = match self.rate() {
            Some(rate) => Duration::try_from_secs_f64(missing / rate).unwrap_or(self.quota.reset),
            None => self.quota.reset,
        };
        (self.told + period.min(self.quota.reset)).saturating_duration_since(now)
    }

    /// The most that can be left by now, if nothing was asked for since this was told.
    fn most_left(&self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.told);
        if elapsed >= self.quota.reset {
            return self.quota.limit.unwrap_or(f64::INFINITY);
        }
        self.quota.remaining + self.rate().map_or(0.0, |rate| rate * elapsed.as_secs_f64())
    }

    /// Joins what an answer says now, to a request that left at `sent`, with what is known.
    ///
    /// Answers to requests that were under way together come in any order. The earlier one may come last and
    /// say that more is left than there is, so that of such two the lower counts.
    fn after(known: Option<Level>, told: Quota, sent: Instant, now: Instant) -> Level {
        let overtaken = known.filter(|known| sent <= known.told);
        let remaining = overtaken.map_or(told.remaining, |known| told.remaining.min(known.most_left(now)));
        Level { quota: Quota { remaining, ..told }, told: now }
    }
}

impl Pace {
    /// Returns the time to wait before a request of so many tokens.
    pub(in crate::embed) fn wait(&self, tokens: usize, now: Instant) -> Duration {
        self.pause(now).max(self.shortage(tokens, now))
    }

    /// Returns the time for which the provider wants no request at all.
    pub(in crate::embed) fn pause(&self, now: Instant) -> Duration {
        self.resume_at.map_or(Duration::ZERO, |resume_at| resume_at.saturating_duration_since(now))
    }

    /// Returns the time until the headers' limits leave room for a request beside those under way. The
    /// last answer may have counted some of these already: that errs on the slow side, until they end.
    fn shortage(&self, tokens: usize, now: Instant) -> Duration {
        if self.distrusted {
            return Duration::ZERO;
        }

        self.shortage_beside(self.in_flight, tokens, now)
    }

    /// Returns whether the headers say that nothing is left, whatever is under way.
    pub(in crate::embed) fn is_early(&self, tokens: usize, now: Instant) -> bool {
        !self.shortage_beside(Load::default(), tokens, now).is_zero()
    }

    fn shortage_beside(&self, in_flight: Load, tokens: usize, now: Instant) -> Duration {
        let wait = |level: Option<Level>, own, in_flight| {
            level.map_or(Duration::ZERO, |level| level.wait(own, in_flight, now))
        };
        let requests = wait(self.requests, 1.0, in_flight.requests);
        requests.max(wait(self.tokens, tokens as f64, in_flight.tokens))
    }

    /// Returns the time for which the provider has taken nothing.
    pub(in crate::embed) fn refusing(&self, now: Instant) -> Duration {
        self.refusing_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Returns the largest number of tokens of one request, if the provider has said it.
    pub(in crate::embed) fn most_tokens(&self) -> Option<usize> {
        let limit = self.tokens.filter(|_| !self.distrusted)?.quota.limit?;
        Some(limit as usize)
    }

    /// A request has left.
    pub(in crate::embed) fn sent(&mut self, tokens: usize) {
        self.in_flight.requests += 1.0;
        self.in_flight.tokens += tokens as f64;
    }

    /// It has ended, in whatever way.
    pub(in crate::embed) fn ended(&mut self, tokens: usize) {
        self.in_flight.requests -= 1.0;
        self.in_flight.tokens -= tokens as f64;
    }

    /// Takes in what the headers say of an answer to a request that left at `sent`. What they do not say is
    /// as it was.
    pub(in crate::embed) fn told(&mut self, limits: &RateLimits, sent: Instant, now: Instant) {
        for (known, told) in [(&mut self.requests, limits.requests), (&mut self.tokens, limits.tokens)] {
            if let Some(told) = told {
                *known = Some(Level::after(*known, told, sent, now));
            }
        }
    }

    /// A request that left at this time was taken, maybe `early`: although the headers said that
    /// nothing was left.
    pub(in crate::embed) fn succeeded(&mut self, sent: Instant, early: bool) {
        self.refusing_since = None;
        self.distrusted |= early;
        if self.is_news(sent) {
            self.throttles = 0;
        }
    }

    /// The provider asks for fewer requests, and for a pause if it says so.
    pub(in crate::embed) fn throttled(&mut self, sent: Instant, asked: Option<Duration>, now: Instant) {
        self.refusing_since.get_or_insert(now);
        self.distrusted = false;
        let news = self.is_news(sent);
        self.throttles = self.throttles.saturating_add(u32::from(news));

        let pause = match asked {
            Some(asked) => asked.max(SHORTEST_PAUSE),
            None if news => self.guess(),
            None => return,
        };

        let until = now + pause.min(LONGEST_THROTTLE);
        self.resume_at = self.resume_at.max(Some(until));
    }

    /// Returns a pause that is longer each time, but not beyond the moment at which all is there again.
    fn guess(&self) -> Duration {
        let spent =
            [self.requests, self.tokens].into_iter().flatten().filter(|level| level.rate() != Some(0.0));
        let reset = spent.map(|level| level.quota.reset).max().unwrap_or(LONGEST_THROTTLE);
        backoff(FIRST_PAUSE, self.throttles).min(reset.max(FIRST_PAUSE))
    }

    /// Forgets a pause that lasts longer than this.
    pub(in crate::embed) fn forget_pause(&mut self, longest: Duration, now: Instant) {
        if self.pause(now) > longest {
            self.resume_at = None;
            self.refusing_since = None;
        }
    }

    /// Returns whether a request left after the end of the last pause. An answer to an earlier one tells
    /// nothing new.
    fn is_news(&self, sent: Instant) -> bool {
        self.resume_at.is_none_or(|resume_at| sent >= resume_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATENCY: Duration = Duration::from_millis(50);

    /// A provider that takes so many requests in each period.
    struct Server {
        limit: f64,
        period: Duration,
        /// `true` if more is left steadily, and not all at once when a period ends.
        steady: bool,
        /// `true` if answers say what is left.
        headers: bool,
        /// `true` if refusals say how long to wait, in whole seconds.
        retry_after: bool,
        left: f64,
        since: Instant,
    }

    impl Server {
        fn new(steady: bool, headers: bool, retry_after: bool) -> Self {
            let (limit, period) = (20.0, Duration::from_secs(10));
            Server { limit, period, steady, headers, retry_after, left: limit, since: Instant::now() }
        }

        fn refill(&mut self, now: Instant) {
            let periods = (now - self.since).as_secs_f64() / self.period.as_secs_f64();
            let whole = if self.steady { periods } else { periods.floor() };
            self.left = (self.left + whole * self.limit).min(self.limit);
            self.since += self.period.mul_f64(whole);
        }

        fn reset(&self, now: Instant) -> Duration {
            match self.steady {
                true => self.period.mul_f64(1.0 - self.left / self.limit),
                false => self.since + self.period - now,
            }
        }

        /// Returns whether a request is taken, and what the answer's headers say.
        fn ask(&mut self, now: Instant) -> (bool, RateLimits) {
            self.refill(now);
            let taken = self.left >= 1.0;
            self.left -= f64::from(u8::from(taken));
            let quota =
                Quota { limit: Some(self.limit), remaining: self.left.floor(), reset: self.reset(now) };
            let requests = Some(quota).filter(|_| self.headers);
            (taken, RateLimits { requests, tokens: None })
        }

        /// Returns the pause that a refusal asks for.
        fn pause(&self, now: Instant) -> Option<Duration> {
            let next = match self.steady {
                true => self.period.mul_f64((1.0 - self.left).max(0.0) / self.limit),
                false => self.reset(now),
            };
            self.retry_after.then(|| Duration::from_secs(next.as_secs_f64().ceil() as u64))
        }

        /// The least time that so many requests take.
        fn dictates(&self, requests: u32) -> Duration {
            let later = f64::from(requests) - self.limit;
            match self.steady {
                true => self.period.mul_f64(later / self.limit),
                false => self.period.mul_f64((later / self.limit).ceil()),
            }
        }
    }

    /// Returns the time that so many requests take, eight at a time, and the number of those that were refused.
    fn run(server: &mut Server, requests: u32) -> (Duration, u32) {
        let mut pace = Pace::default();
        let (start, mut now) = (server.since, server.since);
        let mut in_flight: Vec<(Instant, bool, RateLimits, Option<Duration>)> = Vec::new();
        let (mut done, mut refused) = (0, 0);
        while done < requests {
            for (sent, taken, limits, pause) in in_flight.extract_if(.., |request| request.0 + LATENCY <= now)
            {
                pace.told(&limits, sent, now);
                match taken {
                    true => pace.succeeded(sent, false),
                    false => pace.throttled(sent, pause, now),
                }
                pace.ended(1);
                done += u32::from(taken);
                refused += u32::from(!taken);
            }
            let wanted = (requests - done) as usize;
            while in_flight.len() < wanted.min(8) && pace.wait(1, now).is_zero() {
                let (taken, limits) = server.ask(now);
                in_flight.push((now, taken, limits, server.pause(now)));
                pace.sent(1);
            }
            let next = in_flight.iter().map(|request| request.0 + LATENCY).min();
            let free = in_flight.len() < wanted.min(8);
            let ready = free.then(|| now + pace.wait(1, now).max(Duration::from_millis(1)));
            now = next.into_iter().chain(ready).min().unwrap_or(now);
        }
        (now - start, refused)
    }

    #[test]
    fn takes_hardly_longer_than_the_limit_itself() {
        for (steady, headers, retry_after) in [
            (true, true, true),
            (true, true, false),
            (true, false, true),
            (false, true, true),
            (false, true, false),
            (false, false, true),
        ] {
            let mut server = Server::new(steady, headers, retry_after);
            let (took, _) = run(&mut server, 200);
            let ratio = took.as_secs_f64() / server.dictates(200).as_secs_f64();
            assert!(
                ratio < 1.1,
                "{ratio} times: steady {steady}, headers {headers}, Retry-After {retry_after}"
            );
        }
    }

    #[test]
    fn hardly_asks_for_more_than_the_headers_say_is_left() {
        let (_, refused) = run(&mut Server::new(true, true, true), 200);
        assert_eq!(refused, 0);
        // One each period: that this one does not fill up steadily is not said.
        let (_, refused) = run(&mut Server::new(false, true, true), 200);
        assert!(refused <= 10, "{refused}");
    }

    #[test]
    fn gets_through_where_nothing_is_said_at_all() {
        for steady in [true, false] {
            let mut server = Server::new(steady, false, false);
            let (took, _) = run(&mut server, 100);
            assert!(took < 3 * server.dictates(100), "{took:?}");
        }
    }

    fn told(pace: &mut Pace, remaining: f64, reset: Duration, now: Instant) {
        let quota = Quota { limit: None, remaining, reset };
        pace.told(&RateLimits { requests: None, tokens: Some(quota) }, now, now);
    }

    #[test]
    fn what_is_under_way_counts() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        told(&mut pace, 100.0, Duration::from_secs(7), now);
        assert_eq!(pace.wait(100, now), Duration::ZERO);
        pace.sent(60);
        assert_eq!(pace.wait(40, now), Duration::ZERO);
        assert_eq!(pace.wait(41, now), Duration::from_secs(7));
        pace.ended(60);
        assert_eq!(pace.wait(41, now), Duration::ZERO);
    }

    #[test]
    fn a_request_larger_than_the_limit_waits_for_all_of_it() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let quota = Quota { limit: Some(100.0), remaining: 50.0, reset: Duration::from_secs(10) };
        pace.told(&RateLimits { requests: None, tokens: Some(quota) }, now, now);
        assert_eq!(pace.most_tokens(), Some(100));
        assert_eq!(pace.wait(100_000, now), Duration::from_secs(10));
        assert_eq!(pace.wait(75, now), Duration::from_secs(5));
        assert_eq!(pace.wait(100_000, now + Duration::from_secs(10)), Duration::ZERO);
    }

    #[test]
    fn no_more_is_under_way_than_there_ever_is_however_long_the_answers_take() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let quota = Quota { limit: Some(2.0), remaining: 2.0, reset: Duration::from_secs(1) };
        pace.told(&RateLimits { requests: Some(quota), tokens: None }, now, now);
        pace.sent(1);
        assert_eq!(pace.wait(1, now), Duration::ZERO);
        pace.sent(1);
        let later = now + Duration::from_secs(10);
        assert!(!pace.wait(1, later).is_zero());
        assert!(!pace.is_early(1, later), "the headers do not say that nothing is left");
        pace.ended(1);
        assert_eq!(pace.wait(1, later), Duration::ZERO);
    }

    #[test]
    fn an_answer_that_is_late_does_not_make_more_of_what_is_left() {
        let (mut pace, sent) = (Pace::default(), Instant::now());
        let answer = |remaining| {
            let quota = Quota { limit: Some(2.0), remaining, reset: Duration::from_millis(200) };
            RateLimits { requests: Some(quota), tokens: None }
        };
        let now = sent + LATENCY;
        // Two requests left together. The second one's answer comes first: nothing is left.
        pace.told(&answer(0.0), sent, now);
        pace.told(&answer(1.0), sent, now);
        assert!(!pace.wait(1, now).is_zero());

        // A request that left later knows better.
        let later = now + Duration::from_millis(120);
        pace.told(&answer(1.0), later, later + LATENCY);
        assert!(pace.wait(1, later + LATENCY).is_zero());
    }

    #[test]
    fn headers_that_lie_are_not_believed_any_more() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        told(&mut pace, 0.0, Duration::from_secs(3600), now);
        assert!(!pace.wait(1, now).is_zero());
        pace.succeeded(now, true);
        told(&mut pace, 0.0, Duration::from_secs(3600), now);
        assert_eq!(pace.wait(1, now), Duration::ZERO);
        pace.throttled(now, Some(Duration::from_secs(1)), now);
        assert_eq!(pace.wait(1, now), Duration::from_secs(3600));
    }

    #[test]
    fn refusals_of_one_burst_make_one_pause() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        for _ in 0..8 {
            pace.throttled(now, None, now);
        }
        assert!(pace.pause(now) <= FIRST_PAUSE, "{:?}", pace.pause(now));
        let later = now + FIRST_PAUSE;
        pace.throttled(later, None, later);
        assert!(pace.pause(later) >= FIRST_PAUSE, "{:?}", pace.pause(later));
    }

    #[test]
    fn no_pause_is_longer_than_clocks_may_err() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.throttled(now, Some(Duration::MAX), now);
        assert_eq!(pace.pause(now), LONGEST_THROTTLE);
    }
}
