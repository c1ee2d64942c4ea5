"""ai.vectorizer_progress says how far vectorizers are: what is left, at which rate, and for how long."""

import pytest
from support import egress, vectorizer
from support.wait import eventually, settles

LOOK = "SELECT state, rows_left, rows_per_minute, extract(epoch FROM time_left)::float8 FROM ai.vectorizer_progress"
ROWS = 3_000


@pytest.fixture
def backfill(cluster_factory, stub):
    """A database whose worker writes down each second what it has done, and whose model takes its time."""
    # A few rows a request, so that it takes some heartbeats.
    conf = egress.settings(stub.url) | {
        "pgai_rs.heartbeat_interval": "1s", "pgai_rs.embedding_max_inputs": 20, "pgai_rs.embedding_concurrency": 2}
    db = cluster_factory(conf=conf).create_database("backfill")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
    db.sql(f"INSERT INTO document SELECT n, 'row ' || n FROM generate_series(1, {ROWS}) n")
    return db


def test_a_backfill_tells_how_long_it_takes(backfill, stub):
    db = backfill
    stub.delay = 0.1
    vectorizer.create(db, stub.url)

    def told():
        [(state, left, rate, seconds)] = db.sql(LOOK)
        return (state, left, rate, seconds) if rate and 0 < left < ROWS else None

    state, left, rate, seconds = eventually(told, what="a rate")
    assert state == "working" and rate > 0 and abs(seconds - left * 60 / rate) <= 1
    # Each row has one chunk.
    [(phase, chunks, of_rows)] = db.sql("SELECT phase, chunks_per_minute, rows_per_minute FROM ai.vectorizer_progress")
    assert (phase, chunks) == ("embedding", of_rows)
    stub.delay = 0
    vectorizer.idle(db)
    settles(lambda: db.sql("SELECT state, phase, rows_done, rows_left, time_left, failed_items FROM ai.vectorizer_progress"),
            [("idle", "up to date", ROWS, 0, None, 0)])
    # What is not worked on has no rate, once the last one is old.
    settles(lambda: db.value("SELECT rows_per_minute FROM ai.vectorizer_progress"), None)


def test_it_shows_what_health_shows(backfill, stub):
    db = backfill
    with stub.held():
        vectorizer.create(db, stub.url)
        for role in ("watcher", "stranger"):
            db.sql(f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA ai TO {role}")
        db.sql("GRANT pg_monitor TO watcher")
        # All that wait are counted for who may read the queue, or monitors all.
        db.sql("INSERT INTO document SELECT n, 'row ' || n FROM generate_series(10001, 22000) n")
        left = "SELECT rows_left FROM ai.vectorizer_progress"
        assert db.value(left) == db.value(left, user="watcher") > 10_000
        assert db.sql(left, user="stranger") == []
