//! One request over HTTP, whatever the provider: send, read within bounds, tell what went wrong.

mod billing;
mod large;
mod parse;
mod reject;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{StatusCode, Url};
use tokio::time::Instant;

pub(super) use self::billing::{on_bill, tokens_told};
pub(super) use self::large::LargeAnswers;
use self::parse::Parsed;
pub(super) use self::parse::{Expected, in_order, parse};
use self::reject::{address, check_api_key, check_base_url, no_api_key, no_client, texts_only};
use super::endpoint::Endpoint;
use super::error::EmbedError;
use super::identity::{CallerIdentity, Credentials};
use super::limits::pack::Limits;
use super::model::Model;
use super::pacing::connections::idle_per_host;
use super::pacing::limiter::Limiter;
use super::provider::{Profile, Protocol};
use super::request::body::{may_be_compressed, plain, read_body};
use super::request::dimensions::MOST_DIMENSIONS;
use super::request::inputs::Inputs;
use super::request::network_error::{address_not_allowed, network_error};
use super::request::optional::Optional;
use super::request::refusal::ProviderRefusal;
use super::{Embedder, Vectors};
use crate::compression::UnpackBounds;
use crate::failure::Failure;
use crate::network::HttpClients;
use crate::offload::Offload;
use crate::quota::Owner;
use crate::s3::Clients;
use crate::secret::ApiKey;
use crate::settings::Settings;
use crate::usage::Bill;

/// The largest number of bytes of a number in an answer, blanks of an indented one included.
pub(super) const BYTES_PER_NUMBER: usize = 48;
/// Usual bytes of a number in an answer, written out. In base64 it has 6; but a server may answer as it likes.
const USUAL_PER_NUMBER: usize = 22;
/// The largest number of bytes of an answer to several inputs, by which it is limited how many go into a request.
const BYTES_PER_REQUEST: usize = 64 << 20;
/// The largest number of bytes of an answer beside its numbers, one input.
pub(super) const BYTES_PER_INPUT: usize = 512;
/// The largest number of bytes in an answer of one byte of an input, for providers that repeat the
/// inputs: `\u0001`.
pub(super) const BYTES_PER_ECHO: usize = 6;
/// The largest number of bytes of a refusal, and of an answer beside its vectors.
pub(super) const BYTES_PER_ANSWER: usize = 64 << 10;

/// Clients for all embedders: connections and trust roots are shared.
///
/// # Errors
///
/// If the system's TLS can't be set up, such as without a descriptor to read whom to trust.
pub fn client() -> io::Result<HttpClients> {
    client_with(Settings::default().connections)
}

/// Clients for so many connections at a time.
///
/// # Errors
///
/// Fails as [`client`] does.
pub(crate) fn client_with(connections: usize) -> io::Result<HttpClients> {
    HttpClients::new(idle_per_host(connections))
}

/// An embedder on a provider's protocol.
pub(super) struct HttpEmbedder {
    client: reqwest::Client,
    protocol: Arc<dyn Protocol>,
    url: Url,
    dimensions: usize,
    /// The number of dimensions that are kept of an answer's vectors; `None` if all are.
    shortened_to: Option<usize>,
    api_key: Option<ApiKey>,
    timeout: Duration,
    credentials: Credentials,
    /// Learns what the headers of answers say.
    limiter: Arc<Limiter>,
    /// Works on large answers.
    large: LargeAnswers,
    /// `true` if a connection is kept for the next request.
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
    /// `no_api_key` if the server is the provider's own and there is no key, `invalid_api_key` if there is
    /// one that can't be sent, `invalid_base_url`, `address_not_allowed` if the host is an address that may
    /// not be asked.
    pub(super) fn new(
        clients: &HttpClients,
        model: Model,
        timeout: Duration,
        limiter: Arc<Limiter>,
        aws: &Arc<Clients>,
    ) -> Result<Self, Failure> {
        let endpoint = &model.endpoint;
        let dimensions = endpoint.dimensions as usize;
        let shortened_to = endpoint.shortened_to.map(|most| most as usize);
        let api_key = endpoint.api_key.clone();
        if api_key.is_none() && endpoint.at_home {
            return Err(no_api_key(model.provider.profile()));
        }

        let client = client_of(clients, endpoint)?;
        let reach = endpoint.reach;
        let protocol = model.protocol();
        if let (CallerIdentity::Key, Some(key)) = (protocol.identity(), &api_key) {
            check_api_key(key)?;
        }

        // A host that is written as an address is not resolved, and so not looked at later.
        let url = address(&protocol.url())?;
        reach.check_literal(&url).map_err(|_| address_not_allowed())?;

        Ok(HttpEmbedder {
            client,
            url,
            credentials: Credentials::new(protocol.identity(), aws, clients, timeout),
            protocol,
            dimensions,
            shortened_to,
            api_key,
            timeout,
            limiter,
            large: LargeAnswers::new(Offload::new(), Owner::default()),
            keeps_connections: true,
            proven: AtomicBool::new(false),
            floats_only: AtomicBool::new(false),
            without_dimensions: AtomicBool::new(false),
        })
    }

