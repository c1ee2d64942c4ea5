"""Whoever publishes all tables, for logical replication or change data capture, keeps vectorizers that work."""

import pytest
from support import vectorizer
from support.wait import eventually, settles

TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text)"
PUBLICATIONS = ["FOR ALL TABLES", "FOR TABLES IN SCHEMA public, ai"]

# Tables of ours of which Postgres refuses to update and to delete rows once they are published.
UNIDENTIFIED = """
    SELECT c.oid::regclass::text FROM pg_class c
    WHERE c.relnamespace = 'ai'::regnamespace AND c.relkind = 'r' AND c.relpersistence = 'p'
      AND (c.relreplident = 'n' OR c.relreplident = 'd' AND NOT EXISTS (
          SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate))
    ORDER BY 1
"""


@pytest.mark.parametrize("which", PUBLICATIONS)
def test_all_goes_on(db, stub, bucket, which):
    if "SCHEMA" in which and db.value("SELECT current_setting('server_version_num')::int") < 150000:
        pytest.skip("there are none before Postgres 15")
    for source, destination in [("document", "ai.destination_table()"), ("flat", "ai.destination_column('embedding')")]:
        db.sql(f"CREATE TABLE {source} (id int PRIMARY KEY, body text)")
        vectorizer.create(db, stub.url, source, destination=destination, chunking="ai.chunking_none()")
    db.sql(f"CREATE PUBLICATION everything {which}")
    db.sql("INSERT INTO document VALUES (1, 'one'), (2, 'bad'); INSERT INTO flat VALUES (1, 'one')")
    vectorizer.idle(db)
    db.sql("UPDATE document SET body = 'two' WHERE id = 1; UPDATE document SET id = 3 WHERE id = 2")
    db.sql("SELECT ai.execute_vectorizer(1)")
    settles(lambda: db.sql("SELECT id, chunk FROM document_embedding_store ORDER BY 1"), [(1, "two"), (3, "bad")])
    vectorizer.idle(db)

    bucket.put("one.md", "one")
    db.sql(f"SELECT ai.create_s3_source('object', 's3://{bucket.name}/', schedule => NULL)")
    db.sql("SELECT ai.sync_s3_source(1)")
    eventually(lambda: db.sql("SELECT FROM object"), what="the bucket to be listed")
    bucket.delete("one.md")
    db.sql("SELECT ai.sync_s3_source(1, allow_mass_delete => true)")
    eventually(lambda: not db.sql("SELECT FROM object"), what="the object's row to go")

    assert db.sql("SELECT message, details FROM ai.vectorizer_errors") == []
    db.sql("SELECT ai.drop_s3_source(1); SELECT ai.drop_vectorizer(id, drop_all => true) FROM ai.vectorizer")
    assert db.sql("SELECT FROM ai.vectorizer") == []


@pytest.mark.parametrize("which", PUBLICATIONS)
def test_rows_are_set_aside_and_brought_back(db, stub, which):
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    db.sql(f"CREATE PUBLICATION everything {which}")
    stub.fail(status=400, when=lambda request: "bad" in request.inputs, times=float("inf"))
    db.sql("INSERT INTO document VALUES (1, 'bad'), (2, 'good')")
    eventually(lambda: db.sql("SELECT FROM ai._vectorizer_q_failed_1"), what="the row to be set aside")
    stub.heal()
    assert db.value("SELECT ai.retry_failed(1)") == 1
    vectorizer.in_step(db, ["id"])
    assert db.sql("SELECT FROM ai._vectorizer_q_failed_1") == []
    db.sql("SELECT ai.drop_vectorizer(1)")


def test_every_table_of_ours_tells_its_rows_apart(db, stub):
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    assert db.sql(UNIDENTIFIED) == []
