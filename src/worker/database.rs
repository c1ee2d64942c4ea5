//! The worker of a database.
//!
//! The main thread does all that needs Postgres: statements, latch, signals, log. The pipeline's threads do
//! all that needs the network. They meet in the pipeline's `Runner`, and in an eventfd that the main thread
//! waits on together with its latch. No other thread calls a function of Postgres.

use std::cell::RefCell;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::child;
use pgai_rs_pipeline::document::Vectorizer;
use pgai_rs_pipeline::embed::by_batch::BatchNetwork;
use pgai_rs_pipeline::run::{Runner, Turn, release_free_memory};
use pgai_rs_pipeline::settings::Settings;
use pgai_rs_pipeline::source::Network;

use super::altering::Alterations;
use super::batches::{Batches, Way};
use super::confinement;
use super::extension::{self, Extension};
use super::heartbeat::Heartbeat;
use super::own_settings::OwnSettings;
use crate::guc;
use crate::index;
use crate::pg::descriptors;
use crate::pg::error::PgError;
use crate::pg::random::random_u32;
use crate::pg::transaction::transaction;
use crate::pg::{nice, session, turn, wait};
use crate::queue::spi::SpiQueue;
use crate::shared;
use crate::source::sources::Sources;

/// A function that wakes the main thread from another one.
type Waker = Arc<dyn Fn() + Send + Sync>;

/// The pause after an error of the queue as a whole.
const ERROR_PAUSE: Duration = Duration::from_secs(1);

/// The shortest wait for a row that is due soon. Below that, waking costs more than it gains.
const SHORTEST_WAIT: Duration = Duration::from_millis(2);

thread_local! {
    /// The runner. It is a static so that it is found when the process ends, wherever that is.
    static RUNNER: RefCell<Option<Runner>> = const { RefCell::new(None) };
}

/// The entry point of a database's worker. The argument is the database's OID.
///
/// # Safety
/// Called by the postmaster, in a process of its own.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn pgai_rs_worker_main(argument: pg_sys::Datum) {
    let database = pg_sys::Oid::from(argument.value() as u32);
    wait::install_signal_handlers();
    session::pin(&SETTINGS);
    // SAFETY: once per process; the superuser who owns the cluster.
    unsafe {
        pg_sys::BackgroundWorkerInitializeConnectionByOid(database, pg_sys::InvalidOid, 0);
        pg_sys::before_shmem_exit(Some(at_exit), argument);
    }

    session::be_superuser();
    nice::be_nice(guc::worker_niceness());
    release_free_memory();
    if !enter(database) {
        return;
    }

    match transaction(extension::version) {
        Ok(Some(version)) => extension::recommend_update(&version),
        Ok(None) => return leave_without_extension(database),
        Err(error) => pgrx::error!("pgai_rs worker could not look up its extension: {error}"),
    }
    pgrx::log!("pgai_rs worker has started");
    serve(database);
}

/// Enters this process in its database's slot, so that it can be told to leave. Returns false, and enters nothing,
/// if a statement needs the database alone, which found no process to tell while this one was connecting; or if no slot
/// is free, for nobody could tell it then. Without preloading there are no slots, and nobody tells.
fn enter(database: pg_sys::Oid) -> bool {
    // SAFETY: reads the clock.
    let now = unsafe { pg_sys::GetCurrentTimestamp() };
    let mut is_kept_away = false;
    let has_slot = shared::update(database, |slot| {
        is_kept_away = slot.away_until > now;
        if is_kept_away {
            return;
        }
        slot.worker = std::process::id() as i32;
        slot.busy_until = 0;
        slot.without_extension = false;
        slot.to_leave = false;
        slot.last_turn = 0;
    });

    let lacks_slot = !has_slot && shared::is_there();
    if lacks_slot {
        ErrorReport::new(
            PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
            "pgai_rs worker has no room for its database in shared memory",
            "",
        )
        .set_detail("It ends, and is started again later.")
        .set_hint("Increase max_worker_processes and restart the server.")
        .report(PgLogLevel::WARNING);
    }
    !lacks_slot && !is_kept_away
}

