//! One request over HTTP, whatever the provider: send, read within bounds, tell what went wrong.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{self, HeaderValue};
use reqwest::{StatusCode, Url};

use super::check::{self, Wrong};
use super::connections::idle_per_host;
use super::identity::Credentials;
use super::inputs::Inputs;
use super::limiter::Limiter;
use super::model::{invalid, Model};
use super::pack::Limits;
use super::provider::{Optional, Profile, Wire};
use super::refusal::Refusal;
use super::{EmbedError, Embedder, Vectors, ADMINISTRATOR};
use crate::document::{Failure, Retry, Secret, Step};
use crate::exhausted;
use crate::s3::Clients;
use crate::settings::Settings;
use crate::shorten::shorten;

/// Longest time to establish a connection; a reachable host needs a fraction of it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection that nobody uses is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most numbers of a vector: pgvector's limit for its type `vector`.
const MOST_DIMENSIONS: usize = 16_000;
/// Most bytes of a number in an answer, blanks of an indented one included.
const BYTES_PER_NUMBER: usize = 48;
/// Usual bytes of a number in an answer: written out, or in base64.
const USUAL_PER_FLOAT: usize = 22;
const USUAL_PER_BASE64: usize = 6;
/// Most bytes of an answer beside its numbers, one input.
const BYTES_PER_INPUT: usize = 512;
/// Most bytes in an answer of one byte of an input, for providers that repeat the inputs: `\u0001`.
const BYTES_PER_ECHO: usize = 6;
/// Most bytes of a refusal, and of an answer beside its vectors.
const BYTES_PER_ANSWER: usize = 64 << 10;
/// Answers from this size on are read off the network's threads: a megabyte takes milliseconds.
const LARGE_ANSWER: usize = 1 << 20;

/// A client for all embedders: connections and trust roots are shared.
///
/// Redirects are not followed: they would carry documents to an address that nobody allowed.
///
/// # Errors
///
/// When the system's TLS can't be set up.
pub fn client() -> Result<reqwest::Client, reqwest::Error> {
    client_with(Settings::default().connections)
}

/// The same for so many connections at a time.
///
/// # Errors
///
/// As of [`client`].
pub(crate) fn client_with(connections: usize) -> Result<reqwest::Client, reqwest::Error> {
    client_builder()
        .pool_max_idle_per_host(idle_per_host(connections))
        .pool_idle_timeout(IDLE_TIMEOUT)
        .build()
}

pub(super) fn client_builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("pgai_rs/", env!("CARGO_PKG_VERSION")))
}

/// An embedder on a provider's wire.
pub(super) struct HttpEmbedder {
    client: reqwest::Client,
    wire: Arc<dyn Wire>,
    url: Url,
    dimensions: usize,
    api_key: Option<Secret>,
    timeout: Duration,
    credentials: Credentials,
    /// Learns what the headers of answers say.
    limiter: Arc<Limiter>,
    /// Whether a connection is kept for the next request.
    keeps_connections: bool,
    /// The model has answered with vectors of the right length: others are a mistake of the moment.
    proven: AtomicBool,
    /// The server has refused base64.
    floats_only: AtomicBool,
    /// The server has refused to be told the dimensions; the answer's are checked anyway.
    without_dimensions: AtomicBool,
}

impl HttpEmbedder {
    /// An embedder whose requests take at most `timeout` each, from connection to last byte.
    ///
    /// # Errors
    ///
    /// `no_api_key` if the server is the provider's own and there is no key, `invalid_base_url`.
    pub(super) fn new(
        client: reqwest::Client,
        model: Model,
        timeout: Duration,
        limiter: Arc<Limiter>,
        aws: &Arc<Clients>,
    ) -> Result<Self, Failure> {
        let (dimensions, api_key) = (model.dimensions as usize, model.api_key.clone());
        if api_key.is_none() && model.is_at_home() {
            return Err(no_api_key(model.provider.profile()));
        }
        let wire = model.wire();
        Ok(HttpEmbedder {
            client,
            url: endpoint(&*wire)?,
            credentials: Credentials::new(wire.identity(), aws),
            wire,
            dimensions,
            api_key,
            timeout,
            limiter,
            keeps_connections: true,
            proven: AtomicBool::new(false),
            floats_only: AtomicBool::new(false),
            without_dimensions: AtomicBool::new(false),
        })
    }

