"""What failed: when it is tried again, how it comes back, and how it leaves."""

import math

import psycopg
import pytest
from support import vectorizer
from support.wait import eventually, settles

TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text)"
FAILED = "SELECT id FROM ai._vectorizer_q_failed_1 ORDER BY id"


def refuse(stub, what: str = "poison"):
    """The model refuses every input that holds a word."""
    return stub.fail(math.inf, when=lambda request: any(what in text for text in request.inputs), status=400)


def set_aside(db, stub, rows: str, table: str = TABLE):
    """A vectorizer on `document`, of whose rows the model refuses those with `poison`; answers when all is settled."""
    refuse(stub)
    db.sql(table)
    db.sql(f"INSERT INTO document {rows}")
    vectorizer.create(db, stub.url)
    vectorizer.idle(db)


ONE_GOOD_THREE_BAD = "VALUES (1, 'good'), (2, 'poison 2'), (3, 'poison 3'), (4, 'poison 4')"


@pytest.mark.parametrize(
    "which, back",
    [
        ("""key => '{"id": 3}'""", [3]),
        ("""key => '{"id": "3"}'""", [3]),
        ("""key => '[{"id": 4}, {"id": 2}, {"id": 2}]'""", [2, 4]),
        ("""key => '{"id": 1}'""", []),
        ("key => '[]'", []),
        ("step => 'embedding'", [2, 3, 4]),
        ("step => 'loading'", []),
        ("code => 'input_refused'", [2, 3, 4]),
        ("""key => '{"id": 2}', step => 'embedding', code => 'input_refused'""", [2]),
        ("key => NULL", [2, 3, 4]),
    ],
)
def test_one_some_or_all_come_back(db, stub, which, back):
    set_aside(db, stub, ONE_GOOD_THREE_BAD)
    stub.heal()
    assert db.value(f"SELECT ai.retry_failed(1, {which})") == len(back)
    vectorizer.idle(db)
    assert [id for [id] in db.sql(FAILED)] == [id for id in [2, 3, 4] if id not in back]
    assert [row[0] for row in vectorizer.stored(db, ["id"])] == ["1", *map(str, back)]


def test_the_errors_tell_the_key_to_retry(db, stub):
    """Of any type, and of more than one column."""
    set_aside(
        db, stub,
        "VALUES ('2024-03-02', 'it''s', 'poison'), ('2024-03-02', '', 'poison')",
        'CREATE TABLE document (on_day date, "the name" text, body text, PRIMARY KEY ("the name", on_day))',
    )
    stub.heal()
    again = "SELECT ai.retry_failed(name, details -> 'key') FROM ai.vectorizer_errors ORDER BY recorded"
    assert db.sql(again) == [(1,), (1,)]
    vectorizer.in_step(db, ["on_day", "the name"])


@pytest.mark.parametrize(
    "arguments, state, detail",
    [
        ("key => 'null'", "22023", "neither an object nor an array"),
        ("key => '7'", "22023", "neither an object nor an array"),
        ("key => '[7]'", "22023", "neither an object nor an array"),
        ("key => '{}'", "22023", 'no value for "id"'),
        ("""key => '{"id": null}'""", "22023", "neither a string nor a number"),
        ("""key => '{"id": 1, "body": "x"}'""", "22023", '"body" is not a column of the primary key'),
        ("""key => '{"id": "x"}'""", "22P02", None),
        ("""key => '{"id": 99999999999}'""", "22003", None),
        ("step => 'thinking'", "22023", None),
    ],
)
def test_a_key_that_cannot_be_says_why(db, stub, arguments, state, detail):
    set_aside(db, stub, "VALUES (1, 'poison')")
    with pytest.raises(psycopg.Error) as caught:
        db.sql(f"SELECT ai.retry_failed(1, {arguments})")
    assert caught.value.sqlstate == state and caught.value.diag.message_hint
    assert detail is None or detail in caught.value.diag.message_detail
    assert db.sql(FAILED) == [(1,)]


SOURCES = {
    "an ordinary table": TABLE,
    "a partitioned table": TABLE + " PARTITION BY RANGE (id);"
    "CREATE TABLE low PARTITION OF document FOR VALUES FROM (0) TO (3);"
    "CREATE TABLE high PARTITION OF document FOR VALUES FROM (3) TO (100)",
}

