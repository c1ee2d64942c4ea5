//! The HTTP client of the AWS SDK, whose answers it would read to their ends, however far these are.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use url::Url;

use super::is_behind;
use super::parts::PartCounter;
use super::reach::{AddressRefused, Reach, resolve_anywhere};
use super::trust;

/// Time that a connection is kept which nobody uses.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// The implementation of TLS; the SDK's own default.
const TLS: tls::Provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
/// The largest number of bytes of an answer: a page of a listing has 1,000 keys of 1,024 bytes, each of
/// which may be escaped as three, and ten messages of SQS have a megabyte, each byte of which may be
/// escaped as six.
const BYTES_PER_ANSWER: u64 = 8 << 20;
/// The largest number of bytes of a refusal. What it says stands at its beginning.
const BYTES_PER_REFUSAL: u64 = 64 << 10;
/// The bytes that are taken beyond an object's limit, for its reader to find that it is too large.
const BEYOND_OBJECT: u64 = 1 << 20;
/// Part of the query by which the SDK marks a request for an object, whose body is read as it comes.
const OF_OBJECT: &str = "x-id=GetObject";

/// The most bytes that are taken of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnswerLimits {
    /// Limit of an object. Whoever reads it has a limit of their own, and words for it.
    pub object: u64,
}

impl AnswerLimits {
    /// Returns the most bytes that are taken of what was asked for, and a count of its parts if it has any.
    fn of_answer(self, request: &HttpRequest) -> (u64, Option<PartCounter>) {
        let query = request.uri().split_once('?').map_or("", |(_, query)| query);
        match query.split('&').any(|part| part == OF_OBJECT) {
            true => (self.object.saturating_add(BEYOND_OBJECT), None),
            false => (BYTES_PER_ANSWER, Some(PartCounter::of(request))),
        }
    }
}

/// A client whose answers are bounded. With a `reach` its connections go no further than that; without one it
/// asks what AWS' environment names, which is the administrator's: a metadata service, for one.
pub(crate) fn bounded(idle_per_host: usize, limits: AnswerLimits, reach: Option<Reach>) -> SharedHttpClient {
    SharedHttpClient::new(BoundedClient { client: OnceLock::new(), idle_per_host, limits, reach })
}

/// Reads the authorities to trust, while there is a descriptor for it. Otherwise who asks first reads them.
pub(crate) fn read_trust_roots() {
    drop(trust::roots());
}

#[derive(Debug)]
struct BoundedClient {
    /// Built once the authorities to trust could be read: the SDK would go on without any.
    client: OnceLock<SharedHttpClient>,
    idle_per_host: usize,
    limits: AnswerLimits,
    reach: Option<Reach>,
}

impl BoundedClient {
    fn client(&self) -> io::Result<&SharedHttpClient> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }

        let builder = aws_smithy_http_client::Builder::new()
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(self.idle_per_host)
            .tls_provider(TLS)
            .tls_context(trust::context()?);
        Ok(self.client.get_or_init(|| builder.build_with_resolver(Resolver(self.reach))))
    }
}

/// A connector for requests that can't be made.
#[derive(Debug)]
struct NoConnector(io::ErrorKind, Option<i32>);

impl NoConnector {
    fn new(error: &io::Error) -> NoConnector {
        NoConnector(error.kind(), error.raw_os_error())
    }
}

impl HttpConnector for NoConnector {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let error = self.1.map_or_else(|| io::Error::from(self.0), io::Error::from_raw_os_error);
        HttpConnectorFuture::ready(Err(ConnectorError::io(error.into())))
    }
}

impl HttpClient for BoundedClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        match self.client() {
            Ok(client) => SharedHttpConnector::new(BoundedConnector {
                connector: client.http_connector(settings, components),
                limits: self.limits,
                reach: self.reach,
            }),
            Err(error) => SharedHttpConnector::new(NoConnector::new(&error)),
        }
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        // Without a client each request says so.
        self.client().map_or(Ok(()), |client| client.validate_base_client_config(components, config))
    }

    fn validate_final_config(
        &self,
        components: &RuntimeComponents,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.client().map_or(Ok(()), |client| client.validate_final_config(components, config))
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.client().ok().and_then(|client| client.connector_metadata())
    }
}

#[derive(Debug)]
struct BoundedConnector {
    connector: SharedHttpConnector,
    limits: AnswerLimits,
    reach: Option<Reach>,
}

impl HttpConnector for BoundedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if let Err(refused) = self.check_literal(&request) {
            return HttpConnectorFuture::ready(Err(ConnectorError::user(refused.into())));
        }

        let (wanted, parts) = self.limits.of_answer(&request);
        let answer = self.connector.call(request);
        HttpConnectorFuture::new(async move {
            let mut response = answer.await?;
            let (left, rest) = match response.status().is_success() {
                true => (wanted, Rest::IsAnError),
                false => (BYTES_PER_REFUSAL, Rest::IsCutOff),
            };

            let body = response.take_body();
            *response.body_mut() = SdkBody::from_body_1_x(BoundedBody { body, left, parts, rest });
            Ok(response)
        })
    }
}

impl BoundedConnector {
    fn check_literal(&self, request: &HttpRequest) -> Result<(), AddressRefused> {
        let Some(reach) = self.reach else { return Ok(()) };
        let url = Url::parse(request.uri()).map_err(|_| AddressRefused)?;
        reach.check_literal(&url)
    }
}

/// Resolves names to the addresses that may be connected to.
#[derive(Debug, Clone, Copy)]
struct Resolver(Option<Reach>);

impl ResolveDns for Resolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let addresses = match self.0 {
                Some(reach) => reach.resolve(name).await,
                None => resolve_anywhere(name).await,
            };
            let addresses = addresses.map_err(ResolveDnsError::new)?;
            Ok(addresses.into_iter().map(|address| address.ip()).collect())
        })
    }
}

/// Treatment of bytes beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// They are not read: what is wanted stands before.
    IsCutOff,
    /// The answer is none.
    IsAnError,
}

/// A body that is read so far and no further.
struct BoundedBody {
    body: SdkBody,
    left: u64,
    parts: Option<PartCounter>,
    rest: Rest,
}

impl Body for BoundedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let frame = match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => frame,
            other => return other,
        };

        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        let has_too_many = match (frame.data_ref(), &mut this.parts) {
            (Some(data), Some(parts)) => !parts.take(data),
            _ => false,
        };
        if has_too_many {
            this.body = SdkBody::taken();
            return Poll::Ready(Some(Err(AnswerTooLong.into())));
        }

        if let Some(left) = this.left.checked_sub(length) {
            this.left = left;
            return Poll::Ready(Some(Ok(frame)));
        }

        // Without the body its connection is closed.
        this.body = SdkBody::taken();
        match (this.rest, frame.into_data()) {
            (Rest::IsCutOff, Ok(data)) => {
                let left = usize::try_from(std::mem::take(&mut this.left)).unwrap_or(usize::MAX);
                this.body = SdkBody::empty();
                Poll::Ready(Some(Ok(Frame::data(data.slice(..left.min(data.len()))))))
            }
            _ => Poll::Ready(Some(Err(AnswerTooLong.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer with more bytes, or more parts, than are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AnswerTooLong;

impl AnswerTooLong {
    /// Returns whether an error is this one, or was caused by it.
    pub(crate) fn is_behind(error: &(dyn Error + 'static)) -> bool {
        is_behind::<AnswerTooLong>(error)
    }
}

impl fmt::Display for AnswerTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the response has too many bytes or parts")
    }
}

impl Error for AnswerTooLong {}
