//! The most that a server takes in a request, as its refusals have shown.

use std::time::Duration;

use tokio::time::Instant;

use super::pack::Limits;

/// The time after which a limit is tried anew: servers are configured otherwise, and gateways lead elsewhere.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// The limits that were learned, and the time of the last.
#[derive(Debug, Default)]
pub(in crate::embed) struct Ceiling(Option<(Limits, Instant)>);

impl Ceiling {
    /// The most that a request may hold.
    pub(in crate::embed) fn limits(&self, now: Instant) -> Limits {
        match self.0 {
            Some((limits, learned)) if now.saturating_duration_since(learned) < FORGOTTEN => limits,
            _ => Limits::NONE,
        }
    }

    /// A server takes no more than this.
    pub(in crate::embed) fn learn(&mut self, limits: Limits, now: Instant) {
        self.0 = Some((self.limits(now).and(limits), now));
    }

    /// The refusal was an input's, and not for the number of them.
    pub(in crate::embed) fn forget_inputs(&mut self) {
        if let Some((limits, _)) = &mut self.0 {
            limits.inputs = usize::MAX;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learned_is_forgotten_slowly() {
        let (mut ceiling, now) = (Ceiling::default(), Instant::now());
        assert_eq!(ceiling.limits(now), Limits::NONE);
        ceiling.learn(Limits { inputs: 10, ..Limits::NONE }, now);
        ceiling.learn(Limits { tokens: 500, ..Limits::NONE }, now);
        assert_eq!(ceiling.limits(now + FORGOTTEN / 2), Limits { inputs: 10, tokens: 500 });
        assert_eq!(ceiling.limits(now + FORGOTTEN), Limits::NONE);
        ceiling.forget_inputs();
        assert_eq!(ceiling.limits(now), Limits { tokens: 500, ..Limits::NONE });
    }
}
