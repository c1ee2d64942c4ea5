"""What went past the triggers is caught up with by ai.resync."""

import psycopg
import pytest
from support import vectorizer


@pytest.fixture
def document(db, stub):
    db.sql("CREATE TABLE document (id int, part int, body text, PRIMARY KEY (id, part))")
    db.sql("INSERT INTO document SELECT i, 1, 'a|' || i FROM generate_series(1, 5) i")
    vectorizer.create(db, stub.url)
    vectorizer.in_step(db, ["id", "part"])
    return db


def unseen(db, *statements: str) -> None:
    """Statements that fire no trigger."""
    with db.connect() as session:
        session.execute("SET session_replication_role = replica")
        for statement in statements:
            session.execute(statement)


def resync(db, arguments: str = "1") -> tuple[int, int]:
    [row] = db.sql(f"SELECT * FROM ai.resync({arguments})")
    return row


def test_rows_that_are_gone_and_rows_that_are_new(document):
    unseen(document, "DELETE FROM document WHERE id < 3", "INSERT INTO document VALUES (9, 1, 'new')")
    assert resync(document) == (4, 1)
    vectorizer.in_step(document, ["id", "part"])
    assert resync(document) == (0, 0)


def test_every_row_costs_only_what_changed(document, stub):
    stub.forget()
    unseen(document, "UPDATE document SET body = 'a|other' WHERE id = 2")
    assert resync(document) == (0, 0)
    assert resync(document, "'public_document_embedding_store', every_row => true") == (0, 5)
    vectorizer.in_step(document, ["id", "part"])
    assert stub.embedded == {"other": 1}


def test_partitions_that_come_and_go(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text) PARTITION BY RANGE (id)")
    for low in (0, 10, 20):
        db.sql(f"CREATE TABLE part_{low} (id int PRIMARY KEY, body text); INSERT INTO part_{low} VALUES ({low}, 'x{low}')")
    attach = "ALTER TABLE document ATTACH PARTITION part_{0} FOR VALUES FROM ({0}) TO ({1})"
    db.sql(attach.format(0, 10))
    db.sql(attach.format(10, 20))
    number = vectorizer.create(db, stub.url)
    vectorizer.in_step(db, ["id"])
    db.sql("TRUNCATE part_0")
    db.sql("ALTER TABLE document DETACH PARTITION part_10")
    db.sql(attach.format(20, 30))
    assert resync(db, str(number)) == (2, 1)
    vectorizer.in_step(db, ["id"])


def test_a_row_that_was_set_aside_stays_so_until_it_is_gone(document, stub):
    stub.fail(float("inf"), when=lambda request: "bad" in request.inputs, status=400)
    document.sql("INSERT INTO document VALUES (7, 1, 'bad')")
    vectorizer.idle(document)
    assert resync(document) == (0, 0)
    unseen(document, "DELETE FROM document WHERE id = 7")
    resync(document)
    assert document.sql("SELECT * FROM ai._vectorizer_q_failed_1") == []


def test_it_is_the_owners(document):
    role = f"other_{document.name}"
    document.sql(f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA ai TO {role}")
    try:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            document.sql("SELECT ai.resync(1)", user=role)
    finally:
        document.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")
    assert document.sql("SELECT * FROM ai.resync('nobody')") == []
    with pytest.raises(psycopg.errors.NoDataFound):
        document.sql("SELECT ai.resync(99)")
