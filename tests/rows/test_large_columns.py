"""Columns that a template names: they count as a document does, however small they look where they are stored."""

from support import vectorizer
from support.memory import MEGABYTE, limited, within_the_limit
from support.wait import settles

FAILED = "SELECT id, failure_step, failure_code, failure_hint FROM ai._vectorizer_q_failed_1"
HINT = "Shorten the values of these columns, name fewer of them in the template, or increase pgai_rs.worker_memory_limit."


def test_a_row_whose_columns_take_more_than_a_document_may_is_set_aside_unread(cluster_factory, stub):
    db = limited(cluster_factory)
    db.sql("CREATE TABLE document (id int PRIMARY KEY, a text, b text, c text, body text)")
    vectorizer.create(db, stub.url, formatting="ai.formatting_python_template('$a $b $c $chunk')")
    large = f"repeat('x', {50 * MEGABYTE})"
    with within_the_limit(db) as watched:
        db.sql(f"INSERT INTO document SELECT 1, {large}, {large}, {large}, 'row 1'")
        db.sql("INSERT INTO document VALUES (2, 'a', 'b', 'c', 'row 2')")
        settles(watched(lambda: db.sql(FAILED)), [(1, "loading", "too_large", HINT)], timeout=60)
        settles(watched(lambda: db.sql("SELECT chunk FROM document_embedding_store")), [("a b c row 2",)])


def test_columns_that_are_small_where_they_are_stored_do_not_fill_the_memory(cluster_factory, stub):
    db = limited(cluster_factory)
    db.sql("CREATE TABLE document (id int PRIMARY KEY, extra jsonb, body text)")
    db.sql(f"INSERT INTO document SELECT i, to_jsonb(repeat('x', {5 * MEGABYTE})), 'row ' || i FROM generate_series(1, 60) i")
    assert db.value("SELECT sum(pg_column_size(extra)) FROM document") < 5 * MEGABYTE
    vectorizer.create(db, stub.url, formatting="ai.formatting_python_template('$chunk $extra')")
    done = "SELECT count(*) FROM document_embedding_store"
    with within_the_limit(db) as watched:
        settles(watched(lambda: db.value(done)), 60, timeout=150)
    vectorizer.idle(db)
    assert db.sql(FAILED) == []
