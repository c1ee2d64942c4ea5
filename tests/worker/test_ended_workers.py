"""Workers that are killed while they hold rows: one row may be the reason, and the others are not."""

import math

import pytest
from support import vectorizer
from support.wait import eventually, settles
from support.worker import the_worker

FAILED = "SELECT id, failure_step, failure_code, attempts FROM ai._vectorizer_q_failed_1"


@pytest.fixture
def cluster(cluster_factory):
    """A cluster whose rows have few retries, and pauses of no length to speak of."""
    conf = {"pgai_rs.max_retries": "3", "pgai_rs.retry_backoff": "10ms", "pgai_rs.retry_backoff_max": "10ms"}
    return cluster_factory(conf=conf)


@pytest.fixture
def db(cluster, stub):
    db = cluster.create_database("ended")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    the_worker(db)
    return db


def asked_for(stub, text: str) -> int:
    """Returns the number of requests with this input."""
    return sum(text in request.inputs for request in list(stub.requests))


def kill_while(cluster, db, condition, what: str) -> None:
    """Kills the worker, and with it all processes of the server, once the condition is true."""
    eventually(condition, what=what)
    cluster.kill_child(eventually(lambda: the_worker(db), ignoring=(Exception,), what="the worker"))


def test_a_row_with_which_the_worker_ends_again_and_again_is_set_aside(cluster, db, stub):
    # The claims of a worker that has just begun are on disk before anything is sent: each kill counts.
    stub.fail(math.inf, when=lambda request: "row 7" in request.inputs, spoil="hang")
    db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 20) i")
    for killed in range(4):
        kill_while(cluster, db, lambda n=killed: asked_for(stub, "row 7") > n, "the row to be sent")

    settles(lambda: db.sql(FAILED), [(7, "loading", "worker_ended", 4)])
    done = "SELECT count(DISTINCT id) FROM document_embedding_store WHERE id <> 7"
    settles(lambda: db.value(done), 19)
    vectorizer.idle(db)
    hint = db.value("SELECT failure_hint FROM ai._vectorizer_q_failed_1")
    assert "ai.retry_failed" in hint

    # As the hint says, it is brought back.
    stub.heal()
    db.sql("SELECT ai.retry_failed(1)")
    vectorizer.in_step(db, ["id"])
    assert db.sql(FAILED) == []


def test_rows_that_were_there_when_the_worker_was_killed_three_times_are_not_set_aside(cluster, db, stub):
    with stub.held():
        db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 20) i")
        for killed in range(3):
            kill_while(cluster, db, lambda n=killed: len(stub.requests) > n, "rows to be sent")
        eventually(lambda: len(stub.requests) > 3, what="rows to be sent")
    vectorizer.in_step(db, ["id"])
    assert db.sql(FAILED) == []
