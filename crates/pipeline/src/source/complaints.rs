//! Complaints about messages that can't be understood: SQS delivers each of them again and again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Messages that are remembered, so that each is complained about once.
const REMEMBERED: usize = 1024;
/// The largest number of complaints in [`PERIOD`]: whoever may write to a queue must not fill the log.
const MOST: u32 = 10;
const PERIOD: Duration = Duration::from_secs(60);

/// The complaints about one queue.
#[derive(Default)]
pub(super) struct Complaints {
    remembered: VecDeque<String>,
    /// The beginning of the period, and the number of complaints in it.
    period: Option<(Instant, u32)>,
}

impl Complaints {
    /// Returns whether to complain about the message with this id now, and takes it for done.
    pub(super) fn is_due(&mut self, id: &str, now: Instant) -> bool {
        let (began, told) = match self.period {
            Some((began, told)) if now.saturating_duration_since(began) < PERIOD => (began, told),
            _ => (now, 0),
        };
        if told == MOST || self.remembered.iter().any(|known| known == id) {
            return false;
        }

        if self.remembered.len() == REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back(id.to_owned());
        self.period = Some((began, told + 1));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_complained_about_once() {
        let (mut complaints, now) = (Complaints::default(), Instant::now());
        assert!(complaints.is_due("a", now));
        assert!(!complaints.is_due("a", now + PERIOD));
        assert!(complaints.is_due("b", now));
    }

    #[test]
    fn only_so_many_messages_are_remembered() {
        let (mut complaints, mut now) = (Complaints::default(), Instant::now());
        for id in 0..REMEMBERED + 10 {
            assert!(complaints.is_due(&id.to_string(), now));
            now += PERIOD;
        }
        assert_eq!(complaints.remembered.len(), REMEMBERED);
    }

    #[test]
    fn there_are_so_many_complaints_in_a_minute() {
        let (mut complaints, now) = (Complaints::default(), Instant::now());
        let due = |complaints: &mut Complaints, now| {
            (0..1_000).filter(|id| complaints.is_due(&id.to_string(), now)).count()
        };
        assert_eq!(due(&mut complaints, now), MOST as usize);
        assert_eq!(due(&mut complaints, now + PERIOD / 2), 0);
        assert_eq!(due(&mut complaints, now + PERIOD), MOST as usize);
    }
}
