//! Inquiries after certain objects, by HeadObject.

use std::sync::Arc;

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use futures_util::stream::{self, StreamExt};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::answer::{media_type, micros, plain_etag};
use super::failure;
use super::network::Task;
use super::{ListingScope, Network, Object, ObjectAnswer, ObjectState};
use crate::config::S3Access;
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
                let unknown = |key| ObjectAnswer { key, state: ObjectState::Unknown(interrupted.clone()) };
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
        let state = ask(network, scope, access, &key).await;
        ObjectAnswer { key, state }
    };
    stream::iter(keys).map(ask).buffer_unordered(network.concurrency).collect().await
}

async fn ask(network: &Network, scope: &ListingScope, access: &S3Access, key: &str) -> ObjectState {
    let uri = match S3Uri::parse(&scope.prefix().uri(key)) {
        Ok(uri) => uri,
        Err(failure) => return ObjectState::Unknown(failure),
    };

    let head = |client: aws_sdk_s3::Client| client.head_object().bucket(uri.bucket()).key(key).send();
    match network.clients.call(network.owner, &uri.access(access), uri.bucket(), head).await {
        Ok(output) => present(scope, key, &output),
        Err(error) if error.status() == Some(404) => ObjectState::Absent,
        Err(error) => ObjectState::Unknown(s3::failure(&error, Operation::HeadObject(&uri), access)),
    }
}

fn present(scope: &ListingScope, key: &str, output: &HeadObjectOutput) -> ObjectState {
    let size = output.content_length().and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
    if !scope.wants_size(size) {
        return ObjectState::Absent;
    }

    ObjectState::Present(Object {
        key: key.to_owned(),
        etag: output.e_tag().and_then(plain_etag),
        size,
        last_modified: output.last_modified().and_then(micros),
        content_type: output.content_type().and_then(media_type),
    })
}
