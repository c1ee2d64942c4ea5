//! The names that are looked up, each once at a time for all who ask.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;

/// The addresses of a name.
pub(in crate::network) type Addresses = Arc<[SocketAddr]>;

/// The names that somebody asks for.
#[derive(Default)]
pub(super) struct Names(Mutex<HashMap<String, Weak<AskedName>>>);

/// A name that is to be looked up, or is being looked up.
pub(super) struct AskedName {
    /// The name as it was given.
    pub(super) name: String,
    progress: watch::Sender<Progress>,
    names: Arc<Names>,
}

/// The state of a look-up.
#[derive(Clone)]
pub(super) enum Progress {
    /// None who asks has a thread for it yet.
    Waits,
    /// It is on a thread.
    Runs,
    /// It is over.
    Done(Result<Addresses, LookUpError>),
}

impl Names {
    /// Returns a name that is asked for, and its progress. The asker counts as one who waits until it drops the latter.
    pub(super) fn ask(this: &Arc<Names>, name: &str) -> (Arc<AskedName>, watch::Receiver<Progress>) {
        let mut names = this.lock();
        if let Some(asked) = names.get(name).and_then(Weak::upgrade) {
            let progress = asked.progress.subscribe();
            return (asked, progress);
        }

        let (sender, progress) = watch::channel(Progress::Waits);
        let asked = Arc::new(AskedName { name: name.to_owned(), progress: sender, names: Arc::clone(this) });
        names.insert(name.to_owned(), Arc::downgrade(&asked));
        (asked, progress)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Locks the names. Nothing that panics half-way is done under the lock.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Weak<AskedName>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AskedName {
    /// Notes that a thread looks it up. Returns whether none did before.
    pub(super) fn begin(&self) -> bool {
        self.progress.send_if_modified(|progress| {
            let waits = matches!(progress, Progress::Waits);
            if waits {
                *progress = Progress::Runs;
            }
            waits
        })
    }

    /// Returns whether somebody waits for it. If nobody does, whoever asks from now on has it looked up anew.
    pub(super) fn is_wanted(&self) -> bool {
        let mut names = self.names.lock();
        let is_wanted = self.progress.receiver_count() > 0;
        if !is_wanted {
            names.remove(&self.name);
        }
        is_wanted
    }

    /// Tells all who wait; whoever asks from now on has it looked up anew.
    pub(super) fn end(&self, answer: Result<Addresses, LookUpError>) {
        self.names.lock().remove(&self.name);
        self.progress.send_replace(Progress::Done(answer));
    }
}

impl Drop for AskedName {
    fn drop(&mut self) {
        let mut names = self.names.lock();
        // Another of the same name may have taken its place.
        if names.get(&self.name).is_some_and(|asked| asked.strong_count() == 0) {
            names.remove(&self.name);
        }
    }
}

/// An error of the system's resolver, which all have who asked for the name.
#[derive(Debug, Clone)]
pub(in crate::network) struct LookUpError(pub(super) Arc<io::Error>);

impl From<io::Error> for LookUpError {
    fn from(error: io::Error) -> Self {
        LookUpError(Arc::new(error))
    }
}

impl fmt::Display for LookUpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for LookUpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
