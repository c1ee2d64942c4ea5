//! The requests that bring a batch to its provider, and its answers back.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, Response};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::answers::{Answers, BatchAnswer, Lines};
use super::file::{self, BatchFile, PATH};
use super::state::{Batch, Created, Page, file_id};
use crate::embed::endpoint::{Endpoint, percent_encoded};
use crate::embed::error::{EmbedError, invalid};
use crate::embed::http::{
    BYTES_PER_ANSWER, BYTES_PER_INPUT, BYTES_PER_NUMBER, Expected, client_with_key, most_numbers, refusal,
};
use crate::embed::model::Model;
use crate::embed::pacing::connections::ConnectionShare;
use crate::embed::provider::{Protocol, Provider};
use crate::embed::request::body::read_body;
use crate::embed::request::network_error::network_error;
use crate::embed::request::refusal::{ProviderRefusal, RefusalKind};
use crate::failure::{Failure, Retry, Scope, Step};
use crate::network::{HttpClients, asked_by};
use crate::quota::Owner;
use crate::secret::ApiKey;

/// The largest number of bytes of a page of the list of batches.
const BYTES_PER_PAGE: usize = 4 << 20;

/// The number of pages, of 100 batches each, in which one is looked for.
const MOST_PAGES: usize = 5;

/// The numbers of answers, and of the numbers in their vectors, that are handed over at a time: of vectors of four bytes a number
/// at most a megabyte.
const ANSWERS_PER_PAGE: usize = 128;
const NUMBERS_PER_PAGE: usize = 1 << 18;

/// The name under which a batch has its tag with the provider.
const TAG: &str = "pgai_rs";

/// The seconds for which OpenAI keeps files that nobody has deleted: three days. Its own limit is 30.
const KEPT_SECONDS: u32 = 3 * 86_400;

/// A model whose provider has a batch API, ready to be asked.
pub struct BatchServer {
    client: reqwest::Client,
    endpoint: Endpoint,
    protocol: std::sync::Arc<dyn Protocol>,
    expected: Expected,
    timeout: Duration,
    connections: ConnectionShare,
    owner: Owner,
}

impl BatchServer {
    /// Looks whether a model can be asked, by the same rules as for any other request.
    ///
    /// # Errors
    ///
    /// `invalid_embedding` if its provider has no batch API that is known, and what
    /// [`HttpEmbedder::new`](crate::embed::http::HttpEmbedder::new) errors with.
    pub(in crate::embed) fn new(
        clients: &HttpClients,
        model: Model,
        timeout: Duration,
        (owner, connections): (Owner, ConnectionShare),
    ) -> Result<Self, Failure> {
        let profile = model.provider.profile();
        if model.provider != Provider::OpenAi {
            let message = format!("no batch API of {} is known", profile.name);
            let hint = "Use a model of OpenAI, or leave backfill out of ai.processing_default().";
            return Err(invalid(message, hint));
        }

        let endpoint = model.endpoint.clone();
        let (client, _) = client_with_key(clients, &endpoint, profile, "batches")?;
        let dimensions = endpoint.dimensions as usize;
        let shortened_to = endpoint.shortened_to.map(|most| most as usize);
        let expected = Expected { inputs: 1, dimensions, shortened_to, proven: false };
        Ok(BatchServer {
            client,
            protocol: model.protocol(),
            endpoint,
            expected,
            timeout,
            connections,
            owner,
        })
    }

