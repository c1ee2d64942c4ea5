"""ai.vectorizer_usage says what was sent to models, and what they bill: as the model server itself counts it."""

import os
import secrets
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import psycopg
import pytest
from support import egress, vectorizer
from support.wait import eventually, settles
from support.worker import the_worker, workers

# Answers that a server has given, and bills, whatever is wrong with them.
BILLED = (200, "count", "reverse", "dimensions")


@pytest.fixture
def counting(cluster_factory, stub):
    """A database whose worker writes down each second what was used."""

    def make(**conf):
        conf = egress.settings(stub.url) | {"pgai_rs.heartbeat_interval": "1s", "pgai_rs.poll_interval": "1s"} | conf
        cluster = cluster_factory(conf=conf)
        db = cluster.create_database("counting")
        db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
        return SimpleNamespace(cluster=cluster, db=db, server=stub.url.removesuffix("/v1"))

    return make


def insert(db, rows: range, table: str = "document") -> None:
    for n in rows:
        db.sql(f"INSERT INTO {table} VALUES (%s, %s)", [n, "|".join(f"row {n} part {part} " + "x" * (n % 7) for part in range(3))])


def kill_worker(db) -> None:
    """Kills it, and with it all processes of the server, and waits for the next one."""
    killed = the_worker(db)
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: set(workers(db.cluster, db.name)) - {killed}, ignoring=(psycopg.Error,), what="another worker")


def used(db, **how) -> Counter:
    """Requests, inputs, bytes and tokens of all vectorizers and purposes together."""
    names = ("requests", "inputs", "bytes", "tokens")
    sums = ", ".join(f"coalesce(sum({name}), 0)::int8" for name in names)
    [row] = db.sql(f"SELECT {sums} FROM ai.vectorizer_usage", **how)
    return Counter(dict(zip(names, row, strict=True)))


def billed(stub) -> Counter:
    """The same, as the stub counts it."""
    requests = [request for request in list(stub.requests) if request.question is None]
    size = lambda request: sum(len(text.encode()) for text in request.inputs)  # noqa: E731
    return Counter({
        "requests": len(requests),
        "inputs": sum(len(request.inputs) for request in requests),
        "bytes": sum(size(request) for request in requests),
        "tokens": sum(size(request) // 4 for request in requests if request.status in BILLED),
    })


def test_it_equals_what_the_provider_counts(counting, stub):
    """Also of requests that it refused, which cost nothing, and of answers that were no use, which cost something."""
    db = counting(**{"pgai_rs.embedding_backoff": "10ms"}).db
    stub.fail(2, status=429, headers={"retry-after": "0"})
    stub.fail(2, spoil="count")
    stub.fail(2, status=500)
    vectorizer.create(db, stub.url, name="'rows'")
    insert(db, range(1, 41))
    vectorizer.in_step(db, ["id"])
    db.sql("UPDATE document SET body = body || '|more' WHERE id <= 10")
    vectorizer.in_step(db, ["id"])
    settles(lambda: used(db), billed(stub))
    assert {request.status for request in stub.requests} >= {200, 429, 500, "count"}

    [(id, name, purpose, model, documents, estimated)] = db.sql(
        "SELECT id, name, purpose, model, documents, estimated_tokens FROM ai.vectorizer_usage")
    assert (id, name, purpose, model, documents, estimated) == (1, "rows", "documents", "openai/stub", 50, 0)


def test_an_answer_that_is_lost_counts_by_estimate(counting, stub):
    db = counting(**{"pgai_rs.embedding_backoff": "10ms"}).db
    stub.fail(1, spoil="reset")
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'a text of 20 letters')")
    vectorizer.in_step(db, ["id"])
    look = "SELECT requests, inputs, tokens, estimated_tokens, documents FROM ai.vectorizer_usage"
    settles(lambda: db.sql(look), [(2, 2, 10, 5, 1)])


def test_vectorizers_that_share_requests_come_to_the_whole(counting, stub):
    db = counting().db
    db.sql("CREATE TABLE other (id int PRIMARY KEY, body text)")
    with stub.held():
        vectorizer.create(db, stub.url)
        vectorizer.create(db, stub.url, "other")
        insert(db, range(1, 31))
        insert(db, range(101, 111), "other")
    vectorizer.idle(db)
    settles(lambda: used(db), billed(stub))
    settles(lambda: db.sql("SELECT id, documents, inputs FROM ai.vectorizer_usage ORDER BY id"), [(1, 30, 90), (2, 10, 30)])


