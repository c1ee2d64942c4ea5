"""The functions of pgai's old extension that vectorizers' users lean on, with its names and arguments."""

import psycopg
import pytest
from support import vectors


@pytest.fixture(scope="module")
def shared(cluster):
    db = cluster.create_database("convenience")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    yield db
    db.drop()


def client(stub) -> str:
    return f"client_config => jsonb_build_object('base_url', '{stub.url}')"


def test_openai_embeds_a_text_and_many(shared, stub):
    one = shared.value(f"SELECT ai.openai_embed('stub', 'a', dimensions => 8, {client(stub)})::real[]")
    assert one == vectors.vector("a", 8)
    many = shared.sql(f"""
        SELECT "index", embedding::real[]
        FROM ai.openai_embed('stub', ARRAY['a', 'b', 'c'], dimensions => 8, {client(stub)}) ORDER BY 1""")
    assert many == [(place, vectors.vector(text, 8)) for place, text in enumerate("abc")]
    assert [len(request.inputs) for request in stub.requests] == [1, 3]


def test_openai_embeds_a_text_that_is_given_as_tokens(shared, stub):
    one = shared.value(f"SELECT ai.openai_embed('stub', ARRAY[17, 4], dimensions => 8, {client(stub)})::real[]")
    assert one == vectors.vector("17 4", 8)
    assert stub.requests[0].body["input"] == [17, 4]
    for wrong in ("ARRAY[1, NULL]", "ARRAY[1, -1]"):
        with pytest.raises(psycopg.DataError, match="input_tokens must not contain"):
            shared.sql(f"SELECT ai.openai_embed('stub', {wrong}, {client(stub)})")
    assert len(stub.requests) == 1


@pytest.mark.parametrize("given, sent", [("'{1}'", ["{1}"]), ("'{1}'::int[]", [1]), ("ARRAY['1']", ["1"])])
def test_what_has_no_type_is_a_text(shared, stub, given, sent):
    shared.sql(f"SELECT ai.openai_embed('stub', {given}, {client(stub)})")
    assert stub.requests[0].body["input"] == sent


def test_without_dimensions_the_model_decides(shared, stub):
    embedded = shared.value(f"SELECT ai.openai_embed('stub', 'a', {client(stub)})::real[]")
    assert embedded == vectors.vector("a", 1536)
    assert "dimensions" not in stub.requests[0].body


def test_a_key_is_the_callers_own_or_one_by_name(shared, stub):
    for given, sent in [("api_key => 'sk-mine'", "sk-mine"), ("api_key_name => 'OPENAI_API_KEY'", "sk-test"), ("", "sk-test")]:
        stub.forget()
        arguments = ", ".join(filter(None, ["'stub', 'a'", given, client(stub)]))
        shared.sql(f"SELECT ai.openai_embed({arguments})")
        assert stub.requests[0].headers["authorization"] == f"Bearer {sent}"


def test_the_model_is_asked_once_for_an_order_by(shared, stub):
    shared.sql("CREATE TABLE found AS SELECT ARRAY[i, 0, 1]::real[]::vector AS embedding FROM generate_series(1, 9) i")
    shared.sql(
        f"SELECT * FROM found ORDER BY embedding <=> ai.openai_embed('stub', 'a', dimensions => 3, {client(stub)})"
    )
    assert len(stub.requests) == 1


def test_ollama_and_litellm(shared, stub):
    host = stub.url.removesuffix("/v1")
    expected = vectors.vector("a", 1536)
    assert shared.value("SELECT ai.ollama_embed('stub', 'a', host => %s)::real[]", [host]) == expected
    base = f"""extra_options => '{{"api_base": "{stub.url}"}}'"""
    assert shared.value(f"SELECT ai.litellm_embed('openai/stub', 'a', {base})::real[]") == expected
    assert len(shared.sql(f"SELECT * FROM ai.litellm_embed('openai/stub', ARRAY['a', 'b'], {base})")) == 2


@pytest.mark.parametrize(
    "call, sqlstate",
    [
        ("""ai.openai_embed('m', 'a', extra_headers => '{"x": "y"}')""", "0A000"),
        ("""ai.openai_embed('m', 'a', client_config => '{"max_retries": 3}')""", "0A000"),
        ("ai.openai_embed('m', 'a', api_key_name => 'HOME')", "42501"),
        ("ai.voyageai_embed('m', 'a', input_type => 'poem')", "P0001"),
        ("ai.litellm_embed('acme/m', 'a')", "22023"),
    ],
)
def test_what_cannot_be_done_is_refused(shared, call, sqlstate):
    with pytest.raises(psycopg.Error) as refusal:
        shared.sql(f"SELECT {call}")
    assert refusal.value.sqlstate == sqlstate


def test_a_null_in_an_array_is_refused_and_a_null_text_is_null(shared, stub):
    with pytest.raises(psycopg.errors.NullValueNotAllowed):
        shared.sql(f"SELECT * FROM ai.openai_embed('m', ARRAY['a', NULL], {client(stub)})")
    assert shared.value(f"SELECT ai.openai_embed('m', NULL::text, {client(stub)})") is None
    assert stub.requests == []


def test_a_role_cannot_send_the_servers_key_elsewhere(shared, stub):
    shared.sql("CREATE ROLE convenience LOGIN; SELECT ai.grant_vectorizer_usage('convenience')")
    try:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            shared.sql(f"SELECT ai.openai_embed('m', 'a', {client(stub)})", user="convenience")
    finally:
        shared.sql("DROP OWNED BY convenience; DROP ROLE convenience")


def test_chunks_are_langchains(shared):
    text = "'one two|three four|five'"
    assert shared.sql(f"SELECT * FROM ai.chunk_text({text}, 10, 0, '|')") == [(0, "one two"), (1, "three four"), (2, "five")]
    assert shared.sql(f"SELECT chunk FROM ai.chunk_text({text})") == [("one two|three four|five",)]
    recursively = shared.sql("SELECT chunk FROM ai.chunk_text_recursively('aaa bbb ccc', 7, 0)")
    assert recursively == [("aaa bbb",), ("ccc",)]
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        shared.sql("SELECT * FROM ai.chunk_text('a', 10, 11)")
