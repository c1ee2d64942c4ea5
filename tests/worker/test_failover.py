"""Crashes, copies and standbys that take over: work goes on by itself, and the store equals f(source)."""

import math
from contextlib import contextmanager

import pytest
from support import vectorizer
from support.cluster import Database
from support.wait import eventually, settles

TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text)"
WORKERS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker' AND datname = current_database()"


@pytest.fixture
def primary(cluster_factory):
    """A server that, unlike the others here, writes as if it could lose power."""
    return cluster_factory(conf={"fsync": "on", "pgai_rs.poll_interval": "200ms"})


@pytest.fixture
def db(primary, stub):
    """A database with 300 rows in step."""
    db = primary.create_database("kept")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql(TABLE)
    db.sql("INSERT INTO document SELECT i, 'row ' || i || '|part' FROM generate_series(1, 300) i")
    vectorizer.create(db, stub.url)
    vectorizer.in_step(db, ["id"])
    return db


@contextmanager
def half_way(db, stub):
    """In the middle of changes of all kinds: as long as this lasts, some are under way, and some not begun."""
    db.sql("UPDATE document SET body = 'new ' || id WHERE id <= 100")
    written = "SELECT 1 FROM document_embedding_store WHERE chunk LIKE 'new %' LIMIT 1"
    eventually(lambda: db.sql(written), what="some rows to be written")
    with stub.held():
        db.sql("DELETE FROM document WHERE id % 10 = 0")
        db.sql("UPDATE document SET id = id + 1000 WHERE id % 10 = 1")
        db.sql("INSERT INTO document SELECT i, 'late ' || i FROM generate_series(301, 2000) i ON CONFLICT DO NOTHING")
        eventually(lambda: stub.waiting, what="the model to be asked for others")
        db.sql("UPDATE document SET body = 'newer ' || id WHERE id BETWEEN 50 AND 60")
        yield


def goes_on(db, stub) -> None:
    """By itself, and nobody is asked to do anything."""
    stub.heal()
    eventually(lambda: db.sql(WORKERS), what="a worker")
    vectorizer.in_step(db, ["id"])
    assert db.sql("SELECT * FROM ai._vectorizer_q_failed_1") == []
    settles(lambda: db.sql("SELECT state, stuck_leases FROM ai.vectorizer_health"), [("idle", 0)])


def test_the_queue_is_written_to_the_log(db):
    """An unlogged table would be empty after a crash, and on a standby."""
    tables = "SELECT relname FROM pg_class WHERE relname ~ '^_vectorizer_' AND relkind = 'r' AND relpersistence <> 'p'"
    assert db.sql(tables) == []


def test_the_postmaster_is_killed(primary, db, stub):
    with half_way(db, stub):
        primary.kill()
    primary.start()
    goes_on(db, stub)


def test_the_worker_is_killed(primary, db, stub):
    with half_way(db, stub):
        [[worker]] = db.sql(WORKERS)
        primary.kill_child(worker)
    goes_on(db, stub)


def test_the_server_is_stopped_immediately(primary, db, stub):
    with half_way(db, stub):
        primary.restart("immediate")
    goes_on(db, stub)


def test_the_server_crashes_again_and_again(primary, db, stub):
    """A crash costs the rows under way a try; they must not use up theirs."""
    for number in range(5):
        stub.heal()
        stub.fail(math.inf, spoil="hang")
        asked = len(stub.requests)
        db.sql("INSERT INTO document VALUES (%s, 'one more')", [1000 + number])
        eventually(lambda: len(stub.requests) > asked, what="the model to be asked")
        primary.kill()
        if number == 4:
            # Before anybody can ask: that request would hang for as long as one may.
            stub.heal()
        primary.start()
    goes_on(db, stub)


def test_power_is_lost(primary, db, stub, copies):
    with half_way(db, stub):
        primary.kill()
    copy = copies(primary.copy)
    goes_on(Database(copy, db.name), stub)


def test_a_base_backup_that_was_taken_half_way(primary, db, stub, copies):
    """It works for its own tables, and takes nothing from the server that it was taken of."""
    with half_way(db, stub):
        copy = copies(primary.base_backup)
    goes_on(Database(copy, db.name), stub)
    goes_on(db, stub)


def test_a_standby_does_nothing_before_it_is_promoted(primary, db, stub, copies):
    standby = Database(copies(primary.base_backup, standby=True), db.name)
    with half_way(db, stub):
        caught_up(db, standby)
        assert standby.sql(WORKERS) == []
        assert standby.sql("SELECT state FROM ai.vectorizer_health") == [("standby",)]
        primary.kill()
    eventually(lambda: stub.waiting == 0, what="what was under way to end")
    asked = len(stub.requests)
    assert standby.value("SELECT pg_is_in_recovery()") and standby.sql(WORKERS) == []
    assert len(stub.requests) == asked
    promote(standby)
    goes_on(standby, stub)


def test_a_standby_that_lags_takes_over_what_it_has(primary, db, stub, copies):
    """What the primary wrote and did not send is lost with it; store and source are of one moment."""
    standby = Database(copies(primary.base_backup, standby=True), db.name)
    standby.sql("SELECT pg_wal_replay_pause()")
    with half_way(db, stub):
        primary.kill()
    promote(standby)
    goes_on(standby, stub)


def promote(standby: Database) -> None:
    """Without waiting in the query, which what is still replayed may cancel."""
    standby.cluster.sql("SELECT pg_promote(wait => false)")
    eventually(lambda: standby.cluster.sql("SELECT pg_is_in_recovery()") == [(False,)], what="the end of recovery")


def caught_up(primary: Database, standby: Database) -> None:
    position = primary.value("SELECT pg_current_wal_flush_lsn()::text")
    replayed = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
    eventually(lambda: standby.value(replayed, [position]), what="the standby to catch up")