def test_queries_count_whatever_becomes_of_their_transaction(counting, stub):
    db = counting().db
    vectorizer.create(db, stub.url, name="'rows'")
    insert(db, range(1, 4))
    vectorizer.in_step(db, ["id"])
    with db.connect(autocommit=False) as session:
        session.execute("SET TRANSACTION READ ONLY")
        session.execute("SELECT ai.vectorizer_embed('rows', 'what is this?')")
        session.rollback()
    db.sql(f"SELECT * FROM ai.search('rows', 'a question', rerank => ai.rerank_tei('{stub.url}', candidates => 10))")
    # One whose answer nobody has waited for.
    with stub.held(), pytest.raises(psycopg.errors.QueryCanceled):
        db.sql("SET statement_timeout = '500ms'; SELECT ai.vectorizer_embed('rows', 'too late')")

    look = """SELECT purpose, model, sum(requests)::int, sum(inputs)::int, sum(estimated_tokens)::int FROM ai.vectorizer_usage
              WHERE purpose <> 'documents' GROUP BY 1, 2 ORDER BY 1"""
    [ranked] = stub.ranked
    sent = ranked.inputs + [ranked.question] * len(ranked.inputs)
    estimated = sum((len(text) + 3) // 4 for text in sent)
    settles(lambda: db.sql(look), [
        ("queries", "openai/stub", 3, 3, 2), ("reranking", "huggingface/", 1, len(ranked.inputs), estimated)])


def test_a_question_counts_whose_session_ends_while_it_waits(counting, stub):
    """FATAL unwinds nothing."""
    db = counting().db
    vectorizer.create(db, stub.url, name="'rows'")
    db.sql("SELECT ai.set_budget(1, 'tokens', vectorizer => 'rows', purpose => 'queries')")
    with ThreadPoolExecutor() as other, db.connect() as session, stub.held():
        asked = other.submit(session.execute, "SELECT ai.vectorizer_embed('rows', 'for')")
        eventually(lambda: stub.waiting == 1, what="the question to be sent")
        db.sql("SELECT pg_terminate_backend(%s)", [session.info.backend_pid])
        with pytest.raises(psycopg.errors.AdminShutdown):
            asked.result()
    settles(lambda: db.sql("SELECT purpose, requests, tokens, estimated_tokens FROM ai.vectorizer_usage"), [("queries", 1, 1, 1)])
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
        db.sql("SELECT ai.vectorizer_embed('rows', 'more')")


# Names


def test_a_name_longer_than_any_models_is_not_declared(counting, stub):
    db = counting().db
    for length, makes in ((200, True), (201, False)):
        embedding = f"ai.embedding_openai('{'m' * length}', 8, base_url => '{stub.url}')"
        if makes:
            vectorizer.create(db, stub.url, embedding=embedding)
            continue
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="the name of the model has 201 bytes"):
            vectorizer.create(db, stub.url, embedding=embedding, destination="ai.destination_table('another')")


