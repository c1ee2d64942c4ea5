"""A private Postgres cluster: made, started, stopped, killed and asked."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg
from psycopg import sql

from support import process
from support.wait import eventually

# A path of a Unix socket may not be longer than 107 bytes, its name included.
LONGEST_SOCKET_DIRECTORY = 80

SUPERUSER = "postgres"
DEFAULTS = {
    # Only through the socket, which lies in a directory of its owner: nobody else on this machine
    # gets in, and no port can be taken.
    "listen_addresses": "",
    "shared_preload_libraries": "pgai_rs",
    # The operating system survives what the tests do to Postgres.
    "fsync": "off",
    "log_line_prefix": "%m [%p] %b %d ",
    "log_min_messages": "info",
    "max_connections": "50",
    "max_worker_processes": "32",
    "shared_buffers": "32MB",
}


class Cluster:
    """One data directory and the server on it. `conf` is postgresql.conf beyond the defaults.

    `limits` are those of the operating system under which it runs: {"RLIMIT_NOFILE": (soft, hard)}.
    """

    def __init__(
        self,
        bindir: Path,
        directory: Path,
        *,
        conf: dict | None = None,
        env: dict | None = None,
        limits: dict | None = None,
    ):
        self.bindir = bindir
        self.directory = directory
        self.data = directory / "data"
        self.log = directory / "server.log"
        self.conf = DEFAULTS | (conf or {})
        self.env = process.environment(directory, env)
        self.limits = limits or {}
        self.user = process.unprivileged()
        self.port = 5432
        self.server: subprocess.Popen | None = None
        sockets = directory / "socket"
        self._short: str | None = None
        if len(str(sockets)) > LONGEST_SOCKET_DIRECTORY:
            self._short = tempfile.mkdtemp(prefix="pgai_rs-")
            sockets = Path(self._short)
        self.host = str(sockets)

    def create(self) -> "Cluster":
        """Makes the data directory, unless it is there."""
        if (self.data / "PG_VERSION").exists():
            return self
        self._make_directories()
        self.run(
            *("initdb", "--pgdata", self.data, "--username", SUPERUSER, "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions"),
        )
        return self

    def _make_directories(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)
        for directory in (self.directory, Path(self.host)):
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o700)
            if self.user:
                os.chown(directory, self.user.pw_uid, self.user.pw_gid)

    # Copies, not yet started

    def copy(self, directory: Path) -> "Cluster":
        """Copies what the disk holds now, as after a loss of power; the server must not run."""
        copy = self._another(directory)
        subprocess.run(["cp", "-a", self.data, copy.data], check=True)
        (copy.data / "postmaster.pid").unlink(missing_ok=True)
        return copy

    def base_backup(self, directory: Path, *, standby: bool = False) -> "Cluster":
        """A base backup of the running server; or a standby that follows it."""
        copy = self._another(directory)
        follow = ["--write-recovery-conf"] if standby else []
        self.run("pg_basebackup", "--pgdata", copy.data, "--checkpoint", "fast", "--no-sync", *follow)
        return copy

    def _another(self, directory: Path) -> "Cluster":
        another = Cluster(self.bindir, directory)
        another.conf, another.env = dict(self.conf), self.env
        another._make_directories()
        return another

    # Start and stop

    def start(self) -> "Cluster":
        self.configure()
        self._spawn()
        eventually(self._accepts, timeout=60, what="Postgres to accept connections")
        return self

    def _spawn(self) -> None:
        self.log.touch()
        # SIGINT is a fast shutdown.
        self.server = process.spawn(
            [self.bindir / "postgres", "-D", self.data],
            self.log,
            env=self.env,
            user=self.user,
            signal="INT",
            limits=self.limits,
        )

    def _accepts(self) -> bool:
        if self.server.poll() is not None:
            raise RuntimeError(f"Postgres ended with {self.server.returncode}:\n{self.log_text()[-3000:]}")
        with contextlib.suppress(psycopg.OperationalError):
            self.connect().close()
            return True
        return False

    def stop(self, mode: str = "fast") -> None:
        """Shuts down: smart, fast or immediate."""
        if not self.running:
            return
        self.server.send_signal({"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode])
        try:
            self.server.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"Postgres did not stop ({mode}):\n{self.log_text()[-3000:]}") from None

    def kill(self) -> None:
        """Kills the postmaster with SIGKILL and waits until its orphans are gone."""
        # Stopped first, so that it has no child after they were counted.
        self.server.send_signal(signal.SIGSTOP)
        children = self.children()
        self.server.kill()
        self.server.wait()
        eventually(lambda: not any(alive(pid) for pid in children), what="the postmaster's children to end")

    def kill_child(self, pid: int) -> None:
        """Kills one of the postmaster's children and waits until the crash recovery is over."""
        position = self.log_position()
        os.kill(pid, signal.SIGKILL)
        ready = "database system is ready to accept connections"
        eventually(lambda: ready in self.log_text(since=position), what="the end of crash recovery")

    def restart(self, mode: str = "fast") -> None:
        self.stop(mode)
        self.start()

    def remove(self) -> None:
        """Stops whatever runs and deletes everything."""
        if self.running:
            with contextlib.suppress(AssertionError):
                self.stop("immediate")
        shutil.rmtree(self.directory, ignore_errors=True)
        if self._short:
            shutil.rmtree(self._short, ignore_errors=True)

    @property
    def running(self) -> bool:
        return self.server is not None and self.server.poll() is None

    def children(self) -> list[int]:
        """The process ids of the postmaster's children."""
        pid = self.server.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    # Settings

    def configure(self, **settings) -> None:
        """Changes postgresql.conf, None removing a setting, and reloads it if the server runs.

        A dot of a name is written as two underscores: `pgai_rs__poll_interval="1h"`.
        """
        for name, value in settings.items():
            name = name.replace("__", ".")
            if value is None:
                self.conf.pop(name, None)
            else:
                self.conf[name] = value
        fixed = {"port": self.port, "unix_socket_directories": self.host}
        lines = (f"{name} = '{str(value).replace(chr(39), chr(39) * 2)}'" for name, value in (self.conf | fixed).items())
        (self.data / "postgresql.conf").write_text("\n".join(lines) + "\n")
        if self.running:
            self.reload()

    def reload(self) -> None:
        """Reloads, and waits until new sessions see it."""
        with self.connect() as connection:
            before = connection.execute("SELECT pg_conf_load_time()").fetchone()[0]
            connection.execute("SELECT pg_reload_conf()")

        def reloaded():
            with self.connect() as connection:
                return connection.execute("SELECT pg_conf_load_time()").fetchone()[0] > before

        eventually(reloaded, what="the reload")

    # Questions

    def connect(self, dbname: str = "postgres", *, user: str = SUPERUSER, autocommit: bool = True, **options):
        return psycopg.connect(
            host=self.host, port=self.port, dbname=dbname, user=user, autocommit=autocommit, **options
        )

    def sql(self, query: str, parameters=None, *, dbname: str = "postgres", user: str = SUPERUSER) -> list[tuple]:
        """Runs a statement in a session of its own and returns its rows."""
        with self.connect(dbname, user=user) as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description is not None else []

    def create_database(self, name: str) -> "Database":
        self.sql(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return Database(self, name)

    def run(self, program: str, *arguments, input: str | None = None) -> str:
        """Runs a Postgres program such as psql or pg_dump against this cluster; returns its output."""
        identity = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}
        done = subprocess.run(
            [str(self.bindir / program), *(str(argument) for argument in arguments)],
            input=input,
            capture_output=True,
            text=True,
            cwd=self.directory,
            env=self.env | {"PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": SUPERUSER},
            **identity,
        )
        assert done.returncode == 0, f"{program} failed with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def log_text(self, since: int = 0) -> str:
        """The server's log, from a position that `log_position` gave."""
        with self.log.open("rb") as log:
            log.seek(since)
            return log.read().decode(errors="replace")

    def log_position(self) -> int:
        return self.log.stat().st_size


class Database:
    """One database of a cluster."""

    def __init__(self, cluster: Cluster, name: str):
        self.cluster = cluster
        self.name = name

    def connect(self, **options):
        return self.cluster.connect(self.name, **options)

    def sql(self, query: str, parameters=None, *, user: str = SUPERUSER) -> list[tuple]:
        """Runs a statement in a session of its own and returns its rows."""
        return self.cluster.sql(query, parameters, dbname=self.name, user=user)

    def value(self, query: str, parameters=None, *, user: str = SUPERUSER):
        """The one value of a query."""
        [[value]] = self.sql(query, parameters, user=user)
        return value

    def drop(self) -> None:
        self.cluster.sql(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.name)))


def alive(pid: int) -> bool:
    """Tells whether a process is there and is no zombie; one whose threads still end holds its memory."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" or len(list(Path(f"/proc/{pid}/task").iterdir())) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False