    /// Sets whether connections are kept for the next requests.
    pub(super) fn with_connections_kept(self, keeps_connections: bool) -> Self {
        HttpEmbedder { keeps_connections, ..self }
    }

    /// Sets where large answers are worked on.
    pub(super) fn with_large_answers(self, large: LargeAnswers) -> Self {
        HttpEmbedder { large, ..self }
    }

    /// Returns the most that goes into a request: as the provider has it, and so that the answer can be held in memory.
    pub(super) fn limits(&self) -> Limits {
        let inputs = (BYTES_PER_REQUEST / bytes_of_vector(self.dimensions)).max(1);
        self.protocol.limits().and(Limits { inputs, ..Limits::NONE })
    }

    /// Returns the vectors of these inputs, as [`Embedder::embed`] does, and puts what is asked for on the bill.
    ///
    /// Asks again without a part that this server seems not to know. It is left out from then on if that helped:
    /// a refusal may speak of it only because it repeats an input that does.
    pub(super) async fn ask(&self, inputs: Inputs<'_>, bill: &Bill) -> Result<Vectors, EmbedError> {
        let mut optional = Optional {
            base64: !self.floats_only.load(Ordering::Relaxed),
            dimensions: !self.without_dimensions.load(Ordering::Relaxed),
        };

        loop {
            let (response, secrets) = self.send(inputs, optional, bill).await?;
            let refusal = match response.status().is_success() {
                true => match self.read(response, inputs, bill).await? {
                    Answer::Vectors(vectors) => {
                        self.floats_only.fetch_or(!optional.base64, Ordering::Relaxed);
                        self.without_dimensions.fetch_or(!optional.dimensions, Ordering::Relaxed);
                        return Ok(vectors);
                    }
                    Answer::Refusal(refusal) => refusal,
                },
                false => {
                    bill.refused(inputs.size());
                    refusal(response).await
                }
            };

            let refusal = refusal.without_secrets(&secrets);
            if refusal.status == StatusCode::FORBIDDEN {
                self.credentials.forget().await;
            }

            let known = self.protocol.without(optional, &refusal);
            if known == optional {
                let key = self.api_key.as_ref().map(ApiKey::secret);
                return Err(self.protocol.error(refusal, key, inputs.texts()));
            }
            optional = known;
        }
    }

    /// Sends a request. Returns the response, and the secrets that went along, which a server may repeat.
    async fn send(
        &self,
        inputs: Inputs<'_>,
        optional: Optional,
        bill: &Bill,
    ) -> Result<(reqwest::Response, Vec<String>), EmbedError> {
        let request = self.client.post(self.url.clone()).timeout(self.timeout);
        let request = match inputs {
            Inputs::Texts(texts) => self.protocol.write(request, texts, optional),
            Inputs::Tokens(tokens) => {
                self.protocol.write_tokens(request, tokens, optional).ok_or_else(texts_only)?
            }
        };

        let mut request = request.build().map_err(network_error)?;
        if !self.keeps_connections {
            request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        self.credentials.add(&mut request).await?;
        let secrets = secrets_of(request.headers());

        let sent = Instant::now();
        let response = on_bill(bill, inputs.size(), self.client.execute(request)).await?;
        self.limiter.learn(response.headers(), sent);
        Ok((response, secrets))
    }

    async fn read(
        &self,
        response: reqwest::Response,
        inputs: Inputs<'_>,
        bill: &Bill,
    ) -> Result<Answer, EmbedError> {
        let dimensions = self.dimensions;
        let count = inputs.count();
        let echo = inputs.bytes() * BYTES_PER_ECHO;
        let most = count * bytes_of_vector(dimensions) + echo + BYTES_PER_ANSWER;

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

        // Nothing longer than this is a refusal.
        let told = body.get(..).filter(|body| body.len() <= BYTES_PER_ANSWER);
        let refusal = told.and_then(|body| ProviderRefusal::in_success(status, &headers, body));

        let (shortened_to, proven) = (self.shortened_to, self.proven.load(Ordering::Relaxed));
        let expected = Expected { inputs: count, dimensions, shortened_to, proven };
        let Parsed { tokens, vectors: parsed } = self.large.parse(&self.protocol, body, expected).await;

        self.proven.fetch_or(parsed.is_ok(), Ordering::Relaxed);
        match (parsed, refusal) {
            (Err(EmbedError::BadResponse(_) | EmbedError::Unavailable(_)), Some(refusal)) => {
                bill.refused(inputs.size());
                Ok(Answer::Refusal(refusal))
            }
            (parsed, _) => {
                // What is wrong with the vectors does not concern the bill.
                tokens.or_else(|| tokens_told(&headers)).inspect(|tokens| bill.said(inputs.size(), *tokens));
                parsed.map(Answer::Vectors)
            }
        }
    }
}

impl Embedder for HttpEmbedder {
    fn embed<'a>(
        &'a self,
        inputs: &'a [Arc<str>],
        bill: &'a Bill,
    ) -> Pin<Box<dyn Future<Output = Result<Vectors, EmbedError>> + Send + 'a>> {
        Box::pin(self.ask(Inputs::Texts(inputs), bill))
    }

    fn request_bytes(&self, inputs: &[Arc<str>]) -> u64 {
        let asked = Inputs::Texts(inputs).bytes();
        let per_number = size_of::<f32>() + USUAL_PER_NUMBER;
        (asked + inputs.len() * most_numbers(self.dimensions) * per_number) as u64
    }
}

