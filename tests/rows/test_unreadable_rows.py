"""A row that can't be read holds up no other."""

import pytest
from support import vectorizer
from support.wait import eventually, settles

FAILED = "SELECT id, failure_step, failure_code, failure_message FROM ai._vectorizer_q_failed_1 ORDER BY id"
DIVISION_BY_ZERO = ("loading", "unreadable_row", "the row could not be read: SQLSTATE 22012")

# The text of a grade, which a template writes; of one grade there is none.
CAST = """
    CREATE TYPE grade AS (points int);
    CREATE FUNCTION text_of(grade) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT (100 / ($1).points)::text $$;
    CREATE CAST (grade AS text) WITH FUNCTION text_of(grade);
    CREATE TABLE document (id int PRIMARY KEY, body text, points int, grade grade);
    CREATE FUNCTION graded() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.grade = row(NEW.points)::grade; RETURN NEW; END $$;
    CREATE TRIGGER graded BEFORE INSERT OR UPDATE ON document FOR EACH ROW EXECUTE FUNCTION graded();
"""
# The size of a document is looked at when it is claimed, before it is read.
VIRTUAL = """
    CREATE TABLE document (id int PRIMARY KEY, points int, grade text GENERATED ALWAYS AS ((100 / points)::text) VIRTUAL);
"""


@pytest.fixture
def db(cluster_factory, stub):
    conf = {"pgai_rs.max_retries": "1", "pgai_rs.retry_backoff": "10ms", "pgai_rs.retry_backoff_max": "10ms"}
    db = cluster_factory(conf=conf).create_database("unreadable")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    return db


def with_a_cast(db, stub) -> str:
    db.sql(CAST)
    vectorizer.create(db, stub.url, formatting="ai.formatting_python_template('$grade: $chunk')")
    return "INSERT INTO document SELECT i, 'row ' || i, CASE WHEN i IN (7, 13) THEN 0 ELSE i END FROM generate_series(1, 20) i"


def with_a_virtual_column(db, stub) -> str:
    if db.value("SELECT current_setting('server_version_num')::int") < 180000:
        pytest.skip("virtual generated columns came with Postgres 18")
    db.sql(VIRTUAL)
    loading = "ai.loading_column('grade', retries => 1)"
    vectorizer.create(db, stub.url, loading=loading)
    return "INSERT INTO document SELECT i, CASE WHEN i IN (7, 13) THEN 0 ELSE i END FROM generate_series(1, 20) i"


@pytest.mark.parametrize("declared", [with_a_cast, with_a_virtual_column])
def test_a_row_that_cannot_be_read_fails_by_itself(db, stub, declared):
    db.sql(declared(db, stub))
    settles(lambda: db.sql(FAILED), [(7, *DIVISION_BY_ZERO), (13, *DIVISION_BY_ZERO)])
    settles(lambda: db.value("SELECT count(DISTINCT id) FROM document_embedding_store"), 18)

    # Once it can be read, it is.
    db.sql("UPDATE document SET points = 1 WHERE id = 7")
    settles(lambda: db.value("SELECT count(DISTINCT id) FROM document_embedding_store"), 19)
    eventually(lambda: [id for id, *_ in db.sql(FAILED)] == [13], what="one row to be left aside")


def test_rows_of_which_none_can_be_read_make_the_vectorizer_rest(db, stub):
    """The cause may be in what all need, such as a function, and the rows would lose their tries for it."""
    with_a_cast(db, stub)
    db.sql("INSERT INTO document SELECT i, 'row ' || i, 0 FROM generate_series(1, 100) i")
    health = "SELECT state, reason LIKE '%division by zero%' FROM ai.vectorizer_health"
    settles(lambda: db.sql(health), [("paused", True)])
    db.sql("CREATE OR REPLACE FUNCTION text_of(grade) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'good' $$")
    assert db.value("SELECT count(*) FROM ai._vectorizer_q_failed_1") < 100
    eventually(lambda: db.value("SELECT count(*) FROM ai._vectorizer_work_1") == 0, timeout=120, what="the others to be embedded")
    db.sql("SELECT ai.retry_failed(1)")
    settles(lambda: db.value("SELECT count(DISTINCT id) FROM document_embedding_store"), 100)
