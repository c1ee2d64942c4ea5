"""The types of vectors and of keys have names, too, in schemas that another may have: no other type of the name is taken.

Its CHECK would run as the owner of the vectorizer.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
from support import vectorizer
from support.planted import fired, warnings_of
from support.wait import eventually

RUNS = """
    CREATE SCHEMA evil; CREATE SEQUENCE evil.ran; CREATE SEQUENCE evil.waits; CREATE TABLE evil.go ();
    CREATE FUNCTION evil.run({base}) RETURNS bool LANGUAGE plpgsql AS
    $$ BEGIN PERFORM nextval('evil.ran'); RETURN true; END $$;
    CREATE FUNCTION evil.wait() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM nextval('evil.waits');
        WHILE NOT EXISTS (SELECT FROM evil.go) LOOP PERFORM pg_sleep(0.01); END LOOP;
        RETURN NULL;
    END $$;
    CREATE TRIGGER wait AFTER DELETE ON app.document_embedding_store FOR EACH ROW EXECUTE FUNCTION evil.wait()
"""
OF_ANOTHER_TYPE = """
    ALTER SCHEMA {schema} RENAME TO old; CREATE SCHEMA {schema};
    CREATE DOMAIN {schema}.{name} AS {base} CHECK (evil.run(VALUE))
"""


@pytest.mark.parametrize(
    ("schema", "name", "base"), [("public", "vector", "vector"), ("kinds", "number", "int")], ids=["vectors", "keys"]
)
def test_no_other_type_of_the_name_is_taken(db, stub, schema, name, base):
    db.sql("""
        CREATE SCHEMA kinds; CREATE DOMAIN kinds.number AS int;
        CREATE SCHEMA app; CREATE TABLE app.document (id kinds.number PRIMARY KEY, body text)
    """)
    vectorizer.create(db, stub.url, source="app.document")
    names = {"source": "app.document", "store": "app.document_embedding_store"}
    db.sql("INSERT INTO app.document VALUES (1, 'a|b'), (2, 'c')")
    vectorizer.in_step(db, ["id"], **names)
    db.sql(RUNS.format(base=base))
    db.sql("UPDATE app.document SET body = 'd' WHERE id = 1")
    eventually(lambda: db.value("SELECT is_called FROM evil.waits"), what="the old chunks to be deleted")
    db.sql(OF_ANOTHER_TYPE.format(schema=schema, name=name, base="old.vector" if base == "vector" else base))
    db.sql("INSERT INTO evil.go DEFAULT VALUES")
    vectorizer.in_step(db, ["id"], **names)
    db.sql("DELETE FROM app.document WHERE id = 2")
    vectorizer.in_step(db, ["id"], **names)
    assert [name for name in fired(db) if name != "waits"] == []


def test_a_key_gets_no_other_type_of_the_name(db, stub):
    """Its type changes in the queue and in the store, too, which waits for the store."""
    db.sql("""
        CREATE SCHEMA kinds; CREATE DOMAIN kinds.number AS int; CREATE DOMAIN kinds.big AS bigint;
        CREATE SCHEMA app; CREATE TABLE app.document (id kinds.number PRIMARY KEY, body text)
    """)
    vectorizer.create(db, stub.url, source="app.document")
    names = {"source": "app.document", "store": "app.document_embedding_store"}
    db.sql("INSERT INTO app.document VALUES (1, 'a|b')")
    vectorizer.in_step(db, ["id"], **names)
    db.sql("DROP VIEW app.document_embedding")
    db.sql(RUNS.format(base="bigint"))
    waiting = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'app.document_embedding_store'::regclass"
    swapped = "SELECT FROM pg_stat_activity WHERE query LIKE %s AND (wait_event_type = 'Lock' OR state = 'idle')"
    with ThreadPoolExecutor() as others, db.connect(autocommit=False) as session:
        session.execute("LOCK app.document_embedding_store IN ACCESS SHARE MODE")
        altered = others.submit(warnings_of, db, "ALTER TABLE app.document ALTER COLUMN id TYPE kinds.big")
        eventually(lambda: db.sql(waiting), what="ALTER TABLE to wait for the store")
        swap = others.submit(db.sql, OF_ANOTHER_TYPE.format(schema="kinds", name="big", base="bigint"))
        eventually(lambda: swap.done() or db.sql(swapped, ["%ALTER SCHEMA kinds%"]), what="the schema to be renamed, or to wait")
        session.rollback()
        altered.result()
        swap.result()
    assert fired(db) == []
    db.sql("INSERT INTO evil.go DEFAULT VALUES; INSERT INTO app.document VALUES (3, 'c')")
    vectorizer.in_step(db, ["id"], **names)