def test_a_name_without_end_stops_nobodys_counts(counting, stub):
    """As a vectorizer of an earlier version may have one."""
    db = counting().db
    db.sql("CREATE TABLE other (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url, name="'rows'")
    vectorizer.create(db, stub.url, "other", name="'others'")
    # No compression makes it fit into an index.
    name = "".join(secrets.token_hex(4) for _ in range(1000))
    db.sql("UPDATE ai._vectorizer_binding SET embedding = jsonb_set(embedding, '{model}', to_jsonb(%s::text)) WHERE vectorizer_id = 1", [name])
    db.sql("UPDATE ai.vectorizer SET config = jsonb_set(config, '{embedding,model}', to_jsonb(%s::text)) WHERE id = 1", [name])
    insert(db, range(1, 3))
    insert(db, range(1, 3), "other")
    vectorizer.in_step(db, ["id"])
    vectorizer.in_step(db, ["id"], source="other", store="other_embedding_store")
    look = "SELECT name, documents, left(model, 15) = 'openai/' || %s FROM ai.vectorizer_usage ORDER BY name"
    settles(lambda: db.sql(look, [name[:8]]), [("others", 2, False), ("rows", 2, True)])


def test_what_can_never_be_written_stops_nobodys_counts(counting, stub):
    db = counting().db
    db.sql("CREATE TABLE other (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url, name="'rows'")
    vectorizer.create(db, stub.url, "other", name="'others'")
    db.sql("SELECT ai.set_budget(1000, 'tokens')")
    db.sql("ALTER TABLE ai._usage ADD CHECK (name <> 'rows')")
    insert(db, range(1, 3))
    insert(db, range(1, 3), "other")
    settles(lambda: db.sql("SELECT name, documents FROM ai.vectorizer_usage"), [("others", 2)])
    # A budget has it all the same.
    settles(lambda: db.value("SELECT used FROM ai.budgets"), billed(stub)["tokens"])


def test_models_that_whoever_searches_names_are_told_apart_up_to_a_number(counting, stub):
    """A row is kept for each model and day, for longer than a year."""
    db = counting().db
    vectorizer.create(db, stub.url, name="'rows'")
    insert(db, range(1, 2))
    vectorizer.in_step(db, ["id"])
    vector = db.value("SELECT embedding::text FROM document_embedding_store LIMIT 1")
    sent = 0
    for first in range(0, 150, 50):
        with db.connect() as session:
            for number in range(first, first + 50):
                # Of another server the name would be another's.
                config = f"ai.rerank_tei('{stub.url}', candidates => 10) || jsonb_build_object('model', 'm' || {number} || E'\\nother')"
                session.execute(f"SELECT FROM ai.search('rows', %s::vector, words => 'row', mode => 'vector', rerank => {config})", [vector])
                sent += 1
        settles(lambda: db.value("SELECT sum(requests)::int FROM ai.vectorizer_usage WHERE purpose = 'reranking'"), sent)
    named = db.sql("SELECT model, server FROM ai.vectorizer_usage WHERE purpose = 'reranking' ORDER BY model")
    assert len(named) == 101 and named[0] == ("", "")
    assert all(model.startswith("huggingface/m") and model.endswith(" other") for model, _ in named[1:])


def test_what_was_written_outlives_a_kill(counting, stub):
    """What was not yet written may be lost; here nothing was on its way."""
    counting = counting()
    db = counting.db
    vectorizer.create(db, stub.url)
    insert(db, range(1, 21))
    vectorizer.in_step(db, ["id"])
    settles(lambda: used(db), billed(stub))
    # The worker's commits do not wait for the disk.
    db.sql("CHECKPOINT")
    before = billed(stub)
    kill_worker(db)
    db.sql("INSERT INTO document VALUES (100, 'after')")
    vectorizer.in_step(db, ["id"])
    settles(lambda: used(db), billed(stub))
    assert billed(stub)["requests"] > before["requests"]


def test_no_more_is_lost_by_a_kill_than_what_was_not_yet_written(counting, stub):
    counting = counting(**{"pgai_rs.heartbeat_interval": "1h"})
    db = counting.db
    vectorizer.create(db, stub.url)
    insert(db, range(1, 21))
    vectorizer.in_step(db, ["id"])
    kill_worker(db)
    lost = billed(stub) - used(db)
    assert lost["tokens"] > 0
    db.sql("ALTER SYSTEM SET pgai_rs.heartbeat_interval = '1s'")
    counting.cluster.reload()
    db.sql("INSERT INTO document VALUES (100, 'after')")
    vectorizer.in_step(db, ["id"])
    settles(lambda: used(db) + lost, billed(stub))


def test_each_sees_its_own_and_monitors_see_all(counting, stub):
    db = counting().db
    for role in ("alice", "mallory", "watcher"):
        db.sql(f"CREATE ROLE {role} LOGIN; SELECT ai.grant_vectorizer_usage('{role}'); CREATE SCHEMA AUTHORIZATION {role}")
    db.sql("GRANT pg_monitor TO watcher")
    for role in ("alice", "mallory"):
        db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)", user=role)
        vectorizer.create(db, stub.url, f"{role}.document", user=role, name=f"'{role}s'")
        db.sql("INSERT INTO document VALUES (1, 'a text')", user=role)
    # Who may read the vectors does not see what they cost.
    db.sql("GRANT USAGE ON SCHEMA alice TO mallory; GRANT SELECT ON alice.document_embedding TO mallory")

    seen = lambda role: [name for [name] in db.sql("SELECT name FROM ai.vectorizer_usage ORDER BY name", user=role)]  # noqa: E731
    settles(lambda: seen("watcher"), ["alices", "mallorys"])
    assert (seen("alice"), seen("mallory"), seen("postgres")) == (["alices"], ["mallorys"], ["alices", "mallorys"])

    # What was spent stays spent, and whoever makes a vectorizer of the same name does not see it.
    db.sql("SELECT ai.drop_vectorizer('alices', drop_all => true)", user="alice")
    vectorizer.create(db, stub.url, "mallory.document", user="mallory", name="'alices'",
                      destination="ai.destination_table('again')")
    assert "alices" in seen("watcher") and seen("alice") == []
    for statement in ("SELECT * FROM ai._usage", "DELETE FROM ai._usage", "DELETE FROM ai.model_override",
                      "INSERT INTO ai.model_override (model, usd_per_million_tokens) VALUES ('openai/stub', 1)"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.sql(statement, user="mallory")


def test_the_price_is_that_of_the_day_and_the_operators_goes_first(counting, stub):
    made = counting()
    db = made.db
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, %s)", ["x" * 4000])
    settles(lambda: db.sql("SELECT tokens, server, usd FROM ai.vectorizer_usage"), [(1000, made.server, None)])

    price = "INSERT INTO ai.model_override (model, server, since, usd_per_million_tokens) VALUES ('openai/stub', %s, %s, %s)"
    db.sql(price, [made.server, "-infinity", 2])
    assert db.value("SELECT usd::float8 FROM ai.vectorizer_usage") == 0.002
    # From tomorrow on it is dearer, and what was spent is not.
    tomorrow = db.value("SELECT (now() AT TIME ZONE 'UTC')::date + 1")
    db.sql(price, [made.server, tomorrow, 5])
    assert db.value("SELECT usd::float8 FROM ai.vectorizer_usage") == 0.002

    # A fact that the operator does not give is still the extension's.
    db.sql("INSERT INTO ai.model_override (model, usd_per_million_tokens) VALUES ('gemini/gemini-embedding-001', 0.1)")
    look = "SELECT usd_per_million_tokens::float8, dimensions, ends::text, overridden FROM ai.models WHERE model = %s"
    assert db.sql(look, ["gemini/gemini-embedding-001"]) == [(0.1, 3072, "2028-05-14", True)]
    assert db.sql(look, ["openai/text-embedding-3-small"]) == [(0.02, 1536, None, False)]


def test_the_end_of_a_model_is_said_months_before(counting, stub):
    made = counting()
    db = made.db
    vectorizer.create(db, stub.url, name="'rows'")
    warning = "SELECT warning FROM ai.vectorizer_health"
    assert db.value(warning) is None
    db.sql("INSERT INTO ai.model_override (model, server, ends) VALUES ('openai/stub', %s, CURRENT_DATE + 300)", [made.server])
    assert db.value(warning) is None
    db.sql("UPDATE ai.model_override SET ends = CURRENT_DATE + 90")
    day = db.value("SELECT ends::text FROM ai.models WHERE overridden")
    assert db.value(warning) == f"the model openai/stub can be asked until {day}, for 90 more days"
    db.sql("UPDATE ai.model_override SET ends = CURRENT_DATE - 1")
    assert "could be asked until" in db.value(warning)


def test_what_is_known_of_models_is_complete(counting):
    """Each has a source and a date, and no name twice."""
    db = counting().db
    facts = db.sql("SELECT model, source, as_of, usd_per_million_tokens, ends FROM ai._model_fact")
    assert len(facts) > 40 and len({model for model, *_ in facts}) == len(facts)
    assert all("/" in model and source.startswith("https://") and as_of for model, source, as_of, *_ in facts)
    assert all(price is not None or ends for *_, price, ends in facts)