    /// The same, and whether its connections are kept for its next requests.
    pub(super) fn with_connections_kept(self, keeps_connections: bool) -> Self {
        HttpEmbedder { keeps_connections, ..self }
    }

    /// The most that the provider takes in a request.
    pub(super) fn limits(&self) -> Limits {
        self.wire.limits()
    }

    /// The vectors of these inputs, as [`Embedder::embed`] answers them.
    ///
    /// Asks, and asks again without what this server does not know.
    pub(super) async fn ask(&self, inputs: Inputs<'_>) -> Result<Vectors, EmbedError> {
        loop {
            let optional = Optional {
                base64: !self.floats_only.load(Ordering::Relaxed),
                dimensions: !self.without_dimensions.load(Ordering::Relaxed),
            };
            let response = self.send(inputs, optional).await?;
            if response.status() == StatusCode::OK {
                return self.read(response, inputs).await;
            }
            let refusal = refusal(response).await;
            if refusal.status == StatusCode::FORBIDDEN {
                self.credentials.forget().await;
            }
            let known = self.wire.without(optional, &refusal);
            if known == optional {
                return Err(refusal.into_error(&*self.wire, self.api_key.as_ref(), inputs.texts()));
            }
            self.floats_only.fetch_or(!known.base64, Ordering::Relaxed);
            self.without_dimensions.fetch_or(!known.dimensions, Ordering::Relaxed);
        }
    }

    async fn send(&self, inputs: Inputs<'_>, optional: Optional) -> Result<reqwest::Response, EmbedError> {
        let request = self.client.post(self.url.clone()).timeout(self.timeout);
        let request = match inputs {
            Inputs::Texts(texts) => self.wire.write(request, texts, optional),
            Inputs::Tokens(tokens) => {
                self.wire.write_tokens(request, tokens, optional).ok_or_else(texts_only)?
            }
        };
        let mut request = request.build().map_err(network_error)?;
        if !self.keeps_connections {
            request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        self.credentials.add(&mut request).await?;
        let response = self.client.execute(request).await.map_err(network_error)?;
        self.limiter.learn(response.headers());
        Ok(response)
    }

    async fn read(&self, response: reqwest::Response, inputs: Inputs<'_>) -> Result<Vectors, EmbedError> {
        let (dimensions, count) = (self.dimensions, inputs.count());
        let echo = inputs.bytes() * BYTES_PER_ECHO;
        let numbers = if dimensions == 0 { MOST_DIMENSIONS } else { dimensions };
        let most = count * (numbers * BYTES_PER_NUMBER + BYTES_PER_INPUT) + echo + BYTES_PER_ANSWER;
        let (body, complete) = read_body(response, most).await?;
        if !complete {
            return Err(EmbedError::BadResponse(format!("it has more than {most} bytes")));
        }
        let expected = Expected { inputs: count, dimensions, proven: self.proven.load(Ordering::Relaxed) };
        let parsed = if body.len() < LARGE_ANSWER {
            parse(&*self.wire, &body, expected)
        } else {
            let wire = Arc::clone(&self.wire);
            let parsed = tokio::task::spawn_blocking(move || parse(&*wire, &body, expected)).await;
            parsed.unwrap_or_else(|_| Err(EmbedError::BadResponse("reading it failed".to_owned())))
        };
        self.proven.fetch_or(parsed.is_ok(), Ordering::Relaxed);
        parsed
    }
}

impl Embedder for HttpEmbedder {
    fn embed<'a>(
        &'a self,
        inputs: &'a [Arc<str>],
    ) -> Pin<Box<dyn Future<Output = Result<Vectors, EmbedError>> + Send + 'a>> {
        Box::pin(self.ask(Inputs::Texts(inputs)))
    }

    fn weight(&self, inputs: &[Arc<str>]) -> u64 {
        let asked = Inputs::Texts(inputs).bytes();
        let floats = self.floats_only.load(Ordering::Relaxed);
        let per_number = size_of::<f32>() + if floats { USUAL_PER_FLOAT } else { USUAL_PER_BASE64 };
        (asked + inputs.len() * self.dimensions * per_number) as u64
    }
}

