//! All objects of a source, page by page.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{EncodingType, Object as S3Object};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use super::answer::{micros, plain_etag};
use super::event::form_decoded;
use super::failure;
use super::network::Task;
use super::{ListingScope, Network, Object};
use crate::config::S3Access;
use crate::failure::Failure;
use crate::s3::{self, Operation};

/// Pages fetched before they are asked for.
const PAGES_AHEAD: usize = 2;

/// A page of a listing: at most 1,000 keys, S3's limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListingPage {
    /// The wanted objects.
    pub objects: Vec<Object>,
    /// The sidecars of objects that are wanted if they are there, whichever page they are on.
    pub sidecars: Vec<Sidecar>,
    /// Keys on the page.
    pub scanned: u64,
    /// Those that are not wanted.
    pub skipped: u64,
}

/// A sidecar, which has metadata of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sidecar {
    /// The document's key.
    pub document: String,
    /// The version of the sidecar, without quotes; empty if it is not told.
    pub etag: String,
}

/// The next part of a listing.
#[derive(Debug)]
pub enum ListingPart {
    /// A page; more may follow.
    Page(ListingPage),
    /// There is nothing more: the pages before are the whole of it.
    End,
    /// There is nothing more: the pages before are a part.
    Failed(Failure),
}

/// A listing under way; dropping it ends it.
pub struct Listing {
    pages: mpsc::Receiver<ListingPart>,
    _task: Task,
}

impl Listing {
    /// Begins to list.
    pub fn start(network: &Network, scope: Arc<ListingScope>, access: S3Access) -> Listing {
        let (sender, pages) = mpsc::channel(PAGES_AHEAD);
        let own = network.clone();
        let access = scope.prefix().access(&access);

        let task = network.spawn(async move {
            let end = match walk(&own, &scope, &access, &sender).await {
                Ok(()) => ListingPart::End,
                Err(failure) => ListingPart::Failed(failure),
            };
            // Nobody listens any more when the listing was dropped.
            let _ = sender.send(end).await;
        });

        Listing { pages, _task: task }
    }

    /// Returns the next part, if it has come. After an end of either kind it is not to be called again.
    pub fn try_next(&mut self) -> Option<ListingPart> {
        match self.pages.try_recv() {
            Ok(listed) => Some(listed),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(ListingPart::Failed(failure::interrupted("the listing"))),
        }
    }
}

async fn walk(
    network: &Network,
    scope: &ListingScope,
    access: &S3Access,
    pages: &mpsc::Sender<ListingPart>,
) -> Result<(), Failure> {
    let mut token = None;
    let mut followed = Followed::default();
    loop {
        let output = request(network, scope, access, token.as_deref()).await?;
        let next = following(scope, &output, &mut followed)?;
        if pages.send(ListingPart::Page(page(scope, output)?)).await.is_err() {
            return Ok(());
        }
        network.wake();

        match next {
            Some(next) => token = Some(next),
            None => return Ok(()),
        }
    }
}

async fn request(
    network: &Network,
    scope: &ListingScope,
    access: &S3Access,
    token: Option<&str>,
) -> Result<ListObjectsV2Output, Failure> {
    let bucket = scope.prefix().bucket();
    let prefix = scope.prefix().prefix();
    let list = |client: aws_sdk_s3::Client| {
        client
            .list_objects_v2()
            .bucket(bucket)
            .prefix(prefix)
            // XML can't hold every character that a key can.
            .encoding_type(EncodingType::Url)
            .set_continuation_token(token.map(str::to_owned))
            .send()
    };

    let listed = network.clients.call(network.owner, access, bucket, list).await;
    listed.map_err(|error| s3::failure(&error, Operation::ListObjects { bucket, prefix }, access))
}

/// The tokens of the pages so far, as hash values: a bucket may have millions of pages.
#[derive(Default)]
struct Followed {
    hasher: RandomState,
    hashes: HashSet<u64>,
}

impl Followed {
    /// Returns whether the token is new.
    fn insert(&mut self, token: &str) -> bool {
        self.hashes.insert(self.hasher.hash_one(token))
    }
}

/// Returns the token of the next page; `None` after the last. A server that promises more without saying where, or
/// leads in a circle, must not be taken for one that has told everything.
fn following(
    scope: &ListingScope,
    output: &ListObjectsV2Output,
    followed: &mut Followed,
) -> Result<Option<String>, Failure> {
    let next = output.next_continuation_token();
    if !output.is_truncated().unwrap_or(next.is_some()) {
        return Ok(None);
    }

    match next {
        Some(next) if !next.is_empty() && followed.insert(next) => Ok(Some(next.to_owned())),
        Some(_) => Err(failure::broken_listing(scope.prefix(), "it repeats an earlier page")),
        None => Err(failure::broken_listing(scope.prefix(), "it announces another page without its token")),
    }
}

fn page(scope: &ListingScope, output: ListObjectsV2Output) -> Result<ListingPage, Failure> {
    let encoded = output.encoding_type() == Some(&EncodingType::Url);
    let mut page = ListingPage::default();
    for listed in output.contents.unwrap_or_default() {
        page.scanned += 1;
        let object = object(listed, encoded)
            .ok_or_else(|| failure::broken_listing(scope.prefix(), "a key is missing or not UTF-8"))?;

        if let Some(document) = scope.document_of_sidecar(&object.key) {
            let document = document.to_owned();
            page.sidecars.push(Sidecar { document, etag: object.etag.unwrap_or_default() });
        } else if scope.wants_key(&object.key) && scope.wants_size(object.size) {
            page.objects.push(object);
        } else {
            page.skipped += 1;
        }
    }
    Ok(page)
}

fn object(listed: S3Object, encoded: bool) -> Option<Object> {
    let key = if encoded { form_decoded(&listed.key?)? } else { listed.key? };
    Some(Object {
        key,
        etag: listed.e_tag.as_deref().and_then(plain_etag),
        size: listed.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
        last_modified: listed.last_modified.as_ref().and_then(micros),
        content_type: None,
        metadata: None,
    })
}