/// Stops parsers and the network before the memory of the process is freed.
#[pg_guard]
unsafe extern "C-unwind" fn at_exit(_code: std::ffi::c_int, argument: pg_sys::Datum) {
    child::end_all();
    RUNNER.with(|runner| drop(runner.try_borrow_mut().ok().and_then(|mut runner| runner.take())));
    index::due::end_builders();

    let own = std::process::id() as i32;
    let stubborn = turn::stubborn();
    // SAFETY: reads the clock.
    let now = unsafe { pg_sys::GetCurrentTimestamp() };
    shared::update(pg_sys::Oid::from(argument.value() as u32), |slot| {
        if slot.worker == own {
            slot.worker = 0;
        }
        if let Some(owner) = stubborn {
            slot.bar(owner, now);
        }
    });
    super::wake_launcher();
}

fn leave_without_extension(database: pg_sys::Oid) {
    shared::update(database, |slot| slot.without_extension = true);
}

/// The worker's own settings, besides those of every process of the extension. No lock may delay the other
/// vectorizers for long.
const SETTINGS: [(&CStr, &CStr); 2] = [(c"lock_timeout", c"500ms"), session::COMMITS_DO_NOT_WAIT];

/// Works until the extension is dropped or the process is told to end.
fn serve(database: pg_sys::Oid) {
    let (wake, waker) = waker();
    let call = waker.clone();
    let waiting = wait::WaitSet::new(Some(wake.as_raw_fd()));

    match Runner::start(pipeline_settings(), move || call()) {
        Ok(runner) => RUNNER.set(Some(runner)),
        Err(error) => return can_not_start(&error),
    }

    let mut queue = SpiQueue::new(i64::from(random_u32()) << 32);
    let mut beside = Beside::default();
    let mut renewed = Instant::now();
    let mut heartbeat = Heartbeat::default();
    let mut extension = Extension::default();
    let mut own_settings = OwnSettings::default();
    loop {
        report_activity(c"working");
        let is_there = match begin_turn(&mut extension, &mut own_settings) {
            Ok(true) => Ok(()),
            Ok(false) => return leave_without_extension(database),
            Err(error) => Err(error),
        };
        if leaves_for_another(database, &beside.sources) || leaves_for_settings(database, &own_settings) {
            return write_spending(&queue);
        }
        let worked = is_there.and_then(|()| work(&mut queue, &mut beside, &waker, &mut renewed));
        let pause = match worked {
            Ok(pause) => pause,
            Err(error) => {
                pgrx::warning!("pgai_rs worker: {error}");
                ERROR_PAUSE
            }
        };
        confinement::tell();
        show_turn(database, &queue);
        heartbeat.beat(&mut queue);
        report_activity(c"");
        let reloaded = waiting.wait(pause.min(heartbeat.next(queue.conditions())));
        clear(&wake);
        if reloaded {
            queue.forget_settings();
            beside.sources.forget_settings();
            with_runner(|runner| runner.configure(pipeline_settings()));
        }
    }
}

/// Returns a descriptor that wakes the main thread, and the function that makes it do so.
fn waker() -> (Arc<OwnedFd>, Waker) {
    let wake = match eventfd() {
        Ok(file) => Arc::new(file),
        Err(error) => pgrx::error!("pgai_rs worker could not create an eventfd: {error}"),
    };
    let writer = wake.clone();
    (wake, Arc::new(move || signal(&writer)))
}

/// Hears of all that others have changed. Returns whether the extension is there.
fn begin_turn(extension: &mut Extension, own_settings: &mut OwnSettings) -> Result<bool, PgError> {
    transaction(|| {
        own_settings.look();
        extension.is_there()
    })
}

