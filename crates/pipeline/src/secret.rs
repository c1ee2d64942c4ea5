//! Secrets: keys of providers, and who gave them.

use std::fmt;

/// A secret such as an API key: never printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Secret(secret.into())
    }

    /// The secret without the blanks around it: a file that it was read from often ends with a newline.
    pub fn trimmed(self) -> Self {
        match self.0.trim() {
            trimmed if trimmed.len() == self.0.len() => self,
            trimmed => Secret(trimmed.to_owned()),
        }
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(...)")
    }
}

/// A provider's key, and who gave it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ApiKey {
    secret: Secret,
    giver: Giver,
}

/// The giver of a key, who decides where it may go, and what it may be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Giver {
    /// The administrator, to the server.
    Server,
    /// Somebody who may set keys of the database.
    Database {
        /// The server that the key is for, if it is another than the provider's own.
        base_url: Option<String>,
    },
    /// Somebody who asks for vectors.
    Caller,
}

impl ApiKey {
    /// A key that the administrator has given the server. It may be the path of a file that holds it.
    pub fn of_server(secret: Secret) -> Self {
        ApiKey { secret, giver: Giver::Server }
    }

    /// A key that was set for one database, for its provider's own server or for the one at `base_url`. It
    /// carries that with it, so that whoever pairs it with a server pairs nobody else's key of the same name.
    /// It is never a path.
    pub fn of_database(secret: Secret, base_url: Option<String>) -> Self {
        ApiKey { secret, giver: Giver::Database { base_url } }
    }

    /// A key that somebody brings along for a request of theirs. It is never a path, and names no server.
    pub fn of_caller(secret: Secret) -> Self {
        ApiKey { secret, giver: Giver::Caller }
    }

    /// Returns whether somebody brought it along, whom nobody knows.
    pub fn is_callers(&self) -> bool {
        self.giver == Giver::Caller
    }

    /// Returns whether the administrator gave it to the server, and is believed in what it names: a file, a
    /// server.
    pub fn is_servers(&self) -> bool {
        self.giver == Giver::Server
    }

    /// The server that a key of the database was set for; `Some(None)` if that is its provider's own, and
    /// none if the key is not the database's.
    pub fn server_in_database(&self) -> Option<Option<&str>> {
        match &self.giver {
            Giver::Database { base_url } => Some(base_url.as_deref()),
            Giver::Server | Giver::Caller => None,
        }
    }

    /// The same without the blanks around it.
    pub fn trimmed(self) -> Self {
        ApiKey { secret: self.secret.trimmed(), ..self }
    }

    /// The key itself, not to be printed.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The key itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        self.secret.expose()
    }
}
