"""Models of other providers than OpenAI: their builders, their configs, their rights."""

import psycopg
import pytest
from support import vectorizer, vectors
from support.wait import eventually

DIMENSIONS = vectorizer.DIMENSIONS


@pytest.mark.parametrize(
    "builder, config",
    [
        ("embedding_ollama('m', 8)", {"implementation": "ollama"}),
        (
            """embedding_ollama('m', 8, 'http://h', '{"num_ctx": 1, "seed": null}', '5m')""",
            {"implementation": "ollama", "base_url": "http://h", "options": {"num_ctx": 1}, "keep_alive": "5m"},
        ),
        (
            "embedding_voyageai('m', 8)",
            {"implementation": "voyageai", "input_type": "document", "api_key_name": "VOYAGE_API_KEY"},
        ),
        ("embedding_voyageai('m', 8, NULL, NULL)", {"implementation": "voyageai"}),
        ("embedding_litellm('m', 8)", {"implementation": "litellm"}),
        (
            """embedding_litellm('m', 8, 'K', '{"input_type": "x", "truncate": null}')""",
            {"implementation": "litellm", "api_key_name": "K", "extra_options": {"input_type": "x"}},
        ),
    ],
)
def test_builders_make_pgais_json(db, builder, config):
    expected = {"config_type": "embedding", "model": "m", "dimensions": 8} | config
    assert db.value(f"SELECT ai.{builder}") == expected


def test_voyage_refuses_an_input_type_in_pgais_words(db):
    with pytest.raises(psycopg.Error, match='invalid input_type for voyage ai "poem"') as refusal:
        db.sql("SELECT ai.embedding_voyageai('m', 8, 'poem')")
    assert refusal.value.sqlstate == "P0001"


@pytest.fixture
def source(db):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 30) i")
    return db


def host(stub) -> str:
    return stub.url.removesuffix("/v1")


def test_rows_are_embedded_by_ollama(source, stub):
    given = f"""'stub', {DIMENSIONS}, '{host(stub)}', options => '{{"num_ctx": 8192}}', keep_alive => '5m'"""
    vectorizer.create(source, "", name="'rows'", embedding=f"ai.embedding_ollama({given})")
    vectorizer.in_step(source, ["id"])
    assert {name: stub.requests[0].body[name] for name in ("model", "dimensions", "options", "keep_alive")} == {
        "model": "stub",
        "dimensions": DIMENSIONS,
        "options": {"num_ctx": 8192},
        "keep_alive": "5m",
    }
    found = source.value("SELECT ai.vectorizer_embed('rows', 'row 7')::real[]")
    assert found == vectors.vector("row 7", DIMENSIONS)


def test_ollama_is_where_the_operator_says(cluster_factory, stub):
    cluster = cluster_factory(env={"OLLAMA_HOST": host(stub).removeprefix("http://")})
    cluster.sql("CREATE EXTENSION pgai_rs CASCADE")
    embed = f"SELECT ai.vectorizer_embed(ai.embedding_ollama('stub', {DIMENSIONS}), 'x')::real[]"
    assert cluster.sql(embed) == [(vectors.vector("x", DIMENSIONS),)]
    cluster.configure(pgai_rs__ollama_base_url="http://127.0.0.1:1")
    eventually(lambda: cluster.sql("SHOW pgai_rs.ollama_base_url") == [("http://127.0.0.1:1",)], what="the new setting")
    with pytest.raises(psycopg.Error, match="could not connect"):
        cluster.sql(embed)


@pytest.mark.parametrize(
    "embedding",
    [
        "ai.embedding_voyageai('stub', {dimensions}, api_key_name => NULL, base_url => '{url}')",
        """ai.embedding_litellm('voyage/stub', {dimensions},
               extra_options => '{{"api_base": "{url}", "input_type": "document"}}')""",
    ],
)
def test_voyage_tells_queries_from_documents(source, stub, embedding):
    embedding = embedding.format(dimensions=DIMENSIONS, url=stub.url)
    vectorizer.create(source, "", name="'rows'", embedding=embedding)
    vectorizer.in_step(source, ["id"])
    assert {request.body["input_type"] for request in stub.requests} == {"document"}
    stub.forget()
    source.sql("SELECT ai.vectorizer_embed('rows', 'x'), ai.vectorizer_embed('rows', 'x', 'document')")
    assert [request.body["input_type"] for request in stub.requests] == ["query", "document"]


def test_an_error_names_the_provider(source, stub):
    stub.fail(1, status=404, error={"message": "model not found"})
    vectorizer.create(source, "", embedding=f"ai.embedding_ollama('stub', {DIMENSIONS}, '{host(stub)}')")
    [[details]] = eventually(lambda: source.sql("SELECT details FROM ai.vectorizer_errors"), what="an error")
    assert (details["provider"], details["code"]) == ("ollama", "no_such_model")
    assert "ollama pull stub" in details["hint"]


