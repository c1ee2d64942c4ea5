//! The program that reads one document: the document comes on stdin, its text goes to stdout.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use pgai_rs_parser::answer;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pgai_rs_parser: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads a message, and writes the answer to it.
fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut message = Vec::new();
    io::stdin().lock().read_to_end(&mut message)?;
    let (header, text) = answer(&message)?;

    let mut output = io::stdout().lock();
    output.write_all(&header)?;
    output.write_all(text.as_bytes())?;
    output.flush()?;
    Ok(())
}
