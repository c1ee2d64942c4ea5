//! The addresses that a name may lead to, checked on those that are then connected to.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

use super::address::{is_of_machines, is_public};
use super::is_behind;
use super::look_ups::look_up;

/// The addresses that a server may have.
///
/// An address that the administrator or this project has written out may be anywhere; one that somebody else has
/// chosen must be on the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// The host is somebody else's choice: only addresses of the internet.
    Public,
    /// The administrator wrote the host, or we did: private addresses, too. A name still leads to no cloud's
    /// metadata; an address that is written as one is what it says.
    Named,
}

impl Reach {
    /// Returns whether a name may lead to this address.
    fn allows_by_name(self, address: IpAddr) -> bool {
        match self {
            Reach::Public => is_public(address),
            Reach::Named => !is_of_machines(address),
        }
    }

    /// Refuses a host that is an address, and not one that may be asked. Clients resolve names only, so that
    /// this is all that is looked at before they connect to an address.
    ///
    /// # Errors
    ///
    /// [`AddressRefused`].
    pub(crate) fn check_literal(self, url: &Url) -> Result<(), AddressRefused> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        match self {
            Reach::Public if !is_public(address) => Err(AddressRefused),
            Reach::Public | Reach::Named => Ok(()),
        }
    }

    /// The addresses of a name that may be connected to.
    ///
    /// # Errors
    ///
    /// [`AddressRefused`] if it has none of these, and the system's for a name that has none at all.
    pub(crate) async fn resolve(self, name: &str) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
        let found = resolve_anywhere(name).await?;
        let allowed: Vec<_> = found.into_iter().filter(|address| self.allows_by_name(address.ip())).collect();
        if allowed.is_empty() {
            return Err(AddressRefused.into());
        }
        Ok(allowed)
    }
}

/// The addresses of a name, wherever they are. The port is the client's matter.
///
/// # Errors
///
/// The system's for a name that has none.
pub(super) async fn resolve_anywhere(name: &str) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
    let found = look_up(name).await?;
    if found.is_empty() {
        return Err(io::Error::other("failed to lookup address information: there is none").into());
    }
    Ok(found.to_vec())
}

/// An address that may not be asked. It is not said which: where a name leads in this network is nobody's
/// business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRefused;

impl AddressRefused {
    /// Returns whether an error is this one, or was caused by it.
    pub(crate) fn is_behind(error: &(dyn Error + 'static)) -> bool {
        is_behind::<AddressRefused>(error)
    }
}

impl fmt::Display for AddressRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host has no address that is allowed")
    }
}

impl Error for AddressRefused {}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::runtime::Builder;

    use super::*;

    fn literal(reach: Reach, url: &str) -> bool {
        reach.check_literal(&Url::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn an_address_is_the_same_in_every_spelling() {
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0177.0.0.1/",
            "http://0x7f.1/",
            "http://0x7f000001/",
            "http://①②⑦.0.0.1/",
            "http://[::1]/",
            "http://[0:0:0:0:0:ffff:7f00:1]/",
            "http://0/",
            "http://2852039166/",
            "http://0xA9FEA9FE/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://[64:ff9b::169.254.169.254]/",
            "http://10.0.0.1./",
        ] {
            assert!(!literal(Reach::Public, url), "{url}");
            assert!(literal(Reach::Named, url), "{url}");
        }
        assert!(literal(Reach::Public, "https://1.1.1.1/"));
        assert!(literal(Reach::Public, "https://example.com/"));
    }

    #[tokio::test]
    async fn a_name_is_judged_by_what_it_leads_to() {
        let refused = Reach::Public.resolve("localhost").await.unwrap_err();
        assert!(AddressRefused::is_behind(&*refused), "{refused}");
        let named = Reach::Named.resolve("localhost").await.unwrap();
        assert!(named.iter().all(|address| address.ip().is_loopback()), "{named:?}");

        // The system reads these as addresses, whatever URLs make of them.
        for name in ["2852039166", "0xa9fea9fe", "169.254.43518"] {
            for reach in [Reach::Public, Reach::Named] {
                let refused = reach.resolve(name).await.unwrap_err();
                assert!(AddressRefused::is_behind(&*refused), "{name} {refused}");
            }
        }
    }

    #[test]
    fn a_look_up_waits_for_no_thread_that_others_work_on() {
        let runtime = Builder::new_current_thread().max_blocking_threads(1).enable_time().build().unwrap();
        let (end, ended) = mpsc::channel::<()>();
        let busy = runtime.spawn_blocking(move || ended.recv().is_err());
        let resolved = runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(60), Reach::Named.resolve("localhost")).await
        });
        assert!(resolved.is_ok_and(|resolved| resolved.is_ok()));

        drop(end);
        assert!(runtime.block_on(busy).unwrap());
    }
}