@pytest.mark.parametrize(
    "embedding, message",
    [
        ("ai.embedding_litellm('acme/m', 8)", "unknown provider"),
        ("""ai.embedding_litellm('cohere/m', 8, extra_options => '{"temperature": 1}')""", "Cohere does not support the option"),
        ("""ai.embedding_litellm('openai/m', 8, extra_options => '{"api_key": "sk-x"}')""", "must not contain an API key"),
        ("""ai.embedding_litellm('openai/m', 8, extra_options => '{"api_base": "ftp://x"}')""", "api_base must begin"),
        ("ai.embedding_litellm('azure/m', 8)", "no address for Azure OpenAI is specified"),
        ("ai.embedding_litellm('bedrock/amazon.titan-embed-text-v2:0', 8)", "dimensions must be one of 256, 512, 1024"),
        (
            """ai.embedding_litellm('bedrock/anthropic.claude', 8, extra_options => '{"aws_region_name": "us-east-1"}')""",
            "is not supported",
        ),
        ("ai.embedding_litellm('vertex_ai/text-embedding-005', 256)", "no project for Vertex AI is specified"),
        ("ai.embedding_litellm('mistral/mistral-embed', 8)", "dimensions must be 1024"),
        ("ai.embedding_voyageai('voyage-3.5', 8)", "dimensions must be one of 256, 512, 1024, 2048"),
        ("ai.embedding_openai('text-embedding-ada-002', 8)", "dimensions must be 1536"),
        ("ai.embedding_ollama('m', 8, options => '[]')", "invalid embedding config"),
    ],
)
def test_what_cannot_work_is_refused_at_declaration(source, embedding, message):
    with pytest.raises(psycopg.Error) as refusal:
        vectorizer.create(source, "", embedding=embedding)
    assert refusal.value.sqlstate == "22023"
    assert message in refusal.value.diag.message_primary
    assert source.sql("SELECT * FROM ai.vectorizer") == []


def test_the_known_providers_are_listed_where_one_is_not(source):
    with pytest.raises(psycopg.Error) as refusal:
        vectorizer.create(source, "", embedding="ai.embedding_litellm('acme/m', 8)")
    for prefix in ("azure/", "cohere/", "gemini/", "huggingface/", "mistral/", "ollama/", "openai/", "voyage/"):
        assert prefix in refusal.value.diag.message_hint


@pytest.mark.parametrize(
    "embedding",
    [
        "ai.embedding_ollama('m', 8, base_url => 'http://127.0.0.1:1')",
        "ai.embedding_voyageai('m', 8, base_url => 'http://127.0.0.1:1')",
        """ai.embedding_litellm('openai/m', 8, extra_options => '{"api_base": "http://127.0.0.1:1"}')""",
        "ai.embedding_litellm('openai/m', 8, api_key_name => 'HOME')",
    ],
)
def test_a_role_asks_no_server_and_no_key_of_its_own(source, embedding):
    role = f"mallory_{source.name}"
    source.sql(f"CREATE ROLE {role} LOGIN; SELECT ai.grant_vectorizer_usage('{role}'); GRANT CREATE ON SCHEMA public TO {role}")
    try:
        source.sql("CREATE TABLE his (id int PRIMARY KEY, body text)", user=role)
        for attempt in (
            lambda: vectorizer.create(source, "", "his", user=role, embedding=embedding),
            lambda: source.sql(f"SELECT ai.vectorizer_embed({embedding}, 'x')", user=role),
        ):
            with pytest.raises(psycopg.Error) as refusal:
                attempt()
            assert refusal.value.sqlstate == "42501"
    finally:
        source.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def test_bedrock_is_asked_as_the_operator_allows(cluster_factory):
    cluster = cluster_factory(conf={"pgai_rs.s3_credentials": "role", "pgai_rs.allowed_role_arns": "arn:aws:iam::1:role/"})
    cluster.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
    for options, message in [
        ("{}", "Amazon Bedrock can only be used with an assumed role"),
        ('{"aws_role_name": "me"}', "invalid embedding config, aws_role_name must match"),
        ('{"aws_role_name": "arn:aws:iam::2:role/other"}', "this aws_role_name is not allowed on this server"),
    ]:
        with pytest.raises(psycopg.Error, match=message):
            cluster.sql(
                "SELECT ai.create_vectorizer('document'::regclass, loading => ai.loading_column('body'), embedding =>"
                f" ai.embedding_litellm('bedrock/amazon.titan-embed-text-v2:0', 256, extra_options => '{options}'))"
            )
