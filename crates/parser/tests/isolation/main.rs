//! Escapes from the sandbox, tried by a process that is in it, and ends of such a process.
//!
//! The process is this test binary, started once more: the program itself has no way to try anything. Each attempt
//! succeeds without guards, fails behind all of them, and fails behind each of those alone that are there against it.
#![allow(clippy::unwrap_used)]

mod attempts;
mod endings;
mod player;
mod program;

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use pgai_rs_parser_protocol::Guard;

use attempts::{ATTEMPTS, Attempt};
use player::{FAILED, SUCCEEDED, play};

/// The things that the attempts are made at.
struct Targets {
    folder: PathBuf,
    _listener: UnixListener,
}

impl Targets {
    fn new(name: &str) -> Self {
        // Several tests make the same attempt at the same time.
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("pgai_rs-parser-{}-{number}-{name}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("file"), "secret").unwrap();
        let listener = UnixListener::bind(folder.join("socket")).unwrap();
        Targets { folder, _listener: listener }
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// Returns whether an attempt succeeds behind these guards.
fn succeeds(attempt: &Attempt, guards: &[Guard]) -> bool {
    let targets = Targets::new(attempt.name);
    let played = play(attempt.name, guards, |command| {
        command.current_dir(&targets.folder);
    });
    match played.status.code() {
        Some(SUCCEEDED) => true,
        Some(FAILED) => false,
        _ => panic!("{}: {:?}, {}", attempt.name, played.status, String::from_utf8_lossy(&played.stderr)),
    }
}

#[test]
fn every_attempt_succeeds_without_guards() {
    for attempt in ATTEMPTS {
        assert!(succeeds(attempt, &[]), "{}", attempt.name);
    }
}

#[test]
fn no_attempt_succeeds_behind_all_guards() {
    for attempt in ATTEMPTS {
        assert!(!succeeds(attempt, &Guard::ALL), "{}", attempt.name);
    }
}

#[test]
fn a_guard_holds_alone() {
    for attempt in ATTEMPTS {
        for guard in attempt.guards() {
            assert!(!succeeds(attempt, &[guard]), "{} behind {} alone", attempt.name, guard.name());
        }
    }
}

#[test]
fn no_other_system_call_is_made() {
    let played = play("every_other_system_call", &[Guard::SystemCalls], |_| {});
    let said = String::from_utf8_lossy(&played.stderr);
    assert_eq!(played.status.code(), Some(FAILED), "{:?}, {said}", played.status);
}
