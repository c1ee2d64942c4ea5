//! Clients for models, and for the tokens that they are asked with.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};

use super::Reach;

/// Longest time to establish a connection; a reachable host needs a fraction of it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time that a connection is kept which nobody uses.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Clients for all who ask models: connections and trust roots are shared.
///
/// Redirects are not followed: they would carry documents to an address that nobody allowed.
#[derive(Debug, Clone)]
pub struct HttpClients {
    public: Client,
    named: Client,
}

impl HttpClients {
    /// Clients that keep so many connections to one host while nobody uses them.
    ///
    /// # Errors
    ///
    /// If the system's TLS can't be set up.
    pub(crate) fn new(idle_per_host: usize) -> Result<HttpClients, reqwest::Error> {
        let client = |reach| {
            builder(reach).pool_max_idle_per_host(idle_per_host).pool_idle_timeout(IDLE_TIMEOUT).build()
        };
        Ok(HttpClients { public: client(Reach::Public)?, named: client(Reach::Named)? })
    }

    /// The client whose connections go no further than this.
    pub(crate) fn of(&self, reach: Reach) -> &Client {
        match reach {
            Reach::Public => &self.public,
            Reach::Named => &self.named,
        }
    }
}

/// Clients for queries, one a process since reading the trust roots takes a while. They keep no connection:
/// that would belong to a runtime that is gone by the next query.
///
/// # Errors
///
/// If the system's TLS can't be set up.
pub(crate) fn query_clients() -> Result<HttpClients, reqwest::Error> {
    static CLIENTS: OnceLock<HttpClients> = OnceLock::new();
    if let Some(clients) = CLIENTS.get() {
        return Ok(clients.clone());
    }
    let clients = HttpClients::new(0)?;
    Ok(CLIENTS.get_or_init(|| clients).clone())
}

fn builder(reach: Reach) -> ClientBuilder {
    let builder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(Policy::none())
        .user_agent(concat!("pgai_rs/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Arc::new(Resolver(reach)));

    match reach {
        // A proxy would resolve the name itself, and connect where nobody here can look.
        Reach::Public => builder.no_proxy(),
        Reach::Named => builder,
    }
}

/// Resolves names to the addresses that may be connected to.
struct Resolver(Reach);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let addresses = reach.resolve(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
