//! OpenAI's `/embeddings`, which many other servers speak as well.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use reqwest::{StatusCode, Url};

use super::check::{self, Wrong};
use super::openai_error::Refusal;
use super::openai_wire::{Request, Response};
use super::{EmbedError, Embedder, Vectors, ADMINISTRATOR};
use crate::document::{Failure, Retry, Secret, Step};
use crate::shorten::shorten;

/// OpenAI's own server, which lets nobody in without a key.
const OPENAI_HOST: &str = "api.openai.com";
/// The one model that takes no `dimensions`: it always answers 1,536.
const ADA_002: &str = "text-embedding-ada-002";
/// Longest time to establish a connection; a reachable host needs a fraction of it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of a number in an answer, blanks of an indented one included.
const BYTES_PER_NUMBER: usize = 48;
/// Most bytes of an answer beside its numbers, one input.
const BYTES_PER_INPUT: usize = 512;
/// Most bytes of a refusal, and of an answer beside its vectors.
const BYTES_PER_ANSWER: usize = 64 << 10;
/// Answers from this size on are read off the network's threads: a megabyte takes milliseconds.
const LARGE_ANSWER: usize = 1 << 20;

/// What a vectorizer asks of OpenAI's wire.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OpenAiConfig {
    /// URL to which `/embeddings` is added.
    pub base_url: String,
    /// The model's name.
    pub model: String,
    /// How many numbers a vector has.
    pub dimensions: u32,
    /// Passed on as `user`.
    pub user: Option<String>,
    /// Sent as a bearer token.
    pub api_key: Option<Secret>,
}

/// An embedder on OpenAI's wire.
pub struct OpenAi {
    client: reqwest::Client,
    config: OpenAiConfig,
    url: Url,
    timeout: Duration,
    /// The server has refused base64.
    floats_only: AtomicBool,
    /// The server has refused `dimensions`; the answer's are checked anyway.
    without_dimensions: AtomicBool,
}

/// A client for all embedders: connections and trust roots are shared.
///
/// Redirects are not followed: they would carry documents to an address that nobody allowed.
///
/// # Errors
///
/// When the system's TLS can't be set up.
pub fn client() -> Result<reqwest::Client, reqwest::Error> {
    client_builder().build()
}

pub(super) fn client_builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("pgai_rs/", env!("CARGO_PKG_VERSION")))
}

impl OpenAi {
    /// An embedder whose requests take at most `timeout` each, from connection to last byte.
    ///
    /// # Errors
    ///
    /// `no_api_key` if the server is OpenAI's own and there is no key, `invalid_base_url`.
    pub fn new(client: reqwest::Client, config: OpenAiConfig, timeout: Duration) -> Result<Self, Failure> {
        let url = endpoint(&config.base_url)?;
        if config.api_key.is_none() && url.host_str() == Some(OPENAI_HOST) {
            return Err(no_api_key());
        }
        Ok(OpenAi {
            client,
            config,
            url,
            timeout,
            floats_only: AtomicBool::new(false),
            without_dimensions: AtomicBool::new(false),
        })
    }

    /// Asks, and asks again without what this server does not know.
    async fn ask(&self, inputs: &[Arc<str>]) -> Result<Vectors, EmbedError> {
        loop {
            let floats_only = self.floats_only.load(Ordering::Relaxed);
            let without_dimensions = self.without_dimensions.load(Ordering::Relaxed);
            let response = self.send(inputs, floats_only, without_dimensions).await?;
            if response.status() == StatusCode::OK {
                return self.read(response, inputs.len()).await;
            }
            let refusal = refusal(response).await;
            if !floats_only && refusal.is_bad_request() && refusal.is_about("encoding_format") {
                self.floats_only.store(true, Ordering::Relaxed);
            } else if !without_dimensions && self.may_omit_dimensions(&refusal) {
                self.without_dimensions.store(true, Ordering::Relaxed);
            } else {
                return Err(refusal.into_error(self.config.api_key.as_ref(), inputs));
            }
        }
    }

    /// Servers with models of one length refuse to be told a length, even theirs.
    fn may_omit_dimensions(&self, refusal: &Refusal) -> bool {
        self.url.host_str() != Some(OPENAI_HOST)
            && refusal.is_bad_request()
            && (refusal.is_about("dimensions") || refusal.is_about("matryoshka"))
    }

    async fn send(
        &self,
        inputs: &[Arc<str>],
        floats_only: bool,
        without_dimensions: bool,
    ) -> Result<reqwest::Response, EmbedError> {
        let config = &self.config;
        let request = Request {
            model: &config.model,
            input: inputs,
            dimensions: Some(config.dimensions).filter(|_| config.model != ADA_002 && !without_dimensions),
            user: config.user.as_deref(),
            encoding_format: if floats_only { "float" } else { "base64" },
        };
        let mut builder = self.client.post(self.url.clone()).timeout(self.timeout).json(&request);
        if let Some(key) = &config.api_key {
            builder = builder.bearer_auth(key.expose());
        }
        builder.send().await.map_err(network_error)
    }

    async fn read(&self, response: reqwest::Response, inputs: usize) -> Result<Vectors, EmbedError> {
        let dimensions = self.config.dimensions as usize;
        let most = inputs * (dimensions * BYTES_PER_NUMBER + BYTES_PER_INPUT) + BYTES_PER_ANSWER;
        let (body, complete) = read_body(response, most).await?;
        if !complete {
            return Err(EmbedError::BadResponse(format!("it has more than {most} bytes")));
        }
        if body.len() < LARGE_ANSWER {
            return parse(&body, inputs, dimensions);
        }
        let parsed = tokio::task::spawn_blocking(move || parse(&body, inputs, dimensions)).await;
        parsed.unwrap_or_else(|_| Err(EmbedError::BadResponse("reading it failed".to_owned())))
    }
}