/// Returns the client that asks a server: one that connects to the addresses which it may have, or to its Unix socket.
///
/// # Errors
///
/// `invalid_base_url`, and what the operating system refuses.
fn client_of(clients: &HttpClients, endpoint: &Endpoint) -> Result<reqwest::Client, Failure> {
    match &endpoint.socket {
        Some(server) => clients.over(&server.address).map_err(no_client),
        None => {
            check_base_url(&endpoint.base_url)?;
            Ok(clients.of(endpoint.reach).clone())
        }
    }
}

/// Returns the secrets among the headers of a request.
fn secrets_of(headers: &HeaderMap) -> Vec<String> {
    let names = [header::AUTHORIZATION.as_str(), "x-amz-security-token"];
    let values = names.into_iter().filter_map(|name| headers.get(name)?.to_str().ok());
    values.map(|value| value.strip_prefix("Bearer ").unwrap_or(value).to_owned()).collect()
}

/// Returns the largest number of numbers of a vector, of which so many are expected; 0 for any.
pub(super) fn most_numbers(dimensions: usize) -> usize {
    if dimensions == 0 { MOST_DIMENSIONS } else { dimensions.min(MOST_DIMENSIONS) }
}

/// Returns the largest number of bytes of a vector of so many dimensions in an answer, with what stands beside it.
fn bytes_of_vector(dimensions: usize) -> usize {
    most_numbers(dimensions) * BYTES_PER_NUMBER + BYTES_PER_INPUT
}

/// Returns the client of a server that is let in by its key alone, and the URL of a path of it.
///
/// # Errors
///
/// Fails as [`HttpEmbedder::new`] does, before anything is sent.
pub(super) fn client_with_key(
    clients: &HttpClients,
    endpoint: &Endpoint,
    profile: &Profile,
    path: &str,
) -> Result<(reqwest::Client, Url), Failure> {
    match &endpoint.api_key {
        None if endpoint.at_home => return Err(no_api_key(profile)),
        None => {}
        Some(key) => check_api_key(key)?,
    }

    let client = client_of(clients, endpoint)?;
    let url = address(&endpoint.url(path))?;
    // A host that is written as an address is not resolved, and so not looked at later.
    endpoint.reach.check_literal(&url).map_err(|_| address_not_allowed())?;
    Ok((client, url))
}

/// An answer with the status of a success.
enum Answer {
    /// The vectors that were asked for.
    Vectors(Vectors),
    /// An error nevertheless.
    Refusal(ProviderRefusal),
}

