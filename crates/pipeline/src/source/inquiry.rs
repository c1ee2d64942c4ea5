//! Inquiries after certain objects, by HeadObject and what tells their metadata.

use std::sync::Arc;

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use futures_util::stream::{self, StreamExt};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::answer::{media_type, micros, plain_etag};
use super::failure;
use super::metadata::{self, NotRead};
use super::network::Task;
use super::{ListingScope, Network, Object, ObjectAnswer, ObjectState};
use crate::config::S3Access;
use crate::failure::Failure;
use crate::s3::{self, Operation, S3Uri};

/// A question about some objects under way; dropping it ends it.
pub struct Inquiry {
    keys: Vec<String>,
    answers: oneshot::Receiver<Vec<ObjectAnswer>>,
    _task: Task,
}

impl Inquiry {
    /// Asks S3 for each of these keys.
    pub fn start(
        network: &Network,
        scope: Arc<ListingScope>,
        access: S3Access,
        keys: Vec<String>,
    ) -> Inquiry {
        let (sender, answers) = oneshot::channel();
        let own = network.clone();
        let asked = keys.clone();
        let task = network.spawn(async move {
            // Nobody listens any more when the inquiry was dropped.
            let _ = sender.send(ask_all(&own, &scope, &access, asked).await);
        });
        Inquiry { keys, answers, _task: task }
    }

    /// Returns the answers, one a key in any order, once all are there; `None` until then.
    pub fn answers(&mut self) -> Option<Vec<ObjectAnswer>> {
        match self.answers.try_recv() {
            Ok(answers) => Some(answers),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Closed) => {
                let interrupted = failure::interrupted("the inquiry after objects");
                let unknown = |key| ObjectAnswer {
                    key,
                    state: ObjectState::Unknown(interrupted.clone()),
                    invalid_metadata: None,
                };
                Some(std::mem::take(&mut self.keys).into_iter().map(unknown).collect())
            }
        }
    }
}

/// Asks for each key, several at a time.
pub(super) async fn ask_all(
    network: &Network,
    scope: &ListingScope,
    access: &S3Access,
    keys: Vec<String>,
) -> Vec<ObjectAnswer> {
    let ask = |key: String| async move {
        let (state, invalid_metadata) = ask(network, scope, access, &key).await;
        ObjectAnswer { key, state, invalid_metadata }
    };
    stream::iter(keys).map(ask).buffer_unordered(network.concurrency).collect().await
}

/// Asks for an object. Returns its state, and why it lacks its metadata if that can't be stored.
async fn ask(
    network: &Network,
    scope: &ListingScope,
    access: &S3Access,
    key: &str,
) -> (ObjectState, Option<Failure>) {
    let uri = match S3Uri::parse(&scope.prefix().uri(key)) {
        Ok(uri) => uri,
        Err(failure) => return (ObjectState::Unknown(failure), None),
    };

    let head = |client: aws_sdk_s3::Client| client.head_object().bucket(uri.bucket()).key(key).send();
    let head = match network.clients.call(network.owner, &uri.access(access), uri.bucket(), head).await {
        Ok(head) => head,
        Err(error) if error.status() == Some(404) => return (ObjectState::Absent, None),
        Err(error) => {
            return (ObjectState::Unknown(s3::failure(&error, Operation::HeadObject(&uri), access)), None);
        }
    };

    let object = object(key, &head);
    if !scope.wants_size(object.size) {
        return (ObjectState::Absent, None);
    }
    if scope.metadata().is_empty() {
        return (ObjectState::Present(object), None);
    }
    match metadata::ask(network, scope, access, &uri, &head).await {
        Ok(metadata) => (ObjectState::Present(Object { metadata: Some(metadata), ..object }), None),
        Err(NotRead::Invalid(failure)) => (ObjectState::Present(object), Some(failure)),
        Err(NotRead::Unknown(failure)) => (ObjectState::MetadataUnknown(failure), None),
        Err(NotRead::Gone) => (ObjectState::Absent, None),
    }
}

fn object(key: &str, head: &HeadObjectOutput) -> Object {
    Object {
        key: key.to_owned(),
        etag: head.e_tag().and_then(plain_etag),
        size: head.content_length().and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
        last_modified: head.last_modified().and_then(micros),
        content_type: head.content_type().and_then(media_type),
        metadata: None,
    }
}
