"""The server that the administrator's settings name may be asked by whoever may declare, and is told to nobody: its URL may have a password."""

from types import SimpleNamespace

import psycopg
import pytest
from support import vectorizer
from support.public import PUBLIC
from support.wait import eventually, settles

PASSWORD = "correct-horse"
DECLARED = {"openai": "ai.embedding_openai('stub', 8)", "ollama": "ai.embedding_ollama('stub', 8)"}
CONFIGS = [f'{{"implementation": "{name}", "model": "stub", "dimensions": 8}}' for name in DECLARED] + [
    '{"implementation": "litellm", "model": "openai/stub", "dimensions": 8}',
    '{"implementation": "litellm", "model": "ollama/stub", "dimensions": 8}',
]


@pytest.fixture
def served(cluster_factory, stub):
    """Alice has a vectorizer for each provider whose server the administrator has set, with a name and a password."""
    url = stub.url.replace("http://", f"http://keeper:{PASSWORD}@")
    conf = {"pgai_rs.openai_base_url": url, "pgai_rs.ollama_base_url": url.removesuffix("/v1"), "pgai_rs.heartbeat_interval": "1s"}
    db = cluster_factory(conf=conf).create_database("served")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE ROLE alice LOGIN; SELECT ai.grant_vectorizer_usage('alice');"
           "CREATE SCHEMA AUTHORIZATION alice; CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA ai TO reader")
    for name, embedding in DECLARED.items():
        db.sql(f"CREATE TABLE {name} (id int PRIMARY KEY, body text)", user="alice")
        vectorizer.create(db, "", f"alice.{name}", user="alice", name=f"'{name}'", embedding=embedding)
        db.sql(f"INSERT INTO {name} VALUES (1, 'a text')", user="alice")
        db.sql(f"SELECT ai.set_budget(1, vectorizer => '{name}')", user="alice")
    return SimpleNamespace(db=db, host=stub.url.split("/")[2], stub=stub)


def statement(db, query: str, user: str) -> str:
    """All that a statement says: rows, notices, an error."""
    said = []
    with db.connect(user=user) as session:
        session.add_notice_handler(lambda notice: said.append(f"{notice.message_primary} {notice.message_detail} {notice.message_hint}"))
        try:
            said.append(str(session.execute(query).fetchall()))
        except psycopg.Error as error:
            said.append(f"{error.diag.message_primary} {error.diag.message_detail} {error.diag.message_hint}")
    return "\n".join(said)


def test_it_is_told_to_nobody(served):
    db = served.db
    used = "SELECT name, model, server FROM ai.vectorizer_usage WHERE purpose = 'documents' ORDER BY name"
    settles(lambda: db.sql(used, user="alice"), [("ollama", "ollama/stub", "default"), ("openai", "openai/stub", "default")])
    # It fails from now on, for a reason that is written down.
    served.stub.fail(float("inf"), status=500)
    for name in DECLARED:
        db.sql(f"INSERT INTO {name} VALUES (2, 'another text')", user="alice")
    eventually(lambda: len(db.sql("SELECT FROM ai.vectorizer_health WHERE last_error IS NOT NULL OR reason IS NOT NULL")) == 2,
               what="both to fail")

    statements = [f"SELECT * FROM {relation}" for [relation] in db.sql(PUBLIC)]
    statements += [f"SELECT ai._model_of('{config}')" for config in CONFIGS]
    statements += [f"SELECT * FROM ai.explain_vectorizer('{name}')" for name in DECLARED]
    statements += [f"SELECT ai.vectorizer_embed('{name}', 'a question')" for name in DECLARED]
    told = {(user, query): statement(db, query, user) for user in ("alice", "reader") for query in statements}
    assert {key: said for key, said in told.items() if PASSWORD in said or "keeper" in said or served.host in said} == {}
    # Who may look is told that it is another than the provider's.
    assert "at default" in told["alice", "SELECT * FROM ai.vectorizer_health"]
    assert "at default" in told["alice", "SELECT * FROM ai.explain_vectorizer('openai')"]

    # What a dump has, and what a superuser sees, who may see the settings.
    assert {server for [server] in db.sql("SELECT server FROM ai._usage")} == {"default"}


def test_a_price_can_be_set_for_it(served):
    db = served.db
    db.sql("INSERT INTO ai.model_override (model, server, usd_per_million_tokens) VALUES ('openai/stub', 'default', 1000000)")
    look = "SELECT (sum(usd) = sum(tokens))::text FROM ai.vectorizer_usage WHERE name = 'openai'"
    settles(lambda: db.sql(look, user="alice"), [("true",)])


@pytest.mark.parametrize("config", [
    '{"implementation": "openai", "model": "a\\u0000b", "dimensions": 8}',
    '{"implementation": "openai", "model": "m", "dimensions": 8, "base_url": "unix:/run/\\u0000"}',
])
def test_a_config_that_no_table_holds_has_no_name(served, config):
    assert served.db.sql(f"SELECT ai._model_of('{config}')", user="reader") == [(None,)]