impl Embedder for OpenAi {
    fn embed<'a>(
        &'a self,
        inputs: &'a [Arc<str>],
    ) -> Pin<Box<dyn Future<Output = Result<Vectors, EmbedError>> + Send + 'a>> {
        Box::pin(self.ask(inputs))
    }
}

fn endpoint(base_url: &str) -> Result<Url, Failure> {
    let url = Url::parse(&format!("{}/embeddings", base_url.trim_end_matches('/')));
    url.ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()).ok_or_else(|| {
        let message = "the embedding provider's base_url is not an http(s) URL";
        Failure::new(Step::Embedding, "invalid_base_url", message, Retry::After(ADMINISTRATOR))
            .with_hint("Write it as https://host/v1; pgai_rs.openai_base_url is the default.")
    })
}

fn no_api_key() -> Failure {
    let message = "there is no API key for OpenAI";
    Failure::new(Step::Embedding, "no_api_key", message, Retry::After(ADMINISTRATOR)).with_hint(
        "Make the key known to the Postgres server under the vectorizer's api_key_name, and allow the name with \
         pgai_rs.api_key_names.",
    )
}

/// The bytes of a body, and whether these are all.
async fn read_body(mut response: reqwest::Response, most: usize) -> Result<(Vec<u8>, bool), EmbedError> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(network_error)? {
        if body.len() + part.len() > most {
            return Ok((body, false));
        }
        body.extend_from_slice(&part);
    }
    Ok((body, true))
}

/// A refusal counts even if its explanation is cut short.
async fn refusal(response: reqwest::Response) -> Refusal {
    let (status, headers) = (response.status(), response.headers().clone());
    let body = read_body(response, BYTES_PER_ANSWER).await.map(|(body, _)| body).unwrap_or_default();
    Refusal::read(status, &headers, &body)
}

fn parse(body: &[u8], inputs: usize, dimensions: usize) -> Result<Vectors, EmbedError> {
    let response: Response = serde_json::from_slice(body).map_err(|error| {
        // serde's own text may repeat what it found.
        match error.classify() {
            serde_json::error::Category::Eof => EmbedError::Unavailable("its answer broke off".to_owned()),
            _ => EmbedError::BadResponse("it is not the JSON of /embeddings".to_owned()),
        }
    })?;
    let answered = response.data.into_iter().map(|item| (item.index, item.embedding.0)).collect();
    check::in_order(answered, inputs, dimensions).map_err(|wrong| match wrong {
        Wrong::Once(what) => EmbedError::BadResponse(what),
        Wrong::Dimensions(answered) => EmbedError::refused(
            "bad_response",
            format!("the model answers {answered} dimensions, the vectorizer has {dimensions}"),
            "Create the vectorizer with the model's number of dimensions, or choose another model.",
        ),
    })
}

/// Says what failed without the URL, whose userinfo may be secret.
fn network_error(error: reqwest::Error) -> EmbedError {
    let error = error.without_url();
    let mut innermost: &dyn Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let why = shorten(&innermost.to_string(), 200);
    if error.is_connect() {
        EmbedError::Unreachable(why)
    } else if error.is_timeout() {
        EmbedError::Unavailable("it took too long".to_owned())
    } else {
        EmbedError::Unavailable(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(base_url: &str, api_key: Option<&str>) -> Result<OpenAi, Failure> {
        let config = OpenAiConfig {
            base_url: base_url.to_owned(),
            model: "m".to_owned(),
            dimensions: 3,
            user: None,
            api_key: api_key.map(Secret::new),
        };
        OpenAi::new(client().unwrap(), config, Duration::from_secs(1))
    }

    #[test]
    fn openai_itself_wants_a_key() {
        assert_eq!(
            new("https://api.openai.com/v1", None).err().map(|failure| failure.code),
            Some("no_api_key")
        );
        assert!(new("https://api.openai.com/v1", Some("k")).is_ok());
        assert!(new("http://localhost:11434/v1/", None).is_ok());
    }

    #[test]
    fn an_address_must_be_one() {
        for base_url in ["", "localhost", "file:///etc", "ftp://host/v1"] {
            assert_eq!(
                new(base_url, None).err().map(|failure| failure.code),
                Some("invalid_base_url"),
                "{base_url}"
            );
        }
        assert_eq!(endpoint("http://h/v1/").unwrap().as_str(), "http://h/v1/embeddings");
    }

    #[test]
    fn a_large_answer_is_read_quickly_enough_to_be_tested() {
        let vector = vec!["-0.012345678901234567"; 768].join(",");
        let items: Vec<_> = (0..2048).map(|i| format!(r#"{{"index":{i},"embedding":[{vector}]}}"#)).collect();
        let body = format!(r#"{{"data":[{}]}}"#, items.join(","));
        assert_eq!(parse(body.as_bytes(), 2048, 768).unwrap().len(), 2048);
    }

    #[test]
    fn a_broken_off_answer_is_no_wrong_answer() {
        assert!(matches!(parse(br#"{"data": [{"emb"#, 1, 1), Err(EmbedError::Unavailable(_))));
        assert!(matches!(parse(b"<html>", 1, 1), Err(EmbedError::BadResponse(_))));
        assert!(matches!(parse(br#"{"data": {}}"#, 1, 1), Err(EmbedError::BadResponse(_))));
    }
}