/// Where a wire's requests go.
///
/// # Errors
///
/// `invalid_base_url`.
pub(super) fn endpoint(wire: &dyn Wire) -> Result<Url, Failure> {
    let url = Url::parse(&wire.url());
    url.ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()).ok_or_else(|| {
        let message = "the embedding provider's base_url is not an http(s) URL";
        Failure::new(Step::Embedding, "invalid_base_url", message, Retry::After(ADMINISTRATOR))
            .with_hint("Write it as https://host/v1; without one, pgai_rs.openai_base_url and pgai_rs.ollama_base_url count.")
    })
}

fn texts_only() -> EmbedError {
    EmbedError::Refused(invalid("the provider takes texts, not tokens", "Give the text itself."))
}

fn no_api_key(provider: &Profile) -> Failure {
    let message = format!("there is no API key for {}", provider.name);
    let usual = provider.api_key_name.map(|name| format!(", by default {name}")).unwrap_or_default();
    Failure::new(Step::Embedding, "no_api_key", message, Retry::After(ADMINISTRATOR)).with_hint(format!(
        "Make the key known to the Postgres server under the vectorizer's api_key_name{usual}, and allow the name \
         with pgai_rs.api_key_names."
    ))
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

/// What an answer must have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub inputs: usize,
    pub dimensions: usize,
    /// The model is known to make such vectors.
    pub proven: bool,
}

pub(super) fn parse(wire: &dyn Wire, body: &[u8], expected: Expected) -> Result<Vectors, EmbedError> {
    let Expected { inputs, dimensions, proven } = expected;
    let answered = wire.read(body).map_err(|error| {
        // serde's own text may repeat what it found.
        match error.classify() {
            serde_json::error::Category::Eof => EmbedError::Unavailable("its answer broke off".to_owned()),
            _ => EmbedError::BadResponse("it is not the JSON that was expected".to_owned()),
        }
    })?;
    check::in_order(answered, inputs, dimensions).map_err(|wrong| match wrong {
        Wrong::Once(what) => EmbedError::BadResponse(what),
        Wrong::Dimensions(answered) if proven => {
            EmbedError::BadResponse(format!("it has {answered} dimensions, which the model had not before"))
        }
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
    if exhausted::is_out_of_descriptors(&error) {
        return EmbedError::Refused(exhausted::failure(Step::Embedding));
    }
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
    use crate::embed::provider::Provider;

    fn model(base_url: &str, api_key: Option<&str>) -> Model {
        Model {
            provider: Provider::OpenAi,
            base_url: base_url.to_owned(),
            name: "m".to_owned(),
            dimensions: 3,
            region: None,
            api_key: api_key.map(Secret::new),
            parameters: serde_json::Map::new(),
        }
    }

    fn code(base_url: &str, api_key: Option<&str>) -> Option<&'static str> {
        let (model, limiter) = (model(base_url, api_key), Arc::default());
        let aws = Arc::new(Clients::new(&Settings::default()));
        let embedder = HttpEmbedder::new(client().unwrap(), model, Duration::from_secs(1), limiter, &aws);
        embedder.err().map(|failure| failure.code)
    }

    #[test]
    fn openai_itself_wants_a_key() {
        assert_eq!(code("https://api.openai.com/v1", None), Some("no_api_key"));
        assert_eq!(code("https://api.openai.com/v1", Some("k")), None);
        assert_eq!(code("http://localhost:11434/v1/", None), None);
    }

    #[test]
    fn an_address_must_be_one() {
        for base_url in ["", "localhost", "file:///etc", "ftp://host/v1"] {
            assert_eq!(code(base_url, None), Some("invalid_base_url"), "{base_url}");
        }
    }

    fn parse(body: &[u8], inputs: usize, dimensions: usize) -> Result<Vectors, EmbedError> {
        let wire = model("http://h/v1", None).wire();
        super::parse(&*wire, body, Expected { inputs, dimensions, proven: false })
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
