//! Bounds of cutting one text: memory, counted before it is taken, and time.
//!
//! A splitter makes as much of a text as its config asks for: with an overlap of one character less than a
//! chunk, each character of the text becomes a chunk of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::ChunkError;

/// The longest time for cutting one text. The slowest splitter, by tokens, takes half of it for the
/// largest document.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// The number of steps between two looks at the time; all of them together take a few milliseconds.
const STEPS_BETWEEN_LOOKS: u64 = 4096;

/// Bounds what cutting one text may take.
#[derive(Debug, Clone, Copy)]
pub struct Allowance<'a> {
    bytes: u64,
    per_chunk: u64,
    begun: Instant,
    time: Duration,
    stop: Option<&'a AtomicBool>,
}

impl<'a> Allowance<'a> {
    /// Allows `bytes` for all chunks together, each of which takes `per_chunk` beside its text. The time
    /// begins now.
    pub fn new(bytes: u64, per_chunk: u64) -> Self {
        Allowance { bytes, per_chunk, begun: Instant::now(), time: TIME_LIMIT, stop: None }
    }

    /// Ends the work soon after `stop` is set.
    pub fn until_stopped(self, stop: &'a AtomicBool) -> Self {
        Allowance { stop: Some(stop), ..self }
    }

    /// Allows no more time than this, from the beginning of the work.
    pub(super) fn within(self, time: Duration) -> Self {
        Allowance { time: time.min(self.time), ..self }
    }

    /// Ends the work if it has taken too long, or is no longer wanted.
    pub(crate) fn check_time(&self) -> Result<(), ChunkError> {
        if self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Err(ChunkError::Stopped);
        }
        if self.begun.elapsed() > self.time {
            return Err(ChunkError::TooSlow { limit: self.time });
        }
        Ok(())
    }

    /// Returns how many things may take so many bytes each.
    pub(super) fn part(&self, bytes: u64) -> usize {
        usize::try_from(self.bytes / bytes.max(1)).unwrap_or(usize::MAX)
    }

    /// Refuses what takes more than all chunks together may.
    pub(crate) fn check_bytes(&self, bytes: u64) -> Result<(), ChunkError> {
        if bytes > self.bytes {
            return Err(ChunkError::TooLarge { limit: self.bytes });
        }
        Ok(())
    }
}

/// Looks at an allowance's time while small steps are counted, each of which would not be worth a look.
pub(super) struct StepClock<'a> {
    allowance: Allowance<'a>,
    /// Steps until the next look.
    left: u64,
}

impl<'a> StepClock<'a> {
    /// A clock that looks at once, and then after each [`STEPS_BETWEEN_LOOKS`].
    pub(super) fn new(allowance: Allowance<'a>) -> Self {
        StepClock { allowance, left: 0 }
    }

    /// Returns how many things may take so many bytes each.
    pub(super) fn part(&self, bytes: u64) -> usize {
        self.allowance.part(bytes)
    }

    /// Counts steps. Ends the work as [`Allowance::check_time`] does.
    pub(super) fn count(&mut self, steps: u64) -> Result<(), ChunkError> {
        if steps < self.left {
            self.left -= steps;
            return Ok(());
        }
        self.left = STEPS_BETWEEN_LOOKS;
        self.allowance.check_time()
    }
}

/// The chunks of a text, as they are made.
pub(super) struct Chunks<'a> {
    allowance: Allowance<'a>,
    chunks: Vec<String>,
    /// Bytes that they take.
    taken: u64,
}

impl<'a> Chunks<'a> {
    /// No chunks yet.
    pub(super) fn new(allowance: Allowance<'a>) -> Self {
        Chunks { allowance, chunks: Vec::new(), taken: 0 }
    }

    /// Ends the work if it has taken too long, or is no longer wanted.
    pub(super) fn check_time(&self) -> Result<(), ChunkError> {
        self.allowance.check_time()
    }

    /// Errors if so many bytes beside those of the chunks so far are more than is allowed.
    pub(super) fn check_room(&self, bytes: usize) -> Result<(), ChunkError> {
        self.allowance.check_bytes(self.taken.saturating_add(bytes as u64))
    }

    /// Adds a chunk.
    pub(super) fn push(&mut self, chunk: &str) -> Result<(), ChunkError> {
        self.allowance.check_time()?;
        let taken = self.taken.saturating_add(chunk.len() as u64).saturating_add(self.allowance.per_chunk);
        self.allowance.check_bytes(taken)?;
        self.taken = taken;
        self.chunks.push(chunk.to_owned());
        Ok(())
    }

    /// Returns the chunks, in the order in which they were added.
    pub(super) fn into_vec(self) -> Vec<String> {
        self.chunks
    }
}
