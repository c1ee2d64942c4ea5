"""What the operating system and the server have little of: descriptors, threads, processes, databases."""

import contextlib
import subprocess
from pathlib import Path

import pytest
from support import process, vectorizer
from support.stub import Stub
from support.wait import eventually, settles
from support.worker import the_worker, workers

# systemd's default, and that of most shells.
USUAL = 1024

BUSY = 100


def soft_limit(pid: int, name: str) -> str:
    """The soft limit of something, by its name in /proc."""
    [line] = [line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith(name)]
    return line.removeprefix(name).split()[0]


@contextlib.contextmanager
def under(pid: int, option: str, name: str, soft: int):
    """The process may have no more than `soft` of something as long as this lasts."""
    user = process.unprivileged()
    # Whose process it is may change its limits, and root may not everywhere.
    identity = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"] if user else []

    def limit(to) -> None:
        subprocess.run([*identity, "prlimit", f"--pid={pid}", f"--{option}={to}:"], check=True)

    before = soft_limit(pid, name)
    limit(soft)
    try:
        yield
    finally:
        limit(before)


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def seen(pid: int, stub) -> str:
    """For the record of whoever runs the tests with -s."""
    limit = soft_limit(pid, "Max open files")
    return f"{descriptors(pid)} descriptors of {limit}, {threads(pid)} threads, {stub.waiting} requests"


def vectorizers(db, stub) -> None:
    """A hundred, each with a model of its own, and so with requests of its own."""
    for number in range(BUSY):
        db.sql(f"CREATE TABLE t{number} (id int PRIMARY KEY, body text)")
        vectorizer.create(
            db,
            stub.url,
            f"t{number}",
            embedding=f"ai.embedding_openai('stub-{number}', {vectorizer.DIMENSIONS}, base_url => '{stub.url}')",
        )


def fill(db, rows: int = 8) -> None:
    """As many rows for each of them."""
    with db.connect() as connection:
        for number in range(BUSY):
            connection.execute(f"INSERT INTO t{number} SELECT i, '{number} ' || i FROM generate_series(1, {rows}) i")


def embedded(db) -> int:
    counts = " UNION ALL ".join(f"SELECT count(*) AS n FROM t{number}_embedding_store" for number in range(BUSY))
    return db.value(f"SELECT sum(n)::int FROM ({counts}) c")


@pytest.fixture
def crowd(cluster_factory):
    """A database and a model server that are ready for a hundred vectorizers: crowd(soft, hard)."""
    stubs = []

    def make(soft: int, hard: int):
        # One input a request: as many connections as there may be.
        cluster = cluster_factory(
            conf={
                "pgai_rs.embedding_max_inputs": "1",
                "pgai_rs.embedding_linger": "0",
                "pgai_rs.embedding_timeout": "10min",
            },
            limits={"RLIMIT_NOFILE": (soft, hard)},
        )
        db = cluster.create_database("crowd")
        db.sql("CREATE EXTENSION pgai_rs CASCADE")
        stubs.append(Stub())
        return db, stubs[-1]

    yield make
    for stub in stubs:
        stub.close()


def test_a_hundred_busy_vectorizers_under_the_usual_limit(crowd):
    db, stub = crowd(USUAL, 8 * USUAL)
    vectorizers(db, stub)
    pid = the_worker(db)
    with stub.held():
        fill(db)
        # Each of them has as many requests under way as it may.
        eventually(lambda: stub.waiting >= 8 * BUSY, what="all requests to be under way")
        print(seen(pid, stub))
    settles(lambda: embedded(db), 8 * BUSY, what="all rows to be embedded")
    vectorizer.idle(db)
    assert workers(db.cluster, db.name) == [pid]
    assert "Too many open files" not in db.cluster.log_text()
    assert db.value("SELECT count(*) FROM ai.vectorizer_errors") == 0


