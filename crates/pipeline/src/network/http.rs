//! Clients for models, and for the tokens that they are asked with.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder};

use super::socket::SocketAddress;
use super::{Reach, trust};

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
    /// Clients for servers on Unix sockets, of which the administrator lists each.
    sockets: Arc<Mutex<HashMap<SocketAddress, Client>>>,
    idle_per_host: usize,
}

impl HttpClients {
    /// Clients that keep so many connections to one host while nobody uses them.
    ///
    /// # Errors
    ///
    /// If the system's TLS can't be set up, such as without a descriptor to read whom to trust.
    pub(crate) fn new(idle_per_host: usize) -> io::Result<HttpClients> {
        let roots = trust::roots()?;
        Ok(HttpClients {
            public: client(Reach::Public, idle_per_host, &roots)?,
            named: client(Reach::Named, idle_per_host, &roots)?,
            sockets: Arc::default(),
            idle_per_host,
        })
    }

    /// The client whose connections go no further than this.
    pub(crate) fn of(&self, reach: Reach) -> &Client {
        match reach {
            Reach::Public => &self.public,
            Reach::Named => &self.named,
        }
    }

    /// Returns the client that connects to a Unix socket, whatever host a URL names.
    ///
    /// # Errors
    ///
    /// If the client can't be set up.
    pub(crate) fn over(&self, socket: &SocketAddress) -> io::Result<Client> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = sockets.get(socket) {
            return Ok(client.clone());
        }

        // It trusts no authority, because it speaks no TLS.
        let client = builder(Reach::Public)
            .unix_socket(socket.path())
            .pool_max_idle_per_host(self.idle_per_host)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build()
            .map_err(io::Error::other)?;
        sockets.insert(socket.clone(), client.clone());
        Ok(client)
    }
}

/// Clients for queries, one a process since reading the trust roots takes a while. They keep no connection:
/// that would belong to a runtime that is gone by the next query.
///
/// # Errors
///
/// Fails as [`HttpClients::new`] does.
pub(crate) fn query_clients() -> io::Result<HttpClients> {
    static CLIENTS: OnceLock<HttpClients> = OnceLock::new();
    if let Some(clients) = CLIENTS.get() {
        return Ok(clients.clone());
    }
    let clients = HttpClients::new(0)?;
    Ok(CLIENTS.get_or_init(|| clients).clone())
}

/// Makes a client that goes no further than this, and trusts the authorities whose certificates these are.
fn client(reach: Reach, idle_per_host: usize, roots: &[Vec<u8>]) -> io::Result<Client> {
    let mut builder = builder(reach).pool_max_idle_per_host(idle_per_host).pool_idle_timeout(IDLE_TIMEOUT);
    for root in roots {
        builder = builder.add_root_certificate(Certificate::from_der(root).map_err(io::Error::other)?);
    }
    builder.build().map_err(io::Error::other)
}

fn builder(reach: Reach) -> ClientBuilder {
    let builder = Client::builder()
        .tls_built_in_root_certs(false)
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
