//! Name look-ups, on threads that nothing else uses.
//!
//! The system's resolver keeps a thread until it knows, which takes half a minute where the name servers of a host are
//! silent, and longer with search domains. Nothing ends it before. So
//!
//! * it has threads of its own: who cuts a text or runs a parser does not wait for somebody's names;
//! * the threads are shared among the owners of requests, and one is on its owner's account until the resolver returns,
//!   whether somebody still waits or not;
//! * a name is looked up once at a time, for all who ask for it meanwhile, and not at all if nobody waits any more when
//!   its turn comes;
//! * who asks waits for so long and then has an error, after which it asks again later.
//!
//! * `names`: the names that are asked for, and what is known of each
//!
//! The system's resolver is kept, for it is what reads `/etc/hosts`, `nsswitch.conf` and `resolv.conf` as the administrator
//! of the host expects it.

mod names;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use self::names::{Addresses, AskedName, LookUpError, Names, Progress};
use super::asker;
use crate::fair::{FairSemaphore, Permit};
use crate::quota::Owner;
use crate::threads::{self, RequestLife};

/// Threads that look up names.
const THREADS: u32 = 16;
/// Those of them that are for owners for whom none looks up a name: as many of one owner's names may hang without
/// keeping others waiting.
const SPARE_THREADS: u32 = 8;

/// The longest time that an asker waits for a thread and for the addresses. It is shorter than the one for a connection,
/// so that an error says what took so long; 5 s of it are lost where the first of two name servers is down
/// (resolv.conf(5)).
const DEADLINE: Duration = Duration::from_secs(8);

/// The threads of this process, and who uses them.
static LOOK_UPS: LazyLock<io::Result<LookUps>> =
    LazyLock::new(|| LookUps::new(THREADS, SPARE_THREADS, DEADLINE, Arc::new(system)));

/// Looks a name up on the calling thread, for as long as that takes.
type Resolve = Arc<dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// Returns the addresses of a name, with the port 0.
///
/// # Errors
///
/// The system's for a name that has none, or none that it could find out.
pub(super) async fn look_up(name: &str) -> Result<Addresses, LookUpError> {
    look_ups()?.look_up(asker::owner(), name).await
}

/// Returns the runtime on whose threads names are looked up.
///
/// # Errors
///
/// If the system refuses what it needs.
pub(crate) fn look_up_threads() -> io::Result<&'static Handle> {
    Ok(look_ups()?.pool.handle())
}

fn look_ups() -> io::Result<&'static LookUps> {
    LOOK_UPS.as_ref().map_err(|error| error.kind().into())
}

/// Asks the system, on the calling thread.
fn system(name: &str) -> io::Result<Vec<SocketAddr>> {
    Ok((name, 0).to_socket_addrs()?.collect())
}

/// Threads, and the names that are looked up on them.
struct LookUps {
    pool: Runtime,
    permits: Arc<FairSemaphore>,
    names: Arc<Names>,
    deadline: Duration,
    resolve: Resolve,
}

impl LookUps {
    fn new(threads: u32, spare: u32, deadline: Duration, resolve: Resolve) -> io::Result<LookUps> {
        let mut builder = Builder::new_current_thread();
        builder
            .max_blocking_threads(threads as usize)
            .thread_keep_alive(threads::KEEP_ALIVE)
            .thread_name("pgai_rs names");
        Ok(LookUps {
            pool: threads::build(&mut builder)?,
            permits: FairSemaphore::new(threads.into(), spare.into()),
            names: Arc::default(),
            deadline,
            resolve,
        })
    }

    /// Returns a name's addresses for a request of this owner.
    async fn look_up(&self, owner: Owner, name: &str) -> Result<Addresses, LookUpError> {
        let answer = tokio::time::timeout(self.deadline, self.answer(owner, name)).await;
        answer.unwrap_or_else(|_| Err(late(self.deadline).into()))
    }