CHANGES = {
    "deleted": "DELETE FROM document WHERE id = 2",
    "re-keyed": "UPDATE document SET id = 9 WHERE id = 2; DELETE FROM document WHERE id = 9",
    "truncated": "TRUNCATE document; INSERT INTO document VALUES (3, 'poison')",
    "mended": "UPDATE document SET body = 'well' WHERE id = 2",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("table", SOURCES.values(), ids=SOURCES.keys())
def test_a_row_that_was_set_aside_leaves_the_failed_queue_when_it_is(db, stub, table, change):
    set_aside(db, stub, "VALUES (2, 'poison'), (3, 'poison')", table)
    assert db.sql(FAILED) == [(2,), (3,)]
    db.sql(change)
    settles(lambda: db.sql(FAILED), [(3,)], what="the failed queue")
    vectorizer.idle(db)
    assert vectorizer.stored(db, ["id"]) == vectorizer.expected(
        [row for row in vectorizer.rows(db) if row["body"] != "poison"], ["id"]
    )


def test_a_row_that_changed_and_fails_again_is_set_aside_once(db, stub):
    set_aside(db, stub, "VALUES (1, 'poison')")
    refuse(stub, "worse")
    db.sql("UPDATE document SET body = 'worse'")
    eventually(lambda: any("worse" in request.inputs for request in stub.requests), what="the model to be asked")
    vectorizer.idle(db)
    assert db.sql(FAILED) == [(1,)]


def test_a_row_that_is_deleted_while_it_fails_is_not_set_aside(db, stub):
    refuse(stub)
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    with stub.held():
        db.sql("INSERT INTO document VALUES (1, 'poison')")
        eventually(lambda: stub.waiting, what="the model to be asked")
        db.sql("DELETE FROM document")
    vectorizer.idle(db)
    assert db.sql(FAILED) == [] == db.sql("SELECT * FROM ai.vectorizer_errors")


def test_a_deletion_under_way_is_waited_for_before_a_row_is_set_aside(cluster_factory, stub):
    db = cluster_factory(conf={"pgai_rs.retry_backoff": "100ms"}).create_database("deleting")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    refuse(stub)
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    postponed = "SELECT 1 FROM ai._vectorizer_work_1 WHERE lease IS NULL AND attempts > 0"
    with db.connect(autocommit=False) as connection:
        with stub.held():
            db.sql("INSERT INTO document VALUES (1, 'poison')")
            eventually(lambda: stub.waiting, what="the model to be asked")
            connection.execute("DELETE FROM document")
        eventually(lambda: db.sql(postponed), what="the row to be put off")
        assert db.sql(FAILED) == []
    vectorizer.idle(db)
    assert db.sql(FAILED) == []


def test_a_row_that_changed_while_its_try_failed_is_tried_at_once(cluster_factory, stub):
    """With all its tries: what failed is no longer what is there."""
    db = cluster_factory(conf={"pgai_rs.retry_backoff": "1h", "pgai_rs.retry_backoff_max": "1h"}).create_database("new")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql(TABLE)
    stub.fail(math.inf, when=lambda request: "old" in request.inputs, spoil="garbage")
    vectorizer.create(db, stub.url)
    with stub.held():
        db.sql("INSERT INTO document VALUES (1, 'old')")
        eventually(lambda: stub.waiting, what="the model to be asked")
        db.sql("UPDATE document SET body = 'new'")
        folded = "SELECT 1 FROM ai._vectorizer_work_1 WHERE generation > 1"
        # Another row's claim folds the change.
        db.sql("INSERT INTO document VALUES (2, 'other')")
        eventually(lambda: db.sql(folded), what="the change to be folded")
    vectorizer.in_step(db, ["id"])


def test_what_was_prepared_is_seen_when_another_session_commits_it(cluster_factory, stub):
    cluster = cluster_factory(conf={"max_prepared_transactions": "2", "pgai_rs.poll_interval": "1h"})
    db = cluster.create_database("prepared")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    db.sql("BEGIN; INSERT INTO document VALUES (1, 'a'); PREPARE TRANSACTION 'one'")
    db.sql("COMMIT PREPARED 'one'")
    vectorizer.in_step(db, ["id"])


@pytest.fixture
def short_leases(cluster_factory, stub):
    """A database whose worker holds leases for as short as can be, with a vectorizer."""
    db = cluster_factory(conf={"pgai_rs.lease_duration": "10s"}).create_database("leases")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    return db


def test_a_lease_is_prolonged_as_long_as_the_model_thinks(short_leases, stub):
    db = short_leases
    prolonged = "SELECT available_at FROM ai._vectorizer_work_1 WHERE lease IS NOT NULL AND available_at > %s"
    until = db.value("SELECT now()")
    with stub.held():
        db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 20) i")
        for _ in range(4):
            [until] = max(eventually(lambda: db.sql(prolonged, [until]), what="a longer lease"))
    vectorizer.in_step(db, ["id"])
    assert set(stub.embedded.values()) == {1}


def test_what_the_worker_has_given_up_comes_back_while_it_works_on_others(short_leases, stub):
    db = short_leases
    db.sql("INSERT INTO document VALUES (1, 'given up')")
    vectorizer.in_step(db, ["id"])
    db.sql("UPDATE document_embedding_store SET chunk = 'stale'")
    worker = db.value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker' AND datname = 'leases'")
    stub.fail(math.inf, when=lambda request: "hangs" in request.inputs, spoil="hang")
    db.sql("INSERT INTO document VALUES (2, 'hangs')")
    eventually(lambda: stub.waiting, what="the model to be asked")
    db.sql("INSERT INTO ai._vectorizer_work_1 (id, lease, leased_by, available_at) VALUES (1, 7, %s, now())", [worker])
    eventually(lambda: db.sql("SELECT 1 FROM document_embedding_store WHERE chunk = 'given up'"), what="the row")
