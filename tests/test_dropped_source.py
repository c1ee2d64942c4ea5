"""A source that is dropped takes its vectorizer along, and nothing of anybody else's."""

import pytest
from support import vectorizer
from support.wait import eventually

TABLE = "CREATE TABLE {} (id int PRIMARY KEY, body text)"
LEFT = "SELECT relname FROM pg_class WHERE relname LIKE '%vectorizer\\_%\\_1' OR relname LIKE 'document%'"


@pytest.fixture
def document(db, stub):
    db.sql(TABLE.format("document") + "; INSERT INTO document VALUES (1, 'a')")
    vectorizer.create(db, stub.url)
    vectorizer.in_step(db, ["id"])
    return db


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE document CASCADE",
        "CREATE SCHEMA app; ALTER TABLE document SET SCHEMA app; DROP SCHEMA app CASCADE",
        "ALTER TABLE document RENAME TO renamed; DROP TABLE renamed CASCADE",
    ],
)
def test_nothing_is_left_behind(document, statement):
    for part in statement.split("; "):
        document.sql(part)
    assert document.sql("SELECT id FROM ai.vectorizer") == []
    assert document.sql(LEFT) == []


def test_while_its_rows_are_under_way(document, stub):
    with stub.held():
        document.sql("UPDATE document SET body = 'b'")
        eventually(lambda: stub.waiting, what="a request")
        document.sql("DROP TABLE document CASCADE")
    document.sql(TABLE.format("document") + "; INSERT INTO document VALUES (1, 'c')")
    vectorizer.create(document, stub.url)
    vectorizer.in_step(document, ["id"])


def test_what_is_built_on_the_store_keeps_it(document):
    document.sql("CREATE VIEW mine AS SELECT chunk FROM document_embedding_store")
    document.sql("DROP TABLE document CASCADE")
    assert document.sql("SELECT id FROM ai.vectorizer") == []
    assert document.sql("SELECT chunk FROM mine") == [("a",)]


def test_a_drop_that_is_rolled_back_changes_nothing(document):
    with document.connect(autocommit=False) as session:
        session.execute("DROP TABLE document CASCADE")
        session.rollback()
    document.sql("INSERT INTO document VALUES (2, 'b')")
    vectorizer.in_step(document, ["id"])


def test_a_partition_is_no_source(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text) PARTITION BY RANGE (id)")
    for low in (0, 10):
        db.sql(f"CREATE TABLE part_{low} PARTITION OF document FOR VALUES FROM ({low}) TO ({low + 10})")
    number = vectorizer.create(db, stub.url)
    db.sql("DROP TABLE part_10")
    assert db.sql("SELECT id FROM ai.vectorizer") == [(number,)]


def test_nobody_drops_anothers_by_a_trigger_of_that_name(document):
    role = f"mallory_{document.name}"
    document.sql(f"CREATE ROLE {role} LOGIN; GRANT CREATE ON SCHEMA public TO {role}; GRANT USAGE ON SCHEMA ai TO {role}")
    try:
        for statement in (
            "CREATE TABLE his (id int)",
            "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            "CREATE TRIGGER _vectorizer_src_trg_1_truncate AFTER TRUNCATE ON his EXECUTE FUNCTION nothing()",
            "DROP TABLE his",
            "SELECT ai._vectorizer_forget(1)",
        ):
            document.sql(statement, user=role)
        assert document.sql("SELECT id FROM ai.vectorizer") == [(1,)]
    finally:
        document.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_drop_owned_takes_all_of_an_owner(db, stub):
    role = f"leaver_{db.name}"
    db.sql(f"CREATE ROLE {role} LOGIN SUPERUSER")
    db.sql(TABLE.format("document"), user=role)
    vectorizer.create(db, stub.url, user=role)
    db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")
    assert db.sql("SELECT id FROM ai.vectorizer") == []
    assert db.sql(LEFT) == []

