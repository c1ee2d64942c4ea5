//! Requests when no file descriptor is left. The limit is the process's, so this is one of
//! its own.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::File;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Instant;

use pgai_rs_pipeline::config::{Author, Processing, S3Access};
use pgai_rs_pipeline::embed::{Groups, client, embed_query};
use pgai_rs_pipeline::failure::{Failure, Retry};
use pgai_rs_pipeline::load::Loaders;
use pgai_rs_pipeline::quota::Account;
use pgai_rs_pipeline::s3::Clients;
use pgai_rs_pipeline::usage::Bill;
use support::http::{Reply, Server};

/// All descriptors that this process may have, until dropped.
struct NoneLeft {
    before: libc::rlimit,
    _files: Vec<File>,
}

impl NoneLeft {
    fn new() -> Self {
        let mut before = MaybeUninit::<libc::rlimit>::uninit();
        // SAFETY: filled in by the call, and read only after it succeeded.
        let before = unsafe {
            assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, before.as_mut_ptr()), 0);
            before.assume_init()
        };
        set(libc::rlimit { rlim_cur: 128, ..before });
        let _files = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        NoneLeft { before, _files }
    }
}

impl Drop for NoneLeft {
    fn drop(&mut self) {
        set(self.before);
    }
}

fn set(limit: libc::rlimit) {
    // SAFETY: reads a limit of this stack.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
}

async fn load(loaders: &Loaders) -> Result<(), Failure> {
    let (access, account) = (S3Access::default(), Account::default());
    loaders.load("s3://bucket/key", &access, None, Instant::now(), &account).await.map(drop)
}

#[tokio::test]
async fn no_row_is_to_blame_and_all_goes_on_when_there_are_some_again() {
    let model = support::openai::server();
    let bucket = Server::start(|_| Reply::new(200, "text"));
    let settings = support::s3::settings(&bucket);
    let loaders = Loaders::new(&settings, None);

    // Nobody has read yet whose certificates are trusted: a session that asks for the first time.
    let config = support::column_vectorizer(1, &model.url).config.embedding;
    let none_left = NoneLeft::new();
    let question = embed_query(&config, Author::Superuser, None, &settings, "a", None, &Bill::default())
        .await
        .unwrap_err();
    let loading = load(&loaders).await.unwrap_err();
    assert!(client().is_err());
    drop(none_left);
    for failure in [question, loading] {
        assert_eq!(failure.code, "too_many_open_files", "{failure}");
    }

    let loaders = Loaders::new(&settings, None);
    let groups =
        Groups::new(client().unwrap(), Arc::new(settings.clone()), Arc::new(Clients::new(&settings)));
    let group = groups.group(&support::column_vectorizer(1, &model.url)).unwrap();

    let none_left = NoneLeft::new();
    let embedding = group.embed(["a".into()]).await.unwrap_err();
    let loading = load(&loaders).await.unwrap_err();
    drop(none_left);
    for failure in [embedding, loading] {
        assert_eq!(failure.code, "too_many_open_files", "{failure}");
        // No try is spent.
        assert!(matches!(failure.retry, Retry::After(_)), "{failure}");
    }

    assert!(load(&loaders).await.is_ok());
    assert!(
        embed_query(&config, Author::Superuser, None, &settings, "a", None, &Bill::default()).await.is_ok()
    );
    // The group itself rests; another asks at once.
    let mut other = support::column_vectorizer(2, &model.url);
    other.config.processing = Processing::Default { batch_size: None, concurrency: Some(3), backfill: None };
    let other = groups.group(&other).unwrap();
    assert_eq!(other.embed(["a".into()]).await.unwrap(), [support::openai::vector("a")]);
}
