//! Parsing as a stage of its own, which is waited for.

use std::sync::Arc;

use super::{Input, Look, ParseFailure, Parsed, Parser, UnparsedDocument, look, text};
use crate::config::{ParserChoice, TextFormat};
use crate::failure::{Failure, Step};
use crate::fair::FairSemaphore;
use crate::offload::Offload;
use crate::quota::Owner;
use crate::settings::{SPARE_PARSERS, Settings};

/// The parsers, and the slots that they work in.
#[derive(Debug)]
pub(crate) struct Parsers {
    offload: Offload,
    parser: Option<Parser>,
    /// Processes that may run at a time.
    processes: Arc<FairSemaphore>,
}

impl Parsers {
    /// Parsers that decode in these slots, together with whoever has them, too, and run as many processes as the
    /// settings say, together with those before them.
    pub(crate) fn new(settings: &Settings, slots: &Offload, previous: Option<&Parsers>) -> Self {
        let total = (settings.parse_concurrency + SPARE_PARSERS) as u64;
        let processes = previous.map(|previous| &previous.processes).filter(|before| before.total() == total);
        Parsers {
            offload: slots.clone(),
            parser: Parser::new(settings),
            processes: processes.cloned().unwrap_or_else(|| FairSemaphore::new(total, SPARE_PARSERS as u64)),
        }
    }

    /// Turns a document into text: by itself if it is plain text or Markdown, off the network's threads if it is large,
    /// else by the program that reads all others.
    pub(crate) async fn parse(
        &self,
        owner: Owner,
        parser: ParserChoice,
        input: Input,
    ) -> Result<Parsed, Failure> {
        match look(parser, input) {
            Look::Text(parsed) => Ok(parsed),
            Look::Plain(document, format) => self.decode(owner, document, format).await,
            Look::Other(document) => Ok(self.run_program(owner, &document).await?),
        }
    }

    async fn decode(
        &self,
        owner: Owner,
        document: UnparsedDocument,
        format: TextFormat,
    ) -> Result<Parsed, Failure> {
        let size = document.bytes.len();
        let decoded = self.offload.run(owner, size, move |_| text::decode(&document.bytes)).await;
        let text = decoded.map_err(|stopped| stopped.failure(Step::Parsing))??;
        Ok(Parsed::plain(text, format))
    }

    async fn run_program(&self, owner: Owner, document: &UnparsedDocument) -> Result<Parsed, ParseFailure> {
        let Some(parser) = &self.parser else {
            return Err(ParseFailure::NotInstalled("there is no parser".to_owned()));
        };
        let _process = self.processes.acquire(owner, 1).await;
        parser.read(document).await
    }
}