/// Reads a refusal, which counts even if its explanation is cut short.
pub(super) async fn refusal(response: reqwest::Response) -> ProviderRefusal {
    let status = response.status();
    let headers = response.headers().clone();
    let body = read_body(response, BYTES_PER_ANSWER).await.map(|(body, _)| body).unwrap_or_default();
    let bounds = UnpackBounds { limit: BYTES_PER_ANSWER as u64, stop: &AtomicBool::new(false) };
    let body = plain(&headers, body, bounds).unwrap_or_default();
    ProviderRefusal::read(status, &headers, &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::error::ADMINISTRATOR;
    use crate::failure::Retry;
    use crate::secret::Secret;

    fn model(base_url: &str, api_key: Option<&str>) -> Model {
        Model::of_openai(base_url, api_key.map(|key| ApiKey::of_server(Secret::new(key))))
    }

    fn code(base_url: &str, api_key: Option<&str>) -> Option<&'static str> {
        let (model, limiter) = (model(base_url, api_key), Arc::default());
        let aws = Arc::new(Clients::new(&Settings::default()));
        let embedder = HttpEmbedder::new(&client().unwrap(), model, Duration::from_secs(1), limiter, &aws);
        embedder.err().map(|failure| failure.code)
    }

    #[test]
    fn an_answer_can_be_held_in_memory_whatever_dimensions_are_declared() {
        for dimensions in [0, 1, 3, 1536, 16_000, 2_000_000_000, usize::MAX] {
            let inputs = (BYTES_PER_REQUEST / bytes_of_vector(dimensions)).max(1);
            assert!(
                inputs >= 80 && inputs * bytes_of_vector(dimensions) <= BYTES_PER_REQUEST,
                "{dimensions}"
            );
        }
    }

    #[test]
    fn openai_itself_wants_a_key() {
        assert_eq!(code("https://api.openai.com/v1", None), Some("no_api_key"));
        assert_eq!(code("https://api.openai.com/v1", Some("k")), None);
        assert_eq!(code("http://localhost:11434/v1/", None), None);
    }

    #[test]
    fn an_address_must_be_one() {
        for base_url in [
            "",
            "localhost",
            "file:///etc",
            "ftp://host/v1",
            "http://h/v1?x=1",
            "http://h/v1#x",
            "http://h/v1 ",
        ] {
            assert_eq!(code(base_url, None), Some("invalid_base_url"), "{base_url}");
        }
        assert_eq!(code("http://user:password@h/v1", None), None);
    }

    #[test]
    fn a_key_that_no_header_holds_is_said_and_not_shown() {
        for key in ["sk-\nSECRET", "sk-SECRET\u{201d}", "SECRET\u{7f}", "\u{feff}SECRET"] {
            let aws = Arc::new(Clients::new(&Settings::default()));
            let model = model("http://localhost/v1", Some(key));
            let made =
                HttpEmbedder::new(&client().unwrap(), model, Duration::from_secs(1), Arc::default(), &aws);
            let failure = made.err().unwrap();
            assert_eq!((failure.code, failure.retry), ("invalid_api_key", Retry::After(ADMINISTRATOR)));
            assert!(!format!("{failure:?}").contains("SECRET"), "{failure:?}");
        }
        assert_eq!(code("http://localhost/v1", Some("sk with blanks_~!")), None);
    }

    fn parse(body: &[u8], inputs: usize, dimensions: usize) -> Result<Vectors, EmbedError> {
        let protocol = model("http://h/v1", None).protocol();
        super::parse(&*protocol, body, Expected { inputs, dimensions, shortened_to: None, proven: false })
            .vectors
    }

    #[test]
    fn a_large_answer_is_read_quickly_enough_to_be_tested() {
        let vector = vec!["-0.012345678901234567"; 768].join(",");
        let items: Vec<_> = (0..2048).map(|i| format!(r#"{{"index":{i},"embedding":[{vector}]}}"#)).collect();
        let body = format!(r#"{{"data":[{}]}}"#, items.join(","));
        assert_eq!(parse(body.as_bytes(), 2048, 768).unwrap().len(), 2048);
    }

    #[test]
    fn more_numbers_than_can_be_meant_are_not_read() {
        let vector = |numbers: usize| format!(r#"{{"embedding":[0{}]}}"#, ",0".repeat(numbers - 1));
        let answer = |items: &[String]| format!(r#"{{"data":[{}]}}"#, items.join(","));

        // A model of another length is named.
        let other = answer(&[vector(1536), vector(1536)]);
        let Err(EmbedError::Refused(failure)) = parse(other.as_bytes(), 2, 768) else { panic!() };
        assert!(failure.message.contains("1536 dimensions"), "{}", failure.message);

        let too_long = answer(&[vector(1_000_000)]);
        let Err(EmbedError::BadResponse(why)) = parse(too_long.as_bytes(), 1, 768) else { panic!() };
        assert!(why.contains("numbers"), "{why}");

        let too_many = answer(&vec![vector(1); 1_000_000]);
        let Err(EmbedError::BadResponse(why)) = parse(too_many.as_bytes(), 1, 768) else { panic!() };
        assert!(why.contains("numbers"), "{why}");
    }

    #[test]
    fn a_broken_off_answer_is_no_wrong_answer() {
        assert!(matches!(parse(br#"{"data": [{"emb"#, 1, 1), Err(EmbedError::Unavailable(_))));
        assert!(matches!(parse(b"<html>", 1, 1), Err(EmbedError::BadResponse(_))));
        assert!(matches!(parse(br#"{"data": {}}"#, 1, 1), Err(EmbedError::BadResponse(_))));
    }
}
