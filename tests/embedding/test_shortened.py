"""Vectors of which the first numbers are kept, where the model's server offers no choice."""

import math

import psycopg
import pytest
from support import vectorizer, vectors


def shortened(text: str, most: int) -> list[float]:
    """The first numbers of a text's vector, brought to the length 1."""
    first = vectors.vector(text, vectorizer.DIMENSIONS)[:most]
    length = math.sqrt(sum(number * number for number in first))
    return [number / length for number in first]


def declare(db, stub, dimensions: int, model: str = f"ai.embedding_openai('stub', {vectorizer.DIMENSIONS}, base_url => '%s')") -> None:
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 5) i")
    embedding = f"ai.embedding_shortened({model % stub.url}, {dimensions})"
    vectorizer.create(db, stub.url, name="'rows'", embedding=embedding)


@pytest.mark.parametrize("model", [
    f"ai.embedding_openai('stub', {vectorizer.DIMENSIONS}, base_url => '%s')",
    f"ai.embedding_litellm('openai/stub', {vectorizer.DIMENSIONS}, extra_options => '{{\"api_base\": \"%s\"}}')",
])
def test_documents_and_questions_are_shortened_alike(db, stub, model):
    declare(db, stub, 3, model)
    vectorizer.idle(db)
    for text, vector in db.sql("SELECT chunk, embedding::real[] FROM document_embedding_store"):
        assert vector == pytest.approx(shortened(text, 3), abs=1e-6)
    # The model is asked as its own config says.
    assert {request.dimensions for request in stub.requests} == {vectorizer.DIMENSIONS}
    assert db.value("SELECT ai.vectorizer_embed('rows', 'row 3')::real[]") == pytest.approx(shortened("row 3", 3), abs=1e-6)
    best = db.sql("SELECT key ->> 'id', score FROM ai.search('rows', 'row 3', 1)")
    assert best == [("3", pytest.approx(1))]


def test_the_config_says_from_what(db):
    [[config]] = db.sql("SELECT ai.embedding_shortened(ai.embedding_shortened(ai.embedding_openai('m', 768), 512), 256)")
    assert (config["dimensions"], config["shortened_from"], config["model"]) == (256, 768, "m")


@pytest.mark.parametrize("dimensions", [0, 8, 9, -1])
def test_as_many_numbers_or_more_are_refused(db, stub, dimensions):
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="cannot be shortened to|dimensions must be an integer"):
        declare(db, stub, dimensions)
    config = f"ai.embedding_shortened(ai.embedding_openai('stub', 8, base_url => '{stub.url}'), {dimensions})"
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="cannot be shortened to|dimensions must be an integer"):
        db.sql(f"SELECT ai.vectorizer_embed({config}, 'text')")
    assert stub.requests == []


def test_a_model_that_answers_something_else_is_told(db, stub):
    config = f"ai.embedding_shortened(ai.embedding_openai('stub', 8, base_url => '{stub.url}'), 3)"
    stub.fail(1, spoil="dimensions")
    with pytest.raises(psycopg.errors.ExternalRoutineException):
        db.sql(f"SELECT ai.vectorizer_embed({config}, 'text')")