    /// Makes the file of requests for inputs, each with its place.
    ///
    /// # Errors
    ///
    /// If an input can't be written as JSON, which all can.
    pub fn file<'a>(&self, inputs: impl Iterator<Item = (i32, &'a str)>) -> Result<BatchFile, Failure> {
        let mut file = BatchFile::default();
        for (place, input) in inputs {
            let added = file.add(&self.endpoint, place, input);
            added.map_err(|_| rejected("the file of requests could not be written"))?;
        }
        Ok(file)
    }

    /// Uploads a file of requests. Returns its id.
    ///
    /// # Errors
    ///
    /// Fails with [`Retry::Never`] if the provider takes no such file. Any other failure passes.
    pub async fn upload(&self, file: BatchFile) -> Result<String, Failure> {
        let kept = KEPT_SECONDS.to_string();
        let mut fields = vec![("purpose", "batch")];
        // What other servers know is not known.
        if self.endpoint.at_home {
            fields.extend([("expires_after[anchor]", "created_at"), ("expires_after[seconds]", &kept)]);
        }
        let form = file::form(&file, &fields);
        drop(file);
        let request = self.client.post(self.endpoint.url("files")).header(CONTENT_TYPE, form.content_type);
        let body = self.ask(request.body(form.body), BYTES_PER_ANSWER).await?;
        file_id(&body).map_err(EmbedError::into_failure)
    }

    /// Makes a batch of a file. The provider begins with it, and bills what it does.
    ///
    /// # Errors
    ///
    /// Fails with [`Retry::Never`] if the provider makes no such batch. After any other failure it may have made it:
    /// see [`find`](Self::find).
    pub async fn create(&self, file: &str, tag: &str) -> Result<Created, Failure> {
        let mut batch = json!({
            "input_file_id": file,
            "endpoint": PATH,
            "completion_window": "24h",
            "metadata": {TAG: tag},
        });
        if self.endpoint.at_home {
            batch["output_expires_after"] = json!({"anchor": "created_at", "seconds": KEPT_SECONDS});
        }
        let request = self.client.post(self.endpoint.url("batches")).json(&batch);
        Batch::read(&self.ask(request, BYTES_PER_ANSWER).await?).map_err(EmbedError::into_failure)
    }

    /// Looks for the batch that was made with a tag; `None` if there is none among the newest.
    ///
    /// # Errors
    ///
    /// Fails with [`Retry::Never`] if the provider does not list batches. Any other failure passes.
    pub async fn find(&self, tag: &str) -> Result<Option<Created>, Failure> {
        let mut after = String::new();
        for _ in 0..MOST_PAGES {
            let url = format!("{}?limit=100{after}", self.endpoint.url("batches"));
            let body = self.ask(self.client.get(url), BYTES_PER_PAGE).await?;
            match Page::find(&body, TAG, tag).map_err(EmbedError::into_failure)? {
                (Some(found), _) => return Ok(Some(found)),
                (None, Some(last)) => after = format!("&after={}", percent_encoded(&last)),
                (None, None) => break,
            }
        }
        Ok(None)
    }

    /// Asks how a batch is.
    ///
    /// # Errors
    ///
    /// Fails with [`Retry::Never`] if the provider does not know it. Any other failure passes.
    pub async fn look(&self, id: &str) -> Result<Created, Failure> {
        let url = self.endpoint.url(&format!("batches/{}", percent_encoded(id)));
        let body = self.ask(self.client.get(url), BYTES_PER_ANSWER).await?;
        Batch::read(&body).map_err(EmbedError::into_failure)
    }

    /// Asks that a batch be given up. What was done by then is billed.
    ///
    /// # Errors
    ///
    /// Fails if the provider can't be asked, or refuses.
    pub async fn cancel(&self, id: &str) -> Result<(), Failure> {
        let url = self.endpoint.url(&format!("batches/{}/cancel", percent_encoded(id)));
        self.ask(self.client.post(url), BYTES_PER_ANSWER).await.map(drop)
    }

    /// Deletes a file.
    ///
    /// # Errors
    ///
    /// Fails if the provider can't be asked, or refuses.
    pub async fn delete(&self, file: &str) -> Result<(), Failure> {
        let url = self.endpoint.url(&format!("files/{}", percent_encoded(file)));
        self.ask(self.client.delete(url), BYTES_PER_ANSWER).await.map(drop)
    }

    /// Reads the files of a batch of so many inputs, and hands the answers over as they come. Whoever takes them sets the pace.
    ///
    /// # Errors
    ///
    /// Fails with [`Retry::Never`] if a file is not one of answers to so many inputs; any other failure passes. Answers that were
    /// handed over are good.
    pub async fn fetch(
        &self,
        files: &[String],
        inputs: i32,
        pages: mpsc::Sender<Vec<BatchAnswer>>,
    ) -> Result<(), Failure> {
        let mut answers = Answers::new(&*self.protocol, self.expected, inputs);
        for file in files {
            self.fetch_file(file, inputs, &mut answers, &pages).await?;
        }
        Ok(())
    }

    async fn fetch_file(
        &self,
        file: &str,
        inputs: i32,
        answers: &mut Answers<'_>,
        pages: &mpsc::Sender<Vec<BatchAnswer>>,
    ) -> Result<(), Failure> {
        let url = self.endpoint.url(&format!("files/{}/content", percent_encoded(file)));
        let _connection = self.connections.take().await;
        let sent = timeout(self.timeout, self.send(self.client.get(url))).await;
        let mut body = sent.map_err(|_| too_slow())??.bytes_stream();

        let longest = self.longest_line();
        let most = (longest as u64).saturating_mul(u64::try_from(inputs).unwrap_or_default());
        let most_answers =
            ANSWERS_PER_PAGE.min(NUMBERS_PER_PAGE / most_numbers(self.expected.dimensions)).max(1);
        let (mut lines, mut read, mut page) = (Lines::new(longest), 0_u64, Vec::new());
        // No part may let wait for longer than a whole answer of another kind.
        while let Some(part) = timeout(self.timeout, body.next()).await.map_err(|_| too_slow())? {
            let part = part.map_err(|error| network_error(error).into_failure())?;
            read = read.saturating_add(part.len() as u64);
            if read > most {
                return Err(rejected(&format!("the answers to {inputs} inputs have more than {most} bytes")));
            }
            let added = lines.add(&part, |line| page.extend(answers.read(line)));
            if page.len() >= most_answers || added.is_err() {
                hand_over(&mut page, pages).await?;
            }
            added.map_err(|error| rejected(&error.into_failure().message))?;
        }
        lines.end(|line| page.extend(answers.read(line)));
        hand_over(&mut page, pages).await
    }

    /// Returns the largest number of bytes of a line of answers.
    fn longest_line(&self) -> usize {
        most_numbers(self.expected.dimensions) * BYTES_PER_NUMBER + BYTES_PER_INPUT + BYTES_PER_ANSWER
    }

    /// Sends a request, and reads its answer.
    async fn ask(&self, request: RequestBuilder, most: usize) -> Result<Vec<u8>, Failure> {
        let _connection = self.connections.take().await;
        let response = self.send(request.timeout(self.timeout)).await?;
        match read_body(response, most).await.map_err(EmbedError::into_failure)? {
            (body, true) => Ok(body),
            (_, false) => {
                Err(EmbedError::BadResponse(format!("it has more than {most} bytes")).into_failure())
            }
        }
    }

    /// Sends a request. Returns its answer if that has the status of a success.
    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let sent = asked_by(self.owner, self.endpoint.authorize(request).send()).await;
        let response = sent.map_err(|error| network_error(error).into_failure())?;
        match response.status().is_success() {
            true => Ok(response),
            false => Err(self.refused(refusal(response).await)),
        }
    }

    /// Returns the failure that a refusal comes to, without its message, which may repeat a text of the file: with [`Retry::Never`] unless it is about who asks, how often, or passes.
    fn refused(&self, refusal: ProviderRefusal) -> Failure {
        let key = self.endpoint.api_key.as_ref().map(ApiKey::secret);
        match refusal.kind() {
            RefusalKind::InputRefused | RefusalKind::NoSuchModel | RefusalKind::RequestRefused => {
                rejected(&format!("the provider answered {}", refusal.told_status))
            }
            kind => refusal.without_message().into_error(kind, None, key, &[]).into_failure(),
        }
    }
}

async fn hand_over(
    page: &mut Vec<BatchAnswer>,
    pages: &mpsc::Sender<Vec<BatchAnswer>>,
) -> Result<(), Failure> {
    if page.is_empty() {
        return Ok(());
    }
    pages.send(std::mem::take(page)).await.map_err(|_| rejected("nobody waits for its answers"))
}

/// The failure of what this provider does not do, or does otherwise than its protocol has it.
fn rejected(why: &str) -> Failure {
    Failure::new(
        Step::Embedding,
        "batch_rejected",
        format!("the batch API is of no use: {why}"),
        Retry::Never,
    )
    .concerning(Scope::Provider)
    .with_hint(
        "The rows go the ordinary way. Leave backfill out of ai.processing_default() if it comes again.",
    )
}

fn too_slow() -> Failure {
    EmbedError::Unavailable("it took too long".to_owned()).into_failure()
}
