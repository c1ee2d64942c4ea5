//! The queue of a bucket's event notifications.

use std::sync::Arc;
use std::time::Duration;

use aws_config::Region;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use aws_smithy_types::timeout::TimeoutConfig;
use reqwest::Url;

use super::failure;
use super::queue_name::region;
use crate::config::S3Access;
use crate::failure::{Failure, Retry, Step};
use crate::fair::FairSemaphore;
use crate::network::asked_by;
use crate::quota::Owner;
use crate::s3::{self, Clients, Operation, S3Error};

/// The time that SQS waits for a message before it answers that there is none, in seconds; its maximum.
const LONG_POLL: i32 = 20;
/// Longest time for one request: the long poll and the way there and back.
const TIMEOUT: Duration = Duration::from_secs(LONG_POLL as u64 + 10);
/// The largest number of messages of one answer, and of one deletion; the maximum of SQS for both.
pub(super) const MOST_MESSAGES: usize = 10;

/// A message as it was received.
pub(super) struct Message {
    /// Its id, the same each time it is delivered.
    pub(super) id: String,
    /// The handle by which it is deleted.
    pub(super) receipt: String,
    /// Its body.
    pub(super) body: String,
}

/// An SQS queue.
pub(super) struct SqsQueue {
    client: Client,
    url: String,
    access: S3Access,
    /// Permits to listen, and whose they are.
    turns: Arc<FairSemaphore>,
    owner: Owner,
}

impl SqsQueue {
    /// An owner's queue, with the credentials of `access`. Where it is asked, and the region, are its address's.
    ///
    /// # Errors
    ///
    /// `invalid_queue_url`, and those of [`Clients::permit`].
    pub(super) async fn open(
        clients: &Clients,
        owner: Owner,
        access: &S3Access,
        url: &str,
    ) -> Result<SqsQueue, Failure> {
        let parsed = Url::parse(url).map_err(|_| failure::invalid_queue_url())?;
        let host = parsed.host_str().ok_or_else(failure::invalid_queue_url)?;

        // A public bucket's queue is not public.
        let access = S3Access { anonymous: false, ..access.clone() };
        let config = clients.sdk_config(&access).await.map_err(|error| failed(&error, url, &access))?;

        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(TIMEOUT).build();
        let mut builder = aws_sdk_sqs::config::Builder::from(&config)
            .http_client(clients.http_of_queue(url))
            .endpoint_url(parsed.origin().ascii_serialization())
            .timeout_config(timeouts);
        if let Some(region) = region(host) {
            builder = builder.region(Region::new(region.to_owned()));
        }

        let client = Client::from_conf(builder.build());
        let turns = Arc::clone(clients.polls());
        Ok(SqsQueue { client, url: url.to_owned(), access, turns, owner })
    }

    /// The next messages, none if none comes within the long poll.
    pub(super) async fn receive(&self) -> Result<Vec<Message>, Failure> {
        // Whoever waits for a turn hears of events a little later.
        let _turn = self.turns.acquire(self.owner, 1).await;
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .wait_time_seconds(LONG_POLL)
            .max_number_of_messages(MOST_MESSAGES as i32)
            .send();
        let received = asked_by(self.owner, request)
            .await
            .map_err(|error| failed(&S3Error::from(&error), &self.url, &self.access))?;

        let mut messages = Vec::new();
        for message in received.messages.unwrap_or_default() {
            if let Some(id) = message.message_id
                && let Some(receipt) = message.receipt_handle
            {
                messages.push(Message { id, receipt, body: message.body.unwrap_or_default() });
            }
        }
        Ok(messages)
    }

    /// Deletes messages. One that can't be deleted comes again, to no harm.
    pub(super) async fn delete(&self, receipts: Vec<String>) -> Result<(), Failure> {
        let mut request = self.client.delete_message_batch().queue_url(&self.url);
        for (i, receipt) in receipts.into_iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder().id(i.to_string()).receipt_handle(receipt);
            let entry = entry.build().map_err(|error| other(&self.url, &error.to_string()))?;
            request = request.entries(entry);
        }

        let deleted = asked_by(self.owner, request.send()).await;
        deleted.map(drop).map_err(|error| failed(&S3Error::from(&error), &self.url, &self.access))
    }
}

fn loading(code: &'static str, message: String, hint: &str) -> Failure {
    Failure::new(Step::Loading, code, message, Retry::Backoff).with_hint(hint)
}

fn other(url: &str, why: &str) -> Failure {
    loading(
        "queue_error",
        format!("could not read the queue {url}: {why}"),
        "See the documentation of AWS for that error.",
    )
}

fn failed(error: &S3Error, url: &str, access: &S3Access) -> Failure {
    match error {
        S3Error::Refused { code: Some(code), .. }
            if code.contains("NonExistentQueue") || code.contains("QueueDoesNotExist") =>
        {
            loading("no_such_queue", format!("queue {url} does not exist"), "Check queue_url.")
        }
        S3Error::Refused { status: 401 | 403, code, .. } => loading(
            "queue_access_denied",
            format!("SQS denied access to {url} ({})", code.as_deref().unwrap_or("no reason given")),
            "Grant sqs:ReceiveMessage and sqs:DeleteMessage on the queue to the server's identity, or to the role.",
        ),
        S3Error::Refused { status, code, message, .. } => {
            let said = [code.as_deref(), message.as_deref()].into_iter().flatten().collect::<Vec<_>>();
            other(url, &format!("{status} {}", said.join(": ")))
        }
        S3Error::Network { message, .. } => loading(
            "queue_unreachable",
            format!("could not connect to the queue {url}: {message}"),
            "Check queue_url, and the network and firewalls between the Postgres server and SQS.",
        ),
        S3Error::Timeout { .. } => loading(
            "queue_unreachable",
            format!("the queue {url} did not respond in time"),
            "Check queue_url, and the network and firewalls between the Postgres server and SQS.",
        ),
        // These speak of the credentials alone.
        error => s3::failure(error, Operation::HeadBucket(""), access),
    }
}
