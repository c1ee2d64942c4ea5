//! A server of the tests' own, on a socket that only they know.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use postgres::{Client, NoTls};

/// The variable that names the `pg_config` of the Postgres that the extension is built for. `make test-pure` sets it.
const PG_CONFIG: &str = "PGRX_PG_CONFIG_PATH";

/// The longest time that a server takes to come up.
const START: Duration = Duration::from_secs(300);

const PREFIX: &str = "pgai_rs-queue-";

/// A running server.
pub struct Server {
    /// The directory of its socket and of its data.
    directory: PathBuf,
}

/// Returns the server of this process, which ends with it; `None`, with a line that says so, if there is no
/// Postgres at hand.
pub fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let server =
        SERVER.get_or_init(|| std::env::var_os(PG_CONFIG).map(|config| Server::start(Path::new(&config))));
    if server.is_none() {
        eprintln!(
            "not tried, for there is no Postgres at hand: {PG_CONFIG} is not set (`make test-pure` sets it)"
        );
    }
    server.as_ref()
}

impl Server {
    fn start(pg_config: &Path) -> Server {
        let bindir = ask(pg_config, "--bindir");
        remove_leftovers();
        // An earlier process may have had this one's number, and its server may still be stopping.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let directory =
            std::env::temp_dir().join(format!("{PREFIX}{}-{}", std::process::id(), now.as_nanos()));
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(&directory, Some(uid), Some(gid)).unwrap();
        }

        let data = directory.join("data");
        let made = as_user(user, None, &bindir.join("initdb"))
            .arg("--pgdata")
            .arg(&data)
            .args(["--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8"])
            .args(["--no-sync", "--no-instructions"])
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        spawn(user, &bindir, &data, &directory);

        let server = Server { directory };
        server.wait();
        server
    }

    /// Waits until it accepts connections.
    fn wait(&self) {
        let began = Instant::now();
        loop {
            match Client::connect(&self.address("postgres"), NoTls) {
                Ok(_) => return,
                Err(error) if began.elapsed() > START => {
                    let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
                    panic!("Postgres does not come up: {error}\n{log}");
                }
                Err(_) => thread::yield_now(),
            }
        }
    }

    fn address(&self, database: &str) -> String {
        format!("host={} user=postgres dbname={database}", self.directory.display())
    }

    /// Returns a new connection to a database, as superuser.
    pub fn connect(&self, database: &str) -> Client {
        Client::connect(&self.address(database), NoTls).unwrap()
    }

    /// Creates an empty database with pgvector, and returns its name.
    pub fn database(&self) -> String {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", LAST.fetch_add(1, Ordering::Relaxed));
        self.connect("postgres").batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        self.connect(&name).batch_execute("CREATE EXTENSION vector").unwrap();
        name
    }
}

/// Starts the server. It ends when the thread that started it does, so that is one that stays until the process
/// ends.
fn spawn(user: Option<(u32, u32)>, bindir: &Path, data: &Path, directory: &Path) {
    let mut command = as_user(user, Some("INT"), &bindir.join("postgres"));
    command.arg("-D").arg(data).arg("-k").arg(directory);
    for setting in ["listen_addresses=", "fsync=off", "shared_buffers=16MB", "max_connections=60"] {
        command.args(["-c", setting]);
    }
    let log = fs::File::create(directory.join("log")).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    thread::spawn(move || {
        let mut server = command.spawn().unwrap();
        server.wait().unwrap();
    });
}

/// Returns a command that runs as this user, and gets the signal `when_orphaned` when whoever starts it ends.
fn as_user(user: Option<(u32, u32)>, when_orphaned: Option<&str>, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if let Some((uid, gid)) = user {
        command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]);
    }
    if let Some(signal) = when_orphaned {
        command.arg(format!("--pdeathsig={signal}"));
    }
    command.arg("--").arg(program).current_dir("/");
    command
}

/// Returns a user and a group for a server if this process is root's, which Postgres refuses to run as.
fn unprivileged() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let user = |name: &str| {
        let fields: Vec<&str> =
            users.lines().map(|line| line.split(':').collect()).find(|f: &Vec<&str>| f[0] == name)?;
        Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
    };
    Some(user("postgres").or_else(|| user("nobody")).expect("neither postgres nor nobody is a user here"))
}

/// Removes the directories of processes that have ended, as far as their servers have ended too: one that is
/// stopping still writes.
fn remove_leftovers() {
    for entry in fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(creator) = name.strip_prefix(PREFIX) else { continue };
        let creator = creator.split('-').next().unwrap_or_default();
        if is_running(creator) || serves(&entry.path().join("data")) {
            continue;
        }
        match fs::remove_dir_all(entry.path()) {
            Ok(()) => {}
            // Another process of the tests does the same.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => panic!("{}: {error}", entry.path().display()),
        }
    }
}

/// Returns whether a server runs on this data directory. It takes its file away when it has written all.
fn serves(data: &Path) -> bool {
    let file = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    file.lines().next().is_some_and(is_running)
}

fn is_running(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

fn ask(pg_config: &Path, question: &str) -> PathBuf {
    let answer = Command::new(pg_config).arg(question).output().unwrap();
    assert!(answer.status.success(), "{} {question} failed", pg_config.display());
    PathBuf::from(String::from_utf8(answer.stdout).unwrap().trim())
}