def test_a_hundred_busy_vectorizers_where_the_limit_cannot_be_raised(crowd):
    db, stub = crowd(USUAL, USUAL)
    vectorizers(db, stub)
    pid = the_worker(db)
    with stub.held():
        fill(db)
        # As many as there is room for wait at the model; the others wait for them.
        eventually(lambda: stub.waiting >= 30, what="many requests to be under way")
        print(seen(pid, stub))
    settles(lambda: embedded(db), 8 * BUSY, what="all rows to be embedded")
    vectorizer.idle(db)
    assert workers(db.cluster, db.name) == [pid]
    assert descriptors(pid) < USUAL
    assert "Too many open files" not in db.cluster.log_text()
    assert db.value("SELECT count(*) FROM ai.vectorizer_errors") == 0


def test_no_thread_is_left(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    # By name, so that it is looked up, which takes a thread.
    vectorizer.create(db, stub.url.replace("127.0.0.1", "localhost"))
    pid = the_worker(db)
    turn = "SELECT last_turn FROM ai.vectorizer_worker_status() WHERE process = 'worker'"
    eventually(lambda: db.value(turn), what="its first turn, for which it has its own threads")
    with under(pid, "nproc", "Max processes", 1):
        db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 20) i")
        vectorizer.in_step(db, ["id"])
    assert workers(db.cluster, db.name) == [pid]
    assert db.value("SELECT count(*) FROM ai.vectorizer_errors") == 0


def test_more_databases_than_processes_are_all_looked_at(cluster_factory, stub):
    # Logical replication's launcher and ours take two of them: one is left.
    cluster = cluster_factory(conf={"max_worker_processes": "3", "pgai_rs.poll_interval": "1h"})
    for number in range(12):
        cluster.create_database(f"empty_{number}")
    db = cluster.create_database("last")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    cluster.restart()
    db.sql("INSERT INTO document VALUES (1, 'a')")
    # Those without the extension give their process back at once, and nobody waits for a minute.
    vectorizer.in_step(db, ["id"])


def test_databases_wait_for_a_process_and_the_log_says_so_once(cluster_factory, stub):
    cluster = cluster_factory(conf={"max_worker_processes": "4", "pgai_rs.poll_interval": "200ms"})
    databases = [cluster.create_database(f"crowded_{number}") for number in range(6)]
    for db in databases:
        db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
        vectorizer.create(db, stub.url)
        db.sql("INSERT INTO document VALUES (1, 'a')")
    # There are two processes for six databases: each has its turn.
    for db in databases:
        vectorizer.in_step(db, ["id"])
    said = [line for line in cluster.log_text().splitlines() if "max_worker_processes" in line]
    assert len(said) == 1, said


def test_a_database_whose_model_does_not_answer_gives_its_process_to_another(cluster_factory, stub):
    # One process for two databases.
    conf = {"max_worker_processes": "3", "pgai_rs.poll_interval": "200ms", "pgai_rs.embedding_timeout": "5s"}
    cluster = cluster_factory(conf=conf)
    waiting, other = (cluster.create_database(name) for name in ("waiting", "other"))
    answers = Stub()
    try:
        for db, model in ((waiting, stub), (other, answers)):
            db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
            vectorizer.create(db, model.url)
        with stub.held():
            waiting.sql("INSERT INTO document VALUES (1, 'a')")
            eventually(lambda: stub.waiting, what="a request that is not answered")
            other.sql("INSERT INTO document VALUES (1, 'b')")
            vectorizer.in_step(other, ["id"])
        vectorizer.in_step(waiting, ["id"])
    finally:
        answers.close()


def test_more_databases_than_slots(cluster_factory, stub):
    # A slot for each process and 64 more: databases without the extension must not take them all.
    cluster = cluster_factory(conf={"max_worker_processes": "6"})
    with cluster.connect() as connection:
        for number in range(80):
            connection.execute(f"CREATE DATABASE many_{number} TEMPLATE template0 STRATEGY wal_log")
    cluster.restart()
    db = cluster.create_database("beyond")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'a')")
    vectorizer.in_step(db, ["id"])
    # The worker is known, and so gets out of the way.
    cluster.sql("ALTER DATABASE beyond RENAME TO renamed")