    async fn answer(&self, owner: Owner, name: &str) -> Result<Addresses, LookUpError> {
        let (asked, mut progress) = Names::ask(&self.names, name);

        // Each asker waits with its own owner's, lest one waits in the queue of another whose names hang.
        let permit = tokio::select! {
            permit = self.permits.acquire(owner, 1) => Some(permit),
            _ = progress.wait_for(|progress| !matches!(progress, Progress::Waits)) => None,
        };
        if let Some(permit) = permit {
            self.begin(&asked, permit);
        }

        let done = progress.wait_for(|progress| matches!(progress, Progress::Done(_))).await;
        match done.as_deref() {
            Ok(Progress::Done(answer)) => answer.clone(),
            _ => Err(io::Error::other("the name look-up was interrupted").into()),
        }
    }

    /// Looks the name up on a thread, unless another asker's permit came first.
    fn begin(&self, asked: &Arc<AskedName>, permit: Permit) {
        if !asked.begin() {
            return;
        }

        let (resolve, name) = (Arc::clone(&self.resolve), Arc::clone(asked));
        let held = Arc::new(Mutex::new(Some((permit, RequestLife::current()))));
        let lent = Arc::clone(&held);
        let work = move || {
            // Given back when the resolver has returned.
            let lent = take(&lent);
            if lent.is_some() && name.is_wanted() {
                name.end(resolve(&name.name).map(Arc::from).map_err(LookUpError::from));
            }
        };
        if let Err(refused) = threads::spawn_blocking(self.pool.handle(), work) {
            // Tokio keeps work for which it has no thread.
            drop(take(&held));
            asked.end(Err(refused.into()));
        }
    }
}

