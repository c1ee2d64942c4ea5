//! The ways in which a parser ends without an answer.

/// The exit status of a parser that was started with arguments that it does not have.
pub const EXIT_USAGE: u8 = 64;

/// The exit status of a parser that does not understand the message.
pub const EXIT_MESSAGE: u8 = 65;

/// The exit status of a parser that finds no memory for the message.
pub const EXIT_MEMORY: u8 = 70;

/// The exit status of a parser to which the operating system refuses what it needs: a thread, or a pipe.
pub const EXIT_SYSTEM: u8 = 71;

/// The exit status of `--check` where a guard is missing.
pub const EXIT_INCOMPLETE: u8 = 78;

/// The line with which Rust's runtime announces an allocation that failed, before it aborts.
const ALLOCATION_FAILED: &[&str] = &["memory allocation of ", " bytes failed"];

/// The line with which Rust's runtime announces a stack that is full, before it aborts.
const STACK_OVERFLOW: &str = " has overflowed its stack";

/// The class of a run without an answer. A run that was ended by who started it is told by that one: it took too long,
/// or wrote too much.
///
/// Nothing else reads the parser's stderr: the parser never writes a document's words there, but a library may.
///
/// ```
/// use pgai_rs_parser_protocol::Unanswered;
///
/// let messages = b"memory allocation of 392000000000 bytes failed\n";
/// assert_eq!(Unanswered::by_signal(6, messages), Unanswered::OutOfMemory);
/// assert_eq!(Unanswered::by_signal(6, messages).code(), "parser_out_of_memory");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unanswered {
    /// It crashed.
    Crashed,
    /// Somebody else killed it: the kernel, which chooses the parser first when it runs out of memory, or a person.
    Killed,
    /// Its stack was full: the document is nested deeper than a reader can follow.
    StackOverflow,
    /// It needed more memory than it may have, or than there is.
    OutOfMemory,
    /// It needed more time on a CPU than it may have.
    TimedOut,
    /// It did not understand what it was asked. It is of another version.
    Misunderstood,
    /// The operating system refused what it needs. Another try may help.
    Refused,
}

impl Unanswered {
    /// Returns the class of a run that a signal ended, by the signal's number and the process's messages.
    pub fn by_signal(signal: i32, messages: &[u8]) -> Self {
        // The numbers are the same on all architectures that there are builds for.
        const ABORTED: i32 = 6;
        const KILLED: i32 = 9;
        const CPU_TIME_EXCEEDED: i32 = 24;

        match signal {
            KILLED => Unanswered::Killed,
            CPU_TIME_EXCEEDED => Unanswered::TimedOut,
            ABORTED => Unanswered::by_messages(messages),
            _ => Unanswered::Crashed,
        }
    }

    /// Returns the class of a run that exited with this status. Zero without an answer counts as a crash.
    pub fn by_status(status: i32) -> Self {
        match u8::try_from(status) {
            Ok(EXIT_USAGE | EXIT_MESSAGE) => Unanswered::Misunderstood,
            Ok(EXIT_MEMORY) => Unanswered::OutOfMemory,
            Ok(EXIT_SYSTEM) => Unanswered::Refused,
            _ => Unanswered::Crashed,
        }
    }

    /// Returns the class by what the runtime says before it aborts.
    fn by_messages(messages: &[u8]) -> Self {
        let messages = String::from_utf8_lossy(messages);
        if messages.lines().any(|line| ALLOCATION_FAILED.iter().all(|part| line.contains(part))) {
            return Unanswered::OutOfMemory;
        }
        if messages.lines().any(|line| line.contains(STACK_OVERFLOW)) {
            return Unanswered::StackOverflow;
        }
        Unanswered::Crashed
    }

    /// Returns the code that error rows name it by.
    pub fn code(self) -> &'static str {
        match self {
            Unanswered::Crashed | Unanswered::StackOverflow => "parser_crashed",
            Unanswered::Killed => "parser_killed",
            Unanswered::OutOfMemory => "parser_out_of_memory",
            Unanswered::TimedOut => "parser_timed_out",
            Unanswered::Misunderstood => "version_mismatch",
            Unanswered::Refused => "parser_not_started",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_runtime_says_tells_one_abort_from_the_other() {
        let overflow = b"\nthread 'document' (7) has overflowed its stack\nfatal runtime error: stack overflow, aborting\n";
        assert_eq!(Unanswered::by_signal(6, overflow), Unanswered::StackOverflow);
        assert_eq!(
            Unanswered::by_signal(6, b"memory allocation of 8 bytes failed\n"),
            Unanswered::OutOfMemory
        );
        assert_eq!(Unanswered::by_signal(6, b"something else\n"), Unanswered::Crashed);
    }

    #[test]
    fn a_signal_tells_the_rest() {
        assert_eq!(Unanswered::by_signal(9, b""), Unanswered::Killed);
        assert_eq!(Unanswered::by_signal(24, b""), Unanswered::TimedOut);
        assert_eq!(Unanswered::by_signal(11, b"memory allocation of 8 bytes failed"), Unanswered::Crashed);
    }

    #[test]
    fn a_status_that_is_not_the_parsers_is_a_crash() {
        assert_eq!(Unanswered::by_status(i32::from(EXIT_MESSAGE)).code(), "version_mismatch");
        assert_eq!(Unanswered::by_status(i32::from(EXIT_MEMORY)).code(), "parser_out_of_memory");
        assert_eq!(Unanswered::by_status(i32::from(EXIT_SYSTEM)).code(), "parser_not_started");
        assert_eq!(Unanswered::by_status(0).code(), "parser_crashed");
        assert_eq!(Unanswered::by_status(-1).code(), "parser_crashed");
    }
}
