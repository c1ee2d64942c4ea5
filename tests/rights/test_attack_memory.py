"""Answers and configs that are made to take the server's memory, or to write where nothing belongs."""

import psycopg
import pytest
from support import vectorizer, vectors
from support.memory import limited, within_the_limit
from support.wait import settles

KILOBYTE = 1 << 10
# Of each character but the first, all others of a chunk stand in the chunk before as well.
HARDLY_ADVANCING = "ai.chunking_recursive_character_text_splitter(4000, 3999, ARRAY[''])"
# Ends at once with a text that fits, and never with one that doesn't.
RUNAWAY = "(?:a|a(?=a)|aa)+!"


@pytest.mark.parametrize("dimensions", [16_001, 32_768, 40_000, 65_537])
def test_an_answer_longer_than_any_vector_is_refused(db, stub, dimensions):
    stub.fail(float("inf"), dimensions=dimensions)
    ask = f"ai.openai_embed('stub', 'a', client_config => '{{\"base_url\": \"{stub.url}\"}}')"
    # Each makes a vector of its own, and the two are joined.
    for expression in (ask, f"{ask} || {ask}"):
        with pytest.raises(psycopg.Error, match=f"{dimensions} dimensions"):
            db.sql(f"SELECT {expression}")
    stub.heal()
    assert db.value(f"SELECT {ask}::real[]") == vectors.vector("a", 1536)


def test_chunks_that_hardly_advance_are_set_aside_before_they_are_made(cluster_factory, stub):
    db = limited(cluster_factory)
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text); CREATE TABLE other (id int PRIMARY KEY, body text)")
    db.sql(f"INSERT INTO document SELECT i, repeat('x', {400 * KILOBYTE}) FROM generate_series(1, 3) i")
    # Small enough to be cut where requests are waited for.
    db.sql(f"INSERT INTO document SELECT i, repeat('x', {60 * KILOBYTE}) FROM generate_series(4, 30) i")
    vectorizer.create(db, stub.url, chunking=HARDLY_ADVANCING)
    vectorizer.create(db, stub.url, source="other")
    db.sql("INSERT INTO other VALUES (1, 'beside it')")

    failed = "SELECT DISTINCT details ->> 'code', details ->> 'step' FROM ai.vectorizer_errors"
    count = "SELECT count(*) FROM ai._vectorizer_q_failed_1"
    with within_the_limit(db) as watched:
        settles(watched(lambda: db.value(count)), 30, timeout=120)
    assert db.sql(failed) == [("too_large", "chunking")]
    vectorizer.in_step(db, ["id"], source="other", store="other_embedding_store")


def test_a_template_that_repeats_a_long_column_is_set_aside_before_it_is_filled(cluster_factory, stub):
    db = limited(cluster_factory)
    db.sql("CREATE TABLE document (id int PRIMARY KEY, title text, body text)")
    vectorizer.create(db, stub.url, formatting="ai.formatting_python_template('$title $chunk')")
    db.sql(f"INSERT INTO document VALUES (1, repeat('t', {KILOBYTE * KILOBYTE}), repeat('chunk|', 2000))")
    with within_the_limit(db) as watched:
        settles(watched(lambda: db.value("SELECT count(*) FROM ai._vectorizer_q_failed_1")), 1, timeout=60)
    assert db.sql("SELECT details ->> 'code' FROM ai.vectorizer_errors") == [("too_large",)]


def test_a_text_cut_in_a_session_takes_no_more_than_a_document_may(cluster_factory):
    db = limited(cluster_factory)
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match=r"more than the \d+ MB allowed for one"):
        db.sql("SELECT count(*) FROM ai.chunk_text_recursively(repeat('x', 400000), 4000, 3999, ARRAY[''])")


def test_cutting_a_text_hears_a_cancelled_statement(db):
    with db.connect() as connection:
        connection.execute("SET statement_timeout = '100ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(f"SELECT count(*) FROM ai.chunk_text(repeat('a', 60), 10, 0, '{RUNAWAY}', true)")
