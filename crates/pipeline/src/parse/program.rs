//! The parser: `pgai_rs_parser`, a program that reads one document, within limits.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use pgai_rs_parser_protocol::{Answer, Format, Header, Outcome, RefusalCode, Request, VERSION, read, write};

use super::{ParseError, Parsed, UnparsedDocument};
use crate::child::{ChildLimits, ChildProgram, ChildRun, Ending};
use crate::config::TextFormat;
use crate::settings::Settings;

/// What the program writes to stderr when an allocation fails: the words of Rust's standard library.
const OUT_OF_MEMORY: &[u8] = b"memory allocation of ";

/// The parser, and what reading one document may take.
#[derive(Debug, Clone)]
pub struct Parser {
    program: ChildProgram,
}

impl Parser {
    /// Returns the parser that the settings name. `None` if they name none, which only tests do.
    pub fn new(settings: &Settings) -> Option<Self> {
        let path = settings.parser.clone()?;
        let limits = ChildLimits {
            memory: settings.parse_memory_limit,
            cpu_seconds: settings.parse_timeout.as_secs().max(1),
            time: settings.parse_timeout,
            output: usize::try_from(settings.max_document_size).unwrap_or(usize::MAX),
            ..ChildLimits::default()
        };
        Some(Parser { program: ChildProgram { path, arguments: Vec::new(), limits } })
    }

    /// Returns the text of a document. If the future is dropped, the program is killed.
    ///
    /// # Errors
    ///
    /// If the document has no text, or the program fails, takes too much, or is not there.
    pub async fn read(&self, document: &UnparsedDocument) -> Result<Parsed, ParseError> {
        let request = Request {
            version: VERSION,
            name: document.name.clone(),
            content_type: document.content_type.clone(),
        };
        let mut message = write(&request).map_err(|error| ParseError::Crashed(error.to_string()))?;
        message.extend_from_slice(&document.bytes);

        let run = self.program.run(Bytes::from(message)).await.map_err(|error| self.not_started(&error))?;
        self.answer(run)
    }

    fn not_started(&self, error: &io::Error) -> ParseError {
        let path: &PathBuf = &self.program.path;
        match error.kind() {
            io::ErrorKind::NotFound => {
                ParseError::NotInstalled(format!("the parser \"{}\" does not exist", path.display()))
            }
            io::ErrorKind::PermissionDenied => {
                ParseError::NotInstalled(format!("the parser \"{}\" cannot be executed", path.display()))
            }
            _ => ParseError::NotStarted(error.to_string()),
        }
    }

    /// Returns what a run says.
    fn answer(&self, run: ChildRun) -> Result<Parsed, ParseError> {
        let limits = &self.program.limits;
        match run.ending {
            Ending::Exited(0) => understood(run.output),
            Ending::TimedOut | Ending::Signalled(libc::SIGXCPU) => Err(ParseError::TimedOut(limits.time)),
            Ending::TooMuchOutput => Err(ParseError::TooLarge(limits.output)),
            Ending::Abandoned => Err(ParseError::NotStarted("nobody waits for it".to_owned())),
            Ending::Signalled(libc::SIGKILL) => Err(ParseError::Killed),
            _ if run.messages.starts_with(OUT_OF_MEMORY) => Err(ParseError::OutOfMemory(limits.memory >> 20)),
            Ending::Signalled(signal) => Err(ParseError::Crashed(format!("signal {signal}"))),
            Ending::Exited(status) => Err(ParseError::Crashed(format!("exit status {status}"))),
        }
    }
}

/// Returns the document that an answer holds.
fn understood(mut output: Vec<u8>) -> Result<Parsed, ParseError> {
    let malformed = || ParseError::Crashed("its answer cannot be understood".to_owned());
    let (answer, text) = read::<Answer>(&output).map_err(|_| malformed())?;
    if answer.version != VERSION {
        return Err(ParseError::NotInstalled(format!(
            "the parser speaks version {} of its protocol, the worker version {VERSION}",
            answer.version
        )));
    }

    let header = match answer.outcome {
        Outcome::Document(header) => header,
        Outcome::Refusal(refusal) if refusal.code == RefusalCode::VersionMismatch => {
            return Err(ParseError::NotInstalled(refusal.message));
        }
        Outcome::Refusal(refusal) => return Err(ParseError::Refused(refusal)),
    };

    let start = output.len() - text.len();
    output.drain(..start);
    let text = String::from_utf8(output).map_err(|_| malformed())?;
    if text.contains('\0') || !is_within(&header, &text) {
        return Err(malformed());
    }

    let Header { kind, format, pages, metadata } = header;
    let format = match format {
        Format::Text => TextFormat::Text,
        Format::Markdown => TextFormat::Markdown,
    };
    Ok(Parsed { text, format, kind: Some(kind), pages, metadata })
}

/// Returns whether pages begin in the text, each after the one before it: the program read what nobody trusts, and
/// might have been taken over.
fn is_within(header: &Header, text: &str) -> bool {
    let in_order = header.pages.windows(2).all(|pair| pair[0].start <= pair[1].start);
    in_order && header.pages.iter().all(|page| text.is_char_boundary(page.start))
}