/// Returns the settings, with `connections` limited to the file descriptors that the operating system allows.
fn pipeline_settings() -> Settings {
    let settings = guc::pipeline();
    let wanted = settings.descriptors();
    let there_are = descriptors::make_room(wanted);
    let connections = settings.connections_within(there_are).min(settings.connections);

    if connections < settings.connections {
        ErrorReport::new(
            PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
            format!(
                "pgai_rs worker is limited to {connections} connections to models: {there_are} file descriptors \
                 are available for the network, but {} connections need {wanted}",
                settings.connections
            ),
            "",
        )
        .set_hint(
            "If that is too slow, increase the hard limit of open files for the Postgres server (LimitNOFILE in \
             its systemd unit, ulimit -Hn), or reduce max_files_per_process.",
        )
        .report(PgLogLevel::LOG);
    }
    Settings { connections, ..settings }
}

/// Ends the process; the launcher starts another one, after growing pauses.
fn can_not_start(error: &std::io::Error) {
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_RESOURCES,
        format!("pgai_rs worker could not start its threads: {error}"),
        "",
    )
    .set_hint(
        "Increase the limits of processes and of open files for the Postgres server (TasksMax and LimitNOFILE in \
         its systemd unit, ulimit -u and -n).",
    )
    .report(PgLogLevel::FATAL);
}

/// Returns whether the launcher wants this process for another database and it can leave without losing work.
/// Documents in flight are completed first, and no new ones are claimed.
fn leaves_for_another(database: pg_sys::Oid, sources: &Sources) -> bool {
    if !shared::is_to_leave(database) {
        return false;
    }
    if sources.is_listing() || index::due::is_building() {
        // It stays for that, and the documents need not wait meanwhile.
        with_runner(Runner::claim_again);
        return false;
    }
    with_runner(|runner| {
        runner.claim_no_more();
        runner.in_flight() == 0
    })
}

/// Writes what roles have spent, for the process that comes after this one.
fn write_spending(queue: &SpiQueue) {
    if let Err(error) = queue.write_spending() {
        pgrx::warning!("pgai_rs worker can't write what was spent: {error}");
    }
}

/// Returns whether this process leaves, because settings have changed with which it has started. What is in flight is completed
/// first, if that takes no longer than a lease.
fn leaves_for_settings(database: pg_sys::Oid, own_settings: &OwnSettings) -> bool {
    let Some(since) = own_settings.changed_since() else { return false };
    let is_idle = with_runner(|runner| {
        runner.claim_no_more();
        runner.in_flight() == 0
    });
    let leaves = is_idle || since.elapsed() > guc::lease_duration();
    if leaves {
        pgrx::log!("pgai_rs worker starts anew, because settings with which it has started have changed");
        // The launcher need not wait for a worker that has not failed.
        shared::update(database, |slot| slot.to_leave = true);
    }
    leaves
}

/// The work beside the queue.
#[derive(Default)]
struct Beside {
    sources: Sources,
    alterations: Alterations,
    batches: Batches,
}

