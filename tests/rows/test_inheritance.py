"""Tables that inherit from a source, and sources that inherit: whichever table a statement names, the store equals
f(source)."""

import pytest
from support import vectorizer

PLAIN = "CREATE TABLE document (id int PRIMARY KEY, title text, body text)"
# Its columns are in another order than its parent's.
CHILD = "CREATE TABLE child (body text, extra int, id int NOT NULL, title text)"
STATEMENTS = [
    "INSERT INTO document VALUES (1, 't', 'of the source|a'), (2, 't', 'b')",
    "INSERT INTO child (id, body) VALUES (10, 'of the child|a'), (11, 'b'), (12, 'c')",
    "UPDATE document SET body = body || '|by the source'",
    "UPDATE child SET body = 'by the child|b' WHERE id = 10",
    "UPDATE child SET id = 20 WHERE id = 11",
    "UPDATE document SET id = id + 100 WHERE id IN (2, 12)",
    "DELETE FROM document WHERE id = 112",
    "DELETE FROM child WHERE id = 20",
    "TRUNCATE ONLY document",
    "INSERT INTO document VALUES (3, 't', 'again')",
    "TRUNCATE child",
    "INSERT INTO child (id, body) VALUES (30, 'again')",
    "TRUNCATE document",
    "INSERT INTO child (id, body) VALUES (40, 'after all')",
]


def keep_in_step(db) -> None:
    """Each statement is followed, and health agrees."""
    for statement in STATEMENTS:
        db.sql(statement)
        vectorizer.in_step(db, ["id"])
        vectorizer.comes_to(db, "idle")


def test_a_child_that_was_there(db, stub):
    db.sql(f"{PLAIN}; {CHILD}; ALTER TABLE child INHERIT document; INSERT INTO child (id, body) VALUES (5, 'old')")
    vectorizer.create(db, stub.url)
    vectorizer.in_step(db, ["id"])
    keep_in_step(db)


@pytest.mark.parametrize(
    "statement",
    [
        f"{CHILD}; INSERT INTO child (id, body) VALUES (5, 'old'); ALTER TABLE child ADD later int, INHERIT document",
        "CREATE TABLE child (extra int) INHERITS (document); INSERT INTO child (id, body) VALUES (5, 'old')",
        "CREATE TABLE other (extra int); CREATE TABLE child () INHERITS (other, document);"
        " INSERT INTO child (id, body) VALUES (5, 'old')",
        "CREATE SCHEMA s CREATE TABLE child (extra int) INHERITS (public.document);"
        " ALTER TABLE s.child SET SCHEMA public; INSERT INTO child (id, body) VALUES (5, 'old')",
    ],
    ids=["ALTER TABLE", "CREATE TABLE", "of two parents", "CREATE SCHEMA"],
)
def test_a_child_that_comes_later(db, stub, statement):
    db.sql(PLAIN)
    vectorizer.create(db, stub.url)
    for one in statement.split(";"):
        db.sql(one)
    vectorizer.in_step(db, ["id"])
    keep_in_step(db)


@pytest.mark.parametrize("end", ["ALTER TABLE child NO INHERIT document", "DROP TABLE child"])
def test_a_child_that_goes(db, stub, end):
    db.sql(f"{PLAIN}; {CHILD}; ALTER TABLE child INHERIT document")
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 't', 'a'); INSERT INTO child (id, body) VALUES (2, 'b')")
    vectorizer.in_step(db, ["id"])
    db.sql(end)
    vectorizer.in_step(db, ["id"])
    if "NO INHERIT" in end:
        db.sql("INSERT INTO child (id, body) VALUES (3, 'nobody hears of'); TRUNCATE child")
        assert db.sql("SELECT tgname FROM pg_trigger WHERE tgrelid = 'child'::regclass") == []
    db.sql("UPDATE document SET body = 'c'")
    vectorizer.in_step(db, ["id"])


def test_a_grandchild(db, stub):
    db.sql(f"{PLAIN}; CREATE TABLE child () INHERITS (document)")
    vectorizer.create(db, stub.url)
    db.sql("CREATE TABLE grandchild () INHERITS (child)")
    db.sql("INSERT INTO grandchild VALUES (1, 't', 'a'); INSERT INTO child VALUES (2, 't', 'b')")
    vectorizer.in_step(db, ["id"])
    db.sql("TRUNCATE ONLY child")
    vectorizer.in_step(db, ["id"])
    db.sql("ALTER TABLE child NO INHERIT document")
    vectorizer.in_step(db, ["id"])


def test_a_source_that_comes_to_inherit(db, stub):
    db.sql(f"{PLAIN}; CREATE TABLE everything (id int NOT NULL, title text, body text)")
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 't', 'a'), (2, 't', 'b')")
    vectorizer.in_step(db, ["id"])
    db.sql("ALTER TABLE document INHERIT everything")
    for statement in [
        "UPDATE everything SET body = 'by its parent' WHERE id = 1",
        "DELETE FROM everything WHERE id = 2",
        "TRUNCATE everything",
        "ALTER TABLE document NO INHERIT everything",
        "INSERT INTO document VALUES (3, 't', 'alone')",
    ]:
        db.sql(statement)
        vectorizer.in_step(db, ["id"])


def test_disabled_triggers_of_a_child_are_told(db, stub):
    db.sql(f"{PLAIN}; CREATE TABLE child () INHERITS (document)")
    vectorizer.create(db, stub.url)
    db.sql("ALTER TABLE child DISABLE TRIGGER USER")
    assert db.value("SELECT state FROM ai.vectorizer_health") == "out_of_step"
    db.sql("ALTER TABLE child ENABLE TRIGGER USER; SELECT ai.resync(1, all_rows => true)")
    vectorizer.in_step(db, ["id"])
    vectorizer.comes_to(db, "idle")


def test_a_child_without_triggers_is_told_and_comes_back(db, stub):
    """As of a vectorizer that was made before children were followed."""
    db.sql(f"{PLAIN}; CREATE TABLE child () INHERITS (document)")
    vectorizer.create(db, stub.url)
    for [name] in db.sql("SELECT tgname FROM pg_trigger WHERE tgrelid = 'child'::regclass"):
        db.sql(f"DROP TRIGGER {name} ON child")
    db.sql("INSERT INTO child VALUES (1, 't', 'missed')")
    [(state, reason)] = db.sql("SELECT state, reason FROM ai.vectorizer_health")
    assert state == "out_of_step" and "public.child" in reason
    db.sql("ALTER TABLE child NO INHERIT document")
    db.sql("ALTER TABLE child INHERIT document")
    db.sql("SELECT ai.resync(1, all_rows => true)")
    vectorizer.in_step(db, ["id"])
    vectorizer.comes_to(db, "idle")
