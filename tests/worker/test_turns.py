"""What the worker looks at in a turn: what has changed, and nothing else. What has changed it never misses."""

import os
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import vectorizer
from support.wait import eventually
from support.worker import the_worker

ROWS = 20


@pytest.fixture
def document(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text); INSERT INTO document VALUES (0, 'first')")
    vectorizer.create(db, stub.url)
    vectorizer.in_step(db, ["id"])
    return db


def insert(db, number: int, table: str = "document") -> None:
    db.sql(f"INSERT INTO {table} VALUES (%s, %s)", [number, f"row {number}"])


def chunk(db, number: int) -> str:
    """What was embedded of a row, once it is."""
    look = "SELECT chunk FROM document_embedding_store WHERE id = %s"
    return eventually(lambda: db.sql(look, [number]), what=f"row {number} to be embedded")[0][0]


def readings(db) -> int:
    """How often the worker has read the catalog, secrets included."""
    return db.value("SELECT seq_scan FROM pg_stat_all_tables WHERE relid = 'ai._secret'::regclass")


def test_the_catalog_is_read_again_when_it_has_changed(document):
    before = eventually(lambda: readings(document), what="the catalog to be read")
    for number in range(1, ROWS + 1):
        insert(document, number)
        chunk(document, number)
    document.sql("UPDATE ai.vectorizer SET name = 'other'")
    insert(document, ROWS + 1)
    # The numbers come in the order in which it happened.
    after = eventually(lambda: (now := readings(document)) > before and now, what="the catalog to be read again")
    assert after - before < ROWS / 2


TEMPLATE = "UPDATE ai.vectorizer SET config = jsonb_set(config, '{formatting,template}', '\"%s: $chunk\"')"


def test_a_superusers_own_update_counts_with_the_next_row(document):
    for number in range(1, 6):
        document.sql(TEMPLATE % f"template {number}")
        insert(document, number)
        assert chunk(document, number) == f"template {number}: row {number}"


def test_a_replicas_update_counts_as_well(document):
    """It is what a subscription applies, and for what triggers do not fire that are enabled as usual."""
    document.sql(f"SET session_replication_role = replica; {TEMPLATE % 'replicated'}")
    insert(document, 1)
    assert chunk(document, 1) == "replicated: row 1"


def test_what_is_rolled_back_does_not_count(document):
    with document.connect(autocommit=False) as session:
        session.execute(TEMPLATE % "never")
        insert(document, 1)
        assert chunk(document, 1) == "row 1"
        session.rollback()
    insert(document, 2)
    assert chunk(document, 2) == "row 2"


def test_what_is_prepared_counts_once_it_is_committed(cluster_factory, stub):
    cluster = cluster_factory(conf={"max_prepared_transactions": "1"})
    db = cluster.create_database("prepared")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    with db.connect() as session:
        session.execute("BEGIN")
        session.execute(TEMPLATE % "prepared")
        session.execute("PREPARE TRANSACTION 'one'")
        insert(db, 1)
        assert chunk(db, 1) == "row 1"
        session.execute("COMMIT PREPARED 'one'")
    insert(db, 2)
    assert chunk(db, 2) == "prepared: row 2"


def test_without_the_triggers_the_catalog_is_read_each_time(document):
    """As with the objects of an earlier version."""
    document.sql("ALTER TABLE ai.vectorizer DISABLE TRIGGER _changed")
    insert(document, 1)
    chunk(document, 1)
    document.sql(TEMPLATE % "silent")
    insert(document, 2)
    assert chunk(document, 2) == "silent: row 2"
    document.sql("ALTER TABLE ai.vectorizer ENABLE ALWAYS TRIGGER _changed")
    document.sql(TEMPLATE % "told")
    insert(document, 3)
    assert chunk(document, 3) == "told: row 3"


@contextmanager
def asleep(db):
    """Stops the worker while it sleeps, so that it can be seen whether it is woken. Yields whether it was."""
    worker = the_worker(db)
    waits = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = 'Extension'"

    def stopped() -> bool:
        os.kill(worker, signal.SIGSTOP)
        eventually(lambda: state(worker) == "T", what="the worker to stop")
        if db.sql(waits, [worker]):
            return True
        os.kill(worker, signal.SIGCONT)
        return False

    eventually(stopped, what="the worker to sleep")
    try:
        # A latch is set by a signal, which waits while the process is stopped.
        yield lambda: signal.SIGURG in pending(worker)
    finally:
        os.kill(worker, signal.SIGCONT)


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def pending(pid: int) -> set[int]:
    """The signals that wait for a process."""
    lines = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    mask = int(lines["ShdPnd"], 16) | int(lines["SigPnd"], 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


@pytest.mark.parametrize("how", ["disabled", "scheduled"])
def test_nobody_is_woken_for_a_vectorizer_that_rests(document, stub, how):
    document.sql("CREATE TABLE resting (id int PRIMARY KEY, body text)")
    if how == "disabled":
        resting = vectorizer.create(document, stub.url, "resting")
        document.sql(f"SELECT ai.disable_vectorizer_schedule({resting})")
    else:
        resting = vectorizer.create(document, stub.url, "resting", scheduling="ai.scheduling_timescaledb('1 hour')")
    if how == "scheduled":
        look = "SELECT FROM ai._vectorizer_worker_condition WHERE state = 'scheduled'"
        eventually(lambda: document.sql(look), what="the vectorizer to rest")
    insert(document, 1)
    chunk(document, 1)

    with asleep(document) as is_woken:
        insert(document, 1, "resting")
        assert not is_woken()
        insert(document, 2)
        assert is_woken()
    chunk(document, 2)

    # What was written meanwhile is not lost.
    if how == "disabled":
        document.sql(f"SELECT ai.enable_vectorizer_schedule({resting})")
    else:
        document.sql(f"SELECT ai.execute_vectorizer({resting})")
    vectorizer.in_step(document, ["id"], source="resting", store="resting_embedding_store")


@pytest.mark.parametrize("change", [
    "UPDATE ai.vectorizer SET disabled = true",
    "UPDATE ai.vectorizer SET config = config",
    "SET session_replication_role = replica; UPDATE ai.vectorizer SET disabled = true",
])
def test_a_change_of_the_catalog_is_taken_up_at_once(document, change):
    """Also where no function of the extension's made it."""
    with asleep(document) as is_woken:
        document.sql(f"BEGIN; {change}; ROLLBACK")
        assert not is_woken()
        document.sql(change)
        assert is_woken()
