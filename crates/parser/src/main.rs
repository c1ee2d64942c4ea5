//! The program that reads one document: the document comes on stdin, its text goes to stdout.

mod command;

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use pgai_rs_parser::sandbox::{self, Confinement};
use pgai_rs_parser::{answer, panics};
use pgai_rs_parser_protocol::{EXIT_MEMORY, EXIT_MESSAGE, EXIT_SYSTEM, EXIT_USAGE, Guard};

use command::Command;

fn main() -> ExitCode {
    panics::silence();
    match command::parse(std::env::args_os().skip(1)) {
        Ok(Command::Read { nice }) => end(read(nice)),
        Ok(Command::Check) => command::check(),
        Ok(Command::Print(text)) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprint!("pgai_rs_parser: {problem}\n{}", command::USAGE);
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// A run without an answer: its exit status, and the reason.
type Failed = (u8, String);

/// Returns the exit status, and prints the reason if there is one.
fn end(ended: Result<(), Failed>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err((status, reason)) => {
            eprintln!("pgai_rs_parser: {reason}");
            ExitCode::from(status)
        }
    }
}

/// Reads a message, and writes the answer to it, after giving up everything else.
fn read(nice: i32) -> Result<(), Failed> {
    sandbox::be_nice(nice).map_err(refused)?;
    // SAFETY: this is the process's only thread, and nothing was opened.
    let output = unsafe { sandbox::give_up_inherited() }.map_err(refused)?;
    sandbox::run(&Guard::ALL, |confinement| exchange(confinement, output)).map_err(refused)?
}

fn exchange(confinement: &Confinement, mut output: File) -> Result<(), Failed> {
    let mut message = Vec::new();
    io::stdin().lock().read_to_end(&mut message).map_err(refused)?;
    let (header, text) =
        answer(&message, &confinement.in_force()).map_err(|error| (EXIT_MESSAGE, error.to_string()))?;

    output.write_all(&header).map_err(refused)?;
    output.write_all(text.as_bytes()).map_err(refused)
}

fn refused(error: io::Error) -> Failed {
    let status = if error.kind() == io::ErrorKind::OutOfMemory { EXIT_MEMORY } else { EXIT_SYSTEM };
    (status, error.to_string())
}
