"""Who may write all data (`pg_write_all_data`) writes nothing of the catalog that decides anything."""

import psycopg
import pytest
from support import vectorizer
from support.two_roles import alice, mallory, roles  # noqa: F401

# The tables of the extension's own, found, so that a new one is looked at without anybody's thinking of it.
OURS = """
    SELECT c.oid::regclass::text,
           (SELECT quote_ident(a.attname) FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attidentity = '' AND NOT a.attisdropped ORDER BY a.attnum LIMIT 1)
    FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    WHERE c.relnamespace = 'ai'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1
"""

# Signs of life, which pgai's programs write with what they were granted. Nothing is decided by them.
OPEN = {"ai.vectorizer_worker_process", "ai.vectorizer_worker_progress"}


def test_who_may_write_all_data_writes_nothing_of_the_catalog(db, alice, mallory):
    db.sql(f"GRANT pg_write_all_data, pg_read_all_data TO {mallory.name}")
    db.sql("SELECT ai.set_secret('OPENAI_API_KEY', 'sk-1'); INSERT INTO ai._vectorizer_missed (vectorizer_id, reason) VALUES (1, 'a');"
           "INSERT INTO ai._s3_source_state (id) SELECT id FROM ai.s3_source; INSERT INTO ai._compared_since_crash VALUES (1)")
    tables = [(table, column) for table, column in db.sql(OURS) if table not in OPEN]
    assert {"ai._secret", "ai._s3_source_run", "ai._vectorizer_binding"} <= {table for table, _ in tables}
    for table, column in tables:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            mallory.sql(f"INSERT INTO {table} DEFAULT VALUES")
        with db.connect(user=mallory.name) as connection:
            assert connection.execute(f"UPDATE {table} SET {column} = {column}").rowcount == 0, table
            # What has gone wrong may be forgotten.
            assert table == "ai._vectorizer_errors" or connection.execute(f"DELETE FROM {table}").rowcount == 0, table
            # To read is another matter.
            connection.execute(f"SELECT FROM {table}")


def test_who_may_write_all_data_has_no_listing_delete_in_mass(db, alice, mallory):
    """What a request asks for is its owner's to say: a listing that finds nothing deletes nothing unless it is told."""
    db.sql(f"GRANT pg_write_all_data, pg_read_all_data TO {mallory.name}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        mallory.sql("INSERT INTO ai._s3_source_run (id, state, reason, allow_mass_delete) SELECT id, 'requested', 'request', true FROM ai.s3_source")


def test_who_may_write_all_data_has_no_number_given_twice(db, alice, mallory):
    """A sequence that is set back counts on from what is taken."""
    highest = db.value("SELECT max(id) FROM ai.vectorizer")
    db.sql(f"GRANT pg_write_all_data, pg_read_all_data TO {mallory.name}")
    sequences = [name for [name] in db.sql("SELECT quote_ident(schemaname) || '.' || quote_ident(sequencename)"
                                           " FROM pg_sequences WHERE schemaname = 'ai' ORDER BY 1")]
    assert sequences == ["ai._s3_source_run_run_seq", "ai._vectorizer_batch_id_seq", "ai.s3_source_id_seq", "ai.vectorizer_id_seq"]
    for round in range(2):
        for sequence in sequences:
            mallory.sql(f"SELECT setval('{sequence}', 1, false)")
        alice.sql(f"CREATE TABLE alice.another_{round} (id int PRIMARY KEY, body text)")
        made = vectorizer.create(db, "", f"alice.another_{round}", user=alice.name, queue_schema="'alice'", queue_table=f"'queue_{round}'",
                                 embedding="ai.embedding_openai('text-embedding-3-small', 8)")
        assert made == highest + 1 + round
        alice.sql(f"SELECT ai.create_s3_source('alice.objects_{round}', 's3://alices-bucket/{round}/', schedule => NULL)")
        alice.sql(f"SELECT ai.sync_s3_source('alice_objects_{round}')")
    assert db.value("SELECT count(*) FROM ai.s3_source") == 3
    # What Postgres itself says of a sequence at its end names it.
    mallory.sql("SELECT setval('ai.vectorizer_id_seq', 2147483647)")
    alice.sql("CREATE TABLE alice.last (id int PRIMARY KEY, body text)")
    with pytest.raises(psycopg.errors.SequenceGeneratorLimitExceeded, match="vectorizer_id_seq"):
        vectorizer.create(db, "", "alice.last", user=alice.name, embedding="ai.embedding_openai('text-embedding-3-small', 8)")


def test_an_administrator_clears_errors(db, alice, mallory):
    db.sql(f"SELECT ai.grant_vectorizer_usage('{mallory.name}', admin => true)")
    mallory.sql("DELETE FROM ai._vectorizer_errors")
    assert db.sql("SELECT FROM ai._vectorizer_errors") == []
