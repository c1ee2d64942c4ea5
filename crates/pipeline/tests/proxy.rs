//! A proxy of the environment; a process of its own, for it changes that environment.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use pgai_rs_pipeline::config::Author;
use pgai_rs_pipeline::embed::{Groups, client};
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_pipeline::s3::Clients;
use pgai_rs_pipeline::settings::Settings;
use support::http::{Reply, Server};

/// A host that no name server knows.
const HOST: &str = "http://models.invalid";

/// Asks the host's model for the vector of a text, in behalf of somebody who is no superuser.
async fn embed(allowed: &str) -> Result<Vec<Vec<f32>>, Failure> {
    let mut vectorizer = support::column_vectorizer(1, HOST);
    vectorizer.author = Author::Other;
    let settings = Settings {
        allowed_base_urls: vec![allowed.to_owned()],
        embedding_retries: 0,
        ..support::queue::settings()
    };
    let aws = Arc::new(Clients::new(&settings));
    let groups = Groups::new(client().unwrap(), Arc::new(settings), aws);
    groups.group(&vectorizer)?.embed(["a text".into()]).await
}

#[tokio::test]
async fn a_proxy_leads_nowhere_that_only_a_scheme_allows() {
    let proxy = Server::start(|_| Reply::new(401, ""));
    for name in ["http_proxy", "HTTP_PROXY"] {
        // SAFETY: nothing has read the environment in another thread; the server's threads do not.
        unsafe { std::env::set_var(name, &proxy.url) };
    }

    embed("http://").await.unwrap_err();
    assert!(proxy.requests().is_empty());

    // The administrator names the host.
    assert_eq!(embed(HOST).await.unwrap_err().code, "provider_refused_key");
    assert!(proxy.requests().iter().all(|request| request.target.starts_with(HOST)));
    assert!(!proxy.requests().is_empty());
}
