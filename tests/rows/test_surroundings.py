"""What people do to tables and databases around a vectorizer, without a thought of it."""

import pytest
from support import vectorizer

TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text)"

REWRITES = [
    "VACUUM FULL document",
    "CLUSTER document USING document_pkey",
    "VACUUM FULL ai._vectorizer_q_1",
    "VACUUM FULL ai._vectorizer_work_1",
    "VACUUM FULL document_embedding_store",
    "REINDEX TABLE CONCURRENTLY document",
    "REINDEX TABLE CONCURRENTLY ai._vectorizer_work_1",
    "REINDEX TABLE CONCURRENTLY document_embedding_store",
    "ALTER TABLE document SET UNLOGGED",
    "ALTER TABLE document SET LOGGED",
    "ALTER TABLE document ADD COLUMN seen timestamptz DEFAULT clock_timestamp()",
    "ALTER TABLE document DROP COLUMN seen CASCADE",
    "CREATE UNIQUE INDEX replacement ON document (id)",
    "ALTER TABLE document DROP CONSTRAINT document_pkey, ADD CONSTRAINT document_pkey PRIMARY KEY USING INDEX replacement",
]


def test_tables_are_rewritten_while_there_is_work(db, stub):
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document SELECT i, 'row ' || i || '|x' FROM generate_series(1, 1000) i")
    for statement in REWRITES:
        db.sql(statement)
        db.sql("UPDATE document SET body = body || '+' WHERE id % 500 = 1")
    vectorizer.in_step(db, ["id"])


def test_pgvector_is_moved_to_another_schema(db, stub):
    """As hosting services advise, for the sake of `public`."""
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    with db.connect() as connection:
        connection.execute("INSERT INTO document VALUES (1, 'a')")
        connection.execute("SELECT ai.vectorizer_embed(1, 'q')")
        vectorizer.in_step(db, ["id"])
        for schema in ("extensions", "public"):
            db.sql(f"CREATE SCHEMA IF NOT EXISTS {schema}; ALTER EXTENSION vector SET SCHEMA {schema}")
            connection.execute("UPDATE document SET body = %s", [f"with pgvector in {schema}"])
            vectorizer.in_step(db, ["id"])
            connection.execute("SELECT ai.vectorizer_embed(1, 'q')")


def test_keys_are_swapped(db, stub):
    db.sql("CREATE TABLE document (id int, body text, PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED)")
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'one'), (2, 'two'), (3, 'three')")
    for statement in [
        "UPDATE document SET id = 3 - id WHERE id < 3",
        "UPDATE document SET id = id % 3 + 1",
        "BEGIN; UPDATE document SET id = 1 WHERE body = 'one'; UPDATE document SET id = 2 WHERE body <> 'one';"
        " UPDATE document SET id = 9 WHERE body = 'two'; COMMIT",
    ]:
        db.sql(statement)
        vectorizer.in_step(db, ["id"])


def test_a_table_is_made_filled_and_frozen_in_one_transaction(db, stub):
    with db.connect(autocommit=False) as connection:
        connection.execute(TABLE)
        connection.execute(
            "SELECT ai.create_vectorizer('document', loading => ai.loading_column('body'),"
            f" chunking => {vectorizer.CUT_AT_BARS}, embedding => ai.embedding_openai('stub', 8, base_url => '{stub.url}'))"
        )
        with connection.cursor().copy("COPY document FROM STDIN (FREEZE)") as copy:
            for number in range(20):
                copy.write_row((number, f"copied {number}|twice"))
    vectorizer.in_step(db, ["id"])


@pytest.mark.parametrize("how", ["in parallel", "by sections", "over another", "without owners"])
def test_it_is_restored(cluster, db, stub, how):
    db.sql(f"{TABLE}; CREATE TABLE child () INHERITS (document)")
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 20) i; INSERT INTO child VALUES (90, 'c')")
    vectorizer.in_step(db, ["id"])
    file = cluster.directory / f"{db.name}.dump"
    options = ["--no-owner", "--no-privileges"] if how == "without owners" else []
    cluster.run("pg_dump", "--format=directory", f"--file={file}", *options, db.name)
    stub.forget()
    copy = cluster.create_database(f"{db.name}_copy")
    try:
        if how == "over another":
            copy.sql(f"CREATE EXTENSION pgai_rs CASCADE; {TABLE}; INSERT INTO document VALUES (5, 'of before')")
            vectorizer.create(copy, stub.url)
            vectorizer.in_step(copy, ["id"])
            stub.forget()
        for step in {
            "in parallel": [["--jobs=4"]],
            "by sections": [["--section=pre-data"], ["--section=data"], ["--section=post-data"]],
            "over another": [["--clean", "--if-exists"]],
            "without owners": [[]],
        }[how]:
            cluster.run("pg_restore", *step, f"--dbname={copy.name}", file)
        vectorizer.restored(copy)
        copy.sql("UPDATE document SET body = 'changed' WHERE id = 1; DELETE FROM document WHERE id = 2; UPDATE child SET body = 'd'")
        vectorizer.in_step(copy, ["id"])
        assert set(stub.embedded) == {"changed", "d"}
    finally:
        copy.drop()
