//! The parser: `pgai_rs_parser`, a program that reads one document, within limits.

use std::io;

use pgai_rs_parser_protocol::{
    Answer, DocumentHeader, Format, Metadata, Page, ParseRequest, RefusalCode, Unanswered, VERSION, Verdict,
    read, write,
};

use super::confinement;
use super::{ParseFailure, Parsed, UnparsedDocument};
use crate::child::{ChildLimits, ChildProgram, ChildRun, Ending};
use crate::config::TextFormat;
use crate::settings::Settings;

/// The program's place in the queue for a processor: the server's own processes come first.
const NICENESS: &str = "10";

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
            output: usize::try_from(settings.max_document_size).unwrap_or(usize::MAX),
            ..ChildLimits::new(settings.parse_memory_limit, settings.parse_timeout)
        };
        let arguments = ["--nice", NICENESS].map(Into::into).to_vec();
        Some(Parser { program: ChildProgram { path, arguments, limits } })
    }

    /// Returns the text of a document. If the future is dropped, the program is killed.
    ///
    /// # Errors
    ///
    /// If the document has no text, or the program fails, takes too much, or is not there.
    pub async fn read(&self, document: &UnparsedDocument) -> Result<Parsed, ParseFailure> {
        let request = ParseRequest {
            version: VERSION,
            name: document.name.clone(),
            content_type: document.content_type.clone(),
        };
        let header = write(&request).map_err(|error| ParseFailure::Crashed(error.to_string()))?;
        let message = [header.into(), document.bytes.clone()];
        let run = self.program.run(message).await.map_err(|error| self.not_started(&error))?;
        self.answer(run)
    }

    fn not_started(&self, error: &io::Error) -> ParseFailure {
        let path = self.program.path.display();
        match error.kind() {
            io::ErrorKind::NotFound => {
                ParseFailure::NotInstalled(format!("the parser \"{path}\" does not exist"))
            }
            io::ErrorKind::PermissionDenied => {
                ParseFailure::NotInstalled(format!("the parser \"{path}\" cannot be executed"))
            }
            _ => ParseFailure::NotStarted(error.to_string()),
        }
    }

    /// Returns what a run says.
    fn answer(&self, run: ChildRun) -> Result<Parsed, ParseFailure> {
        let limits = &self.program.limits;
        let (unanswered, how) = match run.ending {
            Ending::Exited(0) => return understood(run.output),
            Ending::TimedOut => return Err(ParseFailure::TimedOut(limits.time)),
            Ending::TooMuchOutput => return Err(ParseFailure::TooLarge(limits.output)),
            Ending::Abandoned => return Err(ParseFailure::NotStarted("nobody waits for it".to_owned())),
            Ending::Signalled(signal) => {
                (Unanswered::by_signal(signal, &run.messages), format!("signal {signal}"))
            }
            Ending::Exited(status) => (Unanswered::by_status(status), format!("exit status {status}")),
        };
        Err(match unanswered {
            Unanswered::Crashed => ParseFailure::Crashed(how),
            Unanswered::StackOverflow => ParseFailure::Crashed("the document is nested too deep".to_owned()),
            Unanswered::Killed => ParseFailure::Killed,
            Unanswered::OutOfMemory => ParseFailure::OutOfMemory(limits.memory >> 20),
            Unanswered::TimedOut => ParseFailure::TimedOut(limits.time),
            Unanswered::Misunderstood => {
                ParseFailure::NotInstalled("the parser is of another version".to_owned())
            }
            Unanswered::Refused => ParseFailure::NotStarted(how),
        })
    }
}

/// Returns the document that an answer holds.
fn understood(mut output: Vec<u8>) -> Result<Parsed, ParseFailure> {
    let malformed = || ParseFailure::Crashed("its answer cannot be understood".to_owned());
    let (answer, text) = read::<Answer>(&output).map_err(|_| malformed())?;
    if answer.version != VERSION {
        return Err(ParseFailure::NotInstalled(format!(
            "the parser speaks version {} of its protocol, the worker version {VERSION}",
            answer.version
        )));
    }

    confinement::note(&answer.confinement);

    let header = match answer.verdict {
        Verdict::Document(header) => header,
        Verdict::Refusal(refusal) if refusal.code == RefusalCode::VersionMismatch => {
            return Err(ParseFailure::NotInstalled(refusal.message));
        }
        Verdict::Refusal(refusal) => return Err(ParseFailure::Refused(refusal)),
    };

    let start = output.len() - text.len();
    output.drain(..start);
    let text = String::from_utf8(output).map_err(|_| malformed())?;
    if text.contains('\0') || !are_within(&header.pages, &text) || !is_storable(&header) {
        return Err(malformed());
    }

    let DocumentHeader { kind, format, pages, metadata } = header;
    let format = match format {
        Format::Text => TextFormat::Text,
        Format::Markdown => TextFormat::Markdown,
    };
    Ok(Parsed { text, format, kind: Some(kind), pages, metadata })
}

/// Returns whether Postgres can store what is said about the document.
fn is_storable(header: &DocumentHeader) -> bool {
    let Metadata { title, author, created, modified, language, .. } = &header.metadata;
    let stated = [title, author, created, modified, language].into_iter().flatten();
    stated.chain([&header.kind]).all(|text| !text.contains('\0'))
}

/// Returns whether pages begin in the text, each after the one before it: the program read what nobody trusts, and
/// might have been taken over.
pub(super) fn are_within(pages: &[Page], text: &str) -> bool {
    let in_order = pages.windows(2).all(|pair| pair[0].start <= pair[1].start);
    in_order && pages.iter().all(|page| text.is_char_boundary(page.start))
}
