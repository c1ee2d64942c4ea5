//! One request for relevance, and its answer.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{CONNECTION, HeaderValue};

use super::error::refused;
use super::resolve::{RerankServer, provider};
use super::tokens;
use super::wire::{Body, billed_tokens, read};
use crate::embed::error::EmbedError;
use crate::embed::http::{
    BYTES_PER_ANSWER, BYTES_PER_ECHO, BYTES_PER_INPUT, LargeAnswers, client_with_key, on_bill, refusal,
    tokens_told,
};
use crate::embed::limits::pack::Limits;
use crate::embed::request::body::{may_be_compressed, read_body};
use crate::embed::request::network_error::network_error;
use crate::embed::request::refusal::ProviderRefusal;
use crate::failure::Failure;
use crate::network::HttpClients;
use crate::offload::Offload;
use crate::quota::Owner;
use crate::secret::ApiKey;
use crate::usage::{Bill, Size, most_tokens};

/// A client of one server.
pub(super) struct Client {
    client: reqwest::Client,
    server: RerankServer,
    url: Url,
    timeout: Duration,
    /// Works on large answers, while whoever asks can still be interrupted.
    large: LargeAnswers,
}

impl Client {
    /// Returns a client whose requests take at most `timeout` each, from connection to last byte.
    ///
    /// # Errors
    ///
    /// `no_api_key` if the server is the provider's own and there is no key, `invalid_api_key` if there is one that can't be
    /// sent, `invalid_base_url`, `address_not_allowed` if the host is an address that may not be asked.
    pub(super) fn new(
        clients: &HttpClients,
        server: RerankServer,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let RerankServer { protocol, endpoint } = &server;
        let profile = provider(*protocol).profile();
        let (client, url) = client_with_key(clients, endpoint, profile, protocol.path())?;
        let large = LargeAnswers::new(Offload::new(), Owner::default());
        Ok(Client { client, server, url, timeout, large })
    }

    /// Returns the most that the provider takes in a request.
    pub(super) fn limits(&self) -> Limits {
        self.server.protocol.limits(&self.server.endpoint.model)
    }

    /// Returns the relevance of each text to a question, in the order of the texts, and puts what is asked for on the bill.
    pub(super) async fn ask(
        &self,
        question: &str,
        texts: &[Arc<str>],
        bill: &Bill,
    ) -> Result<Vec<f64>, EmbedError> {
        let size = size(question, texts);
        let RerankServer { protocol, endpoint } = &self.server;
        let body = Body::new(*protocol, &endpoint.model, question, texts);
        // Nobody asks again over this connection: the client ends with the call.
        let request = self.client.post(self.url.clone()).timeout(self.timeout);
        let request = request.header(CONNECTION, HeaderValue::from_static("close"));
        let request = endpoint.authorize(request).json(&body).build().map_err(network_error)?;
        let response = on_bill(bill, size, self.client.execute(request)).await?;

        let refusal = match response.status().is_success() {
            false => {
                bill.refused(size);
                refusal(response).await
            }
            true => match self.read(response, question, texts, bill).await? {
                Answer::Scores(scores) => return Ok(scores),
                Answer::Refusal(refusal) => {
                    bill.refused(size);
                    refusal
                }
            },
        };
        // None of what was sent is told.
        let sent: Vec<Arc<str>> = texts.iter().cloned().chain([question.into()]).collect();
        Err(refused(refusal, endpoint.api_key.as_ref().map(ApiKey::secret), &sent))
    }

    /// Reads an answer with the status of a success, in bounds: some servers repeat the texts.
    async fn read(
        &self,
        response: reqwest::Response,
        question: &str,
        texts: &[Arc<str>],
        bill: &Bill,
    ) -> Result<Answer, EmbedError> {
        let echo = BYTES_PER_ECHO * (question.len() + texts.iter().map(|text| text.len()).sum::<usize>());
        let most = texts.len() * BYTES_PER_INPUT + echo + BYTES_PER_ANSWER;

        let status = response.status();
        let headers = response.headers().clone();
        let (body, complete) = read_body(response, most).await?;
        if !complete {
            return Err(EmbedError::BadResponse(format!("it has more than {most} bytes")));
        }
        let body = match may_be_compressed(&headers, &body) {
            true => self.large.plain(headers.clone(), body, most).await?,
            false => body,
        };

        let (protocol, count) = (self.server.protocol, texts.len());
        let bytes = body.len();
        let reading = move |_: &AtomicBool| Ok((read(protocol, &body, count), billed_tokens(&body), body));
        let (scores, tokens, body) = self.large.run(bytes, reading).await?;
        match scores {
            Ok(scores) => {
                tokens
                    .or_else(|| tokens_told(&headers))
                    .inspect(|tokens| bill.said(size(question, texts), *tokens));
                Ok(Answer::Scores(scores))
            }
            Err(error) => {
                // Nothing longer than this is a refusal.
                let told = body.get(..).filter(|body| body.len() <= BYTES_PER_ANSWER);
                let refusal = told.and_then(|body| ProviderRefusal::in_success(status, &headers, body));
                refusal.map(Answer::Refusal).ok_or(error)
            }
        }
    }
}

/// Returns the size of a request: the model reads the question with each text.
fn size(question: &str, texts: &[Arc<str>]) -> Size {
    let inputs = texts.len() as u64;
    let of_texts: u64 = texts.iter().map(|text| text.len() as u64).sum();
    let of_question = question.len() as u64;
    Size {
        inputs,
        bytes: of_question + of_texts,
        tokens: tokens(question, texts),
        most_tokens: most_tokens(inputs, of_texts + inputs * of_question),
    }
}

/// An answer with the status of a success.
enum Answer {
    /// The scores that were asked for.
    Scores(Vec<f64>),
    /// An error nevertheless.
    Refusal(ProviderRefusal),
}
