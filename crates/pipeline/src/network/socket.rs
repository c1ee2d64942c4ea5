//! A Unix socket as a server's address: `unix:/run/pgai/model.sock`.

use std::path::{Path, PathBuf};

/// The scheme, which is written in lower case.
const SCHEME: &str = "unix:";

/// The largest number of bytes of a path: `sun_path` of `unix(7)`, without the zero byte.
const LONGEST: usize = 107;

/// The address of a server on this host that listens on a Unix socket.
///
/// No prefix allows it and no client resolves it: an administrator's list has it exactly as it is written, or not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SocketAddress(PathBuf);

/// The reason why a text is not a socket's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be unix: and an absolute path of at most {LONGEST} bytes, without \"..\", blanks and commas")]
pub(crate) struct NoSocketAddress;

impl SocketAddress {
    /// Returns whether a text means a Unix socket, be it valid or not.
    pub(crate) fn is_meant(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// Reads an address.
    ///
    /// # Errors
    ///
    /// [`NoSocketAddress`] for a path that is relative, too long, or can be read otherwise than it is written.
    pub(crate) fn parse(text: &str) -> Result<Self, NoSocketAddress> {
        let path = text.strip_prefix(SCHEME).ok_or(NoSocketAddress)?;
        let parts = path.strip_prefix('/').ok_or(NoSocketAddress)?;

        let odd = |c: char| c.is_whitespace() || c.is_control() || c == ',';
        let leads_elsewhere = |part: &str| matches!(part, "" | "." | "..");
        if path.len() > LONGEST || path.contains(odd) || parts.split('/').any(leads_elsewhere) {
            return Err(NoSocketAddress);
        }
        Ok(SocketAddress(path.into()))
    }

    /// Returns the socket's path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absolute_path_is_an_address() {
        let address = SocketAddress::parse("unix:/run/pgai/model.sock").unwrap();
        assert_eq!(address.path(), Path::new("/run/pgai/model.sock"));
        assert!(SocketAddress::parse(&format!("unix:/{}", "x".repeat(LONGEST - 1))).is_ok());
    }

    #[test]
    fn what_could_be_read_otherwise_is_none() {
        let too_long = format!("unix:/{}", "x".repeat(LONGEST));
        for text in [
            "",
            "unix:",
            "unix:/",
            "unix:a.sock",
            "unix:./a.sock",
            "unix://run/a.sock",
            "unix:/run/../a.sock",
            "unix:/run/./a.sock",
            "unix:/run//a.sock",
            "unix:/run/a.sock/",
            "unix:/a b",
            "unix:/a\0",
            "unix:/a\n",
            "unix:/a,b",
            "UNIX:/a",
            "/run/a.sock",
            "http://h",
            &too_long,
        ] {
            assert_eq!(SocketAddress::parse(text), Err(NoSocketAddress), "{text:?}");
        }
    }
}