fn take<T>(held: &Mutex<Option<T>>) -> Option<T> {
    held.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// The error of an asker that has waited long enough.
fn late(deadline: Duration) -> io::Error {
    let message = format!("the name of the host was not looked up within {} s", deadline.as_secs());
    io::Error::new(io::ErrorKind::TimedOut, message)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Condvar;

    use tokio::task::JoinHandle;

    use super::*;

    const A: Owner = Owner::of(1);
    const B: Owner = Owner::of(2);

    const LONG: Duration = Duration::from_secs(600);

    /// A resolver that does not return for names that begin with "hangs" until it is released.
    #[derive(Default)]
    struct Resolver {
        state: Mutex<(Vec<String>, bool)>,
        changed: Condvar,
    }

    impl Resolver {
        fn resolve(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
            let mut state = self.state.lock().unwrap();
            state.0.push(name.to_owned());
            self.changed.notify_all();
            while name.starts_with("hangs") && !state.1 {
                state = self.changed.wait(state).unwrap();
            }
            Ok(vec![(Ipv4Addr::LOCALHOST, 0).into()])
        }

        /// Waits until it was asked for so many names.
        fn wait_for(&self, names: usize) {
            let mut state = self.state.lock().unwrap();
            while state.0.len() < names {
                state = self.changed.wait(state).unwrap();
            }
        }

        fn asked(&self) -> Vec<String> {
            self.state.lock().unwrap().0.clone()
        }

        fn release(&self) {
            self.state.lock().unwrap().1 = true;
            self.changed.notify_all();
        }
    }

    /// Threads that are never dropped, because a runtime must not be where others run.
    fn with_threads(threads: u32, spare: u32, deadline: Duration) -> (&'static LookUps, Arc<Resolver>) {
        let resolver = Arc::new(Resolver::default());
        let own = Arc::clone(&resolver);
        let resolve: Resolve = Arc::new(move |name: &str| own.resolve(name));
        (Box::leak(Box::new(LookUps::new(threads, spare, deadline, resolve).unwrap())), resolver)
    }

    fn ask(
        look_ups: &'static LookUps,
        owner: Owner,
        name: &str,
    ) -> JoinHandle<Result<Addresses, LookUpError>> {
        let name = name.to_owned();
        tokio::spawn(async move { look_ups.look_up(owner, &name).await })
    }

    /// Lets the tasks that were begun come as far as they can.
    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn hanging_names_of_one_owner_leave_threads_to_another() {
        let (look_ups, resolver) = with_threads(4, 2, LONG);
        let hang: Vec<_> = (0..10).map(|number| ask(look_ups, A, &format!("hangs {number}"))).collect();
        settle().await;
        resolver.wait_for(2);
        look_ups.look_up(B, "answers").await.unwrap();
        assert_eq!(resolver.asked().len(), 3, "one owner has half of the threads");

        resolver.release();
        for hangs in hang {
            hangs.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn who_leaves_is_charged_until_the_resolver_returns_and_what_waited_is_not_looked_up() {
        let (look_ups, resolver) = with_threads(1, 0, LONG);
        let hang = ["hangs", "hangs, too"].map(|name| ask(look_ups, A, name));
        settle().await;
        resolver.wait_for(1);
        for hangs in hang {
            hangs.abort();
            assert!(hangs.await.unwrap_err().is_cancelled());
        }
        assert!(look_ups.permits.try_acquire(B, 1).is_none());

        resolver.release();
        look_ups.look_up(B, "answers").await.unwrap();
        assert_eq!(resolver.asked(), ["hangs", "answers"]);
        assert!(look_ups.names.is_empty());
    }

    #[tokio::test]
    async fn all_who_ask_for_a_name_meanwhile_have_the_same_answer() {
        let (look_ups, resolver) = with_threads(4, 0, LONG);
        let ask_all = || [A, A, B].map(|owner| ask(look_ups, owner, "hangs"));
        let first = ask_all();
        settle().await;
        resolver.wait_for(1);
        resolver.release();
        for asked in first {
            asked.await.unwrap().unwrap();
        }
        assert_eq!(resolver.asked().len(), 1);

        look_ups.look_up(A, "hangs").await.unwrap();
        assert_eq!(resolver.asked().len(), 2, "an answer is not remembered");
    }

    #[tokio::test]
    async fn nobody_waits_for_a_name_behind_the_names_of_another() {
        let (look_ups, resolver) = with_threads(2, 1, LONG);
        let hangs = ask(look_ups, A, "hangs");
        let waits = ask(look_ups, A, "of both");
        settle().await;
        resolver.wait_for(1);
        assert!(!waits.is_finished());
        look_ups.look_up(B, "of both").await.unwrap();
        waits.await.unwrap().unwrap();

        resolver.release();
        hangs.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn who_has_waited_long_enough_is_told_while_the_thread_is_still_taken() {
        let (look_ups, resolver) = with_threads(1, 0, Duration::ZERO);
        let error = look_ups.look_up(A, "hangs").await.unwrap_err();
        assert_eq!(error.0.kind(), io::ErrorKind::TimedOut);
        assert!(look_ups.permits.try_acquire(B, 1).is_none());
        resolver.release();
    }

    #[tokio::test]
    async fn a_request_goes_on_until_the_resolver_returns() {
        let (look_ups, resolver) = with_threads(1, 0, Duration::ZERO);
        let life = RequestLife::default();
        life.clone().scope(look_ups.look_up(A, "hangs")).await.unwrap_err();
        let remains = life.end();
        assert!(remains.go_on());

        resolver.release();
        while remains.go_on() {
            settle().await;
        }
    }

    #[tokio::test]
    async fn a_system_without_a_thread_is_an_error_for_all_who_ask() {
        let (look_ups, _) = with_threads(1, 0, LONG);
        let mut builder = Builder::new_current_thread();
        // Nobody has so much memory for a stack.
        let pool = threads::build(builder.thread_stack_size(1 << 46)).unwrap();
        let without = LookUps {
            pool,
            permits: Arc::clone(&look_ups.permits),
            names: Arc::default(),
            deadline: LONG,
            resolve: Arc::new(system),
        };
        let without: &'static LookUps = Box::leak(Box::new(without));
        let error = without.look_up(A, "localhost").await.unwrap_err();
        assert_eq!(error.0.kind(), io::ErrorKind::WouldBlock);
        assert!(look_ups.permits.try_acquire(B, 1).is_some());
    }
}
