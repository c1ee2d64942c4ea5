//! A process that does one thing behind guards.

use std::env;
use std::process::{Command, Output};

use pgai_rs_parser::sandbox;
use pgai_rs_parser_protocol::Guard;

use crate::attempts::{ATTEMPTS, every_other_system_call};
use crate::endings::ENDINGS;

/// The exit statuses of a process that could do what it tried, and of one that couldn't.
pub const SUCCEEDED: i32 = 40;
pub const FAILED: i32 = 41;

/// Set for a process that plays: what it does, and behind which guards.
const PART: &str = "PGAI_RS_TEST_PART";
const GUARDS: &str = "PGAI_RS_TEST_GUARDS";

/// Returns how a process ended that did this behind these guards.
pub fn play(part: &str, guards: &[Guard], prepare: impl FnOnce(&mut Command)) -> Output {
    let guards: Vec<&str> = guards.iter().map(|guard| guard.name()).collect();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "player::plays", "--nocapture"]);
    command.env(PART, part).env(GUARDS, guards.join(" "));
    prepare(&mut command);
    command.output().unwrap()
}

#[test]
fn plays() {
    let Ok(part) = env::var(PART) else { return };
    let wanted = env::var(GUARDS).unwrap();
    let guards = Guard::ALL.into_iter().filter(|guard| wanted.split(' ').any(|name| name == guard.name()));
    let guards: Vec<Guard> = guards.collect();

    let done = sandbox::run(&guards, |confinement| {
        assert_eq!(confinement.in_force(), guards);
        if let Some(attempt) = ATTEMPTS.iter().find(|attempt| attempt.name == part) {
            return (attempt.run)();
        }
        if let Some((_, end)) = ENDINGS.iter().find(|(name, _)| *name == part) {
            end();
            return true;
        }
        every_other_system_call()
    });
    std::process::exit(if done.unwrap() { SUCCEEDED } else { FAILED });
}
