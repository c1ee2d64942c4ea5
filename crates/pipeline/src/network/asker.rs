//! Whose request it is that a name is looked up for: the clients' resolvers are told the name alone.

use std::future::Future;

use crate::quota::Owner;

tokio::task_local! {
    static OWNER: Owner;
}

/// Makes a request in behalf of an owner, who is charged for the look-ups that begin in it.
pub(crate) async fn asked_by<T>(owner: Owner, request: impl Future<Output = T>) -> T {
    OWNER.scope(owner, request).await
}

/// Returns the owner of the request that the current task makes. Requests of a session, and those for the server's own
/// identity, have the owner that superusers are.
pub(super) fn owner() -> Owner {
    OWNER.try_with(|owner| *owner).unwrap_or_default()
}
