//! Guards of the parser's process that this system does not have, told once in a process.

use std::sync::{Mutex, PoisonError};

use pgai_rs_parser_protocol::Guard;

/// The guards that a parser has missed.
static MISSING: Mutex<Missing> = Mutex::new(Missing { guards: Vec::new(), are_told: false });

struct Missing {
    guards: Vec<Guard>,
    are_told: bool,
}

/// Notes the guards that were in force while a document was read.
pub(super) fn note(in_force: &[Guard]) {
    if Guard::ALL.iter().all(|guard| in_force.contains(guard)) {
        return;
    }
    let mut missing = MISSING.lock().unwrap_or_else(PoisonError::into_inner);
    for guard in Guard::ALL {
        if !in_force.contains(&guard) && !missing.guards.contains(&guard) {
            missing.guards.push(guard);
        }
    }
}

/// Returns the names of the guards that a parser has missed in this process, the first time that there are some.
pub fn take_missing_guards() -> Vec<&'static str> {
    let mut missing = MISSING.lock().unwrap_or_else(PoisonError::into_inner);
    if missing.are_told || missing.guards.is_empty() {
        return Vec::new();
    }
    missing.are_told = true;
    missing.guards.iter().map(|guard| guard.name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_guards_are_told_once() {
        note(&Guard::ALL);
        assert!(take_missing_guards().is_empty());
        note(&[Guard::NoNewPrivileges, Guard::Limits, Guard::SystemCalls]);
        assert_eq!(take_missing_guards(), ["landlock"]);
        note(&[]);
        assert!(take_missing_guards().is_empty());
    }
}
