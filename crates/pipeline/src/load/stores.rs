//! The state of object stores, which tells whether a failure is one object's doing or its store's.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use tokio::sync::Mutex as Turn;

use super::s3::Wanted;
use crate::config::S3Access;
use crate::failure::{Failure, Retry, Scope};
use crate::s3::{Clients, Doubt, Operation, Recent, S3Error, failure, lock};

/// A store that is up says so within this time.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// Stores that something is known of.
const MOST_STORES: usize = 1024;

/// A bucket, as somebody asks it.
type StoreAddress = (String, S3Access);

/// The state of all stores.
pub(super) struct Stores {
    clients: Arc<Clients>,
    known: Mutex<Recent<StoreAddress, Arc<Store>>>,
}

/// The state of one store.
#[derive(Default)]
struct Store {
    /// The last failure that concerned all of it, and when it was known. Only an answer of the store clears it.
    trouble: Mutex<Option<(Instant, Failure)>>,
    /// The last time that it was asked whether it is up. Whoever holds it asks, or changes the trouble by the
    /// answer.
    asked: Turn<Option<Asked>>,
}

/// A question to a store whether it is up.
#[derive(Clone, Copy)]
struct Asked {
    at: Instant,
    answer: Answer,
    /// It was in trouble until then.
    was_down: bool,
}

/// The answer of a store that is asked for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// It can be listed, or says that it is elsewhere.
    Grants,
    /// It answers, and says no.
    Refuses,
    /// It does not answer, or fails.
    Fails,
}

impl Stores {
    /// Nothing is known yet.
    pub(super) fn new(clients: Arc<Clients>) -> Self {
        Stores { clients, known: Mutex::new(Recent::new(MOST_STORES)) }
    }

    /// Returns the failure that has concerned all of the object's store, or its vectorizer, since that
    /// time.
    ///
    /// Whoever has waited for a slot meanwhile need not wait for an answer that never comes.
    pub(super) fn problem_since(&self, wanted: Wanted<'_>, since: Instant) -> Option<Failure> {
        let store = lock(&self.known).get(&place(wanted)).cloned()?;
        let trouble = lock(&store.trouble).clone();
        trouble.filter(|(known, _)| *known >= since).map(|(_, failure)| failure)
    }

    /// The store gave an object.
    pub(super) fn answered(&self, wanted: Wanted<'_>) {
        if let Some(store) = lock(&self.known).get(&place(wanted)) {
            *lock(&store.trouble) = None;
        }
    }

    /// The failure to report of a request for an object that was made at that time. Where it may be
    /// the object's doing, the store is asked for itself: a question serves all who doubt.
    pub(super) async fn judge(&self, error: &S3Error, wanted: Wanted<'_>, sent: Instant) -> Failure {
        let failure = failure(error, Operation::GetObject(wanted.uri), wanted.access);
        let Some(doubt) = error.doubt() else {
            self.note(&failure, wanted);
            return failure;
        };

        let store = self.store(wanted);
        let mut last = store.asked.lock().await;
        // What another has asked since is as good an answer.
        let asked = match last.filter(|asked| asked.at >= sent) {
            Some(asked) => asked,
            None => self.ask(&store, wanted).await,
        };
        *last = Some(asked);

        match (doubt, asked.answer) {
            (_, Answer::Fails) => {
                self.note(&failure, wanted);
                failure
            }
            // It was down until now, and the object may be well: it gets another chance.
            (Doubt::Outage, Answer::Grants | Answer::Refuses) if asked.was_down => failure,
            (Doubt::Outage, Answer::Grants | Answer::Refuses) | (Doubt::Forbidden, Answer::Grants) => {
                failure.of_row()
            }
            (Doubt::Forbidden, Answer::Refuses) => failure,
        }
    }

    /// Remembers a failure that concerns all of the store, unless each object is tried again for itself.
    fn note(&self, failure: &Failure, wanted: Wanted<'_>) {
        if failure.scope != Scope::Row && failure.retry != Retry::Backoff {
            *lock(&self.store(wanted).trouble) = Some((Instant::now(), failure.clone()));
        }
    }

    /// Asks the store. One that answers is in no trouble any more; while it is asked, the last trouble stands.
    async fn ask(&self, store: &Store, wanted: Wanted<'_>) -> Asked {
        let at = Instant::now();
        let answer = self.head_bucket(wanted).await;

        let mut trouble = lock(&store.trouble);
        let was_down = trouble.is_some();
        if answer != Answer::Fails {
            *trouble = None;
        }
        Asked { at, answer, was_down }
    }

    async fn head_bucket(&self, wanted: Wanted<'_>) -> Answer {
        let bucket = wanted.uri.bucket();
        let head = |client: Client| client.head_bucket().bucket(bucket).send();
        let access = wanted.uri.access(wanted.access);
        let answer =
            tokio::time::timeout(PROBE_TIMEOUT, self.clients.call(wanted.owner, &access, bucket, head)).await;

        match answer {
            Ok(Ok(_)) => Answer::Grants,
            Ok(Err(error)) if error.is_answer() => Answer::Refuses,
            Ok(Err(_)) | Err(_) => Answer::Fails,
        }
    }

    fn store(&self, wanted: Wanted<'_>) -> Arc<Store> {
        let mut known = lock(&self.known);
        let place = place(wanted);
        if let Some(store) = known.get(&place) {
            return Arc::clone(store);
        }

        let store = Arc::<Store>::default();
        known.insert(place, Arc::clone(&store));
        store
    }
}

fn place(wanted: Wanted<'_>) -> StoreAddress {
    (wanted.uri.bucket().to_owned(), wanted.uri.access(wanted.access).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn something_is_known_of_so_many_stores_at_most() {
        let stores = Stores::new(Arc::new(Clients::new(&Settings::default())));
        let mut known = lock(&stores.known);
        for number in 0..MOST_STORES + 10 {
            known.insert((number.to_string(), S3Access::default()), Arc::default());
        }
        assert_eq!(known.len(), MOST_STORES);
    }
}
