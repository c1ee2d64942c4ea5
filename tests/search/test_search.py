"""Embedding a query with a vectorizer's own model."""

import psycopg
import pytest
from support import vectorizer, vectors
from support.asking import cancelled
from support.stub import blackhole


@pytest.fixture
def searchable(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 30) i")
    vectorizer.create(db, stub.url, name="'rows'")
    vectorizer.in_step(db, ["id"])
    stub.forget()
    return db


@pytest.mark.parametrize(
    "call",
    [
        "ai.vectorizer_embed('rows', 'row 7')",
        "ai.vectorizer_embed(1, 'row 7')",
        "ai.vectorizer_embed((SELECT config -> 'embedding' FROM ai.vectorizer), 'row 7')",
        "ai.vectorizer_embed('rows', 'row 7', 'query')",
    ],
)
def test_gives_the_vector_that_the_worker_would_write(searchable, call):
    assert searchable.value(f"SELECT {call}::real[]") == vectors.vector("row 7", vectorizer.DIMENSIONS)


def test_an_unknown_vectorizer_gives_null(searchable):
    assert searchable.sql("SELECT ai.vectorizer_embed('nobody', 'x'), ai.vectorizer_embed(99, 'x')") == [(None, None)]


def test_a_statement_asks_the_model_once(searchable, stub):
    nearest = searchable.sql(
        "SELECT id FROM document_embedding ORDER BY embedding <=> ai.vectorizer_embed('rows', 'row 7') LIMIT 1"
    )
    assert nearest == [(7,)]
    assert stub.embedded == {"row 7": 1}


def test_two_statements_ask_twice(searchable, stub):
    with searchable.connect() as connection:
        for _ in range(2):
            connection.execute("SELECT ai.vectorizer_embed('rows', 'row 7')")
    assert stub.embedded == {"row 7": 2}


def test_can_be_cancelled(searchable, stub):
    with searchable.connect() as connection:
        error = cancelled(connection, stub, "SELECT ai.vectorizer_embed('rows', 'x')")
        assert isinstance(error, psycopg.errors.QueryCanceled)
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_gives_up_in_time(cluster_factory):
    with blackhole() as url:
        cluster = cluster_factory(conf={"pgai_rs.query_timeout": "200ms"})
        cluster.sql("CREATE EXTENSION pgai_rs CASCADE")
        with pytest.raises(psycopg.Error, match="did not answer within 200 ms") as refusal:
            cluster.sql(f"SELECT ai.vectorizer_embed(ai.embedding_openai('m', 8, base_url => '{url}/v1'), 'x')")
        assert "pgai_rs.query_timeout" in refusal.value.diag.message_hint


def test_the_providers_refusal_is_passed_on(searchable, stub):
    stub.fail(1, status=401, error={"message": "bad key", "type": "invalid_request_error"})
    with pytest.raises(psycopg.Error) as refusal:
        searchable.sql("SELECT ai.vectorizer_embed('rows', 'x')")
    assert refusal.value.sqlstate == "38000"
    assert refusal.value.diag.message_hint
    assert "sk-test" not in str(refusal.value)
