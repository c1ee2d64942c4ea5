"""Providers that throttle, fail and answer garbage: nothing wrong is written, nothing is lost."""

import math

import pytest
from support import vectorizer
from support.cluster import Cluster
from support.limit import Limit
from support.stub import Stub
from support.wait import eventually, settles

ROWS = 40
# Of a failure that passes, and of one that does not: what the stub does, and which error is recorded.
PASSING = {
    "429 with Retry-After": ({"status": 429, "headers": {"Retry-After": "1"}}, []),
    "429 without": ({"status": 429}, []),
    "503 with Retry-After": ({"status": 503, "headers": {"Retry-After": "0"}}, []),
    "500": ({"status": 500}, []),
    "502": ({"status": 502}, []),
    "no answer": ({"spoil": "hang"}, []),
    "half an answer": ({"spoil": "slow"}, []),
    "connection reset": ({"spoil": "reset"}, []),
    "body cut short": ({"spoil": "truncate"}, []),
    "JSON cut short": ({"spoil": "broken"}, []),
    "no JSON": ({"spoil": "garbage"}, []),
    "a vector too few": ({"spoil": "count"}, []),
    "other dimensions": ({"spoil": "dimensions"}, []),
    "an index twice": ({"spoil": "duplicate_index"}, []),
    "another order": ({"spoil": "reverse"}, []),
    # One input's matter: the others are written, this one is tried again.
    "not a number": ({"spoil": "nan"}, ["bad_response"]),
}
# Whether a row pays for it with an attempt, and whether the provider is soon tried again.
LASTING = {
    "429 with Retry-After": ({"status": 429, "headers": {"Retry-After": "3600"}}, "throttled", False, False),
    "503 with Retry-After": ({"status": 503, "headers": {"Retry-After": "3600"}}, "throttled", False, False),
    "401": ({"status": 401}, "provider_refused_key", False, False),
    "400": ({"status": 400}, "request_refused", False, False),
    "500": ({"status": 500}, "provider_unavailable", False, True),
    "502": ({"status": 502}, "provider_unavailable", False, True),
    "no answer": ({"spoil": "hang"}, "provider_unavailable", False, True),
    "half an answer": ({"spoil": "slow"}, "provider_unavailable", False, True),
    "connection reset": ({"spoil": "reset"}, "provider_unavailable", False, True),
    "JSON cut short": ({"spoil": "broken"}, "provider_unavailable", False, True),
    "no JSON": ({"spoil": "garbage"}, "bad_response", False, True),
    "a vector too few": ({"spoil": "count"}, "bad_response", False, True),
    # One input's matter.
    "not a number": ({"spoil": "nan"}, "bad_response", True, True),
}


@pytest.fixture(scope="module")
def impatient(bindir, workdir, server_env):
    """A cluster that waits for no answer for long, and whose rows are tried as often as need be."""
    conf = {
        "pgai_rs.embedding_max_inputs": "5",
        "pgai_rs.embedding_timeout": "3s",
        "pgai_rs.embedding_backoff": "10ms",
        "pgai_rs.embedding_retries": "3",
        "pgai_rs.retry_backoff": "100ms",
        "pgai_rs.retry_backoff_max": "1s",
        "pgai_rs.max_retries": "1000",
    }
    cluster = Cluster(bindir, workdir / "impatient", conf=conf, env=server_env).create()
    try:
        yield cluster.start()
    finally:
        cluster.remove()


@pytest.fixture
def source(impatient, request):
    """A database whose source has one row."""
    database = impatient.create_database(f"faults_{abs(hash(request.node.name))}")
    try:
        database.sql("CREATE EXTENSION pgai_rs CASCADE")
        database.sql("CREATE TABLE document (id int PRIMARY KEY, body text); INSERT INTO document VALUES (0, 'row 0')")
        yield database
    finally:
        database.drop()


def add_rows(db) -> None:
    db.sql(f"INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, {ROWS}) i")


def codes(db) -> list[str]:
    return [code for [code] in db.sql("SELECT DISTINCT details ->> 'code' FROM ai.vectorizer_errors ORDER BY 1")]


@pytest.mark.parametrize("fault, recorded", PASSING.values(), ids=PASSING)
def test_what_passes_is_waited_out(source, stub, fault, recorded):
    vectorizer.create(source, stub.url)
    vectorizer.in_step(source, ["id"])
    stub.fail(2, **fault)
    add_rows(source)
    vectorizer.in_step(source, ["id"])
    assert codes(source) == recorded
    assert source.sql("SELECT * FROM ai._vectorizer_q_failed_1") == []


@pytest.mark.parametrize("fault, code, costs, soon", LASTING.values(), ids=LASTING)
def test_what_lasts_is_tried_again_and_said(source, stub, fault, code, costs, soon):
    stub.fail(math.inf, **fault)
    vectorizer.create(source, stub.url)
    settles(lambda: codes(source), [code])
    attempts = "SELECT attempts FROM ai._vectorizer_work_1 WHERE lease IS NULL"
    [[spent]] = eventually(lambda: source.sql(attempts), what="the row to be given back")
    assert (spent > 0) == costs
    assert source.sql("SELECT * FROM document_embedding_store") == []
    if soon:
        stub.heal()
        vectorizer.in_step(source, ["id"])


def test_limits_are_learned_from_the_headers(cluster_factory, stub):
    # With all the time that an answer may take: who does not wait for it asks anew, and both are counted by the limit.
    source = cluster_factory(conf={"pgai_rs.embedding_max_inputs": "5"}).create_database("limits")
    source.sql("CREATE EXTENSION pgai_rs CASCADE")
    source.sql("CREATE TABLE document (id int PRIMARY KEY, body text); INSERT INTO document VALUES (0, 'row 0')")
    # Whoever asks for more than is left would have to wait for an hour.
    stub.limit = Limit(burst=2, per_second=2, retry_after=3600)
    vectorizer.create(source, stub.url)
    vectorizer.in_step(source, ["id"])
    add_rows(source)
    vectorizer.in_step(source, ["id"])
    assert stub.limit.refused == 0


def test_a_limit_that_is_not_told_costs_no_attempts(source, stub):
    stub.limit = Limit(burst=2, per_second=10, headers=False, retry_after=0.1)
    with stub.held():
        vectorizer.create(source, stub.url)
        add_rows(source)
        eventually(lambda: stub.waiting >= 3, what="more requests at once than are taken")
    vectorizer.in_step(source, ["id"])
    assert stub.limit.refused > 0
    assert codes(source) == []


def test_an_outage_leaves_the_other_vectorizers_alone(source, stub):
    source.sql("CREATE TABLE other (id int PRIMARY KEY, body text)")
    down = Stub()
    try:
        with down.held():
            vectorizer.create(source, down.url, "other")
            source.sql("INSERT INTO other SELECT i, 'row ' || i FROM generate_series(1, 1000) i")
            eventually(lambda: down.waiting > 0, what="a request that nobody answers")
            vectorizer.create(source, stub.url)
            add_rows(source)
            settled = lambda: len(vectorizer.stored(source, ["id"])) == ROWS + 1  # noqa: E731
            eventually(settled, what="the healthy vectorizer's rows")
            assert source.sql("SELECT * FROM other_embedding_store") == []
        vectorizer.in_step(source, ["id"], source="other", store="other_embedding_store")
    finally:
        down.close()
