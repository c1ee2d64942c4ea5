//! The program's arguments, and what it says to people.

use std::ffi::OsString;
use std::process::ExitCode;

use pgai_rs_parser::sandbox::{self, Bounds, Confinement};
use pgai_rs_parser_protocol::{EXIT_INCOMPLETE, EXIT_SYSTEM, Guard, VERSION};

/// The largest number of steps that the kernel knows.
const NICEST: i32 = 19;

/// The arguments in one line, which a wrong argument is answered with.
pub const USAGE: &str = "\
usage: pgai_rs_parser [--nice STEPS] | --check | --version | --help
";

const HELP: &str = "\
pgai_rs_parser reads one document and writes its text as Markdown. The worker of
pgai_rs runs it for each document, within limits; it is of no use otherwise.

  --nice STEPS  let other processes go first, by so many steps from 0 to 19
  --check       tell which guards hold on this system while a document is read
  --version     tell its version, and that of its protocol

exit status: 0 an answer was written (a refusal of the document is one)
            64 arguments that there are not
            65 a message that cannot be understood
            70 no memory for the message
            71 the operating system refused a thread or a pipe
            78 --check found that a guard is missing
";

/// The program's task.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Reads a document.
    Read {
        /// The number of steps by which other processes go first.
        nice: i32,
    },
    /// Tells which guards hold.
    Check,
    /// Prints this.
    Print(String),
}

/// Returns the task that the arguments ask for, or what is wrong with them.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let arguments: Vec<OsString> = arguments.collect();
    let words: Option<Vec<&str>> = arguments.iter().map(|argument| argument.to_str()).collect();
    match words.ok_or("an argument that is not text")?.as_slice() {
        [] => Ok(Command::Read { nice: 0 }),
        ["--nice", steps] => Ok(Command::Read { nice: parse_nice(steps)? }),
        ["--check"] => Ok(Command::Check),
        ["--help"] => Ok(Command::Print(format!("{USAGE}\n{HELP}"))),
        ["--version"] => {
            Ok(Command::Print(format!("pgai_rs_parser {}, protocol {VERSION}\n", env!("CARGO_PKG_VERSION"))))
        }
        _ => Err("arguments that there are not".to_owned()),
    }
}

fn parse_nice(steps: &str) -> Result<i32, String> {
    let nice = steps.parse().ok().filter(|nice| (0..=NICEST).contains(nice));
    nice.ok_or_else(|| format!("--nice takes a number from 0 to {NICEST}"))
}

/// Prints the guards that hold on this system, for an administrator.
pub fn check() -> ExitCode {
    let bounds = sandbox::bounds();
    let checked = sandbox::run(&Guard::ALL, |confinement| {
        print!("{}", report(confinement, bounds));
        confinement.in_force().len() == Guard::ALL.len()
    });
    match checked {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_INCOMPLETE),
        Err(error) => {
            eprintln!("pgai_rs_parser: {error}");
            ExitCode::from(EXIT_SYSTEM)
        }
    }
}

fn report(confinement: &Confinement, bounds: Bounds) -> String {
    let mut text = String::from("While pgai_rs_parser reads a document on this system:\n");
    for (guard, missing) in confinement.outcomes() {
        let state = match missing {
            None => "yes".to_owned(),
            Some(reason) => format!("NO, {reason}"),
        };
        text.push_str(&format!("  {:<18} {} {state}\n", guard.name(), promise(guard)));
    }
    for (name, bound) in [("memory", bounds.memory), ("CPU seconds", bounds.cpu_seconds)] {
        let state = bound.map_or("no limit here; the worker sets one".to_owned(), |bound| bound.to_string());
        text.push_str(&format!("  {name:<18} {state}\n"));
    }
    text
}

/// Returns the promise that a guard makes.
fn promise(guard: Guard) -> &'static str {
    match guard {
        Guard::NoNewPrivileges => "it gains no rights, and nobody attaches to it:",
        Guard::Landlock => "it reaches no file, TCP port or other process:",
        Guard::Limits => "it opens nothing and starts nothing, and leaves no core dump:",
        Guard::SystemCalls => "it makes only the system calls that reading takes:",
    }
}