/// Does one turn of all work. Returns how long to wait for the next.
fn work(
    queue: &mut SpiQueue,
    beside: &mut Beside,
    waker: &Waker,
    renewed: &mut Instant,
) -> Result<Duration, PgError> {
    turn::shares(|shares| shares.begin_turn(Instant::now()));
    let listed = beside.sources.turn(&with_runner(|runner| network(runner, waker))).unwrap_or_else(|error| {
        pgrx::warning!("pgai_rs worker could not process S3 sources: {error}");
        Turn { more: false, retry_in: Some(ERROR_PAUSE) }
    });

    for gone in queue.refresh()? {
        with_runner(|runner| runner.forget(gone));
    }
    if renewed.elapsed() > guc::lease_duration() / 3 && with_runner(|runner| runner.in_flight()) > 0 {
        queue.renew(&with_runner(|runner| runner.tickets().collect()));
        *renewed = Instant::now();
    }

    let turn = with_runner(|runner| {
        let turn = runner.turn(queue);
        queue.waiting(runner.waiting());
        turn
    })?;
    // Rows without end must not keep indexes from being built, nor chunks from getting their words.
    let index = index::due::look(queue);
    let has_more_words = queue.fill_words();
    let altered = beside.alterations.look(queue);
    let batches = look_at_batches(&mut beside.batches, queue, waker);
    if turn.more || listed.more || has_more_words {
        return Ok(Duration::ZERO);
    }

    if queue.has_wanted_changes() {
        return Ok(Duration::ZERO);
    }
    // What is in flight ends with a turn of its own.
    let index = index.filter(|_| with_runner(|runner| runner.in_flight()) == 0);
    let renewal = with_runner(|runner| runner.in_flight() > 0).then(|| guc::lease_duration() / 3);
    let next = [
        turn.retry_in,
        listed.retry_in,
        queue.next_due(),
        index,
        altered,
        batches,
        renewal,
        Some(guc::poll_interval()),
    ]
    .into_iter()
    .flatten()
    .min();
    Ok(next.unwrap_or(ERROR_PAUSE).max(SHORTEST_WAIT))
}

/// Takes the steps of batches whose time has come. Returns the time until the next look.
fn look_at_batches(batches: &mut Batches, queue: &mut SpiQueue, waker: &Waker) -> Option<Duration> {
    let network = BatchNetwork { handle: with_runner(|runner| runner.handle().clone()), wake: waker.clone() };
    let server = |vectorizer: &Vectorizer| with_runner(|runner| runner.batch_server(vectorizer));
    batches.look(queue, &Way { network, room: batches.room(), server: &server })
}

/// Returns the runner's threads and clients, for the listings of S3 sources.
fn network(runner: &Runner, waker: &Waker) -> Network {
    Network::new(runner.handle().clone(), runner.s3().clone(), guc::load_concurrency(), waker.clone())
}

/// Publishes the numbers of vectorizers and of documents in flight in shared memory.
fn show_turn(database: pg_sys::Oid, queue: &SpiQueue) {
    let in_flight = with_runner(|runner| runner.in_flight());
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    // SAFETY: reads the clock.
    let now = unsafe { pg_sys::GetCurrentTimestamp() };
    shared::update(database, |slot| {
        (slot.last_turn, slot.vectorizers, slot.in_flight) = (now, count(queue.count()), count(in_flight));
    });
}

/// Runs `f` with the runner, which exists from `serve` to the end of the process.
fn with_runner<R>(f: impl FnOnce(&mut Runner) -> R) -> R {
    RUNNER.with_borrow_mut(|runner| match runner {
        Some(runner) => f(runner),
        None => pgrx::error!("pgai_rs worker has no runner"),
    })
}

fn report_activity(what: &CStr) {
    let state =
        if what.is_empty() { pg_sys::BackendState::STATE_IDLE } else { pg_sys::BackendState::STATE_RUNNING };
    // SAFETY: the text is copied.
    unsafe {
        pg_sys::pgstat_report_activity(state, if what.is_empty() { std::ptr::null() } else { what.as_ptr() })
    };
}

fn eventfd() -> std::io::Result<OwnedFd> {
    // SAFETY: a system call; the descriptor is nobody else's.
    unsafe {
        match libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) {
            -1 => Err(std::io::Error::last_os_error()),
            descriptor => Ok(OwnedFd::from_raw_fd(descriptor)),
        }
    }
}

/// Makes the descriptor readable. If it is full, it is readable already.
fn signal(file: &OwnedFd) {
    let one = 1_u64.to_ne_bytes();
    // SAFETY: writes eight bytes of this stack.
    unsafe { libc::write(file.as_raw_fd(), one.as_ptr().cast(), one.len()) };
}

/// Makes the descriptor unreadable. If it is empty, it is so already.
fn clear(file: &OwnedFd) {
    let mut count = [0_u8; 8];
    // SAFETY: reads at most eight bytes into this stack.
    unsafe { libc::read(file.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
}
