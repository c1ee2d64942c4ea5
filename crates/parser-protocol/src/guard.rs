//! The guards of the parser's process.

use serde::{Deserialize, Serialize};

/// A thing that the parser's process can't do any more before it reads the first byte of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// It gains no rights by running another program, and nobody attaches to it.
    NoNewPrivileges,
    /// It reaches no file, no port and no process of others: Landlock, since Linux 5.13.
    Landlock,
    /// It gets no further descriptor, no further process, and leaves no core dump: limits of the kernel's.
    Limits,
    /// It makes no system calls but the few that reading a document takes: seccomp.
    SystemCalls,
}

impl Guard {
    /// All guards, in the order in which they come into force.
    pub const ALL: [Guard; 4] = [Guard::NoNewPrivileges, Guard::Landlock, Guard::Limits, Guard::SystemCalls];

    /// Returns the guard's name, as an answer has it.
    pub fn name(self) -> &'static str {
        match self {
            Guard::NoNewPrivileges => "no_new_privileges",
            Guard::Landlock => "landlock",
            Guard::Limits => "limits",
            Guard::SystemCalls => "system_calls",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_is_named_as_it_is_written() {
        for guard in Guard::ALL {
            assert_eq!(serde_json::to_value(guard).unwrap(), guard.name());
        }
    }
}
